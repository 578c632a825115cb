"""`novelkit prepare`: what it writes, what it says, what it refuses, and that nothing is lost."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from helpers_command import assert_one_line, other_words, result, run, tree, write_books
from helpers_text import raw_book, save_tiny_model

from novelkit import layouts
from novelkit.cleaning import read_jsonl
from novelkit.cli import prepare as prepare_command
from novelkit.cli.output import Output
from novelkit.pipeline import Settings, preparing, reading
from novelkit.tokenizing import DataWriter, load_tokenizer

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256))


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A book in a folder with a hard name."""
    file = tmp_path_factory.mktemp("书 架 $(1)") / "雪 后.txt"
    file.write_bytes(raw_book().encode("gb18030"))
    return file


def test_json_of_prepare(book, tmp_path):
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


# ---- prepare


def test_preparing_the_same_again_does_nothing(book, tmp_path):
    out = tmp_path / "data"
    first = result("prepare", book, "--out", out)
    before = tree(out)
    second = result("prepare", book, "--out", out)
    assert second["reused"] is True and tree(out) == before
    assert {**second, "reused": False} == first


def test_the_same_book_under_one_name_in_two_folders(tmp_path):
    files = [tmp_path / name / "a.txt" for name in ("x", "y")]
    for file in files:
        file.parent.mkdir()
        file.write_text(raw_book(), encoding="utf-8")
    first = result("prepare", *files, "--out", tmp_path / "data")
    assert len(first["novels"]) == 2
    assert result("prepare", *files, "--out", tmp_path / "data")["reused"] is True


@pytest.mark.parametrize("lost", ["train.npy", "test.txt", "tokenizer.json", "novels"])
def test_what_is_missing_is_made_again(book, tmp_path, lost):
    out = tmp_path / "data"
    result("prepare", book, "--out", out)
    before = tree(out)
    if (out / lost).is_dir():
        shutil.rmtree(out / lost)
    else:
        (out / lost).unlink()
    assert result("prepare", book, "--out", out)["reused"] is False
    assert tree(out) == before


def test_another_book_replaces_the_first(book, tmp_path):
    out, other = tmp_path / "data", tmp_path / "other.txt"
    other.write_text(raw_book(14), encoding="utf-8")
    result("prepare", book, "--out", out)
    found = result("prepare", other, "--out", out)
    assert found["splits"]["train"]["chapters"] == 12
    (kept,) = (out / layouts.NOVELS_FOLDER).glob("*.jsonl")
    assert len(read_jsonl(kept).chapters) == 14
    assert len(list((out / layouts.NOVELS_FOLDER).iterdir())) == 2


def test_a_folder_of_books_less_its_own_data_and_hidden_files(tmp_path):
    folder = tmp_path / "books"
    (folder / "更 多").mkdir(parents=True)
    (folder / "a.txt").write_text(raw_book(12), encoding="utf-8")
    other = raw_book(13).replace("天", "夜")  # the same story with other words leaks nothing
    (folder / "更 多" / "b.TXT").write_bytes(other.encode("gb18030"))
    (folder / "._a.txt").write_bytes(b"\0\1\2macOS")
    (folder / "fake.txt").mkdir()
    for _ in range(2):
        found = result("prepare", folder, "--out", folder / "data")
        assert [novel["file"] for novel in found["novels"]] == ["a.txt", "b.TXT"]
        (folder / "data" / "train.npy").unlink()


# ---- prepare: nothing of the user's is lost


@pytest.mark.parametrize("name", ["train.txt", "书.txt", "data.json", "novels/precious.jsonl"])
def test_a_folder_with_other_files_is_no_place_for_data(book, tmp_path, name):
    out = tmp_path / "mine"
    (out / name).parent.mkdir(parents=True)
    (out / name).write_text(raw_book(), encoding="utf-8")
    before = tree(tmp_path)
    assert_one_line(*run("prepare", book, "--out", out), "别的文件.*新文件夹")
    assert_one_line(*run("prepare", out, "--out", out), "别的文件.*新文件夹")
    if name.endswith(".txt"):
        assert_one_line(*run("prepare", out / name, "--out", out), "别的文件.*新文件夹")
    assert tree(tmp_path) == before


def test_a_data_json_of_somebody_else_vouches_for_nothing(book, tmp_path):
    (tmp_path / "data.json").write_text('{"format": "mine"}', encoding="utf-8")
    before = tree(tmp_path)
    assert_one_line(*run("prepare", book, "--out", tmp_path), "别的文件")
    assert tree(tmp_path) == before


