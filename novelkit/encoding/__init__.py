"""Stage 02: bytes to text, with the evidence for the encoding.

Covers UTF-8, UTF-16 and UTF-32 (with and without a byte order mark), GB2312/GBK/GB18030 (answered
as gb18030, which contains the other two), the Big5 family, HZ and ASCII, each also with damaged
bytes and a cut tail, files of several encodings, and the reversal of mojibake. The decision is
made by looking at what each codec makes of the bytes: a wrong codec yields rare, private or
undecodable characters where the right one yields the few thousand of any Chinese text.

Does not cover scripts other than Chinese and Latin: those bytes are still decoded by the best
candidate, and the evidence and the confidence show how badly it fits.
"""

from novelkit.encoding.candidates import Candidate
from novelkit.encoding.decoding import Segment
from novelkit.encoding.detection import Detection, decode, decode_stream, detect
from novelkit.encoding.frequencies import COMMON_HANZI
from novelkit.encoding.mojibake import Repair, Stretch, repair, repair_stream
from novelkit.encoding.witnesses import ask_chardet

__all__ = [
    "COMMON_HANZI",
    "Candidate",
    "Detection",
    "Repair",
    "Segment",
    "Stretch",
    "ask_chardet",
    "decode",
    "decode_stream",
    "detect",
    "repair",
    "repair_stream",
]
