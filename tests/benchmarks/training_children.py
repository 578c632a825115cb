"""Memory and start-up of a training loop, each measured in a process of its own.

    python tests/benchmarks/training_children.py memory '{"kind": "ours", ...}' DATA cpu 1 8

prints one number; training_speed.py calls it so.
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training_contenders import Contender


def measure_memory(who: "Contender", data: Path, device: str, options: argparse.Namespace) -> float:
    """Bytes of the peak above what a process holds once everything is imported."""
    return float(_ask("memory", who, data, device, options))


def measure_startup(
    who: "Contender", data: Path, device: str, options: argparse.Namespace
) -> float:
    """Seconds from the start of the process to the end of its first step."""
    began = time.time()
    return float(_ask("startup", who, data, device, options)) - began


def _ask(what: str, who: "Contender", data: Path, device: str, options: argparse.Namespace) -> str:
    words = [what, json.dumps(asdict(who)), str(data), device, options.threads, options.steps]
    command = [sys.executable, str(Path(__file__)), *map(str, words)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout.split()[-1]


def _memory_now(name: str) -> int:
    """Bytes of this process: `VmRSS` now, `VmHWM` at the peak (getrusage counts the parent's)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (found,) = (line for line in lines if line.startswith(name))
    return int(found.split()[1]) * 1024


def _memory(who: "Contender", data: Path, device: str, steps: int) -> float:
    import torch

    from novelkit.training.data import TrainingData

    opened = TrainingData.read(data)
    # Two steps of a toy first: what is imported on the way is not what training takes.
    who.toy().turn(opened, device, 2)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        who.turn(opened, device, steps)
        return torch.cuda.max_memory_allocated()
    before = _memory_now("VmRSS")
    # The peak of the imports is forgotten.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    who.turn(opened, device, steps)
    return _memory_now("VmHWM") - before


def _startup(who: "Contender", data: Path, device: str) -> float:
    """The time of day at the end of the first step."""
    from novelkit.training.data import TrainingData

    if who.kind == "ours":
        from novelkit.environment import choose_compute

        # What `train` does before its first step if it is told nothing.
        choose_compute(measure=True)
    ends: list[float] = []
    who.run(TrainingData.read(data), device, 1, lambda: ends.append(time.time()))
    return ends[0]


def main() -> None:
    what, settings, data, device, threads, steps = sys.argv[1:]
    import torch
    from training_contenders import Contender, Shape

    torch.set_num_threads(int(threads))
    found = json.loads(settings)
    who = Contender(**found | {"shape": Shape(**found["shape"])})
    if what == "memory":
        print(_memory(who, Path(data), device, int(steps)))
    else:
        print(_startup(who, Path(data), device))


if __name__ == "__main__":
    main()
