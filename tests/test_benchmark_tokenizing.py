"""The measurements of stages 03 and 04 run, count what they say, and notice what is wrong."""

import argparse
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers_text import raw_book

from novelkit.tokenizing import CharTokenizer, load_tokenizer, read_tokens, segmentation
from novelkit.tokenizing.segmentation import load_jieba

sys.path.insert(0, str(Path(__file__).resolve().parent / "benchmarks"))

import pipeline
import tokenizing

TEXT = raw_book()


def test_the_text_that_is_measured_is_large_enough(tmp_path):
    title, text = tokenizing.read_text(tmp_path)
    assert title == "bundled novel" and len(text.encode("utf-8")) >= tokenizing.SIZE


def test_rare_characters_have_the_share_that_is_asked_for():
    tokenizer = tokenizing.with_rare(TEXT, 0.05)
    assert 0.02 < tokenizer.count_fallback(TEXT) / len(TEXT) <= 0.05


def test_other_ids_than_those_of_the_saved_file_end_the_measurement(monkeypatch):
    tokenizer = CharTokenizer.train(TEXT)
    tokenizing.check_equal(tokenizer, TEXT)
    encode = CharTokenizer.encode
    monkeypatch.setattr(CharTokenizer, "encode", lambda self, text: encode(self, text)[::-1])
    with pytest.raises(SystemExit, match="ids differ"):
        tokenizing.check_equal(tokenizer, TEXT)


@pytest.mark.parametrize("make", ["char_rows", "word_rows", "bpe_rows"])
def test_every_row_has_a_speed_and_one_is_the_reference(make):
    if make == "word_rows":
        pytest.importorskip("jieba")
    rows = getattr(tokenizing, make)(TEXT)
    speeds = tokenizing.measure(rows, 1)
    assert len(speeds) == len(rows) >= 3
    assert all(wall > 0 and cpu > 0 for wall, cpu in speeds.values())
    assert sum(row.reference for row in rows) == 1
    # What a measurement put in the place of jieba is gone again.
    assert segmentation.load_jieba is load_jieba


def test_a_shelf_is_as_large_as_asked_and_no_two_books_share_a_paragraph(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "CORPUS", tmp_path / "none")
    written = pipeline.write_shelf(tmp_path / "shelf", 3, 90_000)
    files = sorted((tmp_path / "shelf").iterdir())
    texts = [
        file.read_bytes().decode(encoding)
        for file, encoding in zip(files, pipeline.ENCODINGS, strict=False)
    ]
    assert written == sum(len(text.encode("utf-8")) for text in texts) > 90_000
    lines = [{line for line in text.split() if len(line) > 30} for text in texts]
    assert all(lines) and not (lines[0] & lines[1] or lines[1] & lines[2] or lines[0] & lines[2])


def test_both_of_our_ways_and_theirs_end_in_ids(tmp_path):
    book = tmp_path / "book.txt"
    book.write_text(TEXT, encoding="utf-8")
    for name, way in (
        ("all", pipeline.ours),
        ("blocks", pipeline.ours_to_blocks),
        ("theirs", pipeline.gpt2_chinese),
    ):
        way([book], tmp_path / name)
    tokens = read_tokens(tmp_path / "all" / "train.npy")
    assert np.array_equal(tokens, read_tokens(tmp_path / "blocks" / "train.npy"))
    assert load_tokenizer(tmp_path / "all").decode(np.asarray(tokens)).startswith("book\n第一章")
    ids = (tmp_path / "theirs" / "tokenized_train_0.txt").read_text(encoding="utf-8").split()
    assert len(ids) > 0.9 * len("".join(TEXT.split())) and all(map(str.isdecimal, ids))


def test_the_words_of_bert_lose_what_the_design_says():
    vocabulary = {token: number for number, token in enumerate(["[UNK]", "[SEP]", *"雪后a "])}
    assert list(pipeline.bert_tokens("雪 后A [SEP] 雪…", vocabulary)) == [
        *("雪", "后", "a", "[SEP]", "雪", "[UNK]")
    ]


def test_a_row_of_the_comparison_at_equal_training_time(capsys):
    pytest.importorskip("torch")
    comparison = importlib.import_module("tokenizer_comparison")
    options = argparse.Namespace(seconds=0.05, seed=0, layers=1, embedding=32, words=[], pieces=[5])
    comparison.compare("book", TEXT * 3, options)
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines()]
    assert [row[1].strip() for row in rows] == ["char", "bpe ≥5"]
    assert all(len(row) == comparison.HEADER.count("|") - 1 for row in rows)
    assert all(float(row[-2]) > 0 and int(row[8]) >= 1 for row in rows)
