"""A folder of submissions: who handed in what, and what is refused."""

import json
import os
import socket
import threading
from pathlib import Path

import pytest
from helpers_submissions import (
    DOUBLE,
    RIGHT,
    SMALL,
    code,
    exercise,
    names,
    notebook,
    put,
    text,
    zipped,
)
from hypothesis import given
from hypothesis import strategies as st

from novelkit.errors import InputError
from novelkit.grading import archives
from novelkit.grading.answers import find_answers
from novelkit.grading.archives import MOST_FILES
from novelkit.grading.names import clean_name, same_student_key
from novelkit.grading.records import Status
from novelkit.grading.submissions import read_submissions

NOTEBOOKS = ("05_model", "07_diagnosis")


def students(folder: Path) -> list[str]:
    return [one.student for one in read_submissions(folder, NOTEBOOKS)]


def only(folder: Path):
    (found,) = read_submissions(folder, NOTEBOOKS)
    return found


# ---- whose it is


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("alice.ipynb", "alice"),
        ("alice.PY", "alice"),
        ("alice-07_diagnosis.ipynb", "alice"),
        ("20231234_张三_07_diagnosis.ipynb", "20231234_张三"),
        ("张三07_diagnosis.ipynb", "张三"),
        ("2023123407_diagnosis.ipynb", "2023123407_diagnosis"),
        ("07_diagnosis-alice.ipynb", "alice"),
        ("07_Diagnosis alice.py", "alice"),
        ("Copy of alice-07_diagnosis.ipynb", "alice"),
        ("“alice-07_diagnosis.ipynb”的副本.ipynb", "alice"),
        ("alice-07_diagnosis.ipynb的副本.ipynb", "alice"),
        ("alice的副本.ipynb", "alice"),
        ("alice - 副本 (2).ipynb", "alice"),
        ("alice (1).ipynb", "alice"),
        ("alice（1）.ipynb", "alice"),
        ("alice-Copy1.ipynb", "alice"),
        ("alice-07_diagnosis-Copy1 (2).ipynb", "alice"),
        ("doejane_12345_67890_07_diagnosis.ipynb", "doejane_12345"),
        ("doejane_LATE_12345_67890_homework-1.ipynb", "doejane_12345"),
        ("李 四_1234567_assignsubmission_file_07_diagnosis.ipynb", "李 四_1234567"),
    ],
)
def test_the_student_of_a_file(tmp_path, name, student):
    put(tmp_path / name)
    found = only(tmp_path)
    assert (found.student, found.problems, len(found.files)) == (student, (), 1)


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("alice", "alice"),
        ("J. Smith", "J. Smith"),
        ("李 四_1234567_assignsubmission_file", "李 四_1234567"),
        ("Full Name_1234567_assignsubmission_file_", "Full Name_1234567"),
    ],
)
def test_the_student_of_a_folder(tmp_path, name, student):
    put(tmp_path / name / "a.ipynb")
    assert only(tmp_path).student == student


def test_a_file_that_names_no_student_keeps_its_name_with_a_problem(tmp_path):
    put(tmp_path / "07_diagnosis.ipynb")
    found = only(tmp_path)
    assert found.student == "07_diagnosis" and "没有学生的名字" in found.problems[0]


def test_files_of_one_student_are_one_submission(tmp_path):
    for name in ("alice-05_model.ipynb", "alice-07_diagnosis.ipynb", "bob-05_model.ipynb"):
        put(tmp_path / name)
    alice, bob = read_submissions(tmp_path, NOTEBOOKS)
    assert names(alice) == ["alice-05_model.ipynb", "alice-07_diagnosis.ipynb"]
    assert (alice.student, bob.student, len(bob.files)) == ("alice", "bob", 1)


def test_files_that_a_platform_gives_one_number_are_one_submission(tmp_path):
    put(tmp_path / "doejane_12345_67890_a.ipynb")
    put(tmp_path / "doejane_LATE_12345_67891_b.ipynb")
    put(tmp_path / "doejane_12345_67892_c.zip", zipped({"c.ipynb": SMALL}))
    put(tmp_path / "doejane_99999_67893_a.ipynb")
    first, second = read_submissions(tmp_path, NOTEBOOKS)
    assert (first.student, len(first.files), len(second.files)) == ("doejane_12345", 3, 1)


