"""The command line as a user meets it: one JSON object, one Chinese line for what is wrong.

Most tests call `main` in this process; what depends on the console, on a signal or on a clean
interpreter starts `python -m novelkit`.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers_text import novel, raw_book, save_tiny_model

from novelkit import checkpoint, layouts
from novelkit.__main__ import COMMANDS, main
from novelkit.cleaning import read_jsonl
from novelkit.tokenizing import load_tokenizer

ROOT = Path(__file__).resolve().parents[1]
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256))
ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + bytes(range(256))
CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.fixture
def run(capsys):
    """Runs a command in this process: (exit code, stdout, stderr)."""

    def call(*arguments):
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def result(run):
    """The JSON object of a command that works, which is all of its stdout."""

    def call(*arguments):
        code, out, err = run(*arguments, "--json")
        assert code == 0, err
        assert out.endswith("\n") and out.count("\n") == 1
        value = json.loads(out)
        assert isinstance(value, dict)
        return value

    return call


def python(*arguments, environment=None, **options):
    """A fresh `python -m novelkit`; stdout and stderr come back as bytes."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONIOENCODING"}
    return subprocess.run(
        [
            sys.executable,
            "-X",
            "warn_default_encoding",
            "-m",
            "novelkit",
            *map(str, arguments),
        ],
        capture_output=True,
        cwd=ROOT,
        env={**inherited, "OMP_NUM_THREADS": "1", **(environment or {})},
        timeout=120,
        **options,
    )


def without_warnings(stderr):
    """The lines of stderr less the encoding warnings of other libraries; ours would stay."""
    lines = stderr.decode("utf-8", "replace").splitlines()
    kept, skip = [], False
    for line in lines:
        if "EncodingWarning" in line and "site-packages" in line:
            skip = True  # the line of source code that follows
        elif not (skip and line.startswith("  ")):
            kept.append(line)
            skip = False
    return kept


def assert_one_line(code, out, err, says=""):
    """What every bad input must end in."""
    assert code == 2
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("错误：") and len(CHINESE.findall(lines[0])) >= 6
    assert "Traceback" not in err and "[Errno" not in err
    assert re.search(says, lines[0]), lines[0]
    return lines[0]


def tree(folder):
    """Every file below a folder with its content, hidden ones too."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A book, its DATA folder, a model and a run of three steps, in a folder with a hard name."""
    folder = tmp_path_factory.mktemp("书 架 $(1)")
    book = folder / "雪 后.txt"
    book.write_bytes(raw_book().encode("gb18030"))
    data, model, trained = folder / "数 据", folder / "模 型", folder / "训 练"
    assert main(["prepare", str(book), "--out", str(data)]) == 0
    save_tiny_model(load_tokenizer(data), model)
    arguments = ["train", data, "--out", trained, "--from", model, "--max-steps", 3]
    assert main([str(argument) for argument in arguments]) == 0
    return folder


@pytest.fixture
def book(workshop):
    return workshop / "雪 后.txt"


@pytest.fixture
def data(workshop):
    return workshop / "数 据"


@pytest.fixture
def trained(workshop):
    return workshop / "训 练"


@pytest.fixture
def model(trained):
    return trained / layouts.MODEL_FOLDER


# ---- help


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(run, name):
    code, out, err = run(name, "--help")
    assert code == 0 and not err
    assert f"novelkit {name}" in out and COMMANDS[name][:6] in out and "--json" in out


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_the_overview_names_every_command(run, arguments):
    code, out, err = run(*arguments)
    assert code == 0 and not err
    assert all(name in out for name in COMMANDS)


def test_the_version(run):
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", run("--version")[1])


def test_every_file_of_a_command_is_listed():
    files = {path.stem for path in (ROOT / "novelkit/cli").glob("*.py")}
    assert files - {"__init__", "output"} == set(COMMANDS)


# ---- one JSON object


def test_json_of_check(run):
    code, out, _ = run("check", "--json")
    found = json.loads(out)
    assert code == (0 if found["passed"] else 1)
    assert found["checks"] and found["compute"]["reason"]


def test_json_of_inspect(result, book):
    found = result("inspect", book)
    for key in ("segments", "confidence", "evidence", "damage"):
        assert key in found
    assert found["encoding"] == "gb18030" and found["segments"][0]["start"] == 0
    assert found["characters"] == len(raw_book())
    assert found["sha256"] == hashlib.sha256(raw_book().encode("utf-8")).hexdigest()


