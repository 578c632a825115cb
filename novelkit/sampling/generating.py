"""A prompt to a stream of text: one continuation, or several beside each other."""

import contextlib
from collections.abc import Generator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from novelkit.copying import SuffixArray
from novelkit.errors import InputError
from novelkit.model import LanguageModel
from novelkit.sampling.choosing import Chooser, Past
from novelkit.sampling.config import SamplingConfig
from novelkit.sampling.context_window import ContextWindow, Guide
from novelkit.sampling.decoder import Decoder, DecoderCache, make_decoder
from novelkit.sampling.pairs import advance, open_marks
from novelkit.sampling.stopping import cut_at, most_characters
from novelkit.sampling.tokens import TokenTexts, token_texts
from novelkit.tokenizing.interface import Stream, Tokenizer

# Characters before the next token that a rule may look back at: `no_copy` takes 40 at most.
_REACH = 64


@dataclass(frozen=True)
class Alternative:
    """A token that could have come, with the model's own probability of it."""

    text: str
    token: int
    probability: float


@dataclass(frozen=True)
class Piece:
    """One decided token: the text that became certain with it, and how likely the model held it.

    `probability` and `rank` (1 is the most probable) are those of the model itself, before
    penalties, temperature and cuts, as are the alternatives, most probable first.
    """

    text: str
    token: int
    probability: float
    rank: int
    alternatives: tuple[Alternative, ...] = ()


def generate(
    model: LanguageModel | Decoder,
    tokenizer: Tokenizer,
    prompt: str,
    config: SamplingConfig,
    guide: Guide | None = None,
    *,
    training: SuffixArray | None = None,
    alternatives: int = 0,
) -> Generator[Piece, None, None]:
    """Continue `prompt`: yields pieces as they are decided, about `config.length` characters.

    A `guide` stays in sight: a header (for models that were trained with headers), a memory and an
    author's note. `training` is the text for `config.no_copy`. Ends at the end-of-text token, or
    where `config.stop_at` says. Past the context limit it goes on from a recent sentence. Raises
    `InputError` for a prompt without characters or a model and a tokenizer of different
    vocabularies.
    """
    for _, piece in generate_candidates(
        model, tokenizer, prompt, config, guide, training=training, alternatives=alternatives
    ):
        yield piece


def generate_candidates(
    model: LanguageModel | Decoder,
    tokenizer: Tokenizer,
    prompt: str,
    config: SamplingConfig,
    guide: Guide | None = None,
    *,
    count: int = 1,
    training: SuffixArray | None = None,
    alternatives: int = 0,
) -> Generator[tuple[int, Piece], None, None]:
    """`count` continuations of one prompt, written together: (which one, its next piece).

    Number i is drawn with seed `config.seed` + i, and is the text that `generate` writes with that
    seed: up to the rounding of sums, which a batch may add up in another order.
    """
    decoder = make_decoder(model) if isinstance(model, LanguageModel) else model
    _refuse(decoder, tokenizer, prompt, count)
    texts = token_texts(tokenizer)
    window = ContextWindow(tokenizer, texts, decoder.n_ctx, guide or Guide())
    chooser = Chooser(tokenizer, texts, config, training)
    tokens = window.encode(prompt)
    rows = [
        _Row(number, Past(list(tokens), prompt, open_marks(prompt)), tokenizer, config)
        for number in range(count)
    ]
    reader = _Reader(decoder, window, config)
    logits = reader.begin(rows)
    while rows:
        drawn = chooser.draw(logits, [row.past for row in rows], [row.random for row in rows])
        scores = _scores(logits, drawn, alternatives)
        for row, token, score in zip(rows, drawn, scores, strict=True):
            text = row.push(token)
            # The end itself is no text, but it lets go of bytes that were held back.
            if text or not row.ended:
                yield row.number, _piece(text, token, score, texts)
        going_on = [place for place, row in enumerate(rows) if not row.over]
        if len(going_on) < len(rows):
            rows = [rows[place] for place in going_on]
            reader.keep(going_on)
        logits = reader.next(rows) if rows else logits


