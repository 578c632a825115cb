"""GPT-2, written out: embeddings, causal self-attention, MLP, residuals, a tied head.

The architecture of Radford et al. 2019 as `transformers.GPT2LMHeadModel` computes it. Read
`GPT2.forward` first, then upwards.

Shapes: B sequences, T tokens, C = n_embd channels, H = n_head heads of D = C / H channels.
"""

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from novelkit.errors import InputError
from novelkit.model.interface import LanguageModel, Sizes
from novelkit.model.kernels import head_losses, mix


@dataclass(frozen=True)
class ModelConfig(Sizes):
    """The size of a model. GPT-2's own is n_ctx 1024, n_layer 12, n_head 12, n_embd 768."""

    n_ctx: int = 256
    n_layer: int = 4
    n_head: int = 4
    n_embd: int = 256
    dropout: float = 0.1

    def __post_init__(self) -> None:
        for name in ("vocab_size", "n_ctx", "n_layer", "n_head", "n_embd"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} 必须是正整数，现在是 {getattr(self, name)}。")
        if self.n_embd % self.n_head:
            raise InputError(
                f"n_embd（{self.n_embd}）必须能被 n_head（{self.n_head}）整除，头才分得均匀。"
            )
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout 必须在 [0, 1) 之间，现在是 {self.dropout}。")


# Each size says what it is for; the vocabulary comes from the data.
PRESETS = {
    # A CPU, minutes, a single novel; too few passes over it for dropout to help.
    "tiny": {"n_ctx": 128, "n_layer": 4, "n_head": 4, "n_embd": 256, "dropout": 0.0},
    # A Colab T4, under an hour, several novels.
    "small": {"n_ctx": 512, "n_layer": 6, "n_head": 6, "n_embd": 384, "dropout": 0.1},
    # GPT-2's own depth and width, for a long run on a shelf of novels.
    "base": {"n_ctx": 1024, "n_layer": 12, "n_head": 12, "n_embd": 768, "dropout": 0.1},
}


def preset(name: str, vocab_size: int, **changes: float) -> ModelConfig:
    """The configuration of a preset, with some sizes changed."""
    if name not in PRESETS:
        raise InputError(f"没有名为 {name} 的模型大小：可选 {'、'.join(PRESETS)}。")
    return ModelConfig(vocab_size=vocab_size, **{**PRESETS[name], **changes})  # type: ignore[arg-type]


class Cache:
    """Keys and values of the tokens read so far, in buffers allocated once for n_ctx tokens."""

    def __init__(self, model: "GPT2", batch: int = 1) -> None:
        config, weight = model.config, model.token_embedding.weight
        shape = (batch, config.n_head, config.n_ctx, config.n_embd // config.n_head)
        self.length = 0
        self.layers = [
            (weight.new_empty(shape), weight.new_empty(shape)) for _ in range(config.n_layer)
        ]

    def append(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Store a layer's new keys and values; returns those of all tokens so far."""
        keys, values = self.layers[layer]
        end = self.length + key.size(2)
        keys[:, :, self.length : end], values[:, :, self.length : end] = key, value
        return keys[:, :, :end], values[:, :, :end]


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Causal scaled dot-product attention, step by step; all (B, H, T, D).

    What `kernels.mix` does faster, for reading and for the tests.
    """
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.size(-1))  # (B, H, T, T)
    # Position t may look at 0..t only: the future is what it has to predict.
    future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
    weights = scores.masked_fill(future, float("-inf")).softmax(dim=-1)  # each row sums to 1
    return weights @ value  # (B, H, T, D): an average of the values, weighted by the scores


class Attention(nn.Module):
    """Multi-head causal self-attention: every token gathers from those before it."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.n_head, self.dropout, self.layer = config.n_head, config.dropout, layer
        self.query_key_value = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.project = nn.Linear(config.n_embd, config.n_embd)

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, T, C) to (B, T, C); with a cache, T new tokens after those that it holds."""
        batch, tokens, channels = x.shape
        query, key, value = (
            part.view(batch, tokens, self.n_head, -1).transpose(1, 2)  # (B, H, T, D)
            for part in self.query_key_value(x).split(channels, dim=2)
        )
        if cache is not None:
            key, value = cache.append(self.layer, key, value)
        dropout = self.dropout if self.training else 0.0
        # One new token may look at all that is cached; several see a triangle.
        mixed = mix(query, key, value, dropout, causal=tokens > 1)
        return self.project(mixed.transpose(1, 2).reshape(batch, tokens, channels))


class Block(nn.Module):
    """Attention, then an MLP; each reads a normalised copy of x and adds to x (pre-norm)."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(config.n_embd), nn.LayerNorm(config.n_embd)
        self.attention = Attention(config, layer)
        self.expand = nn.Linear(config.n_embd, 4 * config.n_embd)
        self.contract = nn.Linear(4 * config.n_embd, config.n_embd)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, T, C) to (B, T, C)."""
        x = x + self.dropout(self.attention(self.norm_1(x), cache))
        hidden = F.gelu(self.expand(self.norm_2(x)), approximate="tanh")  # GPT-2's gelu_new
        return x + self.dropout(self.contract(hidden))


class GPT2(LanguageModel):
    """Token ids (B, T) to next-token logits (B, T, vocab_size)."""

    config: ModelConfig

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.n_embd)
        self.position_embedding = nn.Embedding(config.n_ctx, config.n_embd)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
        self.norm = nn.LayerNorm(config.n_embd)
        self.dropout = nn.Dropout(config.dropout)
        self.apply(self._initialise)

    def _initialise(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            std = 0.02
            # Two sums a layer flow into the residual stream: keep its variance at the start.
            if isinstance(module, nn.Linear) and module.out_features == self.config.n_embd:
                std /= math.sqrt(2 * self.config.n_layer)
            nn.init.normal_(module.weight, std=std)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)

    def forward(self, ids: Tensor, cache: Cache | None = None) -> Tensor:
        """Logits (B, T, vocab_size) of the token after each of `ids` (B, T)."""
        # The head is the token embedding again (tied): similar tokens get similar scores.
        return self.hidden(ids, cache) @ self.token_embedding.weight.T

    def token_losses(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Cross entropy in nats of every target, (B, T); 0 where the target is -100."""
        hidden, weight = self.hidden(ids).flatten(0, 1), self.token_embedding.weight
        return head_losses(hidden, weight, targets.flatten()).view_as(targets)

    def hidden(self, ids: Tensor, cache: Cache | None = None) -> Tensor:
        """What the head reads, (B, T, C).

        With a cache, `ids` come after the tokens that it holds, one at a time. Raises `ValueError`
        past n_ctx.
        """
        start = cache.length if cache is not None else 0
        if start + ids.size(1) > self.config.n_ctx:
            raise ValueError(f"{start + ids.size(1)} tokens, n_ctx is {self.config.n_ctx}")
        if start and ids.size(1) > 1:
            raise ValueError("a cache that is not empty takes one token at a time")
        positions = torch.arange(start, start + ids.size(1), device=ids.device)
        x = self.dropout(self.token_embedding(ids) + self.position_embedding(positions))
        for block in self.blocks:
            x = block(x, cache)
        if cache is not None:
            cache.length += ids.size(1)
        return self.norm(x)


def describe(model: LanguageModel) -> dict[str, float]:
    """Sizes that a run records: the configuration and the number of parameters."""
    return {**asdict(model.config), "parameters": model.count_parameters()}