def test_json_of_prepare(result, book, tmp_path):
    found = result("prepare", book, "--out", tmp_path / "data")
    (described,) = found["novels"]
    assert described["chapters"] == 12 and described["characters"] > 3000
    assert described["file"] == "雪 后.txt" and described["encoding"] == "gb18030"
    report = next((tmp_path / "data/novels").glob("*.report.json")).read_text(encoding="utf-8")
    cleaning = json.loads(report)["cleaning"]
    lost = cleaning["characters_before"] - cleaning["characters_after"]
    assert sum(described["dropped"].values()) == lost
    assert set(found["splits"]) == set(layouts.SPLITS)
    assert [found["splits"][name]["chapters"] for name in layouts.SPLITS] == [10, 1, 1]
    assert found["preflight"]["lost_characters"] == 0 and found["reused"] is False


def test_json_of_train(result, data, workshop, tmp_path):
    arguments = ("train", data, "--from", workshop / "模 型", "--max-steps", 3)
    found = result(*arguments, "--out", tmp_path / "run")
    assert found["steps"] == 3 and found["stopped"] == "finished"
    assert found["loss"] > 0 and found["validation_loss"] > 0 and found["bits_per_character"] > 0
    assert (Path(found["model"]) / "model.safetensors").is_file()
    assert Path(found["model"]) == tmp_path / "run" / "model"


def test_json_of_diagnose(result, trained, tmp_path):
    found = result("diagnose", trained, "--plot", tmp_path / "新" / "loss.png")
    assert isinstance(found["findings"], list) and found["unchecked"]
    assert (tmp_path / "新" / "loss.png").read_bytes().startswith(b"\x89PNG")
    history = [
        {"step": step, "loss": 6.0, "session": 1, "learning_rate": 1e-3} for step in range(1, 40)
    ]
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    lines = "".join(json.dumps(record) + "\n" for record in history)
    (run / layouts.HISTORY_FILE).write_text(lines, encoding="utf-8")
    finding = result("diagnose", run)["findings"][0]
    assert {"cause", "confidence", "evidence", "next_experiment"} <= set(finding)


def test_json_of_write(result, run, model):
    found = result("write", model, "--prompt", "天还没有亮", "--length", 12)
    assert len(found["text"]) == 12 and found["tokens"] == 12 and found["seconds"] >= 0
    again = result("write", model, "--prompt", "天还没有亮", "--length", 12, "--seed", 0)
    assert again["text"] == found["text"]
    code, out, err = run("write", model, "--prompt", "天还没有亮", "--length", 12)
    assert (code, out) == (0, f"天还没有亮{found['text']}\n")


def test_what_a_person_reads_goes_to_stderr_with_json(run, model):
    code, out, err = run("write", model, "--prompt", "天", "--length", 5, "--json")
    assert json.loads(out)["text"] in err


def test_temperature_zero_writes(result, model):
    arguments = ("write", model, "--prompt", "龘😀", "--length", 8, "--temperature", 0)
    texts = {result(*arguments, "--seed", seed)["text"] for seed in range(3)}
    assert len(texts) == 1 and len(texts.pop()) == 8


# ---- inspect --text


@pytest.mark.parametrize(
    ("raw", "codec"),
    [
        (raw_book().encode("utf-8"), "utf-8"),
        (raw_book().encode("utf-8-sig"), "utf-8-sig"),
        (raw_book().replace("\n", "\r\n").encode("gb18030"), "gb18030"),
        (raw_book().replace("\n", "\r").encode("utf-16"), "utf-16"),
        (raw_book().encode("gb18030") + b"\xff\n", "gb18030"),
        (raw_book().encode("utf-8") + b"\xe4\xbd", "utf-8"),
    ],
    ids=["utf-8", "bom", "gbk crlf", "utf-16 cr", "gbk damage", "utf-8 damage"],
)
def test_inspect_writes_the_plain_decode(result, tmp_path, raw, codec):
    file, text = tmp_path / "raw.txt", tmp_path / "新 夹" / "text.txt"
    file.write_bytes(raw)
    found = result("inspect", file, "--text", text)
    expected = raw.decode(codec, errors="replace")
    assert text.read_bytes() == expected.encode("utf-8")
    assert found["sha256"] == hashlib.sha256(text.read_bytes()).hexdigest()
    assert found["damage"] == expected.count("\ufffd") and found["characters"] == len(expected)
    assert [path.name for path in text.parent.iterdir()] == ["text.txt"]


# ---- prepare


def test_preparing_the_same_again_does_nothing(result, book, tmp_path):
    out = tmp_path / "data"
    first = result("prepare", book, "--out", out)
    before = tree(out)
    second = result("prepare", book, "--out", out)
    assert second["reused"] is True and tree(out) == before
    assert {**second, "reused": False} == first


