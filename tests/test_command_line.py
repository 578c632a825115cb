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
from helpers_command import assert_one_line, tree
from helpers_text import novel, raw_book, save_tiny_model

from novelkit import checkpoint, layouts
from novelkit.__main__ import COMMANDS, main
from novelkit.cleaning import read_jsonl
from novelkit.tokenizing import load_tokenizer

ROOT = Path(__file__).resolve().parents[1]
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256))
ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + bytes(range(256))


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
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"),
            1,
            "内存不够",
        ),
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


def test_a_model_with_the_tokenizer_of_another(run, model, tmp_path):
    content = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = content["model"]["vocab"]
    first, second = list(vocabulary)[-2:]
    # As many entries, two of them exchanged: no count would tell.
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    changed = json.dumps(content, ensure_ascii=False).encode("utf-8")
    copy = damaged(model, tmp_path, "tokenizer.json", changed)
    assert_one_line(*run("write", copy, "--prompt", "天"), "不是训练这个模型时的")


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
    assert_one_line(*run(*arguments), "没有|不是|缺少|在它里面")
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
