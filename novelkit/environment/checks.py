"""The environment report: every check in one table, with what to do about what is missing.

The lower bounds of the packages stand in `MINIMUM_VERSIONS` and are not read from the installed
metadata, because in Colab the kit is cloned and not installed; a test keeps them equal to
requirements.txt. Nothing here imports the packages that it looks up, except torch and matplotlib.
"""

import random
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from novelkit import __version__
from novelkit.environment.compute import GIB, Compute, choose_compute, cpu_cores
from novelkit.environment.fonts import FONT_PACKAGE, find_chinese_font
from novelkit.environment.machine import drive_folder, in_colab, seed_everything

MINIMUM_PYTHON = (3, 11)
MINIMUM_VERSIONS = {
    "torch": "2.9",
    "transformers": "4.57",
    "datasets": "3",
    "accelerate": "1.0",
    "tokenizers": "0.21",
    "safetensors": "0.4",
    "numpy": "2.0",
    "matplotlib": "3.9",
    "jieba": "0.42",
    "chardet": "5.2",
    "ipywidgets": "7.7",
    "tqdm": "4.66",
    "requests": "2.31",
    "beautifulsoup4": "4.12",
    "lxml": "5.0",
}
# One training run with its checkpoints takes a few hundred MiB on the small preset.
ENOUGH_DISK_GIB, TOO_LITTLE_DISK_GIB = 2.0, 0.2
ENOUGH_MEMORY_GIB = 2.0


@dataclass(frozen=True)
class Check:
    """One line of the report; `status` is OK, WARN (works with limits) or FAIL (will not work)."""

    name: str
    status: str
    found: str
    advice: str = ""


