"""Make the recorded run that was killed, interrupted and resumed.

    python assets/runs/make_interrupted.py --out WORK

prepares the bundled novel, trains the tiny preset, kills the training (SIGKILL) after step
`KILL_AT`, resumes it, interrupts it (Ctrl-C) after `INTERRUPT_AT`, resumes it again to the end, and
prints each command. `record_run.py WORK/run interrupted` keeps the run.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from novelkit import layouts
from novelkit.bundled import NOVEL
from novelkit.training import TrainConfig

# Well behind the checkpoint, so that steps are done twice.
CHECKPOINT = TrainConfig().checkpoint_steps
KILL_AT, INTERRUPT_AT, STEPS = CHECKPOINT + 110, 2 * CHECKPOINT + 50, 3 * CHECKPOINT
# A small book read many times over, at the rates of `novelkit demo --scratch`.
SETTINGS = ["--preset", "tiny", "--seed", "0", "--max-steps", str(STEPS)]
SETTINGS += ["--learning-rate", "1e-3", "--adamw-factor", "1", "--evaluate-every", "20"]
SETTINGS += ["--patience", "0", "--no-compile"]
PREPARE = ["--tokenizer", "char"]
INTERRUPTED = 130


def lines_written(run: Path) -> int:
    history = run / layouts.HISTORY_FILE
    return history.read_bytes().count(b"\n") if history.is_file() else 0


def novelkit(*words: object) -> subprocess.Popen[bytes]:
    command = [str(word) for word in words]
    print("novelkit", *command, flush=True)
    # Alone in its group, so that a Ctrl-C for it is none for this script.
    return subprocess.Popen([sys.executable, "-m", "novelkit", *command], start_new_session=True)


def finish(process: subprocess.Popen[bytes], wanted: int) -> None:
    if process.wait() != wanted:
        sys.exit(f"ended with {process.returncode} instead of {wanted}")


def stop(process: subprocess.Popen[bytes], run: Path, lines: int, how: signal.Signals) -> None:
    """Send the signal when the history has so many lines."""
    while lines_written(run) < lines:
        if process.poll() is not None:
            sys.exit(f"ended with {process.returncode} before it could be stopped")
        time.sleep(0.02)
    os.kill(process.pid, how)
    print(f"{how.name} after {lines_written(run)} lines of history", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="WORK")
    options = parser.parse_args()
    data, run = options.out / "data", options.out / "run"
    if run.exists():
        parser.error(f"{run} is there already")
    finish(novelkit("prepare", NOVEL, "--out", data, *PREPARE), 0)
    process = novelkit("train", data, "--out", run, *SETTINGS)
    stop(process, run, KILL_AT, signal.SIGKILL)
    finish(process, -signal.SIGKILL)
    # Steps since the checkpoint are done again and stand in the history twice.
    again = lines_written(run)
    process = novelkit("train", data, "--out", run, "--resume")
    stop(process, run, again + INTERRUPT_AT - CHECKPOINT, signal.SIGINT)
    finish(process, INTERRUPTED)
    finish(novelkit("train", data, "--out", run, "--resume"), 0)


if __name__ == "__main__":
    main()
