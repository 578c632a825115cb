"""What a text costs under a model: every token scored once, each with enough context before it.

A window of `n_ctx` tokens slides over the text by `stride` tokens, and of each window only what
is new is scored. So every token but the first few has at least `n_ctx - stride` tokens before it:
a stride as long as the window is fast and forgets all at each border, a short one is slow and
close to what the model can do.

What stands before the first token is part of the measure: here the tokenizer's start-of-book token,
which is context and never scored. A text from the middle of a book so costs a little more at its
beginning than it does in its place.

A model is any function from ids, int64 of shape (B, T), to logits or log-probabilities of shape
(B, T, V), NumPy or torch; it must be in evaluation mode:

    score_text(lambda ids: model(torch.from_numpy(ids)), tokenizer, text, Windows(n_ctx=256))
    score_text(lambda ids: hugging_face(torch.from_numpy(ids)).logits, ...)
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np

from novelkit.errors import InputError, WorkError
from novelkit.scores.alignment import count_spelled, spread_over_characters
from novelkit.scores.units import bits_per_character

Model = Callable[[np.ndarray], Any]
Progress = Callable[[int, int], None]

# About two paragraphs: long enough that neighbours hardly depend on one another, and a chapter
# still has a dozen of them to draw from.
PASSAGE_CHARACTERS = 200


class Encoder(Protocol):
    """The part of a tokenizer that scoring needs; `novelkit.tokenizing` has whole ones.

    With `stream()`, or with `vocabulary`, `byte_ids` and `decode`, it tells which characters a
    token spells; `book` is the id that stands before a text unless another is given.
    """

    def encode(self, text: str) -> Any:
        """Ids of the text, of shape (tokens,), without special tokens."""


@dataclass(frozen=True)
class Windows:
    """How a text longer than a model reads is cut, and how many windows go through at a time.

    The logits of a batch, (batch_size, n_ctx, V), are the memory that scoring takes.
    """

    n_ctx: int
    stride: int | None = None  # new tokens a window; None is half of n_ctx
    batch_size: int = 8

    def __post_init__(self) -> None:
        if self.n_ctx < 1 or self.batch_size < 1:
            raise ValueError(f"n_ctx and batch_size must be positive, got {self}")
        if not 1 <= self.step <= self.n_ctx:
            raise ValueError(f"stride must be from 1 to n_ctx = {self.n_ctx}, got {self.stride}")

    @property
    def step(self) -> int:
        """The stride that is used."""
        return max(1, self.n_ctx // 2) if self.stride is None else self.stride

    def cut(self, targets: int) -> Iterator[tuple[int, int, int]]:
        """Begin of a window's inputs, the first target that it scores, and their common end.

        Target i is the token after input i. All windows are full but that of a short text.
        """
        scored = 0
        while scored < targets:
            end = min(targets, scored + self.step if scored else self.n_ctx)
            yield max(0, end - self.n_ctx), scored, end
            scored = end


@dataclass(frozen=True, eq=False)
class TextScore:
    """What a text costs under a model, in nats; bits per character compares models.

    The text falls into passages of equal length (the last may be shorter), from which an interval
    can be drawn. `character_nats` is there only if it was asked for.
    """

    nats: float
    characters: int
    tokens: int
    passage_nats: np.ndarray  # (passages,), float64
    passage_characters: np.ndarray  # (passages,), int64
    character_nats: np.ndarray | None = None  # (characters,), float64

    @property
    def bits_per_character(self) -> float:
        return bits_per_character(self.nats_per_token, self.tokens, self.characters)

    @property
    def nats_per_token(self) -> float:
        return self.nats / self.tokens


def score_text(
    model: Model,
    tokenizer: Encoder,
    text: str,
    windows: Windows,
    *,
    start: int | None = None,
    passage_characters: int = PASSAGE_CHARACTERS,
    each_character: bool = False,
    progress: Progress | None = None,
) -> TextScore:
    """Nats of the whole text, however its characters are spelled in tokens.

    `start` is the id before the first token, by default `tokenizer.book`. A character in several
    tokens costs their sum; a token of several characters costs each of them an equal share. Where
    the tokenizer cannot tell which characters a token spells, the text is one passage. Raises
    `InputError` for an empty text and for one that the tokenizer does not give back whole.
    `progress(done, total)` counts tokens.
    """
    if not text:
        raise InputError("要打分的文本是空的：请检查文件，或换一段文本。")
    if passage_characters < 1:
        raise ValueError(f"passage_characters must be positive, got {passage_characters}")
    ids = np.asarray(tokenizer.encode(text), dtype=np.int64)
    spelled = count_spelled(tokenizer, ids, text)
    if each_character and spelled is None:
        raise ValueError("the tokenizer does not tell which characters a token spells")
    first = _start_of(tokenizer, start)
    nats = score_tokens(model, np.append(np.int64(first), ids), windows, progress)
    costs = None if spelled is None else spread_over_characters(nats, spelled)
    passages, lengths = _sum_passages(nats, costs, passage_characters, len(text))
    return TextScore(
        nats=float(nats.sum()),
        characters=len(text),
        tokens=len(ids),
        passage_nats=passages,
        passage_characters=lengths,
        character_nats=costs if each_character else None,
    )


def score_tokens(
    model: Model, ids: np.ndarray, windows: Windows, progress: Progress | None = None
) -> np.ndarray:
    """Nats of every token but the first, float64 of shape (len(ids) - 1,).

    For ids that no text gives, as those of a DATA folder with its special tokens.
    """
    ids = np.asarray(ids, dtype=np.int64)
    if ids.ndim != 1 or len(ids) < 2:
        raise InputError("只有不到两个词元，没有可以预测的下一个：请换更长的文本。")
    nats = np.empty(len(ids) - 1)
    cuts = windows.cut(len(nats))
    while batch := list(islice(cuts, windows.batch_size)):
        inputs = np.stack([ids[begin:end] for begin, _, end in batch])
        logits = _run(model, inputs)
        for row, (begin, scored, end) in zip(logits, batch, strict=True):
            targets = ids[scored + 1 : end + 1]
            nats[scored:end] = _cost(row[scored - begin :], targets)
        _refuse_nan(nats[batch[0][1] : batch[-1][2]])
        if progress:
            progress(batch[-1][2], len(nats))
    return nats


def _start_of(tokenizer: Encoder, start: int | None) -> int:
    start = getattr(tokenizer, "book", None) if start is None else start
    if start is None:
        raise ValueError("the tokenizer has no start-of-book token: give `start`")
    return start


def _run(model: Model, inputs: np.ndarray) -> Any:
    """Logits of shape (B, T, V), on whatever device and of whatever library the model has."""
    with _without_gradients():
        logits = model(inputs)
    shape = tuple(logits.shape)
    if len(shape) != 3 or shape[:2] != inputs.shape:
        raise ValueError(f"for ids {inputs.shape} the model returned {shape}, not (B, T, V)")
    return logits


def _without_gradients() -> AbstractContextManager[Any]:
    """Torch keeps what a gradient would need unless told; not imported for a model without it."""
    torch = sys.modules.get("torch")
    return torch.no_grad() if torch else nullcontext()


def _cost(logits: Any, targets: np.ndarray) -> np.ndarray:
    """-ln p of each target, float64; `logits` of shape (targets, V) may be log-probabilities."""
    if targets.max() >= logits.shape[1]:
        raise InputError(
            f"编号 {int(targets.max())} 超出了模型的词表（{logits.shape[1]} 项）："
            "分词器和模型不是一套，请用模型文件夹里的分词器。"
        )
    if isinstance(logits, np.ndarray):
        logits = logits.astype(np.float64)
        logits = logits - logits.max(axis=1, keepdims=True)
        chosen = np.take_along_axis(logits, targets[:, None], axis=1)[:, 0]
        return np.log(np.exp(logits).sum(axis=1)) - chosen
    import torch

    # Half precision would round a cost to a hundredth; mps has no float64.
    logits = logits.detach().float()
    places = torch.from_numpy(targets).to(logits.device)[:, None]
    nats = logits.logsumexp(dim=1) - logits.gather(1, places)[:, 0]
    return nats.cpu().numpy().astype(np.float64)


def _refuse_nan(nats: np.ndarray) -> None:
    if np.isnan(nats).any():
        raise WorkError(
            "模型输出了 NaN，分数算不出来：权重可能已经发散，请换一个较早的检查点，或改用 float32。"
        )


def _sum_passages(
    nats: np.ndarray, costs: np.ndarray | None, length: int, characters: int
) -> tuple[np.ndarray, np.ndarray]:
    """Nats and characters of each passage; one for all where characters have no cost."""
    if costs is None:
        return np.array([nats.sum()]), np.array([characters])
    starts = np.arange(0, characters, length)
    return np.add.reduceat(costs, starts), np.diff(np.append(starts, characters))
