"""GPT-2, written out: embeddings, causal self-attention, MLP, residuals, a tied head.

The architecture of Radford et al. 2019 as `transformers.GPT2LMHeadModel` computes it: a model
folder written here loads there and the logits agree. Read `GPT2.forward` first, then upwards.

Shapes: B sequences, T tokens, C = n_embd channels, H = n_head heads of D = C / H channels.
"""

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from novelkit import layouts
from novelkit.errors import InputError


@dataclass(frozen=True)
class ModelConfig:
    """The size of a model. GPT-2's own is n_ctx 1024, n_layer 12, n_head 12, n_embd 768."""

    vocab_size: int
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

    What `F.scaled_dot_product_attention` does in one kernel, for reading and for the tests.
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
        batch, tokens, channels = x.shape
        query, key, value = (
            part.view(batch, tokens, self.n_head, -1).transpose(1, 2)  # (B, H, T, D)
            for part in self.query_key_value(x).split(channels, dim=2)
        )
        if cache is not None:
            key, value = cache.append(self.layer, key, value)
        mixed = F.scaled_dot_product_attention(
            query,
            key,
            value,
            dropout_p=self.dropout if self.training else 0.0,
            # One new token may look at all that is cached; several see a triangle.
            is_causal=tokens > 1,
        )
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
        x = x + self.dropout(self.attention(self.norm_1(x), cache))
        hidden = F.gelu(self.expand(self.norm_2(x)), approximate="tanh")  # GPT-2's gelu_new
        return x + self.dropout(self.contract(hidden))


class GPT2(nn.Module):
    """Token ids (B, T) to next-token logits (B, T, vocab_size)."""

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
        # The head is the token embedding again (tied): similar tokens get similar scores.
        return self.norm(x) @ self.token_embedding.weight.T

    def loss(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Sum of the cross entropy in nats over all targets that are not -100."""
        logits = self(ids).float()
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")

    def parameters_count(self) -> int:
        """The number of weights, the tied head counted once."""
        return sum(parameter.numel() for parameter in self.parameters())


# What GPT-2 variants change in the computation without changing a weight's shape.
_FIXED = {
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
}

# Our names -> those of transformers. GPT-2's linear layers lie there as (in, out), so transposed.
_NAMES = {
    "token_embedding.weight": "transformer.wte.weight",
    "position_embedding.weight": "transformer.wpe.weight",
    "norm": "transformer.ln_f",
    "blocks.": "transformer.h.",
    ".norm_1.": ".ln_1.",
    ".norm_2.": ".ln_2.",
    ".attention.query_key_value.": ".attn.c_attn.",
    ".attention.project.": ".attn.c_proj.",
    ".expand.": ".mlp.c_fc.",
    ".contract.": ".mlp.c_proj.",
}


def _transformers_name(name: str) -> str:
    if name.startswith("norm."):
        return name.replace("norm", _NAMES["norm"], 1)
    for ours, theirs in _NAMES.items():
        if ours != "norm":
            name = name.replace(ours, theirs)
    return name


def _is_transposed(name: str) -> bool:
    return name.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight"))


def state_for_transformers(model: GPT2) -> dict[str, Tensor]:
    """The weights under the names and in the layout of `transformers.GPT2LMHeadModel`."""
    state = {_transformers_name(name): tensor for name, tensor in model.state_dict().items()}
    return {
        name: (tensor.T if _is_transposed(name) else tensor).detach().cpu().contiguous()
        for name, tensor in state.items()
    }


def save_model(model: GPT2, folder: Path, special_tokens: dict[str, int] | None = None) -> None:
    """Write `model.safetensors`, `config.json` and `generation_config.json` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    config, special = model.config, special_tokens or {}
    temporary = folder / ".model.safetensors.tmp"
    try:
        # Not `save_file`, whose files only their owner may read: a model is there to be shared.
        temporary.write_bytes(save(state_for_transformers(model), metadata={"format": "pt"}))
        temporary.replace(folder / "model.safetensors")
    finally:
        temporary.unlink(missing_ok=True)
    layouts.write_json(
        folder / "config.json",
        {
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            "vocab_size": config.vocab_size,
            "n_positions": config.n_ctx,
            "n_ctx": config.n_ctx,
            "n_embd": config.n_embd,
            "n_layer": config.n_layer,
            "n_head": config.n_head,
            "activation_function": "gelu_new",
            "resid_pdrop": config.dropout,
            "embd_pdrop": config.dropout,
            "attn_pdrop": config.dropout,
            "layer_norm_epsilon": 1e-5,
            "initializer_range": 0.02,
            "tie_word_embeddings": True,
            "dtype": "float32",
            **special,
        },
    )
    layouts.write_json(
        folder / "generation_config.json", {"do_sample": True, "top_k": 50, **special}
    )


def load_model(folder: Path, device: str = "cpu") -> GPT2:
    """Read a GPT-2 folder (ours or one of `transformers`), in float32, ready to write.

    Raises `InputError` for a missing, damaged or foreign model.
    """
    folder = Path(folder)
    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise InputError(
                f"{folder} 不是模型文件夹：缺少 {name}，请检查路径，或重新训练、重新复制一份。"
            )
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        state = load_file(folder / "model.safetensors")
    except (ValueError, OSError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{folder} 里的模型文件已损坏（{reason}）：请重新训练，或重新复制一份。"
        ) from error
    model = GPT2(_read_config(config, folder))
    load_transformers_state(model, state, folder)
    return model.to(device).eval()


def _read_config(config: Any, folder: Path) -> ModelConfig:
    """A `config.json` of `transformers` as ours; refuses what would compute something else."""
    if not isinstance(config, dict) or config.get("model_type") != "gpt2":
        kind = config.get("model_type") if isinstance(config, dict) else None
        raise InputError(f"{folder} 不是 GPT-2（model_type 是 {kind}）：请换一个模型文件夹。")
    for name, value in _FIXED.items():
        if config.get(name, value) != value:
            raise InputError(
                f"{folder} 的 {name} 是 {config[name]}，这里的 GPT-2 只会算 {value}："
                "照样读进来，结果会悄悄出错，请换一个模型。"
            )
    try:
        sizes = {name: int(config[name]) for name in ("vocab_size", "n_layer", "n_head", "n_embd")}
        n_ctx, dropout = int(config.get("n_positions", 1024)), float(config.get("resid_pdrop", 0.1))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder} 的 config.json 缺少大小或写错了（{error}）：请重新复制一份。"
        ) from error
    return ModelConfig(n_ctx=n_ctx, dropout=dropout, **sizes)


