"""A model to start from: found, opened, and made to fit the data and the machine.

`open_model` gives it as it is. `start_from` puts the four steps in their order: open, exchange the
vocabulary (`transplant.py`), choose the context (`context.py`), add adapters (`lora.py`).
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from novelkit.model.causal import CausalCache, load_causal
from novelkit.model.context import fit_context
from novelkit.model.folder import computes_our_gpt2, load_model, read_config
from novelkit.model.gpt2 import GPT2, Cache
from novelkit.model.hub import Source, find_model
from novelkit.model.interface import LanguageModel
from novelkit.model.lora import LoraSettings, add_lora
from novelkit.model.transplant import TransplantReport, fit_vocabulary
from novelkit.tokenizing.interface import Tokenizer


@dataclass(frozen=True)
class OpenedModel:
    """A model and where it came from."""

    model: LanguageModel
    source: Source


@dataclass(frozen=True)
class Start:
    """A model that is ready to be trained, and what was done to it."""

    model: LanguageModel
    source: Source
    vocabulary: TransplantReport | None  # None where nothing had to change
    notes: tuple[str, ...]  # Chinese, one line each
    lora: LoraSettings | None = None

    def as_dict(self) -> dict[str, object]:
        """What a run records of its beginning, enough to begin in the same way again."""
        return {
            "name": self.source.name,
            "revision": self.source.revision,
            "n_ctx": self.model.config.n_ctx,
            "lora": asdict(self.lora) if self.lora else None,
            "notes": list(self.notes),
        }


def open_model(
    name: str | Path, device: str = "cpu", progress_bar: type | None = None
) -> OpenedModel:
    """Open a model folder, or a model of the Hub (`name` or `name@revision`), in float32.

    A GPT-2 whose computation is ours becomes a `GPT2`, anything else a `CausalLM`. Raises
    `InputError` for a model that is not there or cannot be used, `WorkError` for a network that
    gave up.
    """
    source = find_model(name, progress_bar)
    config = read_config(source.folder)
    if computes_our_gpt2(config):
        model: LanguageModel = load_model(source.folder)
    else:
        model = load_causal(source.folder, config)
    return OpenedModel(model.to(device), source)


def new_cache(model: LanguageModel, batch: int = 1) -> Cache | CausalCache:
    """An empty cache of keys and values for `model(ids, cache)`; its `length` is in tokens."""
    return Cache(model, batch) if isinstance(model, GPT2) else CausalCache()


def start_from(
    name: str | Path,
    tokenizer: Tokenizer,
    *,
    n_ctx: int | None = None,
    interpolate: bool = False,
    lora: LoraSettings | None = None,
    counts: np.ndarray | None = None,
    seed: int = 0,
    progress_bar: type | None = None,
) -> Start:
    """Open a model and make it read the ids of `tokenizer`, in blocks of `n_ctx` tokens.

    `counts` are how often each id stands in the training text, for the report. The same
    arguments give the same weights, adapters included if PyTorch was seeded before.
    """
    opened = open_model(name, progress_bar=progress_bar)
    model, folder = opened.model, opened.source.folder
    vocabulary = fit_vocabulary(model, folder, tokenizer, counts=counts, seed=seed)
    context = fit_context(model, n_ctx, interpolate=interpolate)
    notes = [vocabulary.describe() if vocabulary else "", context]
    if lora:
        exchanged = vocabulary is not None and not vocabulary.identical
        notes.append(add_lora(model, lora, train_embeddings=exchanged).describe())
    told = tuple(note for note in notes if note)
    return Start(model, opened.source, vocabulary, told, lora)
