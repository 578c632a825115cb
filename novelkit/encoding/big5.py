"""Which of the two large variants of Big5 a file is in: cp950 (Windows) or Big5-HKSCS.

big5hkscs contains nearly all of cp950 and thousands of hanzi more. They differ in eleven symbols
(～ or ∼, ‧ or •) and in the ETEN rows C6A1 to C7FC. Plain Big5 is a part of both.
"""

from novelkit.encoding.decoding import CountingDecoder
from novelkit.encoding.likelihood import total_gain
from novelkit.encoding.sources import ByteSource

_SLICE = 1024
_CLEAR_LEAD = 15.0  # nats, for a variant of which the file shows no character that is its own


def choose_variant(source: ByteSource) -> str:
    """The variant that makes more of the whole file.

    Where both read everything, the likelier characters win, and on a tie the smaller code, as the
    file needed no extension.
    """
    large, small = CountingDecoder("big5hkscs"), CountingDecoder("cp950")
    lead = 0.0
    for _, data in source.chunks(0, source.size):
        for start in range(0, len(data), _SLICE):
            piece = data[start : start + _SLICE]
            first, second = large.decode(piece), small.decode(piece)
            if first != second:
                lead += total_gain(first, "pair") - total_gain(second, "pair")
    large.decode(b"", final=True)
    small.decode(b"", final=True)
    if large.damage == small.damage == 0:
        return "big5hkscs" if lead > _CLEAR_LEAD else "cp950"
    return "big5hkscs" if large.damage <= small.damage else "cp950"