def _refuse(decoder: Decoder, tokenizer: Tokenizer, prompt: str, count: int) -> None:
    if not prompt.strip():
        raise InputError("提示文字里没有字：请写几个字的开头，模型才知道从哪里续写。")
    if len(tokenizer) != decoder.vocabulary:
        raise InputError(
            f"模型有 {decoder.vocabulary} 个编号，tokenizer 有 {len(tokenizer)} 个："
            "两者不是一起训练的，续写会是乱码。请用模型文件夹里的 tokenizer。"
        )
    if not 1 <= count <= 64:
        raise InputError(f"count 是 {count}，可用的范围是 1 到 64：请改一下再续写。")


@dataclass
class _Row:
    """One continuation: what stands before its next token, and whether it is over."""

    number: int
    past: Past
    tokenizer: Tokenizer
    config: SamplingConfig
    written: str = ""
    drawn: int = 0
    ended: bool = False
    over: bool = False
    random: torch.Generator = field(init=False)
    _stream: Stream = field(init=False)
    _waiting: str = field(init=False)  # what was open before the first new character
    # The end of the text, and what is open there, without a character that is held back.
    _end: str = field(init=False)
    _open: str = field(init=False)
    _reach: int = field(init=False)
    _bytes: bytes = b""  # of a run of byte tokens

    def __post_init__(self) -> None:
        self.random = torch.Generator().manual_seed((self.config.seed + self.number) % 2**63)
        self._stream, self._waiting = self.tokenizer.stream(), self.past.waiting
        # All that rules look back at; a manuscript may be a whole novel.
        self._reach = max([_REACH, *map(len, self.config.banned_phrases)])
        self._end, self._open = self.past.text[-self._reach :], self.past.waiting
        if self._has_bytes:
            self.past.spelled = _completing(b"", self.tokenizer.byte_ids)

    def push(self, token: int) -> str:
        """Add a token; returns the text that became certain and belongs to the continuation."""
        tokenizer, stream = self.tokenizer, self._stream
        self.drawn += 1
        self.past.tokens.append(token)
        text = stream.push(token)
        is_chapter = token == tokenizer.chapter
        self.ended = token == tokenizer.end_of_text or (
            is_chapter and self.config.stop_at == "chapter"
        )
        # A new chapter stands apart from what comes before it.
        text += "\n" if is_chapter and not self.ended else ""
        if self.ended or self._is_enough(len(text) + stream.complete):
            text += stream.finish()
        cut = cut_at(self.written + text, self.config, self._waiting)
        if cut is not None:
            text = text[: max(0, cut - len(self.written))]
        self.written += text
        self._update_past(token, text)
        self.over = self.ended or cut is not None or self._is_enough(0)
        return text

    def _update_past(self, token: int, text: str) -> None:
        """What rules look at: the text with a character that is spelled in full and held back."""
        self._end = (self._end + text)[-self._reach :]
        self._open = advance(self._open, text)
        tokenizer, past = self.tokenizer, self.past
        if self.config.rare_characters and token in tokenizer.byte_ids:
            self._bytes += bytes([token - tokenizer.byte_ids.start])
        else:
            self._bytes = b""
        held = self._bytes.decode("utf-8", errors="ignore") if self._stream.complete else ""
        past.text, past.waiting = self._end + held, advance(self._open, held)
        past.spelled = _completing(self._bytes, tokenizer.byte_ids) if self._has_bytes else {}

    @property
    def _has_bytes(self) -> bool:
        return self.config.rare_characters and len(self.tokenizer.byte_ids) > 0

    def _is_enough(self, more: int) -> bool:
        """Whether so many more characters are all; one spelled in bytes takes up to four tokens."""
        most = most_characters(self.config)
        return len(self.written) + more >= most or self.drawn >= 4 * most


