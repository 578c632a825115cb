"""From a table of books to a model that a header steers: prepare, train, write."""

import itertools
import json
import shutil

import pytest
from helpers_text import novel

from novelkit import layouts
from novelkit.__main__ import main
from novelkit.copying import FILTER_FILE
from novelkit.model import GPT2, ModelConfig
from novelkit.tokenizing import load_tokenizer
from novelkit.tokenizing.blocks import IGNORED, Blocks
from novelkit.training import Budget, TrainConfig, read_history, train
from novelkit.training.data import TrainingData, evaluate
from novelkit.training.run import Run

SMALL = {"n_ctx": 256, "n_layer": 2, "n_head": 2, "n_embd": 64, "dropout": 0.0}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two books that begin their paragraphs alike and go on in a style of their own."""
    folder = tmp_path_factory.mktemp("books")
    for title, word in (("雪后", "雪"), ("河边", "河")):
        text = novel(12, 8, title).text.replace("。", f"，{word}{word}。")
        (folder / f"{title}.txt").write_text(text, encoding="utf-8")
    table = folder / "books.tsv"
    table.write_text("title\tstyle\tpublished\n雪后\t雪文\t1919\n河边\t河文\t\n", encoding="utf-8")
    out = folder / "data"
    arguments = ["prepare", str(folder), "--out", str(out), "--books", str(table), "--headers"]
    assert main(arguments) == 0
    return out


@pytest.fixture(scope="module")
def run(data, cpu, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    size = ModelConfig(len(load_tokenizer(data)), **SMALL)
    config = TrainConfig(batch_size=8, evaluate_every=60)
    train(data, out, size, config, Budget(max_steps=300), compute=cpu)
    return out


def test_headers_are_read_and_never_learned(data, cpu, tmp_path):
    opened = TrainingData.read(data)
    tokenizer, spans = load_tokenizer(data), opened.headers("train")
    lines = {tokenizer.decode(opened.tokens("train")[b:e]) for b, e in spans}
    assert any("风格：雪文" in line for line in lines) and any("河文" in line for line in lines)
    size = ModelConfig(len(tokenizer), **SMALL)
    config = TrainConfig(batch_size=1)
    job = Run(data, tmp_path / "run", size, config, Budget(max_steps=1), False, cpu)
    batches = iter(job.stream.batch(step) for step in itertools.count(1))
    epoch = list(itertools.takewhile(lambda batch: batch.epoch == 0, batches))
    assert all(tokenizer.book not in batch.targets for batch in epoch)
    # Every other token is a target, once.
    scored = sum(int((batch.targets != IGNORED).sum()) for batch in epoch)
    assert scored == opened.scored_tokens("train")


def test_losses_and_bits_count_the_text_alone(data, run):
    opened = TrainingData.read(data)
    part = opened.header["splits"]["validation"]
    assert part["header_tokens"] > 0
    # Chapter tokens are scored and spell nothing; headers are not.
    expected = (part["tokens"] - part["header_tokens"]) / part["characters"]
    assert opened.identity["tokens_per_character"]["validation"] == expected
    model = GPT2(ModelConfig(len(load_tokenizer(data)), **SMALL))
    headers, tokens = opened.headers("validation"), opened.tokens("validation")
    blocks = Blocks(tokens, SMALL["n_ctx"], headers=headers)
    _, targets = blocks.batch(range(len(blocks)))
    # The first token of all is no target either.
    assert (targets != IGNORED).sum() == part["tokens"] - part["header_tokens"]
    assert evaluate(model, tokens) != evaluate(model, tokens, headers=headers)
    assert all(record["tokens"] < 8 * 256 for record in read_history(run)[:10])


def test_the_style_of_the_header_decides_how_it_goes_on(data, run, capsys):
    model = run / layouts.MODEL_FOLDER
    assert layouts.knows_headers(model)
    for style, word, other in (("雪文", "雪雪", "河河"), ("河文", "河河", "雪雪")):
        arguments = ["write", str(model), "--prompt", "老人不说话，", "--style", style, "--json"]
        capsys.readouterr()
        assert main([*arguments, "--length", "300", "--temperature", "0.5"]) == 0
        text = json.loads(capsys.readouterr().out)["text"]
        assert text.count(word) > text.count(other)


def test_a_model_without_headers_does_not_take_one(data, run, tmp_path, capsys):
    model = run / layouts.MODEL_FOLDER
    copy = tmp_path / "model"
    copy.mkdir()
    for path in model.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    header = json.loads((copy / layouts.MODEL_FILE).read_text(encoding="utf-8"))
    del header["headers"]
    (copy / layouts.MODEL_FILE).write_text(json.dumps(header), encoding="utf-8")
    assert main(["write", str(copy), "--prompt", "天", "--author", "鲁迅"]) == 2
    assert "没有用题头训练过" in capsys.readouterr().err
    assert main(["write", str(copy), "--prompt", "天", "--length", "3"]) == 0


def test_a_folder_without_its_text_trains_and_says_what_is_missing(data, cpu, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    for name in ("train.txt", "train.json", "test.txt", "novels"):
        path = copy / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    size, notices = ModelConfig(len(load_tokenizer(copy)), **SMALL), []
    config, budget = TrainConfig(batch_size=2), Budget(max_steps=1)
    result = train(
        copy, tmp_path / "run", size, config, budget, compute=cpu, on_notice=notices.append
    )
    assert not (result.model / FILTER_FILE).exists()
    assert any(FILTER_FILE in line for line in notices)


def test_the_card_tells_the_books_as_the_table_does(run):
    card = (run / layouts.MODEL_FOLDER / layouts.CARD_FILE).read_text(encoding="utf-8")
    table = [line.strip("| ").split(" | ") for line in card.splitlines() if line.startswith("| ")]
    (head,) = [row for row in table if row[0] == "书"]
    rows = {
        row[0]: dict(zip(head, row, strict=False)) for row in table if row[0] in ("雪后", "河边")
    }
    assert rows["雪后"]["风格"] == "雪文" and rows["雪后"]["published"] == "1919"
    assert rows["河边"]["风格"] == "河文" and rows["河边"]["用途"] == "训练"
    assert "作者" not in head and "`<|book|>`" in card
