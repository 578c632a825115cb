"""From a table of books to a model that a header steers: prepare, train, write."""

import itertools
import json
import shutil

import numpy as np
import pytest
import torch
from helpers_text import SENTENCES, novel
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit import layouts
from novelkit.__main__ import main
from novelkit.copying import FILTER_FILE
from novelkit.model import GPT2, ModelConfig, load_model
from novelkit.tokenizing import Header, encode_header, load_tokenizer
from novelkit.tokenizing.blocks import IGNORED, Blocks
from novelkit.tokenizing.headers import header_spans
from novelkit.training import Budget, TrainConfig, read_history, train
from novelkit.training.batches import BatchStream, ShuffledPassages
from novelkit.training.data import TrainingData, evaluate
from novelkit.training.run import Run

SMALL = {"n_ctx": 64, "n_layer": 2, "n_head": 2, "n_embd": 64, "dropout": 0.0}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two books of many short chapters, which begin alike and go on in a style of their own."""
    folder = tmp_path_factory.mktemp("books")
    for title, word in (("雪后", "雪"), ("河边", "河")):
        text = novel(80, 1, title).text.replace("。", f"，{word}{word}。")
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
    config = TrainConfig(batch_size=16, evaluate_every=100)
    train(data, out, size, config, Budget(max_steps=400), compute=cpu)
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


def test_no_step_is_without_a_target():
    # A header longer than a block: that block has nothing to learn, and a loss of 0 / 0.
    ids = np.array(([1] + [7] * 24 + [2] + [5] * 40) * 6)
    stream = BatchStream(ids, 8, 1, 0, header_spans(ids, 1, 2))
    batches = [stream.batch(step) for step in range(1, 200)]
    assert all((batch.targets != IGNORED).any() for batch in batches)
    epoch = [batch for batch in batches if batch.epoch == 1]
    assert sum(int((batch.targets != IGNORED).sum()) for batch in epoch) == 6 * 40


BOOK, LINE_END = 1, 2
passages = st.lists(
    st.tuples(st.integers(1, 6), st.integers(0, 9)),  # tokens of a header, and behind it
    min_size=1,
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(passages, st.integers(0, 9), st.integers(0, 99), st.data())
def test_passages_are_shuffled_whole_behind_their_headers(parts, before, seed, draw):
    ids, pieces = list(range(100, 100 + before)), []
    for number, (header, text) in enumerate(parts):
        first = 1000 * (number + 1)
        pieces.append([BOOK, *[3] * (header - 1), LINE_END, *range(first, first + text)])
        ids += pieces[-1]
    tokens = np.array(ids, dtype=np.uint16)
    spans = header_spans(tokens, BOOK, LINE_END)
    shuffled = ShuffledPassages(tokens, spans, np.random.default_rng(seed))
    whole = shuffled[0 : len(shuffled)]
    assert len(shuffled) == len(whole) == len(tokens) and whole.dtype == tokens.dtype
    assert (shuffled.headers == header_spans(whole, BOOK, LINE_END)).all()
    # Cut again where headers begin, the same passages in some order.
    cuts = [begin for begin, _ in shuffled.headers]
    found = [part.tolist() for part in np.split(whole, cuts)]
    start = ids[:before]
    if before and found[0] != start:
        # What stands before the first header follows some passage.
        host = next(part for part in found if part[len(part) - before :] == start)
        found[found.index(host)] = host[: len(host) - before]
        found.append(start)
    assert sorted(filter(None, found)) == sorted([*pieces, *([start] if before else [])])
    start = draw.draw(st.integers(0, len(tokens)))
    stop = draw.draw(st.integers(start, len(tokens) + 5))
    assert (shuffled[start:stop] == whole[start:stop]).all()


def test_an_epoch_takes_the_passages_in_an_order_of_its_own():
    """Behind text of its own book a header would tell nothing that the text does not."""
    ids = np.concatenate([[BOOK, 3, LINE_END, *[10 + n] * 29] for n in range(40)])
    stream = BatchStream(ids, 16, 1, 0, header_spans(ids, BOOK, LINE_END))
    neighbours = {}
    for step in itertools.count(1):
        batch = stream.batch(step)
        if batch.epoch > 1:
            break
        row = batch.inputs[0].tolist()
        if BOOK in row[1:-3]:
            place = row.index(BOOK, 1)
            neighbours.setdefault(batch.epoch, set()).add((row[place - 1], row[place + 3]))
    for pairs in neighbours.values():
        assert len(pairs) >= 20
        assert sum(after == before + 1 for before, after in pairs) < 5
    assert neighbours[0] != neighbours[1]


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
    assert all(record["tokens"] < 16 * 64 for record in read_history(run)[:10])


def test_the_style_of_the_header_changes_what_is_expected(run):
    folder = run / layouts.MODEL_FOLDER
    assert layouts.knows_headers(folder)
    tokenizer, model = load_tokenizer(folder), load_model(folder)
    snow, river = (tokenizer.encode(character)[0] for character in "雪河")
    leaning = {}
    for style in ("雪文", "河文"):
        front = encode_header(tokenizer, Header(style=style))
        odds = []
        for sentence in SENTENCES:
            text = tokenizer.encode(sentence.replace("。", "，").rstrip("”，") + "，")
            ids = torch.from_numpy(np.concatenate([front, text])[None, -SMALL["n_ctx"] :]).long()
            with torch.no_grad():
                logits = model(ids)[0, -1]
            odds.append(float(logits[snow] - logits[river]))
        leaning[style] = np.mean(odds)
    # A toy leans a little; the bundled model's card says how far a real one does.
    assert leaning["雪文"] > leaning["河文"]


def test_write_takes_a_header_and_the_same_one_gives_the_same_text(run, capsys):
    model, texts = str(run / layouts.MODEL_FOLDER), []
    for options in (
        ["--style", "雪文"],
        ["--style", "雪文"],
        ["--title", "河边", "--style", "河文"],
    ):
        capsys.readouterr()
        assert main(["write", model, "--prompt", "老人不说话，", *options, "--json"]) == 0
        texts.append(json.loads(capsys.readouterr().out)["text"])
    assert texts[0] == texts[1] != texts[2]


def test_names_may_stand_in_one_word(run, monkeypatch):
    from novelkit.writing import session

    seen = []

    def listening(*given, **_):
        seen.append(given[-1].header)
        yield from ()

    monkeypatch.setattr(session, "generate_candidates", listening)
    model = str(run / layouts.MODEL_FOLDER)
    for names in (["阿秀、老周"], ["阿秀", "老周"], ["阿秀，老周"]):
        assert main(["write", model, "--prompt", "天", "--names", *names]) == 0
    assert {header.names for header in seen} == {("阿秀", "老周")}


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
