"""The script that makes the bundled model: one command from novels to a packed model."""

import sys

import pytest
import torch
from helpers_assets import script
from helpers_command import other_words
from helpers_text import novel
from safetensors.torch import load_file

from novelkit import layouts
from novelkit.copying import FILTER_FILE
from novelkit.model import load_model
from novelkit.tokenizing import load_tokenizer

torch.set_num_threads(1)
TOY = "--n-layer 1 --n-head 2 --n-embd 16 --n-ctx 32 --batch-size 2 --max-steps 3 --no-compile"


@pytest.fixture
def make(monkeypatch):
    """Runs the script in this process, with a model that is trained in a second."""
    module = script("models/make_model.py")
    monkeypatch.setattr(module, "LANES", {"cpu": TOY.split()})

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["make_model.py", *map(str, arguments)])
        module.main()

    return run


@pytest.fixture
def shelf(tmp_path):
    folder = tmp_path / "books"
    folder.mkdir()
    for number, title in enumerate(("雪后", "渡口")):
        text = other_words(novel(12, 20, title).text + "\n", number)
        (folder / f"{title}.txt").write_text(text, encoding="utf-8")
    table = tmp_path / "books.tsv"
    table.write_text("title\tauthor\tuse\n雪后\t某甲\ttrain\n渡口\t某乙\ttest\n", encoding="utf-8")
    return folder, table


def test_it_prepares_trains_and_packs(make, shelf, tmp_path, capsys):
    folder, table = shelf
    work = tmp_path / "work"
    make(folder, "--out", work, "--books", table)
    model = work / "model"
    weights = load_file(model / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    assert load_model(model).config.vocab_size == len(load_tokenizer(model))
    assert (model / FILTER_FILE).is_file() and layouts.knows_headers(model)
    card = (model / "README.md").read_text(encoding="utf-8")
    assert "某甲" in card and "整本留作测试" in card
    out = capsys.readouterr().out
    # What it runs can be typed by hand.
    for command in ("prepare", "train"):
        assert f"novelkit {command} " in out
    assert f"{work / 'model'}: " in out


def test_the_steps_one_at_a_time_with_the_training_elsewhere(make, shelf, tmp_path):
    folder, table = shelf
    make(folder, "--out", tmp_path / "once", "--books", table)
    work = tmp_path / "parts"
    make(folder, "--out", work, "--books", table, "--only", "prepare")
    # The machine that trains needs no text, and its run then has no filter of copies.
    text = work / "data" / "train.txt"
    text.rename(tmp_path / "train.txt")
    make(folder, "--out", work, "--only", "train")
    assert not (work / "run" / "model" / FILTER_FILE).exists()
    (tmp_path / "train.txt").rename(text)
    make(folder, "--out", work, "--only", "pack")
    for name in ("model.safetensors", FILTER_FILE, "tokenizer.json", "config.json"):
        once = (tmp_path / "once" / "model" / name).read_bytes()
        assert (work / "model" / name).read_bytes() == once, name


def test_a_step_that_fails_ends_it_with_that_code(make, shelf, tmp_path):
    folder, _ = shelf
    with pytest.raises(SystemExit) as stop:
        make(folder, "--out", tmp_path / "work", "--books", tmp_path / "none.tsv")
    assert stop.value.code == 2
    assert not (tmp_path / "work" / "model").exists()
