"""Which device and number format to train in, by capability, each with a printable reason.

Covers: CUDA, Apple mps and CPU, and the one case that only a clock can decide (bfloat16 on a CPU).
Does not cover: several GPUs, 8-bit formats, the size of the model. torch is imported inside
functions only.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from novelkit.errors import InputError

DTYPES = {
    "cuda": ("float32", "float16", "bfloat16"),
    "mps": ("float32",),
    "cpu": ("float32", "bfloat16"),
}
# Below this gain bfloat16's shorter mantissa is not worth its risk on a CPU.
WORTHWHILE_SPEEDUP = 1.2
GIB = 2**30


@dataclass(frozen=True)
class Compute:
    """Where and in which number format to train, and the reason in Chinese for the reader."""

    device: str
    dtype: str
    use_grad_scaler: bool
    reason: str


def choose_compute(
    device: str | None = None, dtype: str | None = None, measure: bool = False
) -> Compute:
    """Choose device and dtype by capability; what the caller names is obeyed if it can work.

    `measure` allows about 1 s of timing where only timing can decide (bfloat16 on a CPU).
    Raises InputError for a device that is absent or a dtype that it cannot train in.
    """
    device = _pick_device(device)
    if dtype is not None:
        return _obey_dtype(device, dtype)
    if device == "cuda":
        return _choose_cuda()
    if device == "mps":
        reason = "发现 Apple 芯片（mps）：用 float32，因为 mps 上的半精度训练还不够稳定。"
        return Compute("mps", "float32", False, reason)
    return _choose_cpu(measure)


def _pick_device(wanted: str | None) -> str:
    import torch

    available = ["cpu"]
    if torch.backends.mps.is_available():
        available.insert(0, "mps")
    if torch.cuda.is_available():
        available.insert(0, "cuda")
    if wanted is None:
        return available[0]
    if wanted not in DTYPES:
        raise InputError(f"不认识的设备 {wanted!r}：请从 cuda、mps、cpu 中选一个。")
    if wanted not in available:
        raise InputError(
            f"要求用 {wanted}，但这台机器上只有 {'、'.join(available)}：请改选，或换一台机器。"
        )
    return wanted


def _obey_dtype(device: str, dtype: str) -> Compute:
    if dtype not in DTYPES[device]:
        raise InputError(
            f"{device} 上不能用 {dtype!r} 训练：请从 {'、'.join(DTYPES[device])} 中选一个。"
        )
    reason = f"按你的要求在 {device} 上用 {dtype}。"
    if device == "cuda" and dtype == "bfloat16" and _cuda_device()[1] < (8, 0):
        reason += "注意：这块显卡没有 bfloat16 电路，只能模拟，通常比 float32 还慢。"
    if device == "cpu" and dtype == "bfloat16" and not _cpu_bfloat16_feature():
        reason += "注意：没有发现 CPU 的 bfloat16 指令，很可能比 float32 还慢。"
    return Compute(device, dtype, dtype == "float16", reason)


def _cuda_device() -> tuple[str, tuple[int, int], float]:
    """The GPU's name, compute capability and memory in GiB."""
    import torch

    memory = torch.cuda.get_device_properties(0).total_memory / GIB
    return torch.cuda.get_device_name(0), torch.cuda.get_device_capability(0), memory


def _choose_cuda() -> Compute:
    # By capability and not by torch.cuda.is_bf16_supported(), which says True on a T4 because
    # bfloat16 can be emulated there, slowly.
    name, capability, memory = _cuda_device()
    found = f"发现 {name}（计算能力 {capability[0]}.{capability[1]}，显存 {memory:.1f} GiB）："
    if capability >= (8, 0):
        reason = "8.0 起有 bfloat16 电路，数值范围同 float32，不需要 GradScaler。"
        return Compute("cuda", "bfloat16", False, found + reason)
    reason = "低于 8.0，没有 bfloat16 电路，所以用 float16，并用 GradScaler 防止梯度下溢。"
    return Compute("cuda", "float16", True, found + reason)


def _choose_cpu(measure: bool) -> Compute:
    found = f"没有可用的 GPU，用 CPU（{cpu_cores()} 核）："
    feature = _cpu_bfloat16_feature()
    if feature is None:
        return Compute("cpu", "float32", False, found + "没有发现 bfloat16 指令，用 float32。")
    if not measure:
        reason = f"有 {feature} 指令，但没有实测 bfloat16 是否更快，用 float32。"
        return Compute("cpu", "float32", False, found + reason)
    speedup = measure_bfloat16_speedup()
    faster = speedup >= WORTHWHILE_SPEEDUP
    dtype = "bfloat16" if faster else "float32"
    reason = (
        f"有 {feature} 指令，实测 bfloat16 的速度是 float32 的 {speedup:.2f} 倍，"
        f"{'达到' if faster else '不到'} {WORTHWHILE_SPEEDUP} 倍，用 {dtype}。"
    )
    return Compute("cpu", dtype, False, found + reason)


def _cpu_bfloat16_feature(cpuinfo: Path = Path("/proc/cpuinfo")) -> str | None:
    """The x86 bfloat16 feature that Linux reports; None elsewhere, where float32 is safe."""
    try:
        words = set(cpuinfo.read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return None
    return next((name for name in ("amx_bf16", "avx512_bf16") if name in words), None)


def measure_bfloat16_speedup(seconds: float = 1.0) -> float:
    """Time of float32 over time of bfloat16 for one GPT-2 MLP step on the CPU (above 1: faster).

    Forward and backward under autocast, as in training; the two formats take turns, so that
    other load on the machine hits both, and the fastest turn of each counts.
    """
    import torch

    # The caller's random numbers must not depend on whether a measurement was made.
    with torch.random.fork_rng(devices=[]):
        hidden = torch.randn(1024, 256)
        layer = torch.nn.Sequential(
            torch.nn.Linear(256, 1024), torch.nn.GELU(), torch.nn.Linear(1024, 256)
        )

    def step(low_precision: bool) -> float:
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=low_precision):
            loss = layer(hidden).float().square().mean()
        loss.backward()
        return time.perf_counter() - start

    for low_precision in (False, True):
        step(low_precision)  # the first call of each allocates and compiles
    best = {False: float("inf"), True: float("inf")}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for low_precision in best:
            best[low_precision] = min(best[low_precision], step(low_precision))
    return best[False] / best[True]


def cpu_cores() -> int:
    """Cores that this process may use, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
