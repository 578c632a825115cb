"""The tensors of a model folder, in whichever of the four usual layouts they lie.

Covers `model.safetensors`, the `pytorch_model.bin` of models older than it (most Chinese GPT-2
models are), and both cut into several files with an index. A `.bin` is a pickle: it is read by
PyTorch's restricted unpickler, which builds tensors and plain containers and calls nothing else.
"""

import json
import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from novelkit.errors import InputError

WEIGHTS = "model.safetensors"
OLD_WEIGHTS = "pytorch_model.bin"
INDEX_ENDING = ".index.json"


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights, safetensors first; raises `InputError` if some are missing.

    A name in an index that leads out of the folder is refused.
    """
    for name in (WEIGHTS, OLD_WEIGHTS):
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}{INDEX_ENDING}"
        if index.is_file():
            return _files_of_index(index)
    raise InputError(
        f"{folder} 不是模型文件夹：缺少 {WEIGHTS}（旧模型是 {OLD_WEIGHTS}），"
        "请检查路径，或重新训练、重新复制一份。"
    )


def read_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder by name, on the CPU; raises `InputError` for a damaged file."""
    state: dict[str, Tensor] = {}
    for path in weight_files(folder):
        state |= _read(path)
    return state


def _files_of_index(index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        outside = [name for name in names if Path(name).name != name]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{index} 已损坏（{error}）：请重新下载或重新复制一份。") from error
    missing = outside or [name for name in names if not (index.parent / name).is_file()]
    if missing or not names:
        raise InputError(
            f"{index.parent} 缺少权重文件 {'、'.join(missing[:3]) or '（目录是空的）'}："
            "模型没有下载完整，请重新下载或重新复制一份。"
        )
    return [index.parent / name for name in names]


def _read(path: Path) -> dict[str, Tensor]:
    try:
        state = load_file(path) if path.suffix == ".safetensors" else _read_pickled(path)
    # A damaged pickle can end in almost any exception; what it cannot do is run a program.
    except (ValueError, OSError, SafetensorError, RuntimeError, EOFError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path.parent} 里的模型文件 {path.name} 已损坏（{reason}）："
            "请重新训练、重新下载，或重新复制一份。"
        ) from error
    return state


def _read_pickled(path: Path) -> dict[str, Tensor]:
    """A `.bin`; raises `InputError` where it holds anything but named tensors."""
    try:
        with warnings.catch_warnings():
            # Of pickles that it may not understand, which end in an error below.
            warnings.simplefilter("ignore")
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, AttributeError, IndexError, TypeError) as error:
        raise InputError(
            f"{path} 里不只是权重，或者已经损坏：打开它可能会运行别人的程序，所以拒绝。"
            f"请找一份带 {WEIGHTS} 的版本，或重新下载。"
        ) from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in content.items()
    ):
        raise InputError(f"{path} 里不是一个模型的权重表：请换一个模型文件夹。")
    return dict(content)
