"""The red team (tests/red_team): what each submission scores, and that nothing of it stays."""

import hashlib
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from red_team import attempts, make_red_team
from red_team.attempts import EXERCISES, POINTS
from red_team.grading import ROOT, Graded, differences, grade

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="workers are limited on Linux"),
    pytest.mark.skipif(os.geteuid() != 0, reason="without root it depends on the host"),
]
EVERY = {one.expected.student: one.expected for one in attempts()}
NEIGHBOURS = ("honest-1", "honest-2", "honest-3")
# The most important ones, quick enough for every run of the tests.
TEN = frozenset(
    [
        "honest-1",
        "equal-text",
        "forged-answer",
        "forged-fault",
        "patched-harness",
        "exercise-by-path",
        "import-from-bytes",
        "exit-in-call",
        "memory-files",
        "daemon",
    ]
)
# What the grader may hold at most beside what it held before, the 100 MB of outputs included.
MOST_MEMORY = 1 << 30


def peak_memory() -> int:
    """The largest resident memory of this process since `reset_peak`, in bytes."""
    for line in Path("/proc/self/status").read_bytes().splitlines():
        if line.startswith(b"VmHWM:"):
            return 1024 * int(line.split()[1])
    raise AssertionError("no VmHWM")


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def facts_of(folder: Path) -> dict[str, str]:
    """Every path below a folder with its kind, size, time and content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        is_file = path.is_file() and not path.is_symlink()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if is_file else ""
        name = os.fsencode(path.relative_to(folder)).hex()
        found[name] = f"{facts.st_mode} {facts.st_size} {facts.st_mtime_ns} {content}"
    return found


def names_in(*folders: str) -> set[str]:
    found = set()
    for folder in folders:
        if Path(folder).is_dir():
            found |= set(map(str, Path(folder).iterdir()))
    return found


def host() -> dict[str, object]:
    """What of this host a worker must not have changed."""
    packages = Path(sysconfig.get_paths()["purelib"])
    return {
        "mounts": Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace"),
        "open folders": {
            name
            for name in names_in("/dev/shm", "/var/tmp", "/run/lock", "/mnt", "/tmp", "/")
            if "red_team" in name or "novelkit-grade" in name or name.startswith("/mnt")
        },
        "packages": names_in(str(packages)),
        "repository": {
            str(path): path.stat().st_mtime_ns
            for part in ("novelkit", "tests/grading", "notebooks")
            for path in (ROOT / part).rglob("*")
            if "__pycache__" not in path.parts
        },
        "git": subprocess.run(
            ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, check=False
        ).stdout,
    }


def processes_of(users: tuple[int, ...]) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if path.stat().st_uid in users:
                found.append(path.name)
        except OSError:
            continue
    return found


def outcomes(graded: Graded, student: str) -> dict[str, object]:
    """Of a student all that must not depend on the host's load: no times, no texts."""
    return {
        name: (result.status, result.points, [(c.hidden, c.outcome) for c in result.cases])
        for name, result in graded.of(student).items()
    }


# ---- ten of them, in every run


def test_ten_of_the_red_team_score_what_they_deserve(tmp_path):
    expected = make_red_team(tmp_path / "submissions", TEN)
    graded = grade(tmp_path / "submissions")
    assert len(expected) == len(TEN)
    assert [line for one in expected for line in differences(one, graded)] == []
    assert processes_of(graded.users) == []


def test_a_difference_is_seen(tmp_path):
    (expected,) = make_red_team(tmp_path / "submissions", frozenset(["exit-in-call"]))
    graded = grade(tmp_path / "submissions", workers=1)
    honest = EVERY["honest-1"]
    wrong = type(expected)(**{**vars(expected), "deserved": honest.deserved})
    assert differences(expected, graded) == []
    assert len(differences(wrong, graded)) == len(EXERCISES)


def test_there_are_enough_of_each_kind_and_no_two_of_one_name():
    honest = [one for one in EVERY.values() if one.theme == "诚实但凌乱"]
    assert len(EVERY) == len(attempts())
    assert len(honest) >= 20 + len(NEIGHBOURS) and len(EVERY) - len(honest) >= 40
    for one in honest:
        assert all(d.least in (0, POINTS[name]) for name, d in one.deserved.items())
        assert any(d.least > 0 for d in one.deserved.values())


# ---- all of them, once for the whole module


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("red-team") / "submissions"
    make_red_team(found)
    return found


@pytest.fixture(scope="module")
def before(folder):
    return {"host": host(), "submissions": facts_of(folder)}


@pytest.fixture(scope="module")
def graded(folder, before):
    reset_peak()
    start = peak_memory()
    found = grade(folder)
    return found, peak_memory() - start


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("student", sorted(EVERY))
def test_each_scores_what_it_deserves(graded, student):
    assert differences(EVERY[student], graded[0]) == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_nobody_is_graded_who_handed_in_nothing(graded):
    assert {student for student, _ in graded[0].results} == set(EVERY)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_nothing_of_a_hidden_case_is_told(graded):
    for result in graded[0].results.values():
        for case in result.cases:
            if case.hidden:
                assert (case.call, case.expected) == ("", "")
                assert "LEAK" not in case.got and len(case.got) < 100
        assert len(repr(result.as_dict())) < 400_000


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_nothing_is_left_and_nothing_was_changed(graded, before, folder):
    assert processes_of(graded[0].users) == []
    assert facts_of(folder) == before["submissions"]
    after = host()
    for name, found in before["host"].items():
        assert after[name] == found, name


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_grader_itself_stays_small(graded):
    assert graded[1] < MOST_MEMORY


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_neighbours_score_what_they_score_alone(graded, tmp_path):
    make_red_team(tmp_path / "alone", frozenset(NEIGHBOURS))
    alone = grade(tmp_path / "alone")
    for student in NEIGHBOURS:
        assert alone.of(student)[EXERCISES[0]].points == POINTS[EXERCISES[0]]
        assert outcomes(alone, student) == outcomes(graded[0], student)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_same_seed_gives_the_same_results(graded, folder):
    again = grade(folder)
    # Of what races with a limit of the host the table names all that it may end with, and the test
    # above holds it to that; of all others every case must end alike.
    steady = [one.student for one in EVERY.values() if one.steady]
    assert len(steady) > len(EVERY) * 0.8
    for student in steady:
        assert outcomes(again, student) == outcomes(graded[0], student), student
    assert [line for one in EVERY.values() for line in differences(one, again)] == []
