"""Stage 06 in two processes, as `torchrun` starts them: the same run as in one."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from novelkit.errors import InputError
from novelkit.training import read_history, without_clock
from novelkit.training.processes import Processes

ROOT = Path(__file__).resolve().parent.parent
SIZES = ("--n-layer", "2", "--n-head", "2", "--n-embd", "32", "--n-ctx", "32", "--dropout", "0")
# With a cooldown the run that ends at 7 and goes on would be another one.
SETTINGS = ("--batch-size", "8", "--evaluate-every", "5", "--patience", "0", "--ema-decay", "0.9")
SETTINGS += ("--schedule", "constant")
MACHINE = ("--device", "cpu", "--dtype", "float32", "--no-compile")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def launcher(processes: int) -> list[str]:
    ports = ("--master_addr", "127.0.0.1", "--master_port", str(free_port()))
    return ["-m", "torch.distributed.run", "--nproc_per_node", str(processes), *ports]


def command(
    data: Path, out: Path, *options: str, processes: int = 1
) -> subprocess.CompletedProcess:
    launch = launcher(processes) if processes > 1 else []
    arguments = ["train", str(data), "--out", str(out), *SIZES, *SETTINGS, *MACHINE, *options]
    return subprocess.run(
        [sys.executable, *launch, "-m", "novelkit", *arguments, "--json"],
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"},
        timeout=200,
    )


def test_processes_part_before_they_end(tmp_path):
    """What was left open to the end aborted a run that was done, once in many."""
    script = tmp_path / "part.py"
    script.write_text(
        """
import atexit, torch
@atexit.register
def look():  # registered first, called last
    print("open" if torch.distributed.is_initialized() else "parted", flush=True)
from novelkit.training.processes import find_processes
found = find_processes(use_cpu=True)
print(found.gather([found.rank]), flush=True)
""",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, *launcher(2), str(script)],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    # Two processes may write into one line.
    assert done.stdout.count("[0, 1]") == done.stdout.count("parted") == 2
    assert "open" not in done.stdout


@pytest.fixture(scope="module")
def runs(data_folder, tmp_path_factory):
    """One process that takes the batch in two parts, and two that take a part each."""
    folder = tmp_path_factory.mktemp("processes")
    alone = command(data_folder, folder / "alone", "--accumulation", "2", "--max-steps", "12")
    assert alone.returncode == 0, alone.stderr
    both = command(data_folder, folder / "both", "--max-steps", "7", processes=2)
    assert both.returncode == 0, both.stderr
    resumed = command(data_folder, folder / "both", "--max-steps", "12", "--resume", processes=2)
    assert resumed.returncode == 0, resumed.stderr
    return folder, alone, resumed


def test_two_processes_see_the_losses_of_one(runs):
    folder, _, _ = runs
    alone, both = (without_clock(read_history(folder / name)) for name in ("alone", "both"))
    assert [record["step"] for record in both] == list(range(1, 13))
    for one, other in zip(alone, both, strict=True):
        assert one.keys() <= other.keys()  # step 7 was an end, and was scored
        assert one.pop("sample", "") in other.pop("sample", "")
        for name, value in one.items():
            assert other[name] == pytest.approx(value, rel=1e-5), (one["step"], name)
    assert len(both[0]["micro_batch_losses"]) == 2


def test_the_first_process_alone_speaks_and_writes(runs):
    folder, _, resumed = runs
    answer = json.loads(resumed.stdout)  # one object, not two
    assert (answer["steps"], answer["resumed_from"]) == (12, 7)
    ledger = json.loads((folder / "both" / "run.json").read_text(encoding="utf-8"))
    assert [session["id"] for session in ledger["sessions"]] == [1, 2]
    assert [session["ended"] for session in ledger["sessions"]] == ["finished", "finished"]


def test_a_batch_without_equal_shares_is_refused():
    assert Processes(1, 2).rows(8) == slice(4, 8)
    with pytest.raises(InputError, match="2 个进程"):
        Processes(0, 2).rows(7)
    assert Processes(0, 2).rows(8, parts=4) == slice(0, 4)
    with pytest.raises(InputError, match="16 的倍数"):
        Processes(0, 2).rows(8, parts=8)


def test_one_process_needs_no_launcher():
    alone = Processes()
    assert alone.is_main and alone.share(3) == 3 and alone.gather([1, 2]) == [1, 2]
    assert alone.from_main(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        alone.from_main(lambda: 1 // 0)
