"""From logits to the next token, and from a prompt to a stream of text.

Covers temperature, top-k, top-p and a seeded draw, each a small pure function on logits (..., V),
and `generate` with a cache of keys and values. Penalties, presets and batches of candidates are
not here yet.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from novelkit.errors import InputError
from novelkit.model import Cache, CausalCache, LanguageModel, new_cache
from novelkit.tokenizing.headers import Header, encode_header
from novelkit.tokenizing.interface import FIRST_BYTE_ID, FIRST_CHARACTER_ID, Tokenizer


@dataclass(frozen=True)
class SamplingConfig:
    """How to choose the next token, and when to stop."""

    # 0 is greedy: always the most probable token.
    temperature: float = 0.8
    # Only the k most probable tokens; 0 keeps all.
    top_k: int = 50
    # Only the most probable tokens that together reach p; 1 keeps all.
    top_p: float = 1.0
    # New characters.
    length: int = 200
    seed: int = 0
    # A character outside of the vocabulary is spelled in bytes. The model learns how often such
    # characters come and not which, so a drawn one is a random rare character.
    rare_characters: bool = False

    def __post_init__(self) -> None:
        _require(0 <= self.temperature <= 10, "temperature", self.temperature, "0 到 10")
        _require(self.top_k >= 0, "top_k", self.top_k, "0（不限）或正整数")
        _require(0 < self.top_p <= 1, "top_p", self.top_p, "大于 0、不超过 1")
        _require(self.length >= 1, "length", self.length, "至少 1")
        _require(0 <= self.seed < 2**63, "seed", self.seed, "0 到 2 的 63 次方")


@dataclass(frozen=True)
class Piece:
    """One decided token: the text that became certain with it, and how likely the model held it.

    `probability` and `rank` (1 is the most probable) are those of the model itself, before
    temperature and cuts.
    """

    text: str
    token: int
    probability: float
    rank: int


def apply_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Divide the logits; 0 leaves the most probable token alone (never NaN)."""
    if temperature == 0:
        return keep_top_k(logits, 1)
    # Softmax does not see a common shift. With the largest at 0, no temperature overflows.
    shifted = logits - logits.amax(dim=-1, keepdim=True)
    return shifted / max(temperature, torch.finfo(logits.dtype).tiny)


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Set all but the k largest logits to -inf; exactly k stay, also among equals. 0 keeps all.

    Top-k sampling: Fan et al. 2018, arXiv:1805.04833.
    """
    if k == 0 or k >= logits.size(-1):
        return logits
    values, indices = logits.topk(k, dim=-1)
    return torch.full_like(logits, float("-inf")).scatter(-1, indices, values)


def keep_top_p(logits: Tensor, p: float) -> Tensor:
    """Keep the smallest set of most probable tokens whose probabilities reach p; at least one.

    Nucleus sampling: Holtzman et al. 2019, arXiv:1904.09751.
    """
    if p >= 1:
        return logits
    ordered, indices = logits.sort(dim=-1, descending=True)
    probabilities = ordered.softmax(dim=-1)
    # A token is cut if those before it already reach p.
    cut = probabilities.cumsum(dim=-1) - probabilities >= p
    # Nothing stands before the first one; a p that rounds to 0 would cut it all the same.
    cut[..., 0] = False
    return torch.empty_like(logits).scatter(-1, indices, ordered.masked_fill(cut, float("-inf")))


def without_bytes(
    logits: Tensor, byte_ids: range = range(FIRST_BYTE_ID, FIRST_CHARACTER_ID)
) -> Tensor:
    """Forbid the 256 byte tokens of our tokenizers, so that only characters it knows are drawn."""
    allowed = logits.clone()
    allowed[..., byte_ids.start : byte_ids.stop] = float("-inf")
    return allowed


def next_token_probabilities(logits: Tensor, config: SamplingConfig) -> Tensor:
    """The distribution that the next token is drawn from, (..., V) to (..., V)."""
    logits = apply_temperature(logits.float(), config.temperature)
    return keep_top_p(keep_top_k(logits, config.top_k), config.top_p).softmax(dim=-1)


def generate(
    model: LanguageModel,
    tokenizer: Tokenizer,
    prompt: str,
    config: SamplingConfig,
    header: Header | None = None,
) -> Iterator[Piece]:
    """Continue `prompt`: yields pieces as they are decided, `config.length` characters in all.

    A `header` stands before the prompt and stays in sight: for models that were trained with
    headers. Ends earlier at the end-of-text token. Past the context limit it goes on from the most
    recent half of the context. Raises `InputError` for a prompt without characters or a model and
    a tokenizer of different vocabularies.
    """
    if not prompt.strip():
        raise InputError("提示文字里没有字：请写几个字的开头，模型才知道从哪里续写。")
    if len(tokenizer) != model.config.vocab_size:
        raise InputError(
            f"模型有 {model.config.vocab_size} 个编号，tokenizer 有 {len(tokenizer)} 个："
            "两者不是一起训练的，续写会是乱码。请用模型文件夹里的 tokenizer。"
        )
    first = encode_header(tokenizer, header).tolist() if header else []
    if 2 * len(first) > model.config.n_ctx:
        raise InputError(
            f"题头有 {len(first)} 个词元，超过了上下文 {model.config.n_ctx} 的一半："
            "请少写几项，给正文留下地方。"
        )
    reader = _Reader(model, first, tokenizer.encode(prompt).tolist())
    random = torch.Generator().manual_seed(config.seed)
    decoder, written = tokenizer.stream(), 0
    # A character spelled in bytes takes up to four tokens.
    tokens = 4 * config.length
    for count in range(1, tokens + 1):
        logits = reader.next_logits()
        allowed = logits if config.rare_characters else without_bytes(logits, tokenizer.byte_ids)
        allowed = _without_books(allowed, tokenizer)
        probabilities = next_token_probabilities(allowed, config)
        token = int(torch.multinomial(probabilities, 1, generator=random))
        text = decoder.push(token)
        # A new chapter stands apart from what comes before it.
        ended = token == tokenizer.end_of_text
        text += "\n" if token == tokenizer.chapter and not ended else ""
        if count == tokens or written + len(text) + decoder.complete >= config.length:
            text += decoder.finish()
        text = text[: config.length - written]
        written += len(text)
        # The end itself is no text, but it lets go of bytes that were held back.
        if text or not ended:
            yield Piece(text, token, *_score(logits, token))
        if ended or written >= config.length:
            return
        reader.append(token)


def _without_books(logits: Tensor, tokenizer: Tokenizer) -> Tensor:
    """Forbid the token that begins another book, unless it is also the one that ends a text."""
    if tokenizer.book == tokenizer.end_of_text:
        return logits
    return logits.index_fill(-1, torch.tensor([tokenizer.book]), float("-inf"))


def _score(logits: Tensor, token: int) -> tuple[float, int]:
    """The model's own probability of a token and its rank among all, from 1."""
    probabilities = logits.float().softmax(dim=-1)
    return float(probabilities[token]), int((logits > logits[token]).sum()) + 1


