"""What `prepare` writes for others to read: train.json, the dataset, the report."""

import json
import shutil
from collections import Counter

import numpy as np
import pytest
from helpers_command import read
from helpers_text import novel

from novelkit import layouts
from novelkit.cleaning import Novel, exports, read_jsonl, write_jsonl
from novelkit.cleaning.novel import novel_files
from novelkit.pipeline import prepare
from novelkit.pipeline.report import RARE_COUNT, count_frequencies
from novelkit.tokenizing import write_data

# ---- exports


def test_train_json_is_the_list_of_training_chapters(shelf_data):
    found = read(shelf_data / layouts.TRAIN_JSON_FILE)
    assert isinstance(found, list) and all(isinstance(text, str) for text in found)
    header = read(shelf_data / layouts.DATA_FILE)
    assert len(found) == header["splits"]["train"]["chapters"]
    whole = (shelf_data / "train.txt").read_text(encoding="utf-8")
    titles = {novel["title"] for novel in header["novels"]}
    lines = [line for line in whole.splitlines() if line not in titles]
    assert "\n".join(found).splitlines() == lines


def test_no_chapter_is_an_empty_list(tmp_path):
    exports.write_train_json([], tmp_path / "train.json")
    assert read(tmp_path / "train.json") == []


def test_the_dataset_holds_every_chapter_once(shelf_data, tmp_path):
    datasets = pytest.importorskip("datasets")
    copy = tmp_path / "data"
    shutil.copytree(shelf_data, copy)
    folder = exports.write_dataset(copy)
    loaded = datasets.load_from_disk(str(folder))
    assert isinstance(loaded, datasets.DatasetDict) and list(loaded) == list(layouts.SPLITS)
    found = Counter()
    for split in layouts.SPLITS:
        assert loaded[split].num_rows == read(copy / layouts.DATA_FILE)["splits"][split]["chapters"]
        for row in loaded[split]:
            source = json.loads(row["source"])
            found[(source["file"], row["chapter"])] += 1
            assert row["text"] == "\n".join([row["title"], "", *row["paragraphs"]])
    books = [read_jsonl(path) for path in (copy / "novels").glob("*.jsonl")]
    assert set(found.values()) == {1}
    assert set(found) == {
        (book.source["file"], i) for book in books for i in range(len(book.chapters))
    }
    assert not list(copy.glob(".*"))


def test_an_old_dataset_does_not_outlive_its_data(shelf, tmp_path):
    out = tmp_path / "data"
    prepare([shelf / "0.txt"], out)
    folder = out / layouts.DATASET_FOLDER
    folder.mkdir()
    (folder / "dataset_dict.json").write_text("{}", encoding="utf-8")
    prepare([shelf / "1.txt"], out)
    assert not folder.exists()


def test_a_chapter_cut_between_paragraphs_has_a_row_in_each_part(tmp_path):
    write_data([novel(3, paragraphs=60)], tmp_path)  # no novels/ yet: the rows are read from them
    book = novel(3, paragraphs=60)
    source = {"file": "a.txt", "sha256": "0" * 64}
    header = read(tmp_path / layouts.DATA_FILE)
    header["novels"][0]["source"] = source
    layouts.write_json(tmp_path / layouts.DATA_FILE, header)
    (tmp_path / "novels").mkdir()
    whole = Novel(book.title, book.chapters, source)
    write_jsonl(whole, tmp_path / "novels" / novel_files(source)[0])
    rows = {split: list(exports.chapter_rows(tmp_path, split)) for split in layouts.SPLITS}
    assert rows["train"][-1]["chapter"] == rows["validation"][0]["chapter"] == 2
    assert not set(rows["train"][-1]["paragraphs"]) & set(rows["validation"][0]["paragraphs"])


# ---- the report


def test_the_report_accounts_for_every_character(shelf_data, shelf):
    report = read(shelf_data / layouts.REPORT_FILE)
    lost = report["characters_before"] - report["characters_after"]
    assert lost == sum(rule["characters"] for rule in report["dropped"].values())
    for book in report["novels"]:
        assert book["characters_before"] - book["characters_after"] == sum(book["dropped"].values())
    codecs = Counter(book["encoding"] for book in report["novels"])
    assert report["encodings"] == codecs and codecs["gb18030"] == 2 and len(codecs) >= 3
    assert [len(book["chapter_characters"]) for book in report["novels"]] == list(range(12, 18))


def test_the_frequencies_are_those_of_the_texts(shelf_data):
    text = "".join(
        (shelf_data / f"{name}.txt").read_text(encoding="utf-8") for name in layouts.SPLITS
    )
    counts, found = Counter(text), read(shelf_data / layouts.REPORT_FILE)["characters"]
    assert found["total"] == len(text) and found["kinds"] == len(counts)
    assert dict(map(tuple, found["most_common"])) == {
        char: counts[char] for char, _ in found["most_common"]
    }
    assert [count for _, count in found["most_common"]] == sorted(counts.values())[::-1][:100]
    assert found["rare"]["once"] == sum(count == 1 for count in counts.values())
    assert all(counts[char] <= RARE_COUNT for char in found["rare"]["examples"])


def test_the_frequencies_of_nothing():
    found = count_frequencies(np.zeros(0x110000, np.int64))
    assert found["kinds"] == 0 and found["by_rank"] == [] and found["most_common"] == []
