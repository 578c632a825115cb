"""`novelkit grade` and `pytest tests/grading --submissions`: a whole class from one command."""

import csv
import html
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from grading_homework import LOOPS, NO_GUARD, RIGHT, hand_in, notebook, write_exercises
from helpers_command import assert_one_line, result, run, tree

from novelkit.grading.batch import Course, Grader, Store
from novelkit.grading.cases import choose_exercises

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are limited on Linux")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return write_exercises(tmp_path_factory.mktemp("own"))


@pytest.fixture
def work(tmp_path):
    folder = hand_in(tmp_path / "work", ann=RIGHT, bob=NO_GUARD, dan="print('hello')\n")
    (folder / "cid").mkdir()
    (folder / "cid" / "90_own.ipynb").write_text(notebook(RIGHT), encoding="utf-8")
    return folder


def options(work, out, own, *more):
    return ("grade", work, "--out", out, "--exercises", own, "--no-course", "--seed", 3, *more)


def marks(out):
    """Student -> exercise -> (points, status), of grades.csv."""
    with (out / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    names = ("90-double", "90-reverse")
    return {
        row["submission"]: {name: (float(row[name]), row[f"{name}:status"]) for name in names}
        for row in rows
    }


def test_a_class_is_graded(work, own, tmp_path):
    before = tree(work)
    found = result(*options(work, tmp_path / "out", own))
    assert found["seed"] == 3
    assert found["counts"] == {"passed": 5, "partial": 1, "missing": 2}
    got = marks(tmp_path / "out")
    assert got["ann"] == got["cid"] == {"90-double": (6, "passed"), "90-reverse": (4, "passed")}
    assert got["bob"]["90-double"][1] == "partial" and got["dan"]["90-double"] == (0, "missing")
    assert tree(work) == before
    pages = {path.name for path in (tmp_path / "out" / "students").iterdir()}
    assert pages == {"ann.html", "bob.html", "cid.html", "dan.html"}
    page = (tmp_path / "out" / "class.html").read_text(encoding="utf-8")
    assert "加倍" in page
    # However it was started, the page says what grades the same batch again.
    told = f"novelkit grade {work} --out OUT --seed 3 --exercises {own} --no-course"
    assert html.escape(told) in page


def test_the_same_class_gets_the_same_marks_again(work, own, tmp_path):
    found = []
    for name in ("first", "second"):
        out = tmp_path / name
        assert run(*options(work, out, own))[0] == 0
        found.append(tree(out))
        # One line each with the seconds that it took, in the order in which they ended.
        assert found[-1].pop("results.jsonl")
    assert found[0] == found[1]
    assert {"grades.csv", "grades.json", "class.html", "students/ann.html"} <= found[0].keys()


def test_what_is_known_is_not_graded_again_but_what_has_changed_is(work, own, tmp_path):
    out = tmp_path / "out"
    run(*options(work, out, own))
    lines = (out / "results.jsonl").read_text(encoding="ascii").splitlines()
    assert len(lines) == 8
    (work / "bob.py").write_text(RIGHT, encoding="utf-8")
    found = result(*options(work, out, own)[:-2])
    assert found["seed"] == 3, "the seed of the batch is kept"
    more = (out / "results.jsonl").read_text(encoding="ascii").splitlines()[len(lines) :]
    assert {json.loads(one)["student"] for one in more} == {"bob"}
    assert marks(out)["bob"]["90-double"] == (6, "passed")
    run(*options(work, out, own, "--student", "ann"))
    done = len(lines) + len(more)
    last = (out / "results.jsonl").read_text(encoding="ascii").splitlines()[done:]
    assert {json.loads(one)["student"] for one in last} == {"ann"} and len(last) == 2


def test_marks_given_by_hand_survive(work, own, tmp_path):
    out = tmp_path / "out"
    run(*options(work, out, own))
    assert (out / "overrides.csv").is_file()
    (out / "overrides.csv").write_text(
        "student,exercise,points,comment\ndan,90-double,5,showed it on paper\n", encoding="utf-8"
    )
    for _ in range(2):
        run(*options(work, out, own, "--again"))
        assert marks(out)["dan"]["90-double"][0] == 5
        page = (out / "students" / "dan.html").read_text(encoding="utf-8")
        assert "showed it on paper" in page


def test_roster_and_lateness(work, own, tmp_path):
    roster = tmp_path / "roster.csv"
    roster.write_text("id,name\nann,安\nbob,博\neve,夏\n", encoding="utf-8")
    times = tmp_path / "times.csv"
    times.write_text("student,submitted\nann,2026-03-03T00:00:00+08:00\n", encoding="utf-8")
    due = ("--due", "2026-03-01T23:59:59+08:00", "--times", times)
    out = tmp_path / "out"
    found = result(*options(work, out, own, "--roster", roster, *due))
    with (out / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert rows["ann"]["late_days"] == "2" and float(rows["ann"]["final"]) == 8
    assert rows["eve"]["90-double:status"] == "missing"
    assert any("cid" in line for line in found["problems"])


def test_exercises_that_nobody_answered_are_pointed_out(own, tmp_path):
    only_one = RIGHT[: RIGHT.index("def reverse_it")]
    work = hand_in(tmp_path / "work", ann=only_one, bob=only_one)
    found = result(*options(work, tmp_path / "out", own))
    assert ["90-reverse" in line and "--only" in line for line in found["problems"]] == [True]
    found = result(*options(work, tmp_path / "out", own, "--only", "90-d"))
    assert found["problems"] == []


def test_a_batch_that_was_killed_goes_on(own, tmp_path):
    work = hand_in(tmp_path / "work", ann=RIGHT, bob=LOOPS, cid=LOOPS, dan=LOOPS, eve=RIGHT)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "novelkit", *map(str, options(work, out, own))]
    process = subprocess.Popen([*command, "--workers", "1"], cwd=ROOT, stderr=subprocess.DEVNULL)
    kept = out / "results.jsonl"
    deadline = time.monotonic() + 120
    while not (kept.is_file() and kept.read_bytes().count(b"\n") >= 3):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    before = kept.read_bytes()
    with kept.open("ab") as file:
        file.write(b'{"student": "half a li')
    assert run(*options(work, out, own))[0] == 0
    found = marks(out)
    assert found["ann"] == found["eve"] == {"90-double": (6, "passed"), "90-reverse": (4, "passed")}
    assert {found[name]["90-double"] for name in ("bob", "cid", "dan")} == {(0, "timeout")}
    assert kept.read_bytes().startswith(before)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--only", "77"), "没有以 77 开头的练习"),
        (("--student", "zoe"), "没有 zoe 的作业"),
        (("--cases", "nowhere"), "没有 nowhere 这个文件夹"),
        (("--due", "tomorrow"), "看不懂"),
    ],
)
def test_bad_input_is_one_line(work, own, tmp_path, more, said):
    assert_one_line(*run(*options(work, tmp_path / "out", own, *more)), says=said)


