"""`novelkit demo` from the bundled model: the same journey, with a score before and after."""

import json

import pytest
import torch
from helpers_text import novel

from novelkit import layouts
from novelkit.__main__ import main
from novelkit.bundled import bundled_model, model_folder
from novelkit.cli import demo
from novelkit.model import ModelConfig
from novelkit.tokenizing import load_tokenizer, write_data
from novelkit.training import Budget, TrainConfig, train

torch.set_num_threads(1)


def make_model(folder, cpu, n_ctx):
    """A model folder as the bundled one is, of a toy that has seen two steps."""
    write_data([novel(12, 20)], folder / "data", headers=True)
    size = ModelConfig(len(load_tokenizer(folder / "data")), n_ctx, 1, 2, 16, 0.0)
    config = TrainConfig(batch_size=2)
    return train(
        folder / "data", folder / "run", size, config, Budget(max_steps=2), compute=cpu
    ).model


@pytest.fixture(scope="module")
def base(cpu, tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("base"), cpu, 64)


def run(monkeypatch, capsys, base, *options):
    monkeypatch.setattr(demo, "bundled_model", lambda: base)
    capsys.readouterr()
    code = main(["demo", "--json", *map(str, options)])
    out, said = capsys.readouterr()
    assert code == 0, said
    return json.loads(out), said


def test_it_starts_from_the_bundled_model_and_scores_it_first(base, monkeypatch, capsys, tmp_path):
    out = tmp_path / "demo"
    result, said = run(monkeypatch, capsys, base, "--out", out, "--steps", 3)
    assert result["steps"] == 3 and "微调" in said
    before, after = result["bits_per_character_before"], result["bits_per_character"]
    assert 0 < after != before > 0
    for bits in (before, after):
        assert f"{bits:.2f} 比特／字" in said
    header = layouts.read_header(out / "data" / "data.json", "novelkit-data")
    known = layouts.read_note(base, "tokenizer_sha256")
    # Its tokenizer, and headers since it was trained with them.
    assert header["tokenizer_sha256"] == known and "headers" in header
    ledger = layouts.read_header(out / "run" / "run.json", "novelkit-run")
    assert ledger["decisions"][0]["kind"] == "start"
    again, _ = run(monkeypatch, capsys, base, "--out", out, "--steps", 2)
    assert again["steps"] == 5


def test_from_nothing_on_request_in_a_run_of_its_own(base, monkeypatch, capsys, tmp_path):
    out = tmp_path / "demo"
    run(monkeypatch, capsys, base, "--out", out, "--steps", 1)
    result, said = run(monkeypatch, capsys, base, "--out", out, "--steps", 1, "--scratch")
    assert result["bits_per_character_before"] is None and result["steps"] == 1
    assert "重新开始" in said and (out / "run.1" / "history.jsonl").is_file()
    header = layouts.read_header(out / "data" / "data.json", "novelkit-data")
    assert header["tokenizer"] == "char" and "headers" not in header


def test_a_novel_too_short_for_its_context_is_learned_from_nothing(
    cpu, monkeypatch, capsys, tmp_path
):
    base = make_model(tmp_path, cpu, 512)
    book = tmp_path / "短.txt"
    book.write_text(novel(12, 8, "短").text, encoding="utf-8")
    options = ("--novel", book, "--out", tmp_path / "demo", "--steps", 1)
    result, said = run(monkeypatch, capsys, base, *options)
    assert "太短" in said and result["bits_per_character_before"] is None


def test_a_name_is_the_bundled_model_only_where_no_such_path_is(monkeypatch, tmp_path):
    from novelkit import bundled

    monkeypatch.setattr(bundled, "MODELS", tmp_path)
    assert bundled_model("mine") is None and model_folder("mine").name == "mine"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}", encoding="utf-8")
    assert bundled_model("mine") == tmp_path / "mine" == model_folder("mine")
    monkeypatch.chdir(tmp_path.parent)
    (tmp_path.parent / "mine").mkdir(exist_ok=True)
    assert not model_folder("mine").is_absolute()
    assert not model_folder("x/mine").is_absolute()