def load_transformers_state(model: GPT2, state: dict[str, Tensor], where: Path) -> None:
    """Load weights that `state_for_transformers` or `transformers` wrote; raises `InputError`."""
    # Base models lack the prefix, old files carry the mask and the tied head as well.
    named = {
        name if name.startswith("transformer.") else f"transformer.{name}": tensor
        for name, tensor in state.items()
    }
    _refuse_surplus(model, named, where)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            theirs = _transformers_name(name)
            found = named.get(theirs)
            if found is not None and _is_transposed(theirs):
                found = found.T
            if found is None or found.shape != tensor.shape:
                shape = None if found is None else tuple(found.shape)
                raise InputError(
                    f"{where} 的权重 {theirs} 形状是 {shape}，应为 {tuple(tensor.shape)}："
                    "权重和 config.json 不是同一个模型。"
                )
            tensor.copy_(found)


def _refuse_surplus(model: GPT2, named: dict[str, Tensor], where: Path) -> None:
    """Raise `InputError` for weights that this model would leave out without a word."""
    expected = {_transformers_name(name) for name in model.state_dict()}
    masks = (".attn.bias", ".attn.masked_bias")  # buffers that old versions stored
    surplus = [name for name in named if name not in expected and not name.endswith(masks)]
    head, embedding = (named.get(f"transformer.{name}.weight") for name in ("lm_head", "wte"))
    if head is not None and embedding is not None and torch.equal(head, embedding):
        surplus.remove("transformer.lm_head.weight")
    if surplus:
        raise InputError(
            f"{where} 多出 {len(surplus)} 项权重（如 {min(surplus)}），config.json 里没有："
            "权重和 config.json 不是同一个模型。"
        )


def describe(model: GPT2) -> dict[str, float]:
    """Sizes that a run records: the configuration and the number of parameters."""
    return {**asdict(replace(model.config)), "parameters": model.parameters_count()}