def test_the_same_book_under_one_name_in_two_folders(result, tmp_path):
    files = [tmp_path / name / "a.txt" for name in ("x", "y")]
    for file in files:
        file.parent.mkdir()
        file.write_text(raw_book(), encoding="utf-8")
    first = result("prepare", *files, "--out", tmp_path / "data")
    assert len(first["novels"]) == 2
    assert result("prepare", *files, "--out", tmp_path / "data")["reused"] is True


@pytest.mark.parametrize("lost", ["train.npy", "test.txt", "tokenizer.json", "novels"])
def test_what_is_missing_is_made_again(result, book, tmp_path, lost):
    out = tmp_path / "data"
    result("prepare", book, "--out", out)
    before = tree(out)
    if (out / lost).is_dir():
        shutil.rmtree(out / lost)
    else:
        (out / lost).unlink()
    assert result("prepare", book, "--out", out)["reused"] is False
    assert tree(out) == before


def test_another_book_replaces_the_first(result, book, tmp_path):
    out, other = tmp_path / "data", tmp_path / "other.txt"
    other.write_text(raw_book(14), encoding="utf-8")
    result("prepare", book, "--out", out)
    found = result("prepare", other, "--out", out)
    assert found["splits"]["train"]["chapters"] == 12
    (kept,) = (out / layouts.NOVELS_FOLDER).glob("*.jsonl")
    assert len(read_jsonl(kept).chapters) == 14
    assert len(list((out / layouts.NOVELS_FOLDER).iterdir())) == 2


def test_a_folder_of_books_less_its_own_data_and_hidden_files(result, tmp_path):
    folder = tmp_path / "books"
    (folder / "更 多").mkdir(parents=True)
    (folder / "a.txt").write_text(raw_book(12), encoding="utf-8")
    (folder / "更 多" / "b.TXT").write_bytes(raw_book(13).encode("gb18030"))
    (folder / "._a.txt").write_bytes(b"\0\1\2macOS")
    (folder / "fake.txt").mkdir()
    for _ in range(2):
        found = result("prepare", folder, "--out", folder / "data")
        assert [novel["file"] for novel in found["novels"]] == ["a.txt", "b.TXT"]
        (folder / "data" / "train.npy").unlink()


# ---- prepare: nothing of the user's is lost


@pytest.mark.parametrize("name", ["train.txt", "书.txt", "data.json", "novels/precious.jsonl"])
def test_a_folder_with_other_files_is_no_place_for_data(run, book, tmp_path, name):
    out = tmp_path / "mine"
    (out / name).parent.mkdir(parents=True)
    (out / name).write_text(raw_book(), encoding="utf-8")
    before = tree(tmp_path)
    assert_one_line(*run("prepare", book, "--out", out), "别的文件.*新文件夹")
    assert_one_line(*run("prepare", out, "--out", out), "别的文件.*新文件夹")
    if name.endswith(".txt"):
        assert_one_line(*run("prepare", out / name, "--out", out), "别的文件.*新文件夹")
    assert tree(tmp_path) == before


def test_a_data_json_of_somebody_else_vouches_for_nothing(run, book, tmp_path):
    (tmp_path / "data.json").write_text('{"format": "mine"}', encoding="utf-8")
    before = tree(tmp_path)
    assert_one_line(*run("prepare", book, "--out", tmp_path), "别的文件")
    assert tree(tmp_path) == before


def test_an_input_within_the_data_folder_is_refused(run, result, book, tmp_path):
    out = tmp_path / "data"
    result("prepare", book, "--out", out)
    shutil.copy(book, out / "new.txt")
    before = tree(out)
    for source in (out / "train.txt", out / "new.txt", out, out / "novels"):
        assert_one_line(*run("prepare", source, "--out", out), "会被覆盖.*请")
    assert tree(out) == before


def test_only_novels_of_the_earlier_data_are_deleted(result, book, tmp_path):
    out, other = tmp_path / "data", tmp_path / "other.txt"
    other.write_text(raw_book(14), encoding="utf-8")
    result("prepare", book, "--out", out)
    precious = out / "novels" / "precious.jsonl"
    precious.write_text("{}", encoding="utf-8")
    result("prepare", other, "--out", out)
    names = {path.name.split("-")[0] for path in (out / "novels").iterdir()}
    assert names == {"other", "precious.jsonl"}
    assert precious.read_text(encoding="utf-8") == "{}"


