"""Loss in nats and bits per character, and the anchors that make a loss readable.

"The loss is 3" means nothing alone. Against the loss of a uniform guess, of counted characters,
bigrams, trigrams and 5-grams and of a compressor on the same held-out text it does.

    units.py       bits per character, which compares models whose tokens differ; a running median
    ngrams.py      counts of n-grams, smoothed as well as counts can be (modified Kneser-Ney)
    anchors.py     all reference losses of a text, given the training text
    texts.py       what a text costs under a model: every token once, with enough context
    repetition.py  how much a text repeats itself
    substitutions.py  how many of its characters were replaced by others
    alignment.py   which characters a token spells, and so what a character costs
"""

from novelkit.scores.anchors import (
    ANCHOR_CHARACTERS,
    ANCHOR_NAMES,
    Anchors,
    compressor_loss,
    measure_anchors,
    read_evenly,
    sample_evenly,
)
from novelkit.scores.ngrams import UNSEEN_CHARACTERS, ngram_losses
from novelkit.scores.repetition import (
    distinct_share,
    longest_loop,
    most_repeated,
    repeated_share,
)
from novelkit.scores.substitutions import substituted_share
from novelkit.scores.texts import TextScore, Windows, score_text, score_tokens
from novelkit.scores.units import bits_per_character, running_median

__all__ = [
    "ANCHOR_CHARACTERS",
    "ANCHOR_NAMES",
    "UNSEEN_CHARACTERS",
    "Anchors",
    "TextScore",
    "Windows",
    "bits_per_character",
    "compressor_loss",
    "distinct_share",
    "longest_loop",
    "measure_anchors",
    "most_repeated",
    "ngram_losses",
    "read_evenly",
    "repeated_share",
    "running_median",
    "sample_evenly",
    "score_text",
    "score_tokens",
    "substituted_share",
]
