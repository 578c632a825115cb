"""Characters that were replaced by others: what the text itself says should stand there.

A wrong character of recognition, of a typist or of a site that spoils its own pages against
copying is a usual character; no list finds it. But a text repeats itself: where 孙行者 stands a
hundred times and 孙竿者 once, and neither 孙竿 nor 竿者 anywhere else, 竿 is not what was written.
Only such places are counted, of all places between the same two neighbours, so that the share
needs no dictionary, no other text and no language model.

Of 34 novels, 48,000 characters each, 0.6 to 2.0 % are such places (a writer also says a thing
once); of characters that are replaced at random about seven tenths are added, up to a tenth of
the text (`tests/benchmarks/substitutions.py`).
"""

import math

import numpy as np

# How often the same three characters must stand in a text to say what belongs between two.
TIMES = 4
# ... and of all that stands between the two, how much they must be.
USUAL = 0.5
# With fewer places to look at, a share would be chance.
FEWEST_PLACES = 150
# Code points below this fit: three of them into 63 bits.
_BITS = 21


def substituted_share(text: str) -> float:
    """The share of hanzi that fit neither neighbour where the text says what should stand there.

    0 to 1; NaN of a text that repeats too little to tell (`FEWEST_PLACES`), usually one of under
    20,000 characters.
    """
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.int64)
    if len(points) < 3:
        return math.nan
    pairs = points[:-1] << _BITS | points[1:]
    _, of_pair, times = np.unique(pairs, return_inverse=True, return_counts=True)
    once = times[of_pair] == 1
    strange = once[:-1] & once[1:]
    hanzi = (points >= 0x4E00) & (points <= 0x9FFF)
    inside = hanzi[:-2] & hanzi[1:-1] & hanzi[2:]
    # The two outer characters first: what stands between the same two lies side by side.
    triples = (pairs[:-1] >> _BITS << _BITS | points[2:]) << _BITS | points[1:-1]
    kinds, of_triple, times = np.unique(triples[inside], return_inverse=True, return_counts=True)
    if not len(kinds):
        return math.nan
    odd = np.zeros(len(kinds), dtype=bool)
    odd[of_triple] = strange[inside]
    starts = np.flatnonzero(np.diff(kinds >> _BITS, prepend=-1))
    total = np.add.reduceat(times, starts)
    most = np.maximum.reduceat(times, starts)
    # A kind that stands once is odd or not; others are never odd, as their pairs stand twice.
    substituted = np.add.reduceat((odd & (times == 1)).astype(np.int64), starts)
    telling = (most >= TIMES) & (most >= USUAL * total)
    if (places := int(total[telling].sum())) < FEWEST_PLACES:
        return math.nan
    return float(substituted[telling].sum()) / places