@pytest.mark.parametrize("dies", ["write_jsonl", "write_data", "begin_data"])
def test_a_killed_prepare_can_be_repeated_and_leaves_no_other_novel(
    run, result, book, tmp_path, monkeypatch, dies
):
    from novelkit.cli import prepare

    out, other = tmp_path / "data", tmp_path / "other.txt"
    other.write_text(raw_book(14), encoding="utf-8")
    expected = tmp_path / "expected"
    result("prepare", book, "--out", expected)

    def die(*arguments, **options):
        raise KeyboardInterrupt

    # First over nothing, then over the data of another book.
    for previous in (None, other):
        if previous:
            result("prepare", previous, "--out", out)
        with monkeypatch.context() as patch:
            patch.setattr(prepare, dies, die)
            assert run("prepare", book, "--out", out)[0] == 130
        assert result("prepare", book, "--out", out)["reused"] is False
        assert tree(out) == tree(expected)


def test_the_mark_of_work_that_was_finished_goes(result, book, tmp_path):
    out = tmp_path / "data"
    result("prepare", book, "--out", out)
    before = tree(out)
    layouts.write_json(out / layouts.PREPARING_FILE, {"novels": []})
    assert result("prepare", book, "--out", out)["reused"] is True
    assert tree(out) == before


# ---- prepare: what it says


def test_every_trouble_of_the_texts_is_told_with_its_consequence(run, tmp_path):
    text = raw_book(12)
    repeated = next(line for line in text.split("\n") if len(line) > 30)
    file = tmp_path / "a.txt"
    file.write_text(text + repeated + "\n鑫淼焱垚\ufffd一个字坏了。\n", encoding="utf-8")
    code, out, err = run("prepare", file, "--out", tmp_path / "data")
    assert code == 0, err
    notes = [line for line in out.splitlines() if line.startswith("注意：")]
    assert [line for line in notes if re.search("测试 [4-9].*个字不在词表里.*容易出错", line)]
    assert [line for line in notes if re.search("1 段文字在训练和留出的章节里都有.*偏低", line)]
    assert [line for line in notes if re.search("测试 1 个 U\\+FFFD.*换用", line)]
    assert re.search("tiny 训练.*每遍 \\d+ 步.*128 个词元", out)
    assert "变了样" not in out and "空出" not in out


def test_the_gap_of_a_book_without_chapters_is_told(run, tmp_path):
    lines = [line for line in raw_book(40).split("\n") if line and not line.startswith("第")]
    file = tmp_path / "a.txt"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    code, out, err = run("prepare", file, "--out", tmp_path / "data")
    assert code == 0, err
    assert re.search("注意：.*空出的 [1-9]\\d* 个字", out)


def test_the_bar_counts_reading_cleaning_and_encoding(book, tmp_path, monkeypatch):
    from novelkit.cli import prepare
    from novelkit.cli.output import Output

    seen = []

    class Bar:
        n = 0

        def __init__(self, description, total):
            self.total = total

        def __enter__(self):
            return self

        def __exit__(self, *error):
            seen.append("closed")

        def update(self, more=1):
            self.n += more
            seen.append(self.n)

    monkeypatch.setattr(
        Output, "bar", lambda self, *arguments, **options: bar(*arguments, **options)
    )
    bars = []

    def bar(*arguments, **options):
        bars.append(Bar(*arguments, **options))
        return bars[-1]

    prepare.prepare([book], tmp_path / "data", "char", Output(True))
    (only,) = bars
    assert seen == [*range(1, only.total + 1), "closed"] and only.total > 5


def test_mojibake_is_refused_with_the_command_that_repairs_it(run, result, tmp_path):
    file, repaired = tmp_path / "a.txt", tmp_path / "repaired.txt"
    file.write_text(raw_book().encode("utf-8").decode("latin-1"), encoding="utf-8")
    line = assert_one_line(*run("prepare", file, "--out", tmp_path / "data"), "乱码.*可以还原")
    assert f"novelkit inspect {file} --repair --text" in line
    assert list(tmp_path.iterdir()) == [file]
    assert "--repair" in run("inspect", file)[1]
    assert result("inspect", file)["mojibake"] and not result("inspect", file)["repaired"]
    assert result("inspect", file, "--repair", "--text", repaired)["repaired"]
    assert repaired.read_text(encoding="utf-8") == raw_book()
    result("prepare", repaired, "--out", tmp_path / "data")


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names there are Unicode")
def test_a_file_name_in_gbk_bytes(result, tmp_path):
    file = tmp_path / os.fsdecode("登高.txt".encode("gb18030"))
    file.write_text(raw_book(), encoding="utf-8")
    out = tmp_path / os.fsdecode("数据".encode("gb18030"))
    found = result("prepare", file, "--out", out)
    # The file's name is text; a path must lead back to the folder, so its bytes are kept.
    assert found["novels"][0]["file"] == "登高.txt" and found["data"] == str(out)
    assert result("inspect", file)["encoding"] == "utf-8"


