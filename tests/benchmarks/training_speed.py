"""Tokens/s, memory and start-up of our training loop, beside transformers' Trainer.

    python tests/benchmarks/training_speed.py
    python tests/benchmarks/training_speed.py --data DATA --shapes B --threads 1
    python tests/benchmarks/training_speed.py --only memory startup

All loops train the same GPT-2 on the same data (the bundled novel, or any DATA folder) in one
process, in short turns there and back, so that other work on the machine falls on all of them. A
step's time is the median of its turn; a ratio is taken between two turns that follow one another,
and the table gives the median, the smallest and the largest of them. With one thread the CPU's
seconds count, which waiting for other programs does not add to; otherwise the wall's. Memory and
start-up are taken in processes of their own. On a GPU the clock waits for it at every step.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from training_children import measure_memory, measure_startup
from training_contenders import SHAPES, Contender, Shape

from novelkit.environment import choose_compute
from novelkit.training.data import TrainingData

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = ROOT / "assets" / "novel" / "novel.txt"
PEAK_SIZE = 2048  # of the square matrices whose product is the machine's peak
PEAK_TRIES = 8
PEAK_SECONDS = 2.0  # at most for one product of the larger size


def contenders(shape: Shape, device: str, compiled: bool) -> dict[str, list[Contender]]:
    """Who is compared with whom, the reference first."""
    half = choose_compute(device, measure=False).dtype if device != "cpu" else "bfloat16"
    groups = {}
    for dtype in ("float32", half):
        groups[f"{dtype}, dropout 0.1, AdamW for both"] = [
            Contender("Trainer", "trainer", shape, dtype, 0.1),
            Contender("novelkit", "ours", shape, dtype, 0.1),
            Contender("bare loop", "bare", shape, dtype, 0.1),
        ]
    fast = choose_compute(device, measure=True).dtype
    defaults = [
        Contender("Trainer: AdamW, float32, dropout 0.1", "trainer", shape, "float32", 0.1),
        Contender(f"novelkit: Muon, {fast}, dropout 0", "ours", shape, fast, 0.0, "muon"),
    ]
    if compiled:
        defaults.append(
            Contender("the same with torch.compile", "ours", shape, fast, 0.0, "muon", True)
        )
    groups["each by its own defaults"] = defaults
    return groups


def race(
    group: list[Contender], data: TrainingData, device: str, turns: int, steps: int, clock: int
) -> dict[str, list[float]]:
    """Seconds of a step in each turn; `clock` 0 is the wall's, 1 the processor's."""
    seconds: dict[str, list[float]] = {who.name: [] for who in group}
    for turn in range(turns):
        for who in group[:: -1 if turn % 2 else 1]:
            seconds[who.name].append(who.turn(data, device, steps).medians()[clock])
            print(f"turn {turn + 1}: {who.name}", file=sys.stderr, flush=True)
    return seconds


def speed_table(data: TrainingData, device: str, options: argparse.Namespace) -> None:
    clock = 1 if options.threads == 1 and device == "cpu" else 0
    print(f"{'CPU' if clock else 'wall'} seconds, {options.turns} turns of {options.steps} steps\n")
    print("| shape | comparison | loop | tokens/s | share of the matmul peak | × Trainer |")
    print("| --- | --- | --- | ---: | ---: | ---: |")
    for shape in (SHAPES[name] for name in options.shapes):
        for title, group in contenders(shape, device, options.compiled).items():
            dtypes = {who.dtype for who in group}
            before = {dtype: matmul_peak(dtype, device, clock) for dtype in dtypes}
            seconds = race(group, data, device, options.turns, options.steps, clock)
            peaks = {
                dtype: max(before[dtype], matmul_peak(dtype, device, clock)) for dtype in dtypes
            }
            for who in group:
                print(speed_row(title, who, seconds, peaks, data), flush=True)


def speed_row(
    title: str,
    who: Contender,
    seconds: dict[str, list[float]],
    peaks: dict[str, float],
    data: TrainingData,
) -> str:
    own = seconds[who.name]
    (reference, *_) = seconds.values()
    ratios = [theirs / ours for theirs, ours in zip(reference, own, strict=True)]
    median = statistics.median(own)
    share = who.shape.operations(data.header["vocabulary"]) / median / peaks[who.dtype]
    spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
    return (
        f"| {who.shape.name} | {title} | {who.name} | {who.shape.tokens / median:,.0f} |"
        f" {share:.0%} | {spread} |"
    )


def matmul_peak(dtype: str, device: str, clock: int) -> float:
    """Operations a second of a large product of matrices, the best of several and of two sizes.

    The larger is left out where a processor only imitates the format and would take minutes.
    """
    large = PEAK_SIZE if device == "cpu" else 4 * PEAK_SIZE
    best = 0.0
    for size in (large // 4, large):
        seconds = _product_seconds(dtype, device, clock, size)
        best = max(best, 2 * size**3 / seconds)
        if 4**3 * seconds > PEAK_SECONDS:
            break
    return best


def _product_seconds(dtype: str, device: str, clock: int, size: int) -> float:
    left, right = (torch.randn(size, size, device=device).to(getattr(torch, dtype)) for _ in "ab")
    now: Callable[[], float] = time.process_time if clock else time.perf_counter
    best = float("inf")
    for _ in range(PEAK_TRIES):
        if device == "cuda":
            torch.cuda.synchronize()
        began = now()
        left @ right
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, now() - began)
    return best


def memory_table(data: TrainingData, device: str, options: argparse.Namespace) -> None:
    print("\n| shape | comparison | loop | memory above the imports, MB |")
    print("| --- | --- | --- | ---: |")
    for shape in (SHAPES[name] for name in options.shapes):
        for title, group in contenders(shape, device, compiled=False).items():
            for who in group:
                found = measure_memory(who, data.folder, device, options)
                print(f"| {shape.name} | {title} | {who.name} | {found / 1e6:,.0f} |", flush=True)


def startup_table(data: TrainingData, device: str, options: argparse.Namespace) -> None:
    """From the start of a process to the end of the first step, each by its own defaults."""
    print("\n| loop | seconds to the end of the first step, median (least–most) |")
    print("| --- | ---: |")
    shape = SHAPES[options.shapes[0]]
    group = contenders(shape, device, compiled=False)["each by its own defaults"]
    seconds: dict[str, list[float]] = {who.name: [] for who in group}
    for _ in range(options.starts):
        for who in group:
            seconds[who.name].append(measure_startup(who, data.folder, device, options))
    for name, found in seconds.items():
        cells = f"{statistics.median(found):.1f} ({min(found):.1f}–{max(found):.1f})"
        print(f"| {name} | {cells} |", flush=True)


def prepare_bundled(folder: Path) -> Path:
    """A DATA folder of the bundled novel."""
    arguments = ["prepare", str(BUNDLED), "--out", str(folder), "--tokenizer", "char", "--json"]
    command = [sys.executable, "-m", "novelkit", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return folder


TABLES = {"speed": speed_table, "memory": memory_table, "startup": startup_table}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a folder that `novelkit prepare` wrote")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=["B", "A"])
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--steps", type=int, default=8, help="timed in a turn")
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--compiled", action="store_true", help="a row with torch.compile, slow")
    return parser.parse_args()


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    device = choose_compute().device
    with tempfile.TemporaryDirectory() as folder:
        data = TrainingData.read(options.data or prepare_bundled(Path(folder) / "data"))
        for name in options.only:
            TABLES[name](data, device, options)


if __name__ == "__main__":
    main()
