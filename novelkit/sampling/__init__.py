"""Stage 08: logits to a distribution, to the next token, to a stream of text.

cuts.py            temperature, top-k, top-p, min-p, typical: pure functions on logits
penalties.py       repetition, presence and frequency, no-repeat n-gram, DRY
bans.py            byte spellings, phrases, passages of the training text
pairs.py           quotation marks and brackets; where a sentence ends
config.py          `SamplingConfig`: all of these in one checked object
presets.py         such objects under names that a writer understands
choosing.py        their order, and the draw
context_window.py  what the model sees: header, memory, recent text, author's note
decoder.py         the model, one token at a time
linear.py          its layers in fp32, bf16 or int8
precision.py       which of these
stopping.py        where a continuation ends
generating.py      `generate`, and candidates that share a prompt
tokens.py          what the tokens of a vocabulary say
"""

from novelkit.sampling.bans import CopyBan, PhraseBan, forbid_sequences, forbid_tokens
from novelkit.sampling.choosing import Chooser, Past, next_token_probabilities
from novelkit.sampling.config import STOPS, SamplingConfig
from novelkit.sampling.context_window import ContextWindow, Guide, Part, View
from novelkit.sampling.cuts import (
    apply_temperature,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    keep_typical,
)
from novelkit.sampling.decoder import PRECISIONS, Decoder, make_decoder
from novelkit.sampling.generating import Alternative, Piece, generate, generate_candidates
from novelkit.sampling.pairs import Pairing, is_paired, open_marks, sentence_end
from novelkit.sampling.penalties import (
    forbid_repeated_ngrams,
    penalise_loops,
    penalise_presence,
    penalise_repetition,
)
from novelkit.sampling.precision import ChosenDecoder, choose_decoder
from novelkit.sampling.presets import DEFAULT_PRESET, PRESETS, Preset, preset_config
from novelkit.sampling.tokens import TokenTexts, token_texts

__all__ = [
    "DEFAULT_PRESET",
    "PRECISIONS",
    "PRESETS",
    "STOPS",
    "Alternative",
    "Chooser",
    "ChosenDecoder",
    "ContextWindow",
    "CopyBan",
    "Decoder",
    "Guide",
    "Pairing",
    "Part",
    "Past",
    "PhraseBan",
    "Piece",
    "Preset",
    "SamplingConfig",
    "TokenTexts",
    "View",
    "apply_temperature",
    "choose_decoder",
    "forbid_repeated_ngrams",
    "forbid_sequences",
    "forbid_tokens",
    "generate",
    "generate_candidates",
    "is_paired",
    "keep_min_p",
    "keep_top_k",
    "keep_top_p",
    "keep_typical",
    "make_decoder",
    "next_token_probabilities",
    "open_marks",
    "penalise_loops",
    "penalise_presence",
    "penalise_repetition",
    "preset_config",
    "sentence_end",
    "token_texts",
]