def test_the_vocabulary_of_a_model_folder_is_kept(result, book, workshop, tmp_path):
    model = workshop / "模 型"
    result("prepare", book, "--out", tmp_path / "data", "--tokenizer", model)
    ours = (tmp_path / "data" / "tokenizer.json").read_bytes()
    assert ours == (model / "tokenizer.json").read_bytes()


# ---- bad input: one Chinese line, exit code 2, nothing left behind


def damaged(folder, tmp_path, name, content):
    """A copy of a folder in which one file holds other bytes (None deletes it)."""
    copy = tmp_path / "damaged"
    shutil.copytree(folder, copy)
    if content is None:
        (copy / name).unlink()
    else:
        (copy / name).write_bytes(content)
    return copy


@pytest.mark.parametrize("command", ["inspect", "prepare", "download"])
@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "没有"), (b"", "空"), ("folder", "文件夹")],
    ids=["missing", "empty", "folder"],
)
def test_a_file_that_is_none(run, tmp_path, command, content, says):
    file = tmp_path / "有 空格.txt"
    if content == "folder":
        file.mkdir()
    elif content is not None:
        file.write_bytes(content)
    out = ("--out", tmp_path / "out") if command != "inspect" else ()
    before = tree(tmp_path)
    assert_one_line(*run(command, file, *out), says)
    assert {name: value for name, value in tree(tmp_path).items() if name != "out"} == before


@pytest.mark.parametrize("command", ["inspect", "prepare"])
@pytest.mark.parametrize("content", [PNG, ELF, bytes(5000), os.urandom(4096)])
def test_a_binary_file_is_refused(run, tmp_path, command, content):
    file = tmp_path / "book.txt"
    file.write_bytes(content)
    target = "--text" if command == "inspect" else "--out"
    assert_one_line(*run(command, file, target, tmp_path / "out"), "book.txt|文件|二进制")
    assert list(tmp_path.iterdir()) == [file]


def test_a_text_too_short_leaves_nothing(run, tmp_path):
    file = tmp_path / "short.txt"
    file.write_text("第一章 雪\n只有一句话。\n", encoding="utf-8")
    assert_one_line(*run("prepare", file, "--out", tmp_path / "data"), "更长|太短|加长")
    assert list(tmp_path.iterdir()) == [file]


def test_one_bad_file_among_many_leaves_nothing(run, book, tmp_path):
    bad = tmp_path / "bad.txt"
    bad.write_bytes(PNG)
    code, out, err = run("prepare", book, bad, "--out", tmp_path / "data")
    assert_one_line(code, out, err, "bad.txt")
    assert list(tmp_path.iterdir()) == [bad]


def test_a_download_of_nothing_makes_no_folder(run, tmp_path):
    assert_one_line(*run("download", tmp_path / "none.txt", "--out", tmp_path / "new"), "没有这个")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failure", [28, 30])