def test_an_input_within_the_data_folder_is_refused(book, tmp_path):
    out = tmp_path / "data"
    result("prepare", book, "--out", out)
    shutil.copy(book, out / "new.txt")
    before = tree(out)
    for source in (out / "train.txt", out / "new.txt", out, out / "novels"):
        assert_one_line(*run("prepare", source, "--out", out), "会被覆盖.*请")
    assert tree(out) == before


def test_only_novels_of_the_earlier_data_are_deleted(book, tmp_path):
    out, other = tmp_path / "data", tmp_path / "other.txt"
    other.write_text(raw_book(14), encoding="utf-8")
    result("prepare", book, "--out", out)
    precious = out / "novels" / "precious.jsonl"
    precious.write_text("{}", encoding="utf-8")
    result("prepare", other, "--out", out)
    names = {path.name.split("-")[0] for path in (out / "novels").iterdir()}
    assert names == {"other", "precious.jsonl"}
    assert precious.read_text(encoding="utf-8") == "{}"


DEATHS = {
    "reading": (reading, "write_jsonl"),
    "encoding": (DataWriter, "encode"),
    "before the mark": (preparing, "begin_data"),
    "after the mark": (DataWriter, "publish"),
    "before the header": (DataWriter, "commit"),
}


@pytest.mark.parametrize("dies", DEATHS)
def test_a_killed_prepare_can_be_repeated_and_leaves_no_other_novel(
    book, tmp_path, monkeypatch, dies
):
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
            before = tree(out)
        with monkeypatch.context() as patch:
            patch.setattr(*DEATHS[dies], die)
            assert run("prepare", book, "--out", out)[0] == 130
        if dies in ("reading", "encoding", "before the mark"):
            assert tree(out) == before if previous else not out.exists()
        assert result("prepare", book, "--out", out)["reused"] is False
        assert tree(out) == tree(expected)