class _Reader:
    """Feeds tokens to the model through a cache, and starts a new one when it is full."""

    def __init__(self, model: LanguageModel, first: list[int], ids: list[int]) -> None:
        self.model, self.first, self.ids = model, first, ids  # `first` always stays in sight
        self._cache: Cache | CausalCache | None = None

    def append(self, token: int) -> None:
        self.ids.append(token)

    @torch.inference_mode()
    def next_logits(self) -> Tensor:
        """Logits of the token after all that was read, float32 on the CPU, shape (V,)."""
        context = self.model.config.n_ctx
        new = self.ids[-1:]
        if self._cache is None or self._cache.length == context:
            # Positions are absolute, so a full cache cannot slide: read the recent part again,
            # and only half of it, so that this happens once in n_ctx / 2 tokens.
            room = context - len(self.first)
            recent = self.ids if len(self.ids) <= room else self.ids[-max(1, room // 2) :]
            new = self.first + recent
            self._cache = new_cache(self.model)
        device = next(self.model.parameters()).device
        logits = self.model(torch.tensor([new], device=device), self._cache)
        return logits[0, -1].float().cpu()


def _require(condition: bool, name: str, value: object, rule: str) -> None:
    if not condition:
        raise InputError(f"{name} 是 {value}，可用的范围是{rule}：请改一下再续写。")