def test_an_error_names_the_path_of_the_user(run, book, tmp_path, monkeypatch, failure):
    def fail(file):
        raise OSError(failure, os.strerror(failure))

    monkeypatch.setattr(os, "fsync", fail)
    code, out, err = run("inspect", book, "--text", tmp_path / "x.txt")
    assert str(tmp_path / "x.txt") in err and ".tmp" not in err and code in (1, 2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_closed_folder_is_named_with_the_file_of_the_user(run, book, tmp_path):
    folder = tmp_path / "ro"
    folder.mkdir(mode=0o500)
    line = assert_one_line(*run("inspect", book, "--text", folder / "x.txt"), "没有权限")
    assert str(folder / "x.txt") in line


def unwritable_commands(workshop, folder):
    book, data, trained = workshop / "雪 后.txt", workshop / "数 据", workshop / "训 练"
    return {
        "inspect": ("inspect", book, "--text", folder / "text.txt"),
        "download": ("download", book, "--out", folder),
        "prepare": ("prepare", book, "--out", folder),
        "train": ("train", data, "--from", workshop / "模 型", "--max-steps", 1, "--out", folder),
        "diagnose": ("diagnose", trained, "--plot", folder / "loss.png"),
    }


@pytest.mark.parametrize("command", ["inspect", "download", "prepare", "train", "diagnose"])
def test_a_place_below_a_regular_file(run, workshop, tmp_path, command):
    obstacle = tmp_path / "a file"
    obstacle.write_text("x", encoding="utf-8")
    for folder in (obstacle, obstacle / "b"):
        code, out, err = run(*unwritable_commands(workshop, folder)[command])
        assert_one_line(code, out, err, "请")
    assert tree(tmp_path) == {"a file": b"x"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
@pytest.mark.parametrize("command", ["inspect", "download", "prepare", "train", "diagnose"])
def test_a_folder_without_permission(run, workshop, tmp_path, command):
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    assert_one_line(*run(*unwritable_commands(workshop, folder)[command]), "权限|不能写入")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (PermissionError(13, "Permission denied", "/x/y"), 2, "没有权限读写 /x/y"),
        (OSError(30, "Read-only file system", "/x"), 2, "只读"),
        (OSError(28, "No space left on device", "/x"), 1, "磁盘满了"),
        (OSError(5, "Input/output error", "/x"), 1, "读写 /x 失败"),
        (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"), 2, "文件名"),
        (MemoryError(), 1, "内存不够"),
        (ModuleNotFoundError("No module named 'x'", name="x"), 1, "缺少软件包 x"),
        (KeyboardInterrupt(), 130, "已中断"),
    ],
)
def test_failures_of_the_system_are_one_line_too(run, monkeypatch, error, code, says):
    from novelkit.cli import inspect

    def fail(options):
        raise error

    monkeypatch.setattr(inspect, "run", fail)
    found, out, err = run("inspect", "x")
    assert (found, out) == (code, "") and err.count("\n") == 1
    assert err.startswith("错误：") and says in err


@pytest.mark.parametrize("prompt", ["", " ", "\n\n", "\u3000 \t"])
def test_a_prompt_without_characters(run, model, prompt):
    code, out, err = run("write", model, "--prompt", prompt)
    assert_one_line(code, out, err, "没有字")
    assert out.strip() == ""


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--temperature", "-1"),
        ("--temperature", "nan"),
        ("--top-k", "-3"),
        ("--top-p", "0"),
        ("--top-p", "1.01"),
        ("--length", "0"),
        ("--seed", "-1"),
        ("--temperature", "hot"),
        ("--length", "1.5"),
    ],
)
def test_a_setting_out_of_range(run, model, option, value):
    line = assert_one_line(*run("write", model, "--prompt", "天", option, value))
    assert (
        option[2:].replace("-", "_") in line.replace("-", "_") and value.removesuffix(".0") in line
    )


@pytest.mark.parametrize("keep", [0, 7, 1000, -1])
def test_a_model_cut_short(run, model, tmp_path, keep):
    whole = (model / "model.safetensors").read_bytes()
    copy = damaged(model, tmp_path, "model.safetensors", whole[:keep])
    code, out, err = run("write", copy, "--prompt", "天")
    assert_one_line(code, out, err, "损坏")
    assert out == ""


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
@pytest.mark.parametrize("content", [None, b"", b"{", PNG], ids=["none", "empty", "cut", "other"])
def test_a_model_folder_with_a_broken_file(run, model, tmp_path, name, content):
    copy = damaged(model, tmp_path, name, content)
    assert_one_line(*run("write", copy, "--prompt", "天"), "")


@pytest.mark.parametrize("command", ["write", "train", "diagnose"])
@pytest.mark.parametrize("place", ["missing", "empty", "file", "other"])
def test_a_folder_of_another_kind(run, workshop, tmp_path, command, place):
    folder = tmp_path / place
    if place == "file":
        folder.write_text("x", encoding="utf-8")
    elif place == "empty":
        folder.mkdir()
    elif place == "other":
        folder = workshop / {"write": "训 练", "train": "模 型", "diagnose": "数 据"}[command]
    arguments = {
        "write": ("write", folder, "--prompt", "天"),
        "train": ("train", folder, "--out", tmp_path / "run"),
        "diagnose": ("diagnose", folder),
    }[command]
    assert_one_line(*run(*arguments), "没有|不是|缺少")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.json", b"{"),
        ("data.json", json.dumps({"format": "novelkit-data", "version": 1}).encode()),
        ("data.json", json.dumps({"format": "novelkit-data", "version": 99}).encode()),
        ("data.json", "no splits"),
        ("train.npy", b""),
        ("train.npy", b"\x93NUMPY\x01\x00"),
        ("validation.npy", None),
        ("tokenizer.json", None),
    ],
)
def test_a_data_folder_with_a_broken_file(run, workshop, data, tmp_path, name, content):
    if content == "no splits":
        header = json.loads((data / name).read_text(encoding="utf-8"))
        content = json.dumps({**header, "splits": {}}).encode()
    copy = damaged(data, tmp_path, name, content)
    arguments = ("train", copy, "--from", workshop / "模 型", "--max-steps", 1)
    assert_one_line(*run(*arguments, "--out", tmp_path / "run"))
    assert not (tmp_path / "run" / layouts.RUN_FILE).exists()


