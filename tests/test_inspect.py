"""`novelkit inspect`: where the damage is, what is lost, and memory that stays flat."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_encoding import sample

from novelkit.__main__ import main

ROOT = Path(__file__).resolve().parents[1]
LINES = [line for line in sample("simplified", 3000, 91).split("\n") if len(line) > 30]


@pytest.fixture
def inspect(tmp_path, capsys):
    """What a person and a program are told about a file of these bytes."""

    def run(data, *options):
        file = tmp_path / "书.txt"
        file.write_bytes(data)
        assert main(["inspect", str(file), "--json", *map(str, options)]) == 0
        out, err = capsys.readouterr()
        return err, json.loads(out)

    return run


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize(
    ("codec", "bad"),
    [
        ("utf-8", b"\xff"),
        ("gb18030", b"\xff"),
        ("utf-16-le", b"\x00\xdc"),
        ("utf-16-be", b"\xdc\x00"),
        ("utf-16", b"\x00\xdc"),
        ("utf-32-le", b"\xff\xff\xff\xff"),
    ],
)
def test_damage_is_shown_with_its_line_and_the_text_around(inspect, newline, codec, bad):
    text = newline.join(LINES)
    place = text.index(LINES[4]) + 14
    # The mark of UTF-16 stands before the first half only.
    half = len(text[:place].encode(codec))
    data = text.encode(codec)
    said, found = inspect(data[:half] + bad + data[half:])
    assert found["damage_positions"] == [[half, half + len(bad)]]
    around = f"…{LINES[4][2:14]}�{LINES[4][14:26]}…"
    assert f"第 5 行，第 {half:,}–{half + len(bad):,} 字节：{around}" in said


def test_damage_in_a_later_part_is_on_its_own_line(inspect):
    first, second = "\n".join(LINES[:6]) + "\n", "\r\n".join(LINES[6:14])
    place = second.index(LINES[9]) + 14
    one, two = first.encode("utf-8"), second.encode("gb18030")
    half = len(second[:place].encode("gb18030"))
    said, found = inspect(one + two[:half] + b"\xff" + two[half:])
    assert [part["encoding"] for part in found["segments"]] == ["utf-8", "gb18030"]
    assert f"第 10 行，第 {len(one) + half:,}–" in said
    assert f"…{LINES[9][2:14]}�{LINES[9][14:26]}…" in said


def test_text_without_newlines_is_shown_from_a_character_boundary(inspect):
    text = "".join(LINES * 40)
    place = len(text) - 60
    half = len(text[:place].encode("gb18030"))
    data = text.encode("gb18030")
    said, _ = inspect(data[:half] + b"\xff" + data[half:])
    line = next(line for line in said.splitlines() if line.strip().startswith("第 1 行"))
    shown = line.split("：", 1)[1].strip("…").split("�")
    assert text[:place].endswith(shown[0])
    assert shown[1] and text[place:].startswith(shown[1])


def test_json_holds_all_that_was_found(inspect):
    good = "\n".join(LINES)
    bad = "\n".join(LINES[:5]).encode("utf-8").decode("latin-1")
    page = '<meta charset="gbk">\n'
    text = f"{page}{good}\n{bad}\n{good}\n锟斤拷\ufffd\n{good}"
    _, found = inspect(text.encode("utf-8"))
    assert found["lost"] == {"\ufffd": 1, "锟斤拷": 1}
    assert found["witnesses"]["文件自己的声明"] == "gbk"
    assert (found["damage"], found["damage_positions"]) == (0, [])
    (stretch,) = found["mojibake_stretches"]
    raw = text.encode("utf-8")[stretch["start"] : stretch["end"]].decode("utf-8")
    assert raw.strip("\n") == bad


def test_what_cannot_be_undone_is_not_called_repairable(inspect):
    text = "\n".join(LINES).encode("utf-8").decode("big5hkscs", "replace")
    said, found = inspect(text.encode("utf-8"))
    assert "不能还原" in found["mojibake"]
    assert "--repair" not in said and "换一份" in said


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_a_large_file_takes_little_memory(tmp_path):
    file, target = tmp_path / "大.txt", tmp_path / "text.txt"
    piece = ("\n".join(LINES) + "\n").encode("gb18030")
    with file.open("wb") as out:
        for _ in range(100_000_000 // len(piece)):
            out.write(piece)
    peak = (
        "import sys; from novelkit.__main__ import main\n"
        "code = main(sys.argv[1:])\n"
        "lines = open('/proc/self/status', encoding='ascii').readlines()\n"
        "print(next(line for line in lines if line.startswith('VmHWM')).split()[1])\n"
        "sys.exit(code)"
    )
    command = [sys.executable, "-c", peak, "inspect", str(file), "--text", str(target)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, encoding="utf-8", check=True
    )
    assert int(done.stdout.splitlines()[-1]) < 200 * 1024
    assert target.stat().st_size > file.stat().st_size
