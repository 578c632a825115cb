"""The pipeline in several processes: the same result, few items in memory, from any program."""

import math
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers_command import tree, write_books

from novelkit.errors import WorkError
from novelkit.pipeline import Listener, Settings, prepare
from novelkit.pipeline.workers import Workers, choose_processes


def test_the_result_is_the_same_for_every_number_of_processes(shelf, shelf_data, tmp_path):
    prepare([shelf], tmp_path / "data", Settings(processes=2))
    assert tree(tmp_path / "data") == tree(shelf_data)


def test_a_few_small_files_start_no_process():
    assert choose_processes(None, 10**5) == 1
    assert choose_processes(None, 10**9) in (1, 2)
    assert choose_processes(5, 10) == 5


def test_results_come_in_order_and_few_wait():
    taken = []

    def numbers():
        for number in range(30):
            taken.append(number)
            yield number

    with Workers(2) as workers:
        for done, result in enumerate(workers.map(math.factorial, numbers())):
            assert result == math.factorial(done)
            assert len(taken) - done <= 6
    assert len(taken) == 30


def test_large_items_do_not_pile_up():
    taken = []

    def numbers():
        for number in range(9):
            taken.append(number)
            yield number

    with Workers(2) as workers:
        for done, _ in enumerate(workers.map(abs, numbers(), size=lambda item: 10**9)):
            assert len(taken) - done == 1


def test_a_process_that_dies_is_one_line():
    with Workers(2) as workers, pytest.raises(WorkError, match="突然结束.*--processes 1"):
        list(workers.map(os._exit, [3]))


PROGRAM = """
from pathlib import Path
from novelkit.pipeline import Settings, prepare
header = prepare([Path({shelf!r})], Path({out!r}), Settings(processes=2))
print(len(header["novels"]))
"""


@pytest.mark.parametrize("how", ["standard input", "-c", "a script"])
def test_a_program_without_a_guard_may_use_processes(shelf, shelf_data, tmp_path, how):
    program = PROGRAM.format(shelf=str(shelf), out=str(tmp_path / "data"))
    (tmp_path / "script.py").write_text(program, encoding="utf-8")
    arguments = {"standard input": ["-"], "-c": ["-c", program], "a script": ["script.py"]}[how]
    done = subprocess.run(
        [sys.executable, *arguments],
        input=program if how == "standard input" else None,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert (done.stdout, done.stderr) == ("6\n", "")
    assert tree(tmp_path / "data") == tree(shelf_data)


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows has no such mask")
def test_ctrl_c_never_reaches_a_process_that_starts():
    with Workers(1 + 1) as workers:
        (blocked,) = workers.map(_blocked, [None])
        assert signal.SIGINT in blocked
    assert signal.SIGINT not in _blocked(None)


def _blocked(_):
    """The signals that this process keeps waiting."""
    return signal.pthread_sigmask(signal.SIG_BLOCK, set())


def test_the_workers_end_before_the_folder_they_write_to_is_removed(tmp_path, monkeypatch):
    # A file that a worker opened meanwhile kept the folder of a work that was given up.
    shelf, out = write_books(tmp_path / "shelf", 8, 30), tmp_path / "data"
    alive_when_told, alive_when_removed, rmtree = [], [], shutil.rmtree

    def remove(folder, **options):
        alive_when_removed.append(len(multiprocessing.active_children()))
        rmtree(folder, **options)

    def give_up(book):
        alive_when_told.append(len(multiprocessing.active_children()))
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", remove)
    with pytest.raises(KeyboardInterrupt):
        prepare([shelf], out, Settings(processes=2), Listener(book=give_up))
    assert alive_when_told == [2] and alive_when_removed[-1] == 0
    assert not out.exists()