def test_a_ledger_without_its_data_is_refused(run, trained, tmp_path):
    header = json.loads((trained / layouts.RUN_FILE).read_text(encoding="utf-8"))
    content = json.dumps({**header, "data": {}}).encode()
    copy = damaged(trained, tmp_path, layouts.RUN_FILE, content)
    assert_one_line(*run("diagnose", copy), "缺少 data.anchors")
    assert_one_line(*run("diagnose", copy, "--plot", tmp_path / "a.png"), "缺少 data.anchors")


def test_a_preset_that_does_not_exist(run, data, tmp_path):
    code, out, err = run("train", data, "--out", tmp_path / "run", "--preset", "huge")
    assert_one_line(code, out, err, "huge.*tiny、small、base")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", [("--max-steps", 0), ("--minutes", 0), ("--seed", -1)])
def test_a_training_setting_out_of_range(run, workshop, data, tmp_path, option):
    arguments = ("train", data, "--out", tmp_path / "run", "--from", workshop / "模 型", *option)
    assert_one_line(*run(*arguments), "至少|大于|不能")
    assert not (tmp_path / "run" / layouts.RUN_FILE).exists()


def test_a_run_that_exists_is_not_overwritten(run, workshop, data, trained):
    before = tree(trained)
    arguments = ("train", data, "--out", trained, "--from", workshop / "模 型", "--max-steps", 5)
    assert_one_line(*run(*arguments), "--resume")
    assert tree(trained) == before


def test_resuming_from_damaged_checkpoints_is_refused(run, workshop, data, trained, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(trained, copy)
    folders = checkpoint.list_checkpoints(copy / layouts.CHECKPOINTS_FOLDER)
    assert folders
    for folder in folders:
        file = folder / "model.safetensors"
        file.write_bytes(file.read_bytes()[:-10])
    arguments = ("train", data, "--out", copy, "--from", workshop / "模 型", "--max-steps", 9)
    before = tree(copy)
    assert_one_line(*run(*arguments, "--resume"), "检查点")
    assert tree(copy) == before


def test_a_run_without_a_step_has_no_plot(run, trained, tmp_path):
    copy = damaged(trained, tmp_path, layouts.HISTORY_FILE, b"")
    assert_one_line(*run("diagnose", copy, "--plot", tmp_path / "loss.png"), "还没有")
    assert not (tmp_path / "loss.png").exists()


@pytest.mark.parametrize("name", ["loss", "loss.foo", "loss.jpg"])
def test_the_plot_is_a_png_under_every_name(run, trained, tmp_path, name):
    assert run("diagnose", trained, "--plot", tmp_path / name)[0] == 0
    assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("frobnicate",),
        ("",),
        ("--json", "check"),
        ("check", "--frob"),
        ("inspect",),
        ("inspect", "a", "b\nc"),
        ("write", "model"),
        ("train", "data", "--out"),
        ("train", "d", "--out", "r", "--preset", "tiny", "--from", "m"),
        ("prepare", "x.txt"),
        ("prepare", "x.txt", "--out", "d", "--tokenizer", "word"),
        ("inspect", "a" * 5000),
        ("links", "not a repository"),
        ("download", "ftp://example.org/a.txt"),
    ],
    ids=lambda arguments: " ".join(arguments)[:30],
)
def test_a_command_that_is_wrong(run, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    assert_one_line(*run(*arguments))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train",), "缺少 data, --out"),
        (("train", "d", "--out"), "--out：后面要跟一个值"),
        (("train", "d", "--out", "r", "--max-steps", "x"), "--max-steps：'x' 不是整数"),
        (("write", "m", "--prompt", "a", "--temperature", "x"), "--temperature：'x' 不是数"),
        (("check", "--frob"), "不认识 --frob"),
        (("prepare", "--out", "d"), "缺少 FILE_OR_FOLDER"),
        (("train", "d", "--out", "r", "--preset", "t", "--from", "m"), "不能和 --preset 一起用"),
        (("train", "d", "--out", "r", "--m", "3"), "--m 不明确，可能是 --max-steps, --minutes"),
        (("inspect", "a", "--json=3"), "--json：后面不能带值 '3'"),
    ],
    ids=lambda value: None if isinstance(value, str) else " ".join(value),
)
def test_a_wrong_command_is_explained_in_chinese(run, arguments, says):
    line = assert_one_line(*run(*arguments), re.escape(says))
    # Besides names that were typed or are defined no English is left.
    assert not re.search("argument|required|invalid|expected|allowed|could", line)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_is_in_chinese(run, name):
    out = run(name, "--help")[1]
    assert out.startswith(f"用法：novelkit {name}") and "选项" in out
    assert not re.search("usage:|positional|options|show this help", out)


# ---- a console of its own


