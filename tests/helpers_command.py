"""What the tests of commands share: a command in this process, and what a bad input must end in."""

import contextlib
import io
import json
import re

from helpers_text import raw_book

from novelkit.__main__ import main

CHINESE = re.compile("[\u4e00-\u9fff]")


def run(*arguments):
    """Runs a command in this process: (exit code, stdout, stderr)."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
    return code, out.getvalue(), err.getvalue()


def result(*arguments):
    """The JSON object of a command that works, which is all of its stdout."""
    code, out, err = run(*arguments, "--json")
    assert code == 0, err
    assert out.endswith("\n") and out.count("\n") == 1
    value = json.loads(out)
    assert isinstance(value, dict)
    return value


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


def read(path):
    """The value of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def other_words(text, number):
    """The same text with two of its commonest characters replaced: no paragraph stays the same."""
    return text.replace("天", chr(0x4E10 + number)).replace("他", chr(0x5E10 + number))


def write_books(folder, count, chapters):
    """So many books of so many chapters in a new folder, of which none repeats another."""
    folder.mkdir()
    for number in range(count):
        text = other_words(raw_book(chapters), number)
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    return folder


def shelf_texts():
    """Names and bytes of six books in several encodings."""
    for number, codec in enumerate(("utf-8", "gb18030", "utf-16", "utf-8-sig", "gb18030", "utf-8")):
        yield f"{number}.txt", other_words(raw_book(12 + number), number).encode(codec)
