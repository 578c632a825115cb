"""`novelkit demo`: the whole journey in a few steps, twice."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from novelkit.bundled import NOVEL

KEYS = {"text", "chapters", "tokenizer", "data", "run", "model", "plot", "continuation"}


def demo(folder: Path, *options: str) -> tuple[dict, str]:
    """Run the command in `folder`; returns its JSON object and what a person reads."""
    command = [sys.executable, "-m", "novelkit", "demo", "--json", "--out", "demo", *options]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, encoding="utf-8", timeout=200
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("demo")
    first = demo(folder, "--steps", "4")
    return folder, first, demo(folder, "--steps", "3")


def test_leaves_everything_it_names(twice):
    folder, (result, said), _ = twice
    assert set(result["paths"]) == KEYS
    for name, path in result["paths"].items():
        assert (folder / path).exists(), name
        assert path in said
    assert (folder / result["paths"]["plot"]).read_bytes().startswith(b"\x89PNG")


def test_compares_with_counting_characters(twice):
    _, (result, said), _ = twice
    for name in ("bits_per_character", "unigram", "trigram"):
        assert 0 < result[name] < math.log2(10**5)
        assert f"{result[name]:.2f} 比特／字" in said


def test_continues_a_chapter_outside_of_the_training_text(twice):
    folder, _, (result, _) = twice
    training = (folder / "demo" / "data" / "train.txt").read_text(encoding="utf-8")
    test = (folder / "demo" / "data" / "test.txt").read_text(encoding="utf-8")
    assert result["prompt"] in test
    assert result["prompt"] not in training
    assert len(result["text"]) == 200
    assert 0 <= result["copied_share"] <= 1
    written = (folder / result["paths"]["continuation"]).read_text(encoding="utf-8")
    assert written == result["prompt"] + result["text"] + "\n"


def test_second_time_goes_on_and_redoes_nothing_else(twice):
    folder, (first, _), (second, said) = twice
    assert (first["steps"], second["steps"]) == (4, 7)
    assert "不必重做" in said
    assert "接着训练" in said
    lines = (folder / "demo" / "run" / "history.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 5, 6, 7]
    assert len(list((folder / "demo" / "raw").glob("raw*.txt"))) == 1


def test_another_novel_starts_a_run_of_its_own(twice, tmp_path):
    folder, _, _ = twice
    other = tmp_path / "另一本.txt"
    text = NOVEL.read_bytes().decode("gb18030", "replace").replace("童雁", "小满")
    other.write_text(text, encoding="utf-8")
    result, said = demo(folder, "--steps", "2", "--novel", str(other))
    assert result["steps"] == 2
    assert "重新开始" in said
    assert (folder / "demo" / "run.1" / "history.jsonl").is_file()
    assert "小满" in (folder / result["paths"]["text"]).read_text(encoding="utf-8")
    assert "小满" in (folder / result["paths"]["chapters"]).read_text(encoding="utf-8")