def test_a_fresh_process_prints_one_line_and_names_every_encoding(tmp_path):
    done = python("inspect", tmp_path / "没有 这个.txt")
    assert done.returncode == 2 and done.stdout == b""
    (line,) = without_warnings(done.stderr)
    assert line.startswith("错误：没有找到文件") and "没有 这个.txt" in line


CONSOLES = {
    "gbk": {"PYTHONIOENCODING": "gbk"},
    "cp936": {"PYTHONIOENCODING": "cp936"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "C": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "LANG=C": {"LANG": "C", "LC_ALL": ""},
}


@pytest.mark.parametrize("console", CONSOLES)
def test_a_console_without_utf8(tmp_path, console):
    file = tmp_path / "a b.txt"
    file.write_text(raw_book() + "😀𠮷\n", encoding="utf-8")
    done = python("prepare", file, "--out", tmp_path / "data", environment=CONSOLES[console])
    assert done.returncode == 0 and b"Traceback" not in done.stderr
    seen = done.stdout.decode("gbk" if console in ("gbk", "cp936") else "utf-8", "replace")
    assert "12" in seen
    if console in ("gbk", "cp936"):
        assert "训练 10 章" in seen
    as_json = python(
        "inspect", file, "--json", "--text", tmp_path / "text.txt", environment=CONSOLES[console]
    )
    assert as_json.returncode == 0 and b"Traceback" not in as_json.stderr
    assert json.loads(as_json.stdout.decode("utf-8"))["evidence"]
    assert (tmp_path / "text.txt").read_text(encoding="utf-8").endswith("😀𠮷\n")
    failed = python("inspect", tmp_path / "none.txt", environment=CONSOLES[console])
    assert failed.returncode == 2 and b"Traceback" not in failed.stderr


def test_writing_to_a_gbk_console(model):
    arguments = ("write", model, "--prompt", "天😀", "--length", 5)
    done = python(*arguments, environment={"PYTHONIOENCODING": "gbk"})
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    assert done.stdout.decode("gbk").startswith("天?") and without_warnings(done.stderr) == []


@pytest.mark.skipif(os.name == "nt", reason="pipes close otherwise there")
def test_a_reader_that_leaves_early_is_no_failure_to_complain_about(book):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "novelkit", "inspect", book],
        stdout=writing,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        timeout=60,
    )
    os.close(writing)
    assert done.stderr == b"" and done.returncode == 1


def test_main_in_a_notebook_whose_streams_have_no_settings(monkeypatch, tmp_path):
    class NotebookStream:
        def __init__(self):
            self.text = ""

        def write(self, text):
            self.text += text

        def flush(self):
            pass

    out, err = NotebookStream(), NotebookStream()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    file = tmp_path / "a.txt"
    file.write_text(raw_book(), encoding="utf-8")
    assert main(["inspect", str(file), "--json"]) == 0
    assert json.loads(out.text)["encoding"] == "utf-8"
    assert main(["inspect", str(tmp_path / "none")]) == 2 and err.text.count("错误：") == 1


# ---- an interruption


@pytest.mark.skipif(os.name == "nt", reason="signals work otherwise there")
def test_an_interrupted_training_keeps_its_work(run, result, workshop, data, tmp_path):
    out = tmp_path / "run"
    arguments = ("train", data, "--out", out, "--from", workshop / "模 型", "--json")
    process = subprocess.Popen(
        [sys.executable, "-m", "novelkit", *map(str, arguments), "--max-steps", "1000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    history = out / layouts.HISTORY_FILE
    try:
        for _ in range(600):
            if history.is_file() and history.read_bytes().count(b"\n") >= 3:
                break
            assert process.poll() is None, process.stderr.read().decode("utf-8", "replace")
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130 and b"Traceback" not in stderr
    stopped = json.loads(stdout)
    assert stopped["stopped"] == "interrupted" and stopped["steps"] >= 3
    folder, skipped = checkpoint.newest_valid(out / layouts.CHECKPOINTS_FOLDER)
    assert folder == checkpoint.checkpoint_path(out / layouts.CHECKPOINTS_FOLDER, stopped["steps"])
    assert not skipped and not list(out.rglob(".*"))
    assert (out / layouts.MODEL_FOLDER / "model.safetensors").is_file()
    last = stopped["steps"] + 2
    resumed = result(*arguments[:-1], "--max-steps", last, "--resume")
    assert resumed["resumed_from"] == stopped["steps"] and resumed["steps"] == last


def test_the_book_of_these_tests_is_read_as_it_was_written(data):
    (file,) = (data / layouts.NOVELS_FOLDER).glob("*.jsonl")
    assert [part.paragraphs for part in read_jsonl(file).chapters] == [
        part.paragraphs for part in novel(12).chapters
    ]