@pytest.mark.skipif(os.name == "nt", reason="signals work otherwise there")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_a_process_killed_in_the_middle_leaves_no_process_and_can_be_repeated(tmp_path, how):
    shelf, out = write_books(tmp_path / "shelf", 16, 60), tmp_path / "data"
    arguments = [sys.executable, "-m", "novelkit", "prepare", shelf, "--processes", "2"]
    process = subprocess.Popen(
        [*map(str, arguments), "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # Whoever starts the tests in the background of a shell hands on that SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        for _ in range(600):
            if list(out.glob(f"{layouts.PARTS_FOLDER}/novels/*.jsonl")):
                break
            assert process.poll() is None
            time.sleep(0.02)
        os.killpg(process.pid, how) if how == signal.SIGINT else process.send_signal(how)
        error = process.communicate(timeout=60)[1].decode("utf-8")
        deadline = time.monotonic() + 20
        while is_alive(process.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not is_alive(process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert not (out / layouts.DATA_FILE).exists()
    if how == signal.SIGINT:
        assert process.returncode == 130 and error.count("\n") == 1 and "已中断" in error
        assert not out.exists()
    found = result("prepare", shelf, "--out", out)
    assert len(found["novels"]) == 16 and not list(out.glob(".*"))


def is_alive(group):
    """Whether a process of this group still runs."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_mark_of_work_that_was_finished_goes(book, tmp_path):
    out = tmp_path / "data"
    result("prepare", book, "--out", out)
    before = tree(out)
    layouts.write_json(out / layouts.PREPARING_FILE, {"novels": []})
    assert result("prepare", book, "--out", out)["reused"] is True
    assert tree(out) == before


# ---- prepare: what it says


def test_every_trouble_of_the_texts_is_told_with_its_consequence(tmp_path):
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


def test_the_gap_of_a_book_without_chapters_is_told(tmp_path):
    lines = [line for line in raw_book(40).split("\n") if line and not line.startswith("第")]
    file = tmp_path / "a.txt"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    code, out, err = run("prepare", file, "--out", tmp_path / "data")
    assert code == 0, err
    assert re.search("注意：.*空出的 [1-9]\\d* 个字", out)
    assert "按段落划分" in out and "按整章划分" not in out


def test_the_bar_counts_reading_cleaning_and_encoding(book, tmp_path, monkeypatch):
    seen, totals = [], []

    class Bar:
        def __init__(self, description, total):
            self.n, self.total = 0, total
            totals.append(total)

        def update(self):
            self.n += 1
            seen.append(self.n)

        def close(self):
            seen.append("closed")

    monkeypatch.setattr(Output, "bar", lambda self, *given, **options: Bar(*given, **options))
    prepare_command.prepare([book], tmp_path / "data", Settings(tokenizer="char"), Output(True))
    assert seen == [*range(1, totals[0] + 1), "closed"] and totals[0] > 5 and len(totals) == 1


def test_the_page_of_plots_and_the_dataset_are_made_when_asked_for(book, tmp_path):
    pytest.importorskip("datasets")
    out, page = tmp_path / "data", tmp_path / "图" / "report.png"
    first = result("prepare", book, "--out", out)
    assert first["dataset"] is None and first["plot"] is None
    found = result("prepare", book, "--out", out, "--datasets", "--plot", page)
    assert found["reused"] is True and page.read_bytes().startswith(b"\x89PNG")
    assert found["dataset"] == str(out / "dataset")
    assert (out / "dataset" / "dataset_dict.json").is_file()
    # Work that was already done leaves it alone.
    assert result("prepare", book, "--out", out)["reused"] is True
    assert (out / "dataset" / "dataset_dict.json").is_file()


def test_a_rule_is_switched_off_by_name(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text(raw_book().replace("\n", "\n　　"), encoding="utf-8")
    out = tmp_path / "data"
    found = result("prepare", file, "--out", out)
    rule = max(found["novels"][0]["dropped"], key=found["novels"][0]["dropped"].get)
    without = result("prepare", file, "--out", out, "--without", rule)
    assert without["reused"] is False and rule not in without["novels"][0]["dropped"]
    assert_one_line(*run("prepare", file, "--out", out, "--without", "typo"), "typo.*规则")
    assert_one_line(*run("prepare", file, "--out", out, "--processes", "0"), "进程数 0")


def test_of_a_long_shelf_the_first_books_and_every_trouble_are_told(tmp_path):
    folder = tmp_path / "shelf"
    folder.mkdir()
    for number in range(24):
        text = other_words(raw_book(), number)
        content = text.encode("gb18030") + (b"\xff\n" if number == 22 else b"")
        (folder / f"{number:02d}.txt").write_bytes(content)
    (folder / "bad.txt").write_bytes(PNG)
    code, out, err = run("prepare", folder, "--out", tmp_path / "data")
    assert code == 0, err
    told = [line for line in out.splitlines() if "gb18030，" in line]
    assert len(told) == 21 and "22.txt" in told[-1] and "损坏 1 处" in told[-1]
    assert "共 24 本" in out and re.search("没有用 .*bad.txt：", out)
    assert "注意：1 个文件没有用上" in out


def test_mojibake_is_refused_with_the_command_that_repairs_it(tmp_path):
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
def test_a_file_name_in_gbk_bytes(tmp_path):
    file = tmp_path / os.fsdecode("登高.txt".encode("gb18030"))
    file.write_text(raw_book(), encoding="utf-8")
    out = tmp_path / os.fsdecode("数据".encode("gb18030"))
    found = result("prepare", file, "--out", out)
    # The file's name is text; a path must lead back to the folder, so its bytes are kept.
    assert found["novels"][0]["file"] == "登高.txt" and found["data"] == str(out)
    assert result("inspect", file)["encoding"] == "utf-8"


def test_the_vocabulary_of_a_model_folder_is_kept(book, tmp_path):
    pytest.importorskip("torch")
    other, model = tmp_path / "other.txt", tmp_path / "模 型"
    other.write_text(raw_book(13), encoding="utf-8")
    result("prepare", other, "--out", tmp_path / "other")
    save_tiny_model(load_tokenizer(tmp_path / "other"), model)
    theirs = (model / "tokenizer.json").read_bytes()
    for name, options in {
        "named": ("--tokenizer", model),
        "auto": ("--tokenizer", "auto", "--from", model),
        "default": ("--from", model),
    }.items():
        result("prepare", book, "--out", tmp_path / name, *options)
        assert (tmp_path / name / "tokenizer.json").read_bytes() == theirs
    result("prepare", book, "--out", tmp_path / "new", "--tokenizer", "auto")
    assert (tmp_path / "new" / "tokenizer.json").read_bytes() != theirs


def test_a_text_too_short_leaves_nothing(tmp_path):
    file = tmp_path / "short.txt"
    file.write_text("第一章 雪\n只有一句话。\n", encoding="utf-8")
    assert_one_line(*run("prepare", file, "--out", tmp_path / "data"), "更长|太短|加长")
    assert list(tmp_path.iterdir()) == [file]


def test_one_bad_file_among_many_leaves_nothing(book, tmp_path):
    bad = tmp_path / "bad.txt"
    bad.write_bytes(PNG)
    code, out, err = run("prepare", book, bad, "--out", tmp_path / "data")
    assert_one_line(code, out, err, "bad.txt")
    assert list(tmp_path.iterdir()) == [bad]
