"""Layouts: a file is the old one or the new one, and a header that does not fit is refused."""

import json
import os

import pytest

from novelkit import layouts
from novelkit.errors import InputError

DATA = {
    "format": "novelkit-data",
    "version": layouts.VERSION,
    **dict.fromkeys(layouts.REQUIRED_KEYS["novelkit-data"], {}),
}


def test_text_is_utf8_with_its_newlines_kept(tmp_path):
    path = tmp_path / "新 文件夹" / "文.txt"
    layouts.write_text(path, "好\r\n龘\n\u2028")
    assert path.read_bytes() == "好\r\n龘\n\u2028".encode()
    assert [file.name for file in path.parent.iterdir()] == ["文.txt"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "data.json"
    layouts.write_text(path, "old")

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    target = os if step == "fsync" else type(path)
    monkeypatch.setattr(target, step, fail)
    with pytest.raises(OSError):
        layouts.write_text(path, "new")
    monkeypatch.undo()
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("value", [{"a": float("nan")}, {"a": float("inf")}, {"a": object()}])
def test_json_that_cannot_be_written_keeps_the_old_file(tmp_path, value):
    path = tmp_path / "data.json"
    layouts.write_json(path, {"a": "字"})
    with pytest.raises((ValueError, TypeError)):
        layouts.write_json(path, value)
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": "字"}
    assert list(tmp_path.iterdir()) == [path]


def test_a_lone_surrogate_keeps_the_old_file(tmp_path):
    path = tmp_path / "text.txt"
    layouts.write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        layouts.write_text(path, "new\ud800")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_header_comes_back(tmp_path):
    layouts.write_json(tmp_path / "data.json", DATA)
    assert layouts.read_header(tmp_path / "data.json", "novelkit-data") == DATA


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "没有找到"),
        ("", "不是完整的 JSON"),
        (json.dumps(DATA)[:-20], "不是完整的 JSON"),
        ("[]", "不是 novelkit-data"),
        ("{}", "不是 novelkit-data"),
        (json.dumps({**DATA, "format": "novelkit-run"}), "不是 novelkit-data"),
        (json.dumps({**DATA, "version": 99}), "版本是 99"),
        (json.dumps({**DATA, "version": None}), "版本是 None"),
        (json.dumps({k: v for k, v in DATA.items() if k != "splits"}), "缺少 splits"),
    ],
)
def test_a_header_that_does_not_fit_is_refused_in_one_line(tmp_path, content, says):
    path = tmp_path / "data.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=says) as caught:
        layouts.read_header(path, "novelkit-data")
    assert "\n" not in str(caught.value)


def test_a_header_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "data.json"
    path.write_bytes(json.dumps({**DATA, "novels": "书"}, ensure_ascii=False).encode("gb18030"))
    with pytest.raises(InputError):
        layouts.read_header(path, "novelkit-data")


def test_the_required_keys_are_in_the_written_layout():
    for keys in layouts.REQUIRED_KEYS.values():
        for key in keys:
            assert f'"{key}"' in layouts.__doc__
