"""A model that reads a text once and then goes on one token at a time, as fast as it can.

`GPT2Decoder` computes what `model/gpt2.py` computes, with the weights in another precision where
that is asked for: a CPU that writes one token reads every weight once for it, so half the bytes are
nearly half the time. `CausalDecoder` is any model of `transformers`, as it is.
"""

import copy
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from novelkit.errors import InputError
from novelkit.model import GPT2, CausalCache, CausalLM, LanguageModel, has_lora, merge_lora
from novelkit.sampling.linear import LINEAR

PRECISIONS = tuple(LINEAR)


class DecoderCache(Protocol):
    """What was read so far, of one or more texts of equal length."""

    length: int

    def repeat(self, count: int) -> None:
        """One text becomes `count` equal ones."""

    def keep(self, rows: list[int]) -> None:
        """Only these texts, in this order."""


class Decoder(Protocol):
    """Tokens (B, T) after those of a cache to logits (B, vocab_size) of the token after them."""

    precision: str
    vocabulary: int
    n_ctx: int

    def new_cache(self) -> DecoderCache: ...

    def read(self, tokens: Tensor, cache: Any) -> Tensor: ...

    def all_logits(self, tokens: Tensor) -> Tensor:
        """Logits (B, T, vocab_size) after every token."""


def make_decoder(model: LanguageModel, precision: str = "fp32") -> Decoder:
    """A decoder of a model; raises `InputError` for a precision that cannot be had here."""
    if precision not in PRECISIONS:
        raise InputError(
            f"precision 是 {precision}，可用的范围是{'、'.join(PRECISIONS)}：请改一下再续写。"
        )
    if has_lora(model):
        model = copy.deepcopy(model)
        merge_lora(model)
    if isinstance(model, GPT2):
        return GPT2Decoder(model, precision)
    if precision != "fp32":
        raise InputError(f"{precision} 只用于 GPT-2 结构的模型：请改用 fp32。")
    assert isinstance(model, CausalLM)
    return CausalDecoder(model)


class GPT2Cache:
    """Keys and values (2, B, H, n_ctx, D) of every layer, in buffers that are allocated once."""

    def __init__(self, layers: int, shape: tuple[int, ...], **kind: Any) -> None:
        self.length = 0
        self.layers = [torch.empty(shape, **kind) for _ in range(layers)]

    def repeat(self, count: int) -> None:
        self.layers = [layer.repeat(1, count, 1, 1, 1) for layer in self.layers]

    def keep(self, rows: list[int]) -> None:
        self.layers = [layer[:, rows] for layer in self.layers]


class GPT2Decoder:
    """Our GPT-2 for writing: no dropout, no gradients, weights in `precision`."""

    def __init__(self, model: GPT2, precision: str = "fp32") -> None:
        config = model.config
        self.precision, self.vocabulary, self.n_ctx = precision, config.vocab_size, config.n_ctx
        self._heads, self._width = config.n_head, config.n_embd
        self.device = model.token_embedding.weight.device
        kind = LINEAR[precision](self.device)
        self._dtype = kind.dtype
        # Several texts read more of their caches than of bytes as weights.
        self._cached = torch.float32 if precision == "fp32" else torch.bfloat16
        blocks: Any = model.blocks
        with torch.no_grad():
            weight = model.token_embedding.weight.detach()
            self._tokens = weight.to(self._dtype)
            self._positions = model.position_embedding.weight.detach().to(self._dtype)
            self._blocks = [
                (
                    self._norm(block.norm_1),
                    kind.linear(block.attention.query_key_value),
                    kind.linear(block.attention.project),
                    self._norm(block.norm_2),
                    kind.linear(block.expand),
                    kind.linear(block.contract),
                )
                for block in blocks
            ]
            self._last_norm = self._norm(model.norm)
            self._head = kind.multiply(weight, None)

    def new_cache(self) -> GPT2Cache:
        shape = (2, 1, self._heads, self.n_ctx, self._width // self._heads)
        return GPT2Cache(len(self._blocks), shape, dtype=self._cached, device=self.device)

    @torch.inference_mode()
    def read(self, tokens: Tensor, cache: GPT2Cache) -> Tensor:
        """Logits (B, vocab_size), float32, after tokens (B, T): one, unless the cache is empty."""
        return self._head(self._hidden(tokens.to(self.device), cache)[:, -1]).float()

    @torch.inference_mode()
    def all_logits(self, tokens: Tensor) -> Tensor:
        cache = self.new_cache()
        cache.repeat(len(tokens))
        hidden = self._hidden(tokens.to(self.device), cache)
        return self._head(hidden.flatten(0, 1)).float().view(*tokens.shape, -1)

    def _hidden(self, tokens: Tensor, cache: GPT2Cache) -> Tensor:
        """What the head reads, (B, T, C)."""
        (batch, count), start = tokens.shape, cache.length
        end = start + count
        if end > self.n_ctx:
            raise ValueError(f"{end} tokens, n_ctx is {self.n_ctx}")
        if start and count > 1:
            raise ValueError("a cache that is not empty takes one token at a time")
        x = F.embedding(tokens, self._tokens) + self._positions[start:end]
        x = x.view(batch * count, self._width)
        for (norm_1, qkv, project, norm_2, expand, contract), stored in zip(
            self._blocks, cache.layers, strict=True
        ):
            # (3, B, H, T, D)
            parts = qkv(F.layer_norm(x, *norm_1)).view(batch, count, 3, self._heads, -1)
            parts = parts.permute(2, 0, 3, 1, 4)
            stored.narrow(3, start, count).copy_(parts[1:])
            keys, values = stored.narrow(3, 0, end).unbind(0)
            query = parts[0].to(self._cached)
            mixed = F.scaled_dot_product_attention(query, keys, values, is_causal=count > 1)
            x = x + project(mixed.transpose(1, 2).reshape(x.shape).to(self._dtype))
            hidden = F.gelu(expand(F.layer_norm(x, *norm_2)), approximate="tanh")
            x = x + contract(hidden)
        cache.length = end
        return F.layer_norm(x, *self._last_norm).view(batch, count, self._width)

    def _norm(self, norm: torch.nn.LayerNorm) -> tuple[Any, ...]:
        weight, bias = (part.detach().to(self._dtype) for part in (norm.weight, norm.bias))
        return (self._width,), weight, bias, norm.eps


class CausalDecoderCache(CausalCache):
    """The cache of `transformers`, for one text or several."""

    def repeat(self, count: int) -> None:
        self.past.batch_repeat_interleave(count)

    def keep(self, rows: list[int]) -> None:
        self.past.batch_select_indices(torch.tensor(rows))


class CausalDecoder:
    """Any model of `transformers`, in the precision in which it was opened."""

    precision = "fp32"

    def __init__(self, model: CausalLM) -> None:
        self.model = model
        self.vocabulary, self.n_ctx = model.config.vocab_size, model.config.n_ctx
        self.device = next(model.parameters()).device

    def new_cache(self) -> CausalDecoderCache:
        return CausalDecoderCache()

    @torch.inference_mode()
    def read(self, tokens: Tensor, cache: CausalDecoderCache) -> Tensor:
        """Logits (B, vocab_size), float32, after tokens (B, T)."""
        return self.model(tokens.to(self.device), cache)[:, -1].float()

    @torch.inference_mode()
    def all_logits(self, tokens: Tensor) -> Tensor:
        return self.model(tokens.to(self.device)).float()