def test_an_empty_folder_and_another_seed_are_refused(work, own, tmp_path):
    (tmp_path / "empty").mkdir()
    code, out, err = run(*options(tmp_path / "empty", tmp_path / "out", own))
    assert_one_line(code, out, err, says="没有作业")
    assert_one_line(*run(*options(work, tmp_path / "out", own, "--seed", 4)), says="种子 3")


def test_a_reference_that_is_wrong_stops_the_batch(work, tmp_path):
    own = write_exercises(tmp_path / "own")
    path = own / "exercise_90_own.py"
    path.write_text(
        path.read_text(encoding="utf-8").replace("Case((2,), 4", "Case((2,), 5"), encoding="utf-8"
    )
    code, _, err = run(*options(work, tmp_path / "out", own))
    assert code == 1 and "90-double" in err and "参考答案没有拿到满分" in err
    assert not (tmp_path / "out" / "grades.csv").exists()


def test_no_worker_sees_own_exercises_cases_submissions_or_results(own, tmp_path):
    """Own exercises hold their solutions, and whoever grades could forget to hide them."""
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "90-double.json").write_text(
        '[{"arguments": [3], "expected": 6}]', encoding="utf-8"
    )
    exercises = choose_exercises([own], course=False)
    course = Course.prepare(exercises, 1, tmp_path / "cases", [own])
    with Grader(course, Store(tmp_path / "out"), [tmp_path / "work"], 1) as grader:
        folders = {own, tmp_path / "cases", tmp_path / "work", tmp_path / "out"}
        assert set(grader.hidden) == folders


def pytest_run(work, out, *more):
    """`pytest tests/grading` in a process of its own: exit code, output."""
    command = [sys.executable, "-m", "pytest", "tests/grading", "--submissions", str(work)]
    found = subprocess.run(
        [*command, "--grades", str(out), "-p", "no:cacheprovider", *more],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTEST_ADDOPTS": ""},
    )
    return found.returncode, found.stdout


def test_pytest_grades_the_same_class(work, own, tmp_path):
    out, selected = tmp_path / "out", ("-k", "90-", "--exercises", str(own), "--cases-seed", "3")
    code, said = pytest_run(work, out, *selected, "-n", "2")
    assert code == 1, "a student failed"
    # Two references as well.
    assert "3 failed, 7 passed" in said
    assert "test_submission[bob-90-double]" in said and "negative" in said
    with (out / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["submission"]: row for row in csv.DictReader(file)}
    assert float(rows["ann"]["90-double"]) == 6 and rows["dan"]["90-double:status"] == "missing"
    before = (out / "results.jsonl").read_bytes()
    code, said = pytest_run(work, out, *selected, "--student", "ann")
    assert code == 0 and "4 passed" in said
    assert (out / "results.jsonl").read_bytes().count(b"\n") == before.count(b"\n") + 2
