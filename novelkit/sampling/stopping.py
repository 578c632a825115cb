"""Where a continuation ends, and how much of its last piece still belongs to it."""

from novelkit.sampling.config import SamplingConfig
from novelkit.sampling.pairs import sentence_end

# Who asks for whole sentences or paragraphs gets at most so many characters more.
OVERRUN = {"length": 0, "chapter": 0, "sentence": 120, "paragraph": 400}


def most_characters(config: SamplingConfig) -> int:
    """How many characters a continuation has at most."""
    return config.length + OVERRUN[config.stop_at]


def cut_at(text: str, config: SamplingConfig, waiting: str = "") -> int | None:
    """How many characters of what was written belong to the continuation, if it is over.

    `waiting` are the quotation marks and brackets that were open before it.
    """
    most = most_characters(config)
    place = None
    if len(text) >= config.length:
        if config.stop_at == "sentence":
            place = sentence_end(text, config.length, waiting)
        elif config.stop_at == "paragraph":
            line = text.find("\n", config.length)
            place = line if line >= 0 else None
    if place is not None and place <= most:
        return place
    return most if len(text) >= most else None
