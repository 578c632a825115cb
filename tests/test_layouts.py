"""Layouts: a file is the old one or the new one, and a header that does not fit is refused."""

import dataclasses
import json
import os
import re

import pytest

from novelkit import layouts
from novelkit.cleaning import RULES
from novelkit.errors import InputError

SPLIT = {"file": "x.npy", "sha256": "0", "tokens": 9, "characters": 9, "chapters": 1}
ANCHORS = dict.fromkeys(("uniform", "unigram", "bigram", "trigram", "fivegram", "xz"), 1.5)
DATA = {
    "format": "novelkit-data",
    "version": layouts.VERSION,
    "tokenizer_sha256": "0",
    "vocabulary": 300,
    "novels": [{"title": "书", "source": {}}],
    "splits": dict.fromkeys(layouts.SPLITS, SPLIT),
    "anchors": ANCHORS,
}
RUN = {
    "format": "novelkit-run",
    "version": layouts.VERSION,
    "config": {},
    "model": {},
    "data": {"anchors": ANCHORS, "tokens_per_character": dict.fromkeys(layouts.SPLITS, 1)},
    "decisions": [{"step": 0, "kind": "cycle", "value": {}, "reason": ""}],
    "sessions": [{"id": 1}],
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


@pytest.mark.parametrize("fails", ["open", "write", "fsync", "replace"])
def test_an_error_names_the_file_that_the_user_named(tmp_path, monkeypatch, fails):
    path = tmp_path / "novel.txt"

    def fail(*arguments):
        # A rename tells both names, a write none.
        temporary = str(arguments[0]) if fails == "replace" else None
        raise OSError(28, "No space left on device", temporary, None, fails == "replace" and "x")

    if fails == "open":
        path = tmp_path / "nowhere" / "novel.txt"
    elif fails == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    elif fails == "replace":
        monkeypatch.setattr(type(path), "replace", fail)
    with pytest.raises(OSError) as caught, layouts.replacing(path) as temporary:
        temporary.write_text("half", encoding="utf-8")
        if fails == "write":
            fail()
    monkeypatch.undo()
    assert caught.value.filename == str(path) and caught.value.filename2 is None
    assert ".tmp" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(OSError) as caught, layouts.replacing(tmp_path / "a"):
        (tmp_path / "source").read_bytes()
    assert caught.value.filename == str(tmp_path / "source")


def test_a_name_that_just_fits_can_be_replaced(tmp_path):
    path = tmp_path / ("书" * 80 + ".txt")
    layouts.write_text(path, "字")
    assert path.read_text(encoding="utf-8") == "字"


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


def without(header, *place):
    """A copy of a header that lacks the key at `place`."""
    copy = json.loads(json.dumps(header))
    part = copy
    for key in place[:-1]:
        part = part[key]
    del part[place[-1]]
    return copy


@pytest.mark.parametrize(
    ("name", "header", "says"),
    [
        ("novelkit-data", DATA | {"splits": {}}, "splits.train"),
        ("novelkit-data", DATA | {"splits": []}, "splits"),
        ("novelkit-data", DATA | {"anchors": dict.fromkeys(ANCHORS)}, "anchors.uniform"),
        ("novelkit-data", without(DATA, "splits", "test"), "splits.test"),
        *(
            ("novelkit-data", without(DATA, "splits", "validation", key), f"validation.{key}")
            for key in SPLIT
        ),
        ("novelkit-data", without(DATA, "anchors", "xz"), "anchors.xz"),
        ("novelkit-data", DATA | {"vocabulary": "300"}, "vocabulary"),
        ("novelkit-data", without(DATA, "novels", 0, "title"), r"novels\[0\].title"),
        ("novelkit-run", RUN | {"data": {}}, "data.anchors"),
        ("novelkit-run", without(RUN, "data", "tokens_per_character", "train"), "train"),
        ("novelkit-run", without(RUN, "decisions", 0, "step"), r"decisions\[0\].step"),
        ("novelkit-run", without(RUN, "sessions", 0, "id"), r"sessions\[0\].id"),
        ("novelkit-state", {"format": "novelkit-state", "version": 1, "state": {}}, "state.step"),
    ],
)
def test_a_header_with_a_hole_is_refused(tmp_path, name, header, says):
    path = tmp_path / "header.json"
    layouts.write_json(path, header)
    with pytest.raises(InputError, match=f"缺少.*{says}.*请"):
        layouts.read_header(path, name)


def test_a_whole_ledger_comes_back(tmp_path):
    layouts.write_json(tmp_path / "run.json", RUN)
    assert layouts.read_header(tmp_path / "run.json", "novelkit-run") == RUN


# ---- the description of the layouts, and folders as they are written


def documented(name):
    """The top-level keys and all keys of the braces behind a file's name in the docstring."""
    text = layouts.__doc__.split(f"    {name} ", 1)[-1].split(f"    {name}\n", 1)[-1]
    top, every, depth = set(), set(), 0
    for found in re.finditer(r'[{}]|"(\w+)"(?=(:?))', text[text.index("{") :]):
        before = text[text.index("{") :][: found.start()].rstrip()[-1:]
        if found.group() == "{":
            depth += 1
        elif found.group() == "}":
            depth -= 1
        elif before != ":":  # not a value
            every.add(found[1])
            top |= {found[1]} if depth == 1 else set()
        if depth == 0:
            break
    return top, every


def keys_within(value):
    """The keys of all objects within a JSON value."""
    if isinstance(value, list):
        return set().union(*map(keys_within, value))
    if not isinstance(value, dict):
        return set()
    return set(value).union(*map(keys_within, value.values()))


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folders(novel, model_size, cpu, tmp_path_factory):
    """Every kind of folder as it is really written: prepared, trained for two steps, downloaded."""
    pytest.importorskip("torch")
    from novelkit.__main__ import main
    from novelkit.model import ModelConfig
    from novelkit.tokenizing import load_tokenizer
    from novelkit.training import Budget, TrainConfig, train

    folder = tmp_path_factory.mktemp("folders")
    book = folder / "渡口.txt"
    book.write_text(novel.text, encoding="utf-8")
    data, run = folder / "data", folder / "run"
    assert main(["prepare", str(book), "--out", str(data), "--datasets"]) == 0
    size = dataclasses.asdict(model_size) | {"vocab_size": len(load_tokenizer(data))}
    config = TrainConfig(batch_size=2)
    train(data, run, ModelConfig(**size), config, Budget(max_steps=2), compute=cpu)
    assert main(["download", str(book), "--out", str(folder / "raw")]) == 0
    return folder


def test_the_headers_are_as_described(folders):
    step = "run/checkpoints/step-00000002"
    for name, place in {
        "data.json": "data/data.json",
        "report.json": "data/report.json",
        "run.json": "run/run.json",
        "state.json": f"{step}/state.json",
        "manifest.json": f"{step}/manifest.json",
        "novelkit.json": "run/model/novelkit.json",
    }.items():
        written, (top, every) = read(folders / place), documented(name)
        assert top - OPTIONAL_KEYS == set(written) - OPTIONAL_KEYS, name
        # Settings, sizes and losses by file name are described where they are made.
        inner = {key: value for key, value in written.items() if key not in OPEN_VALUES}
        assert keys_within(inner) - OPEN_KEYS <= every, name


OPEN_VALUES = {"config", "model", "files", "encodings"}
OPTIONAL_KEYS = {"anchors_characters", "headers"}
# What a decision of some kind holds, the gradient scaler's own state, and rules by name.
OPEN_KEYS = {"start", "end", "cooldown_start", "device", "dtype", "use_grad_scaler"}
OPEN_KEYS |= {*RULES, "chapters"}


def test_the_lines_and_records_are_as_described(folders):
    lines = (folders / "run/history.jsonl").read_text(encoding="utf-8").splitlines()
    assert documented("history.jsonl")[0] == set().union(*map(json.loads, lines))
    (chapters,) = (folders / "data/novels").glob("*.jsonl")
    first = json.loads(chapters.read_text(encoding="utf-8").split("\n")[0])
    assert documented("novels/NAME.jsonl")[0] == set(first)
    (report,) = (folders / "data/novels").glob("*.report.json")
    assert documented("novels/NAME.report.json")[0] == set(read(report))
    (record,) = (folders / "raw").glob("*.source.json")
    # Only of what came from a server, or of a book of the catalogue.
    remote = {"final_url", "content_type", "mirror", "resumed_from"}
    known = {"licence", "title", "author", "id"}
    assert documented("NAME.source.json")[0] - remote - known == set(read(record))


def test_the_files_are_as_described(folders):
    for path in folders.rglob("*"):
        name = re.sub(r"\d{8}$", "", path.name)
        if path.parent.name == "novels":
            name = "NAME." + name.split(".", 1)[1]
        if "dataset" in path.relative_to(folders).parts[:-1]:
            name = "dataset/"  # what is in it is the package's own
        if path.parent != folders and not path.name.startswith("渡口"):
            assert name in layouts.__doc__, path
    assert not list(folders.rglob(".*"))


def test_a_header_of_a_real_folder_is_accepted(folders):
    assert layouts.read_header(folders / "data/data.json", "novelkit-data")["splits"]
    assert layouts.read_header(folders / "run/run.json", "novelkit-run")["sessions"]
    assert layouts.read_header(folders / "run/model/novelkit.json", "novelkit-model")["scores"]
