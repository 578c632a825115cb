"""A student's .zip: read within limits, and what is refused."""

import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from helpers_submissions import SMALL, names, put, zipped
from hypothesis import given
from hypothesis import strategies as st

from novelkit.grading import archives
from novelkit.grading.archives import MOST_MEMBERS
from novelkit.grading.submissions import read_submissions

NOTEBOOKS = ("05_model", "07_diagnosis")


def only(folder: Path):
    (found,) = read_submissions(folder, NOTEBOOKS)
    return found


def test_an_archive_is_read_with_the_dates_of_its_members(tmp_path):
    members = {"a.ipynb": SMALL, "deep/b.py": b"x = 1", "__MACOSX/._a.ipynb": b"", "c.txt": b""}
    put(tmp_path / "alice-07_diagnosis.zip", zipped(members))
    put(tmp_path / "bob" / "work.zip", zipped(members))
    alice, bob = read_submissions(tmp_path, NOTEBOOKS)
    assert alice.student == "alice"
    assert names(alice) == [f"alice-07_diagnosis.zip/{name}" for name in ("a.ipynb", "deep/b.py")]
    assert names(bob) == ["work.zip/a.ipynb", "work.zip/deep/b.py"]
    assert alice.problems == () and alice.files[0].content == SMALL
    assert 1714950000 - 86400 < alice.files[0].modified < 1714980000 + 86400


@pytest.mark.parametrize(
    "name", ["../a.py", "deep/../../a.py", "/etc/a.py", "C:/a.py", "..\\a.py", "../.hidden.py"]
)
def test_members_that_escape_are_refused(tmp_path, name):
    put(tmp_path / "alice.zip", zipped({name: b"x = 1", "own.py": b"x = 1"}))
    found = only(tmp_path)
    assert names(found) == ["alice.zip/own.py"] and "指向包外" in found.problems[0]


def test_links_and_pipes_in_an_archive_are_refused(tmp_path):
    put(tmp_path / "alice.zip", zipped({"a.py": b"/etc/passwd"}, mode=0o120777))
    put(tmp_path / "bob.zip", zipped({"a.py": b"x"}, mode=0o010644))
    alice, bob = read_submissions(tmp_path)
    assert alice.files == bob.files == ()
    assert "符号链接" in alice.problems[0] and "不是普通文件" in bob.problems[0]


def test_an_encrypted_member_is_refused(tmp_path):
    content = bytearray(zipped({"a.py": b"x = 1"}))
    at = content.index(b"PK\x01\x02")
    content[at + 8] |= 1
    put(tmp_path / "alice.zip", bytes(content))
    assert "有密码" in only(tmp_path).problems[0]


def test_one_archive_inside_another_is_read_and_no_third(tmp_path):
    third = zipped({"c.py": b"x = 3"})
    second = zipped({"b.py": b"x = 2", "third.zip": third})
    put(tmp_path / "alice.zip", zipped({"a.py": b"x = 1", "second.zip": second}))
    found = only(tmp_path)
    assert names(found) == ["alice.zip/a.py", "alice.zip/second.zip/b.py"]
    assert "套了太多层" in found.problems[0]


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    put(tmp_path / "alice.zip", zipped({"a.ipynb": bytes(20 << 20)}))
    assert "1000 倍以上" in only(tmp_path).problems[0]


def test_a_bomb_that_lies_about_its_size_is_cut_at_the_limit(tmp_path):
    content = bytearray(zipped({"a.py": bytes(3 << 20), "b.py": b"x = 1"}))
    at = content.index(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 100)
    put(tmp_path / "alice.zip", bytes(content))
    found = only(tmp_path)
    assert names(found) == ["alice.zip/b.py"] and "a.py" in found.problems[0]


def test_an_archive_has_a_limit_for_all_members_together(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LIMITS", replace(archives.LIMITS, archive_bytes=1000))
    put(tmp_path / "alice.zip", zipped({f"{n}.py": b"#" * 400 for n in range(9)}))
    found = only(tmp_path)
    assert len(found.files) == 2 and "解压后总共 0 MiB，超过上限" in found.problems[0]


def test_endless_output_that_was_packed_is_an_accident_and_no_bomb(tmp_path):
    printed = json.dumps({"output_type": "stream", "name": "stdout", "text": "还在训练\n" * 10**6})
    notebook = json.loads(SMALL)
    notebook["cells"].append(
        {"cell_type": "code", "metadata": {}, "source": "", "outputs": [json.loads(printed)]}
    )
    content = zipped({"a.ipynb": json.dumps(notebook).encode("ascii")})
    assert len(content) < 1 << 18
    put(tmp_path / "alice.zip", content)
    assert names(only(tmp_path)) == ["alice.zip/a.ipynb"] and not only(tmp_path).problems


def test_a_directory_of_countless_members_is_not_read(tmp_path):
    entry = b"PK\x01\x02" * (MOST_MEMBERS + 1)
    put(tmp_path / "alice.zip", entry)
    assert "超过 20000 项" in only(tmp_path).problems[0]


def test_names_that_windows_wrote_in_gbk_are_repaired(tmp_path):
    content = zipped({"AAAA.py": b"x = 1"}).replace(b"AAAA", "作业".encode("gbk"))
    put(tmp_path / "alice.zip", content)
    assert names(only(tmp_path)) == ["alice.zip/作业.py"]


@given(st.binary(max_size=400), st.integers(0, 400))
def test_damaged_archives_never_raise(tmp_path_factory, junk, at):
    content = zipped({"a.py": b"x = 1", "b.ipynb": SMALL})
    folder = tmp_path_factory.mktemp("damaged")
    put(folder / "alice.zip", content[:at] + junk + content[at + len(junk) :])
    assert only(folder).student == "alice"
