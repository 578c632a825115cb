"""A linear layer for writing: (N, C) to (N, D) for few rows N, in float32, bfloat16 or bytes.

Which kernel is fastest depends on the number of rows, since one row reads every weight for a single
multiplication (tests/benchmarks/sampling_speed.py). With a byte a weight, each row of the matrix
has a scale of its own. Two kernels of PyTorch compute that: one takes inputs in bfloat16, the other
makes bytes of them as well. Both belong to interfaces that PyTorch is moving to a package of its
own, so each is asked whether it is there; one is enough.
"""

import contextlib
import importlib
import warnings
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from novelkit.errors import InputError

Multiply = Callable[[Tensor], Tensor]

# With so many columns a matrix is large enough that bytes for its inputs pay for one row, too.
_WIDE = 512


class Plain:
    """Weights as they are, or in bfloat16; on any device."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def linear(self, layer: nn.Linear) -> Multiply:
        return self.multiply(layer.weight.detach(), layer.bias.detach())

    def multiply(self, weight: Tensor, bias: Tensor | None) -> Multiply:
        weight = weight.to(self.dtype)
        bias = None if bias is None else bias.to(self.dtype)
        return lambda x: F.linear(x, weight, bias)


class TwoLayouts(Plain):
    """float32 on a CPU: a transposed copy, which is faster but for two to four rows."""

    def multiply(self, weight: Tensor, bias: Tensor | None) -> Multiply:
        weight = weight.to(self.dtype)
        transposed = weight.T.contiguous()
        added = torch.zeros(len(weight)) if bias is None else bias.to(self.dtype)

        def multiply(x: Tensor) -> Tensor:
            if 1 < len(x) < 5:
                return F.linear(x, weight, added)
            return torch.addmm(added, x, transposed)

        return multiply


class Bytes(Plain):
    """A byte a weight; the bytes are read by one kernel for a single row, by another for more."""

    def __init__(self) -> None:
        super().__init__(torch.float32)
        self._for_one, self._for_many = _kernels_of_bytes()

    def multiply(self, weight: Tensor, bias: Tensor | None) -> Multiply:
        many = self._for_many(weight, bias)
        if self._for_one is self._for_many or weight.size(1) >= _WIDE and len(weight) >= _WIDE:
            return many
        one = self._for_one(weight, bias)
        return lambda x: one(x) if len(x) == 1 else many(x)


def weight_bytes(weight: Tensor, bias: Tensor | None) -> Multiply:
    """A byte a weight, inputs in bfloat16."""
    scales = weight.abs().amax(dim=1).clamp(min=torch.finfo(weight.dtype).tiny) / 127
    as_bytes = (weight / scales[:, None]).round().to(torch.int8)
    scales = scales.bfloat16()
    kernel = torch._weight_int8pack_mm
    if bias is None:
        return lambda x: kernel(x.bfloat16(), as_bytes, scales).float()
    return lambda x: kernel(x.bfloat16(), as_bytes, scales) + bias


def all_bytes(weight: Tensor, bias: Tensor | None) -> Multiply:
    """A byte a weight and a byte an input, whose scale is made anew for every call."""
    layer = nn.Linear(weight.size(1), weight.size(0), bias=bias is not None)
    layer.weight = nn.Parameter(weight.float(), requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias.float(), requires_grad=False)
    with warnings.catch_warnings():
        # That it will move is said above.
        warnings.simplefilter("ignore")
        layer.qconfig = torch.ao.quantization.per_channel_dynamic_qconfig  # type: ignore
        # Not the module itself, whose hooks would be asked for every token.
        return torch.ao.nn.quantized.dynamic.Linear.from_float(layer).forward


def _kernels_of_bytes() -> tuple[Any, Any]:
    """What this PyTorch has for one row and for more."""
    found = {}
    if hasattr(torch, "_weight_int8pack_mm"):
        found["one"] = weight_bytes
    with contextlib.suppress(ImportError):
        importlib.import_module("torch.ao.nn.quantized.dynamic")
        if torch.backends.quantized.engine != "none":
            found["many"] = all_bytes
    if not found:
        raise InputError("这个版本的 PyTorch 没有 int8 的线性层：请改用 bf16 或 fp32。")
    only = next(iter(found.values()))
    return found.get("one", only), found.get("many", only)


def _in_float32(device: torch.device) -> Plain:
    return TwoLayouts(torch.float32) if device.type == "cpu" else Plain(torch.float32)


def _in_bytes(device: torch.device) -> Plain:
    if device.type != "cpu":
        raise InputError("int8 只用于 CPU：在 GPU 上请用 fp32 或 bf16。")
    return Bytes()


# A precision, and what makes its layers on some device.
LINEAR: dict[str, Callable[[torch.device], Plain]] = {
    "fp32": _in_float32,
    "bf16": lambda device: Plain(torch.bfloat16),
    "int8": _in_bytes,
}
