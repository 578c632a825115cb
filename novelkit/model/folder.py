"""Model folders: our GPT-2 into and out of the files of `transformers.GPT2LMHeadModel`.

A folder written here loads with `AutoModelForCausalLM`, and one of `transformers` loads here where
it computes the same GPT-2. Nothing is loaded that would silently compute something else.
"""

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from novelkit import layouts
from novelkit.errors import InputError
from novelkit.model.causal import CausalLM
from novelkit.model.gpt2 import GPT2, ModelConfig
from novelkit.model.interface import LanguageModel
from novelkit.model.lora import has_lora, merge_lora
from novelkit.model.weights import WEIGHTS, read_weights

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
        return f"transformer.ln_f.{name.removeprefix('norm.')}"
    for ours, theirs in _NAMES.items():
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


def save_model(
    model: LanguageModel, folder: Path, special_tokens: dict[str, int] | None = None
) -> None:
    """Write `model.safetensors`, `config.json` and `generation_config.json` into `folder`.

    A model with LoRA adapters is written with them folded in, and stays as it is.
    """
    if has_lora(model):
        model = copy.deepcopy(model)
        merge_lora(model)
    if isinstance(model, CausalLM):
        model.save(folder, special_tokens)
    elif isinstance(model, GPT2):
        _save_gpt2(model, folder, special_tokens)
    else:
        raise TypeError(f"neither GPT2 nor CausalLM: {type(model).__name__}")


def _save_gpt2(model: GPT2, folder: Path, special_tokens: dict[str, int] | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    config, special = model.config, special_tokens or {}
    with layouts.replacing(folder / WEIGHTS) as temporary:
        # Not `save_file`, whose files only their owner may read: a model is there to be shared.
        temporary.write_bytes(save(state_for_transformers(model), metadata={"format": "pt"}))
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
    config, state = read_config(folder), read_weights(folder)
    _check_hash(folder)
    if not all(torch.isfinite(tensor).all() for tensor in state.values()):
        raise InputError(f"{folder} 的权重里有 NaN 或无穷：请重新训练，或重新复制一份。")
    model = GPT2(_read_sizes(config, folder))
    load_transformers_state(model, state, folder)
    return model.to(device).eval()


def read_config(folder: Path) -> dict[str, Any]:
    """The `config.json` of a model folder; raises `InputError` if there is none to read."""
    path = folder / "config.json"
    if not path.is_file():
        _refuse_relatives(folder)
        raise InputError(
            f"{folder} 不是模型文件夹：缺少 config.json，请检查路径，或重新训练、重新复制一份。"
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{folder} 里的 config.json 已损坏（{reason}）：请重新训练，或重新复制一份。"
        ) from error
    if not isinstance(config, dict) or not config.get("model_type"):
        raise InputError(
            f"{folder} 的 config.json 没有说是哪种模型（model_type）：请换一个模型文件夹。"
        )
    return config


def _refuse_relatives(folder: Path) -> None:
    """Raise `InputError` for folders that are near to a model, with where the model is."""
    if (folder / layouts.MODEL_FOLDER / "config.json").is_file():
        raise InputError(
            f"{folder} 是训练的文件夹，模型在它里面：请改用 {folder / layouts.MODEL_FOLDER}。"
        )
    if (folder / "adapter_config.json").is_file():
        raise InputError(
            f"{folder} 只是一个 LoRA 适配器，缺少 config.json 和原来的模型："
            "请先用 peft 把它合并进原模型，再给出合并后的文件夹。"
        )


def computes_our_gpt2(config: dict[str, Any]) -> bool:
    """Whether a `config.json` describes a model that `GPT2` computes exactly."""
    n_embd = config.get("n_embd")
    return (
        config.get("model_type") == "gpt2"
        and all(config.get(name, value) == value for name, value in _FIXED.items())
        and config.get("n_inner") in (None, 4 * n_embd if isinstance(n_embd, int) else None)
        and config.get("tie_word_embeddings", True)
    )


def weights_sha256(folder: Path) -> str:
    """The sha256 of the weights, which a model folder's `novelkit.json` keeps."""
    with (folder / WEIGHTS).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_hash(folder: Path) -> None:
    """Compare our own weights with what was written: safetensors has no checksum."""
    if not (folder / layouts.MODEL_FILE).is_file():
        return
    header = layouts.read_header(folder / layouts.MODEL_FILE, "novelkit-model")
    if header.get("weights_sha256") != weights_sha256(folder):
        raise InputError(
            f"{folder} 的 {WEIGHTS} 与训练时写下的不同，文件已损坏：请重新训练，或重新复制一份。"
        )


def _read_sizes(config: dict[str, Any], folder: Path) -> ModelConfig:
    """A `config.json` of `transformers` as ours; refuses what would compute something else."""
    if config["model_type"] != "gpt2":
        kind = config["model_type"]
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