class _Reader:
    """Feeds tokens to the model, and begins again from the recent text when a cache is full.

    The rows read one prompt together. Later each begins again at a sentence of its own, with those
    that happen to be as long.
    """

    def __init__(self, decoder: Decoder, window: ContextWindow, config: SamplingConfig) -> None:
        self._decoder, self._window = decoder, window
        self._new = most_characters(config)
        # Caches, and which rows each of them holds.
        self._groups: list[tuple[DecoderCache, list[int]]] = []

    def begin(self, rows: list[_Row]) -> Tensor:
        """Logits (B, V) after the prompt, float32 on the CPU."""
        cache = self._decoder.new_cache()
        placed = self._window.place(rows[0].past.tokens, self._new)
        logits = self._decoder.read(torch.tensor([placed]), cache).cpu()
        if len(rows) > 1:
            cache.repeat(len(rows))
        self._groups = [(cache, list(range(len(rows))))]
        return logits.repeat(len(rows), 1)

    def next(self, rows: list[_Row]) -> Tensor:
        """Logits (B, V) after the last token of every row."""
        logits = torch.empty(len(rows), self._decoder.vocabulary)
        groups = []
        for cache, members in self._groups:
            if cache.length < self._decoder.n_ctx:
                new = torch.tensor([[rows[row].past.tokens[-1]] for row in members])
                logits[members] = self._decoder.read(new, cache).cpu()
                groups.append((cache, members))
                continue
            placed: dict[int, list[tuple[int, list[int]]]] = {}
            for row in members:
                tokens = self._window.place(rows[row].past.tokens, self._left(rows[row]))
                placed.setdefault(len(tokens), []).append((row, tokens))
            for same in placed.values():
                numbers, read = [row for row, _ in same], torch.tensor([item for _, item in same])
                again = self._decoder.new_cache()
                again.repeat(len(same))
                logits[numbers] = self._decoder.read(read, again).cpu()
                groups.append((again, numbers))
        self._groups = groups
        return logits

    def keep(self, rows: list[int]) -> None:
        """Only these rows go on, numbered as they stand here."""
        numbers = {row: number for number, row in enumerate(rows)}
        groups = []
        for cache, members in self._groups:
            kept = [place for place, row in enumerate(members) if row in numbers]
            if not kept:
                continue
            if len(kept) < len(members):
                cache.keep(kept)
            groups.append((cache, [numbers[members[place]] for place in kept]))
        self._groups = groups

    def _left(self, row: _Row) -> int:
        return max(1, self._new - len(row.written))


def _completing(held: bytes, byte_ids: range) -> dict[int, str]:
    """The byte tokens that complete a character after the bytes of a run, and the character."""
    # Of the run only what is no whole character yet matters.
    rest = held[len(held.decode("utf-8", errors="ignore").encode("utf-8")) :]
    found = {}
    for value, token in enumerate(byte_ids):
        with contextlib.suppress(UnicodeDecodeError):
            found[token] = (rest + bytes([value])).decode("utf-8")
    return found


def _scores(
    logits: Tensor, drawn: list[int], alternatives: int
) -> list[tuple[float, int, list[float], list[int]]]:
    """The model's probability of each token, its rank from 1, and the most probable others."""
    shares = logits.softmax(dim=-1)
    rows = range(len(drawn))
    own = [float(shares[row, token]) for row, token in zip(rows, drawn, strict=True)]
    chosen = logits[list(rows), drawn] if len(drawn) > 1 else logits[0, drawn]
    ranks = ((logits > chosen[:, None]).sum(dim=-1) + 1).tolist()
    if not alternatives:
        return [(*item, [], []) for item in zip(own, ranks, strict=True)]
    likely, tokens = shares.topk(min(alternatives, logits.size(-1)), dim=-1)
    return list(zip(own, ranks, likely.tolist(), tokens.tolist(), strict=True))


def _piece(
    text: str, token: int, score: tuple[float, int, list[float], list[int]], texts: TokenTexts
) -> Piece:
    probability, rank, likely, tokens = score
    others = tuple(
        Alternative(texts[other], other, value) for other, value in zip(tokens, likely, strict=True)
    )
    return Piece(text, token, probability, rank, others)
