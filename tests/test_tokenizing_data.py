"""Stage 04: novels to the DATA folder, and its preflight."""

import hashlib
import json
import math
import os

import numpy as np
import pytest
from helpers_text import chapter, novel

from novelkit import layouts
from novelkit.cleaning import Novel
from novelkit.errors import InputError
from novelkit.scores import ANCHOR_NAMES
from novelkit.tokenizing import (
    CharTokenizer,
    encode_chapters,
    load_tokenizer,
    read_tokens,
    tokenizer_sha256,
    write_data,
)
from novelkit.tokenizing import data as data_module
from novelkit.tokenizing.data import WRITE_STEPS
from novelkit.tokenizing.preflight import TINY_BATCH, TINY_CONTEXT, explain

KNOWN = "的一是了我不人在他有这“”‘’……——，。！？：；\n\u3000 <|book>0x41ndfthpr"
TOKENIZER = CharTokenizer.train(KNOWN)


@pytest.mark.parametrize(("chapters", "expected"), [(12, (10, 1, 1)), (16, (14, 1, 1))])
def test_whole_chapters_are_held_out_and_nothing_is_lost(tmp_path, chapters, expected):
    book = novel(chapters)
    header = write_data([book], tmp_path)
    assert tuple(header["splits"][name]["chapters"] for name in layouts.SPLITS) == expected
    tokenizer, whole = load_tokenizer(tmp_path), []
    for name in layouts.SPLITS:
        split, text = header["splits"][name], (tmp_path / f"{name}.txt").read_text(encoding="utf-8")
        ids = read_tokens(tmp_path / split["file"])
        assert tokenizer.decode(ids) == text
        assert (len(ids), len(text)) == (split["tokens"], split["characters"])
        assert (
            hashlib.sha256((tmp_path / split["file"]).read_bytes()).hexdigest() == split["sha256"]
        )
        whole.append(text.removeprefix(f"{book.title}\n"))
    lines = [line for part in book.chapters for line in (part.title, *part.paragraphs)]
    assert "".join(whole).splitlines() == lines


def test_the_header_has_the_documented_keys(tmp_path):
    returned = write_data([novel(12)], tmp_path, notes={"fingerprint": "f"})
    header = layouts.read_header(tmp_path / layouts.DATA_FILE, "novelkit-data")
    assert header == json.loads(json.dumps(returned))
    documented = {"format", "version", "tokenizer", "tokenizer_sha256", "vocabulary"}
    documented |= {"novels", "splits", "anchors", "preflight"}
    assert set(header) == documented | {"fingerprint"}
    assert set(header["splits"]) == set(layouts.SPLITS)
    for split in header["splits"].values():
        assert set(split) == {"file", "sha256", "tokens", "characters", "chapters"}
    assert set(header["anchors"]) == set(ANCHOR_NAMES)
    assert header["novels"][0]["title"] == "雪后" and header["novels"][0]["chapters"] == 12
    assert header["preflight"]["lost_characters"] == 0
    tokenizer = load_tokenizer(tmp_path)
    assert header["vocabulary"] == len(tokenizer)
    assert header["tokenizer_sha256"] == tokenizer_sha256(tokenizer)
    expected = {"data.json", "tokenizer.json", "tokenizer_config.json"}
    expected |= {f"{name}.{kind}" for name in layouts.SPLITS for kind in ("npy", "txt")}
    assert {file.name for file in tmp_path.iterdir()} == expected


def test_the_vocabulary_comes_from_the_training_chapters_alone(tmp_path):
    book = novel(12)
    secret = chapter(13)
    secret = type(secret)(secret.title, (*secret.paragraphs, "鑫淼焱垚鑫淼焱垚" * 3))
    header = write_data([Novel("雪后", (*book.chapters[:11], secret))], tmp_path)
    assert not set("鑫淼焱垚") & set(load_tokenizer(tmp_path).characters)
    assert header["preflight"]["byte_fallback_characters"]["test"] >= 24


