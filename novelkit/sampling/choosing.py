"""Logits (B, V) to the next tokens (B,): every control of a `SamplingConfig`, in its order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from novelkit.copying import SuffixArray
from novelkit.errors import InputError
from novelkit.sampling.bans import CopyBan, PhraseBan, forbid_sequences
from novelkit.sampling.config import SamplingConfig
from novelkit.sampling.cuts import (
    MINUS_INFINITY,
    apply_temperature,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    keep_typical,
)
from novelkit.sampling.pairs import Pairing
from novelkit.sampling.penalties import (
    NO_TOKEN,
    forbid_repeated_ngrams,
    penalise_loops,
    penalise_presence,
    penalise_repetition,
)
from novelkit.sampling.tokens import TokenTexts
from novelkit.tokenizing.interface import Tokenizer


@dataclass
class Past:
    """What stands before the next token of one text."""

    tokens: list[int]
    text: str  # its end; also of a character that is spelled in full and not yet let go
    waiting: str = ""  # quotation marks and brackets that are open
    # Tokens that would complete a character which is spelled in bytes, and that character.
    spelled: Mapping[int, str] = field(default_factory=dict)


def next_token_probabilities(
    logits: Tensor, config: SamplingConfig, after_newline: Tensor | None = None
) -> Tensor:
    """Temperature and cuts: the distribution of the next token, (..., V) to (..., V).

    `after_newline` (...) says which rows begin a line, for `newline_top_p`.
    """
    logits = apply_temperature(logits.float(), config.temperature)
    logits = keep_top_k(logits, config.top_k)
    logits = keep_top_p(logits, _top_p(logits, config, after_newline))
    logits = keep_min_p(logits, config.min_p)
    return keep_typical(logits, config.typical_p).softmax(dim=-1)


def _top_p(logits: Tensor, config: SamplingConfig, after_newline: Tensor | None) -> float | Tensor:
    if config.newline_top_p == 0 or after_newline is None or not bool(after_newline.any()):
        return config.top_p
    usual = torch.full(logits.shape[:-1], float(config.top_p))
    return usual.masked_fill(after_newline, config.newline_top_p).unsqueeze(-1)


class Chooser:
    """Draws the next token of every text of a batch; the rows do not touch each other."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        texts: TokenTexts,
        config: SamplingConfig,
        training: SuffixArray | None = None,
    ) -> None:
        self._config, self._texts = config, texts
        self._config_of_best = config.changed(top_k=0)  # once the k best are taken
        self._looks_back = _looks_back(config)
        self._never = torch.zeros(len(tokenizer))
        self._never[_never_written(tokenizer, config)] = MINUS_INFINITY
        phrases = config.banned_phrases
        self._phrases = PhraseBan(phrases, texts) if phrases else None
        # The usual spelling of each, for tokenizers whose tokens may be parts of characters.
        self._spelled = [tokenizer.encode(phrase).tolist() for phrase in phrases]
        ends = tuple({tokenizer.end_of_text, tokenizer.chapter})
        self._pairing = Pairing(texts, ends) if config.close_pairs else None
        self._copies = None
        if config.no_copy:
            if training is None:
                raise InputError(
                    f"no_copy 是 {config.no_copy}，要有训练文本才能比较："
                    "请给出训练文本（DATA 里的 train.txt），或把 no_copy 设为 0。"
                )
            self._copies = CopyBan(training, config.no_copy, texts)
        dry = config.dry_multiplier > 0
        self._breakers = texts.containing(config.dry_breakers) if dry else []

    def allowed(self, logits: Tensor, past: Sequence[Past]) -> Tensor:
        """Logits (B, V) with what may not come at -inf, and what came before less probable."""
        logits = logits + self._never
        if not self._looks_back:
            return logits
        history = _history(past, self._config.penalty_window)
        return self._ruled(self._penalised(logits, history), history, past)

    def _penalised(self, logits: Tensor, history: Tensor) -> Tensor:
        config = self._config
        logits = penalise_repetition(logits, history, config.repetition_penalty)
        logits = penalise_presence(
            logits, history, config.presence_penalty, config.frequency_penalty
        )
        if not config.dry_multiplier:
            return logits
        return penalise_loops(
            logits,
            history,
            config.dry_multiplier,
            config.dry_base,
            config.dry_allowed_length,
            self._texts.lengths,
            self._breakers,
        )

    def _ruled(self, logits: Tensor, history: Tensor, past: Sequence[Past]) -> Tensor:
        """Each rule in turn, except where it would leave a text nothing to go on with."""
        config, written = self._config, [item.text for item in past]
        spelled = [item.spelled for item in past]
        if self._phrases:
            before = _history(past, max(map(len, self._spelled)))
            logits = _where_possible(forbid_sequences(logits, before, self._spelled), logits)
            logits = _where_possible(self._phrases(logits, written, spelled), logits)
        if self._copies:
            logits = _where_possible(self._copies(logits, written, spelled), logits)
        if self._pairing:
            waiting = [item.waiting for item in past]
            logits = _where_possible(self._pairing(logits, waiting, spelled), logits)
        if config.no_repeat_ngram:
            ruled = forbid_repeated_ngrams(logits, history, config.no_repeat_ngram)
            logits = _where_possible(ruled, logits)
        return logits

    def probabilities(self, logits: Tensor, past: Sequence[Past]) -> tuple[Tensor, Tensor]:
        """Probabilities and tokens, both (B, k), of all that can be drawn."""
        logits, config = self.allowed(logits.float(), past), self._config
        k = 1 if config.temperature == 0 else config.top_k
        if 0 < k < logits.size(-1):
            # Cuts of k tokens cost less than cuts of a vocabulary, and are the same.
            logits, tokens = logits.topk(k, dim=-1)
            config = self._config_of_best
        else:
            tokens = torch.arange(logits.size(-1)).expand_as(logits)
        begins = None
        if config.newline_top_p:
            begins = torch.tensor([item.text.endswith("\n") for item in past])
        return next_token_probabilities(logits, config, begins), tokens

    def draw(
        self, logits: Tensor, past: Sequence[Past], random: Sequence[torch.Generator]
    ) -> list[int]:
        """One token for each row, by a number in [0, 1) from its own generator."""
        probabilities, tokens = self.probabilities(logits, past)
        # Few numbers: NumPy needs less time to begin than PyTorch.
        shares, drawn = probabilities.double().numpy(), []
        for row, generator in zip(shares, random, strict=True):
            sums = row.cumsum()
            number = torch.rand(1, generator=generator, dtype=torch.double).item() * sums[-1]
            # The first token with which the sum passes the number: none of probability 0 does.
            place = int(sums.searchsorted(number, side="right"))
            drawn.append(place if place < len(row) else int(row.nonzero()[0][-1]))
        return [int(tokens[row, place]) for row, place in enumerate(drawn)]