def test_students_are_sorted_and_other_files_are_no_submissions(tmp_path):
    for name in ("b.ipynb", "a/x.py", ".hidden.ipynb", ".git/x.py", "__MACOSX/x.py", "grades.csv"):
        put(tmp_path / name)
    assert students(tmp_path) == ["a", "b"]


# ---- two of one name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("alice.ipynb", "alice/a.ipynb"),
        ("alice/a.ipynb", "alice.zip"),
        ("Alice.ipynb", "alice.ipynb"),
        ("Jose\u0301.ipynb", "Jos\u00e9.ipynb"),
        ("a\u200fb.ipynb", "ab.ipynb"),
        ("a*b/x.py", "a?b/x.py"),
    ],
)
def test_two_of_one_name_are_a_conflict_that_names_both(tmp_path, one, other):
    put(tmp_path / one)
    put(tmp_path / other)
    found = only(tmp_path)
    assert found.files == () and found.conflict is not None
    assert "2 份作业" in found.conflict
    for name in (one, other):
        assert clean_name(name.split("/")[0]) in found.conflict


@pytest.mark.parametrize(
    "name",
    ["..", "a\0b", "a\udc80b", "\u202ecod", "a/../b", "字" * 300, "", ".x", "CON", " ", "a\nb"],
)
def test_a_cleaned_name_is_printable_and_one_file(name):
    cleaned = clean_name(name)
    assert cleaned.isprintable() and not set('/\\:*?"<>|') & set(cleaned)
    assert 0 < len(cleaned.encode("utf-8")) <= 120 and not cleaned.startswith(".")
    assert cleaned.upper() != "CON"


@given(st.text())
def test_cleaning_twice_changes_nothing(name):
    assert clean_name(clean_name(name)) == clean_name(name)
    assert same_student_key(clean_name(name)) == same_student_key(name)
    assert clean_name(name).isprintable()


def test_names_are_composed_and_long_ones_that_differ_at_the_end_stay_two():
    assert clean_name("Jose\u0301") == "Jos\u00e9"
    assert clean_name("字" * 100 + "甲") != clean_name("字" * 100 + "乙")


def test_names_that_are_not_text_are_read(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"al\xffice")).mkdir()
    except OSError:
        pytest.skip("this file system takes names of UTF-8 only")
    (tmp_path / os.fsdecode(b"al\xffice") / os.fsdecode(b"\xff.py")).write_bytes(b"x = 1")
    found = only(tmp_path)
    assert (found.student, names(found)) == ("al_ice", ["_.py"])


# ---- what is in a folder


def test_a_folder_is_read_to_the_bottom_without_hidden_names(tmp_path):
    wanted = ["a.ipynb", "deep/er/b.py"]
    skipped = [".ipynb_checkpoints/a.ipynb", "__pycache__/a.py", "__MACOSX/a.py", ".a.py", "a.txt"]
    for name in (*wanted, *skipped):
        put(tmp_path / "alice" / name)
    found = only(tmp_path)
    assert names(found) == wanted and found.problems == ()


def test_an_empty_folder_is_a_submission_with_a_problem(tmp_path):
    (tmp_path / "alice").mkdir()
    found = only(tmp_path)
    assert found.files == () and "没有交上" in found.problems[0]


def test_links_are_never_followed(tmp_path):
    secret = put(tmp_path / "outside" / "secret.ipynb")
    folder = tmp_path / "in"
    put(folder / "alice" / "own.py", b"x = 1")
    (folder / "alice" / "link.ipynb").symlink_to(secret)
    (folder / "alice" / "linked").symlink_to(secret.parent)
    (folder / "bob.ipynb").symlink_to(secret)
    (folder / "carol").symlink_to(secret.parent)
    alice, bob, carol = read_submissions(folder)
    assert names(alice) == ["own.py"] and len(alice.problems) == 2
    assert bob.files == carol.files == ()
    for found in (alice, bob, carol):
        assert "符号链接" in found.problems[0]