def test_a_book_opens_with_its_token_and_closes_once_at_its_end(tmp_path):
    write_data([novel(12, title="甲书"), novel(12, title="乙书")], tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    for name, chapters in (("train", 10), ("validation", 1), ("test", 1)):
        ids = read_tokens(tmp_path / f"{name}.npy").tolist()
        assert ids[0] == tokenizer.book and ids.count(tokenizer.book) == 2
        assert ids.count(tokenizer.chapter) == 2 * chapters
        assert ids.count(tokenizer.end_of_text) == (2 if name == "test" else 0)
    assert ids[-1] == tokenizer.end_of_text


def test_a_large_vocabulary_takes_wider_numbers():
    characters = [chr(code) for code in range(0x20000, 0x20000 + 2**16)]
    ids = encode_chapters(CharTokenizer(characters), [("书", (chapter(1),), True)])
    assert ids.dtype == np.uint32
    assert encode_chapters(TOKENIZER, [("书", (chapter(1),), True)]).dtype == np.uint16


def test_a_given_tokenizer_is_kept(tmp_path):
    header = write_data([novel(12)], tmp_path, tokenizer=TOKENIZER)
    assert header["vocabulary"] == len(TOKENIZER)
    assert load_tokenizer(tmp_path).characters == TOKENIZER.characters


def test_a_repeated_paragraph_across_the_split_is_counted(tmp_path):
    book = novel(12)
    last = book.chapters[-1]
    copied = type(last)(last.title, (*last.paragraphs, book.chapters[0].paragraphs[0]))
    header = write_data([Novel("雪后", (*book.chapters[:-1], copied))], tmp_path)
    assert header["preflight"]["paragraphs_in_train_and_held_out"] == 1


@pytest.mark.parametrize("fails", ["measure_anchors", "write_tokens", "write_text", "preflight"])
def test_a_failure_on_the_way_leaves_no_header(tmp_path, monkeypatch, fails):
    """Neither the new one nor that of an earlier book, which would vouch for other arrays."""
    write_data([novel(12)], tmp_path)
    write_text = layouts.write_text

    def fail(*arguments, **options):
        if fails == "write_text" and arguments[0].name == layouts.PREPARING_FILE:
            return write_text(*arguments)
        raise OSError(28, "No space left on device")

    owner = {"measure_anchors": data_module.scores, "write_text": layouts}.get(fails, data_module)
    monkeypatch.setattr(owner, fails, fail)
    with pytest.raises(OSError):
        write_data([novel(14)], tmp_path)
    assert not (tmp_path / layouts.DATA_FILE).exists()
    # Only the mark, by which the folder can be prepared again.
    assert [path.name for path in tmp_path.glob(".*")] == [layouts.PREPARING_FILE]
    monkeypatch.undo()
    write_data([novel(14)], tmp_path)
    assert (tmp_path / layouts.DATA_FILE).exists() and not list(tmp_path.glob(".*"))


def test_where_even_the_mark_cannot_be_written_the_old_data_stay(tmp_path, monkeypatch):
    write_data([novel(12)], tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError):
        write_data([novel(14)], tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_old_header_goes_even_where_the_mark_was_left(tmp_path, monkeypatch):
    """A kill between the header and the end of the work leaves both."""
    write_data([novel(12)], tmp_path)
    layouts.write_json(tmp_path / layouts.PREPARING_FILE, {"novels": []})
    monkeypatch.setattr(data_module, "write_tokens", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_data([novel(14)], tmp_path)
    assert not (tmp_path / layouts.DATA_FILE).exists()


def test_progress_counts_every_step_to_the_end(tmp_path):
    calls = []
    write_data([novel(12)], tmp_path, progress=lambda *call: calls.append(call))
    assert calls == [(step, WRITE_STEPS) for step in range(1, WRITE_STEPS + 1)]


class Forgetful(CharTokenizer):
    """Loses some characters on the way back, and changes the order of others."""

    def decode(self, ids):
        return super().decode(ids).replace("雪", "").replace("他", "她")


def test_lost_characters_are_counted_one_by_one(tmp_path):
    text = "".join(
        line for part in novel(12).chapters for line in (part.title, *part.paragraphs, "雪后")[:-1]
    )
    tokenizer = Forgetful(CharTokenizer.train(text).characters)
    header = write_data([novel(12)], tmp_path, tokenizer=tokenizer)
    written = "".join(
        (tmp_path / f"{name}.txt").read_text(encoding="utf-8") for name in layouts.SPLITS
    )
    lost = written.count("雪") + written.count("他")
    assert lost > len(layouts.SPLITS)
    assert header["preflight"]["lost_characters"] == lost


def test_the_preflight_counts_an_epoch_of_the_smallest_preset(tmp_path):
    header = write_data([novel(12)], tmp_path)
    tiny = header["preflight"]["tiny_preset"]
    tokens = header["splits"]["train"]["tokens"]
    assert tiny["blocks"] == math.ceil((tokens - 1) / tiny["context"])
    assert tiny["steps_per_epoch"] == math.ceil(tiny["blocks"] / tiny["batch_size"]) >= 1


def test_the_smallest_preset_is_that_of_the_model_and_of_training():
    pytest.importorskip("torch")
    from novelkit.model import preset
    from novelkit.training import TrainConfig

    assert preset("tiny", 300).n_ctx == TINY_CONTEXT
    assert TrainConfig().batch_size == TINY_BATCH


def test_every_count_of_the_preflight_is_explained_and_none_that_is_zero():
    zero = dict.fromkeys(layouts.SPLITS, 0)
    counts = {
        "lost_characters": 0,
        "gap_characters": 0,
        "byte_fallback_characters": zero,
        "paragraphs_in_train_and_held_out": 0,
        "replacement_characters": zero,
    }
    assert explain(counts) == []
    for key, value in counts.items():
        nonzero = {**zero, "test": 1234} if isinstance(value, dict) else 1234
        (line,) = explain({**counts, key: nonzero})
        assert "1,234" in line and "：" in line or "，" in line
        assert not isinstance(value, dict) or ("测试" in line and "训练 0" not in line)


@pytest.mark.parametrize(
    "books",
    [
        [],
        [novel(5, paragraphs=1)],
        [novel(1, paragraphs=1)],
        [Novel("雪后\ud800", novel(12).chapters)],
        [
            Novel(
                "雪后", (*novel(11).chapters, chapter(12).__class__("第十二章", ("\udcff" * 300,)))
            )
        ],
    ],
    ids=["nothing", "short chapters", "one paragraph", "title no text", "text no text"],
)
def test_what_cannot_be_used_is_refused_before_anything_is_written(tmp_path, books):
    out = tmp_path / "data"
    with pytest.raises(InputError):
        write_data(books, out)
    assert not out.exists()