def _never_written(tokenizer: Tokenizer, config: SamplingConfig) -> list[int]:
    """Byte tokens unless they are asked for, and the token that begins another book."""
    never = [] if config.rare_characters else list(tokenizer.byte_ids)
    # Unless it is also the one that ends a text.
    return never if tokenizer.book == tokenizer.end_of_text else [*never, tokenizer.book]


def _looks_back(config: SamplingConfig) -> bool:
    """Whether anything depends on what was written before."""
    unset = SamplingConfig()
    names = [
        "repetition_penalty",
        "presence_penalty",
        "frequency_penalty",
        "no_repeat_ngram",
        "dry_multiplier",
        "banned_phrases",
        "close_pairs",
        "no_copy",
    ]
    return any(getattr(config, name) != getattr(unset, name) for name in names)


def _history(past: Sequence[Past], window: int) -> Tensor:
    """The last tokens of every text, (B, T), with `NO_TOKEN` before shorter ones."""
    rows = [item.tokens[-window:] for item in past]
    longest = max(map(len, rows))
    return torch.tensor([[NO_TOKEN] * (longest - len(row)) + row for row in rows])


def _where_possible(ruled: Tensor, logits: Tensor) -> Tensor:
    """What a rule left, but where it left nothing: there the text must go on without it."""
    left = torch.isfinite(ruled).any(dim=-1, keepdim=True)
    return torch.where(left, ruled, logits)