@dataclass(frozen=True)
class EnvironmentReport:
    """What the machine can do: the checks in order, and the computing choice they led to."""

    checks: tuple[Check, ...]
    compute: Compute
    colab: bool

    @property
    def passed(self) -> bool:
        """True when no check failed (warnings allowed)."""
        return all(check.status != "FAIL" for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values for JSON."""
        return {
            "novelkit": __version__,
            "passed": self.passed,
            "colab": self.colab,
            "compute": asdict(self.compute),
            "checks": [asdict(check) for check in self.checks],
        }

    def as_table(self) -> str:
        """The report for a terminal, columns aligned with full-width characters counted as two."""
        width = max((display_width(check.name) for check in self.checks), default=0)
        lines = []
        for check in self.checks:
            padding = " " * (width - display_width(check.name))
            lines.append(f"{check.status:<4}  {check.name}{padding}  {check.found}")
            if check.advice:
                lines.append(" " * (width + 8) + check.advice)
        return "\n".join(lines)


def display_width(text: str) -> int:
    """Columns that `text` takes in a terminal (Unicode TR 11: wide and full-width count two)."""
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def report(measure: bool = False) -> EnvironmentReport:
    """Look at the machine; `measure` allows about 1 s of timing for the choice of dtype.

    Never raises for something that is missing: that becomes a FAIL line with its advice.
    """
    compute, compute_check = _check_compute(measure)
    checks = (
        _check_python(),
        *(_check_package(name, minimum) for name, minimum in MINIMUM_VERSIONS.items()),
        compute_check,
        Check("CPU 核数", "OK", f"{cpu_cores()} 核"),
        _check_memory(),
        _check_disk(),
        _check_font(),
        *_check_colab(),
        _check_seeds(),
    )
    return EnvironmentReport(checks, compute, in_colab())


def _check_python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] >= MINIMUM_PYTHON:
        return Check("Python", "OK", found)
    wanted = ".".join(map(str, MINIMUM_PYTHON))
    return Check("Python", "FAIL", found, f"需要 {wanted} 或更高版本：请换一个新的 Python。")


def release(version: str) -> tuple[int, ...]:
    """The numbers at the head of a version: "2.11.0+cu128" -> (2, 11, 0)."""
    head = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, head.group().split("."))) if head else ()


def _check_package(name: str, minimum: str) -> Check:
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        advice = f'请运行 pip install "{name}>={minimum}"，再重启内核。'
        return Check(name, "FAIL", "没有安装", advice)
    if release(found) >= release(minimum):
        return Check(name, "OK", f"{found}（要求 {minimum} 以上）")
    advice = f'版本太旧：请运行 pip install -U "{name}>={minimum}"，再重启内核。'
    return Check(name, "FAIL", f"{found}（要求 {minimum} 以上）", advice)


def _check_compute(measure: bool) -> tuple[Compute, Check]:
    name = "计算设备"
    try:
        compute = choose_compute(measure=measure)
    except (ImportError, OSError) as error:
        # A torch whose libraries do not load raises OSError on Windows.
        reason = f"torch 不能导入（{type(error).__name__}），训练和续写都用不了。"
        advice = "请先按上面 torch 一行的提示安装。"
        return Compute("cpu", "float32", False, reason), Check(name, "FAIL", reason, advice)
    found = f"{compute.device} + {compute.dtype}：{compute.reason}"
    if compute.device != "cpu":
        return compute, Check(name, "OK", found)
    advice = "所有 notebook 在 CPU 上都能跑完，只是训练较慢"
    if in_colab():
        advice += "；要用 GPU：菜单“代码执行程序”→“更改运行时类型”→ T4 GPU"
    return compute, Check(name, "WARN", found, advice + "。")


def _check_memory() -> Check:
    name = "内存"
    try:
        import psutil
    except ImportError:
        return Check(name, "WARN", "未知", "没有安装 psutil，读不到内存大小。")
    memory = psutil.virtual_memory()
    found = f"可用 {memory.available / GIB:.1f} GiB，共 {memory.total / GIB:.1f} GiB"
    if memory.available / GIB >= ENOUGH_MEMORY_GIB:
        return Check(name, "OK", found)
    advice = f"不到 {ENOUGH_MEMORY_GIB:g} GiB，训练可能被系统中止：请先关掉别的程序或内核。"
    return Check(name, "WARN", found, advice)


def _check_disk() -> Check:
    name, folder = "磁盘", Path.cwd()
    free = shutil.disk_usage(folder).free / GIB
    found = f"当前文件夹所在的磁盘还剩 {free:.1f} GiB"
    if free >= ENOUGH_DISK_GIB:
        return Check(name, "OK", found)
    status = "WARN" if free >= TOO_LITTLE_DISK_GIB else "FAIL"
    return Check(name, status, found, "检查点可能写不下：请清出空间，或换一个文件夹。")


def _check_font() -> Check:
    name = "中文字体"
    font = find_chinese_font()
    if font is not None:
        return Check(name, "OK", f"{font.family}（{font.path.name}）")
    advice = f"图中的文字会改用英文；想要中文：pip install {FONT_PACKAGE}，再重启内核。"
    return Check(name, "WARN", "没有找到带简体字形的字体", advice)


def _check_colab() -> tuple[Check, ...]:
    drive = drive_folder()
    if not in_colab():
        return (Check("Colab", "OK", "不在 Colab 里，文件直接留在这台机器上"),)
    if drive is not None:
        return (Check("Colab", "OK", "在 Colab 里"), Check("Google Drive", "OK", str(drive)))
    advice = "会话结束后这台机器会被清空：要留下成果，请先挂载 Drive。"
    return (Check("Colab", "OK", "在 Colab 里"), Check("Google Drive", "WARN", "没有挂载", advice))


def _check_seeds() -> Check:
    """Seed twice and compare the draws; the reader's own random state is put back."""
    name = "随机种子"
    with _random_state_kept():
        draws = []
        for _ in range(2):
            seed_everything(20)
            draws.append(_draw())
    if draws[0] == draws[1]:
        return Check(name, "OK", f"{'、'.join(draws[0])} 两次抽取相同")
    different = [source for source in draws[0] if draws[0][source] != draws[1][source]]
    advice = "同一种子的结果不能重现：请重启内核，检查是否有程序改了随机数发生器。"
    return Check(name, "FAIL", f"{'、'.join(different)} 两次抽取不同", advice)


def _draw() -> dict[str, float]:
    draws = {"random": random.random()}
    if "numpy" in sys.modules:
        draws["numpy"] = float(sys.modules["numpy"].random.random())
    if "torch" in sys.modules:
        draws["torch"] = sys.modules["torch"].rand(1).item()
    return draws


@contextmanager
def _random_state_kept() -> Iterator[None]:
    with ExitStack() as stack:
        stack.callback(random.setstate, random.getstate())
        if "numpy" in sys.modules:
            numpy_random = sys.modules["numpy"].random
            stack.callback(numpy_random.set_state, numpy_random.get_state())
        if "torch" in sys.modules:
            stack.enter_context(sys.modules["torch"].random.fork_rng())
        yield
