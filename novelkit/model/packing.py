"""A model folder in half the bytes: weights stored in float16, computed with in float32.

Rounding to float16 moves a weight by at most 1 in 2,048 (or 2**-25 where it is tiny). With fewer
bits of its significand the file is as large and packs smaller, in a repository or an archive. Half
precision is only how the file is stored: `config.json` says float32, which is what
`transformers` loads it as unless it is told otherwise (version 5 would take the file's own type
where the configuration names none), since few CPUs compute in float16 at all.
"""

import shutil
from pathlib import Path

import torch
from safetensors.torch import save

from novelkit import layouts
from novelkit.errors import InputError
from novelkit.model.folder import read_config, weights_sha256
from novelkit.model.weights import WEIGHTS, read_weights

SIGNIFICAND_BITS = 10  # of float16, those that are stored


def pack_half(source: Path, target: Path, significand: int = SIGNIFICAND_BITS) -> None:
    """Copy a model folder with its weights in float16; `target` must not exist or be empty.

    Of each weight's significand so many bits are kept, the others are 0.

    Raises `InputError` for a folder that is no model, and for weights beyond what float16 holds.
    """
    config, state = read_config(source), read_weights(source)
    halved = {
        name: _rounded(tensor.half(), significand) if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }
    too_large = [name for name, tensor in halved.items() if not torch.isfinite(tensor).all()]
    if too_large:
        raise InputError(
            f"{source} 的权重 {too_large[0]} 里有 float16 装不下的数（超过 65504 或不是数）："
            "这个模型不能用半精度保存。"
        )
    if target.is_dir() and any(target.iterdir()):
        raise InputError(f"{target} 里已经有文件：请换一个文件夹。")
    target.mkdir(parents=True, exist_ok=True)
    replaced = {"config.json", layouts.MODEL_FILE}
    for path in sorted(source.iterdir()):
        is_weights = path.suffix in (".safetensors", ".bin") or path.name.endswith(".index.json")
        if path.is_file() and path.name not in replaced and not is_weights:
            shutil.copyfile(path, target / path.name)
    with layouts.replacing(target / WEIGHTS) as temporary:
        temporary.write_bytes(save(halved, metadata={"format": "pt"}))
    layouts.write_json(target / "config.json", {**config, "dtype": "float32"})
    if (source / layouts.MODEL_FILE).is_file():
        header = layouts.read_header(source / layouts.MODEL_FILE, "novelkit-model")
        layouts.write_json(
            target / layouts.MODEL_FILE, {**header, "weights_sha256": weights_sha256(target)}
        )


def _rounded(tensor: torch.Tensor, significand: int) -> torch.Tensor:
    """float16 with fewer bits, to the nearest; the size of a number grows with its bit pattern."""
    unit = 1 << (SIGNIFICAND_BITS - significand)
    bits = tensor.contiguous().view(torch.int16)
    return ((bits + unit // 2) & -unit).view(torch.float16)