def test_pipes_and_sockets_are_never_opened(tmp_path):
    put(tmp_path / "alice" / "own.py", b"x = 1")
    os.mkfifo(tmp_path / "alice" / "pipe.ipynb")
    os.mkfifo(tmp_path / "bob.ipynb")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(tmp_path / "alice" / "s.py"))
        read = []
        thread = threading.Thread(target=lambda: read.extend(read_submissions(tmp_path)))
        thread.daemon = True
        thread.start()
        thread.join(20)
    assert [names(one) for one in read] == [["own.py"], []]
    assert ["不是普通文件" in line for line in read[0].problems] == [True, True]
    assert "不是普通文件" in read[1].problems[0]


def test_what_cannot_be_read_is_a_problem(tmp_path, monkeypatch):
    put(tmp_path / "alice" / "a.py")
    put(tmp_path / "alice" / "b.py")
    opened = os.open

    def refuse(path, *rest, **more):
        if Path(path).name == "a.py":
            raise PermissionError(13, "no")
        return opened(path, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)
    found = only(tmp_path)
    assert names(found) == ["b.py"] and "a.py 读不出来" in found.problems[0]


def test_files_above_the_limits_are_problems(tmp_path):
    put(tmp_path / "alice" / "large.py", b"#" * (archives.LARGEST_PROGRAM + 1))
    with put(tmp_path / "alice" / "large.ipynb").open("r+b") as file:
        file.truncate(archives.LARGEST_NOTEBOOK + 1)
    put(tmp_path / "alice" / "small.py", b"x = 1")
    found = only(tmp_path)
    assert names(found) == ["small.py"]
    assert "256 MB" in found.problems[0] and "2 MB" in found.problems[1]


def test_no_more_than_a_thousand_files_are_read(tmp_path):
    for number in range(MOST_FILES + 2):
        put(tmp_path / "alice" / f"{number:04}.py", b"")
    found = only(tmp_path)
    assert len(found.files) == MOST_FILES and "1000" in found.problems[0]


def test_many_problems_are_cut_short(tmp_path):
    put(tmp_path / "alice" / "own.py")
    for number in range(60):
        (tmp_path / "alice" / f"{number}.py").symlink_to("own.py")
    problems = only(tmp_path).problems
    assert len(problems) == 51 and "还有 10 处" in problems[-1]


def test_large_outputs_are_read_and_not_kept(tmp_path):
    outputs = [{"data": {"image/png": "A" * 5_000_000}}]
    tagged = code(RIGHT, "05-double", outputs=outputs)
    put(tmp_path / "alice.ipynb", notebook(text("字"), tagged))
    (file,) = only(tmp_path).files
    kept = json.loads(file.content)["cells"]
    assert len(file.content) < 2000
    assert [cell["source"] for cell in kept] == ["字", RIGHT]
    assert kept[1]["metadata"] == tagged["metadata"]
    put(tmp_path / "alice.ipynb", b"{" * 5_000_000)
    found = only(tmp_path)
    assert "不是有效的 notebook" in found.problems[0]
    # What is kept of it still says that it was handed in, and cannot be read.
    assert len(found.files[0].content) < 1 << 19
    answer = find_answers(found, {DOUBLE: exercise()}, {})[DOUBLE]
    assert answer.status is Status.ERROR


def test_other_archives_are_named_and_not_read(tmp_path):
    put(tmp_path / "alice.rar")
    put(tmp_path / "bob" / "work.7z")
    for found in read_submissions(tmp_path):
        assert found.files == () and "不支持的压缩格式" in found.problems[0]


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(InputError, match="作业文件夹"):
        read_submissions(tmp_path / "no")
    with pytest.raises(InputError, match="作业文件夹"):
        read_submissions(put(tmp_path / "file"))
    assert students(tmp_path) == []
