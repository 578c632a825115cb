"""Stage 02: bytes to text, with the evidence for the encoding.

Covers UTF-8, UTF-16 and UTF-32 (with and without a byte order mark), GB2312/GBK/GB18030 (answered
as gb18030, which contains the other two), the Big5 family, HZ and ASCII, each also with damaged
bytes and a cut tail, and the reversal of mojibake. The decision is made by looking at what each
codec makes of the bytes: a wrong codec yields rare, private or undecodable characters where the
right one yields the few hundred characters that make up most of any Chinese text.

Does not cover files whose parts have different encodings, nor scripts other than Chinese and
Latin: those bytes are still decoded by the best candidate and the evidence shows its poor score.
"""

from novelkit.encoding.detection import Candidate, Detection, Segment, decode, detect
from novelkit.encoding.likelihood import COMMON_HANZI
from novelkit.encoding.mojibake import Repair, repair

__all__ = [
    "COMMON_HANZI",
    "Candidate",
    "Detection",
    "Repair",
    "Segment",
    "decode",
    "detect",
    "repair",
]
