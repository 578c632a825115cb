"""The pipeline as a library: many books, many processes, leaks, exports, the report."""

import hashlib
import math
import subprocess
import sys
import zipfile
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from helpers_command import read, tree, write_books
from helpers_text import chapter, novel, raw_book
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit import layouts, scores
from novelkit.cleaning import RULES, Novel
from novelkit.errors import InputError, WorkError
from novelkit.pipeline import Listener, Refused, Settings, prepare, reading
from novelkit.tokenizing import load_tokenizer, read_tokens, write_data, write_tokens
from novelkit.tokenizing.fallback import TRADITIONAL
from novelkit.tokenizing.preflight import LEAKED_SHARE, explain
from novelkit.tokenizing.segmentation import load_jieba

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256))


# ---- what fails on the way


def test_an_error_of_the_program_names_the_file(shelf, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "clean", lambda *arguments, **options: 1 / 0)
    with pytest.raises(WorkError, match=r"0\.txt.*ZeroDivisionError"):
        prepare([shelf / "0.txt"], tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_full_disk_keeps_the_old_data(shelf, shelf_data, tmp_path, monkeypatch):
    out = tmp_path / "data"
    prepare([shelf / "0.txt"], out)
    before = tree(out)

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError) as caught:
        prepare([shelf], out)
    assert str(out) in caught.value.filename
    assert tree(out) == before


# ---- what is left out, and what is refused


def test_what_is_no_book_in_a_folder_is_left_out_and_told(shelf, tmp_path):
    folder = tmp_path / "books"
    folder.mkdir()
    for file in shelf.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "a.txt").write_bytes(PNG)
    (folder / "b.txt").write_text("第一章\n太短。\n", encoding="utf-8")
    with zipfile.ZipFile(folder / "e.zip", "w") as archive:
        archive.writestr("cover.jpg", PNG)
        archive.write(shelf / "5.txt", "5.txt")
        (folder / "5.txt").unlink()
    (folder / "c.pdf").write_bytes(b"%PDF-1.5")
    (folder / "d.epub").write_bytes(b"PK\x03\x04 broken")
    told = []
    header = prepare([folder], tmp_path / "data", listener=Listener(book=told.append))
    refused = {one.file.rsplit("/", 1)[-1] for one in told if isinstance(one, Refused)}
    assert refused == {"a.txt", "b.txt", "d.epub", "cover.jpg"}
    assert {one["file"].rsplit("/", 1)[-1] for one in header["skipped"]} == refused | {"c.pdf"}
    assert all(one["reason"] for one in header["skipped"])
    assert len(header["novels"]) == 6
    assert prepare([folder], tmp_path / "data")["skipped"] == header["skipped"]
    prepare([folder], tmp_path / "two", Settings(processes=2))
    assert tree(tmp_path / "two") == tree(tmp_path / "data")
    for name in ("a.txt", "b.txt", "c.pdf", "d.epub"):
        with pytest.raises(InputError, match=name.replace(".", r"\.")):
            prepare([folder / "0.txt", folder / name], tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_file_without_permission_is_left_out_of_a_folder(shelf, tmp_path, monkeypatch):
    opened = Path.open

    def refuse(path, *arguments, **options):
        if path.name == "1.txt":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    header = prepare([shelf], tmp_path / "data", Settings(processes=1))
    assert len(header["novels"]) == 5
    assert [one["file"].rsplit("/", 1)[-1] for one in header["skipped"]] == ["1.txt"]
    with pytest.raises(InputError, match=r"1\.txt.*权限"):
        prepare([shelf / "1.txt"], tmp_path / "other")


def test_a_folder_without_one_usable_book_is_refused(tmp_path):
    (tmp_path / "books").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "books" / name).write_bytes(PNG)
    with pytest.raises(InputError, match=r"2 个文件都不能用.*a\.txt"):
        prepare([tmp_path / "books"], tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_the_books_of_an_archive(shelf, tmp_path):
    with zipfile.ZipFile(tmp_path / "books.zip", "w") as archive:
        for file in sorted(shelf.iterdir()):
            archive.write(file, f"书/{file.name}")
        archive.writestr("书/bad.txt", PNG)
    header = prepare([tmp_path / "books.zip"], tmp_path / "data", Settings(processes=2))
    assert [book["source"]["file"].rsplit("/", 1)[-1] for book in header["novels"]] == [
        f"{number}.txt" for number in range(6)
    ]
    assert [one["file"].rsplit("/", 1)[-1] for one in header["skipped"]] == ["bad.txt"]


def test_another_edition_of_a_book_leaks_and_is_refused_by_name(tmp_path):
    for name, chapters in (("甲", 24), ("乙", 30)):
        (tmp_path / f"{name}.txt").write_text(raw_book(chapters), encoding="utf-8")
    files = [tmp_path / "甲.txt", tmp_path / "乙.txt"]
    with pytest.raises(InputError, match=r"留出的.*一字不差.*乙\.txt 与 甲\.txt.*只留一份"):
        prepare(files, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_repeated_chapters_of_one_book_leak_too(tmp_path):
    book = novel(12)
    again = chapter(13).__class__("第十三章", book.chapters[2].paragraphs)
    with pytest.raises(InputError, match="重复"):
        write_data([Novel("书", (*book.chapters, again), {"file": "书.txt"})], tmp_path / "data")


@pytest.mark.parametrize(("copied", "refused"), [(1, False), (2, False), (6, True)])
def test_a_few_repeated_paragraphs_are_told_and_many_refused(tmp_path, copied, refused):
    book = novel(12)
    last, lines = book.chapters[-1], book.chapters[0].paragraphs[:copied]
    changed = type(last)(last.title, (*last.paragraphs, *lines))
    books = [Novel("书", (*book.chapters[:-1], changed))]
    share = copied / (8 + 8 + copied)
    assert refused == (copied >= 3 and share > LEAKED_SHARE)
    if refused:
        with pytest.raises(InputError, match="一字不差"):
            write_data(books, tmp_path / "data")
    else:
        header = write_data(books, tmp_path / "data")
        assert header["preflight"]["paragraphs_in_train_and_held_out"] == copied


def test_the_same_book_twice_is_told_by_name(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(raw_book(), encoding="utf-8")
    header = prepare([tmp_path / "a.txt", tmp_path / "b.txt"], tmp_path / "data")
    assert header["preflight"]["identical_books"] == [["a.txt", "b.txt"]]
    assert any("a.txt、b.txt" in line and "相同" in line for line in explain(header["preflight"]))


def test_text_that_does_not_come_back_is_refused(shelf, tmp_path, monkeypatch):
    from novelkit.tokenizing import CharTokenizer

    out = tmp_path / "data"
    prepare([shelf / "1.txt"], out)
    before = tree(out)
    decode = CharTokenizer.decode
    monkeypatch.setattr(CharTokenizer, "decode", lambda self, ids: decode(self, ids)[1:])
    with pytest.raises(InputError, match="变了样"):
        prepare([shelf / "0.txt"], out)
    assert tree(out) == before


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"processes": 0}, "进程数 0"),
        ({"tokenizer": "bpe", "vocabulary": 0}, "词表大小 0"),
        ({"vocabulary": 900}, "词表大小 900.*只用于"),
        ({"tokenizer": ""}, "没有“”"),
        ({"model": Path("nowhere")}, "没有 nowhere 这个模型文件夹"),
        ({"model": Path(), "tokenizer": "char"}, "又给了 --tokenizer char"),
        ({"with_rules": ("simplify",), "without_rules": ("simplify",)}, "又要用又不要用"),
        ({"tokenizer": "nothing"}, "nothing"),
        ({"with_rules": ("typo",)}, "typo"),
        ({"without_rules": ("typo",)}, "typo"),
    ],
)
def test_settings_that_cannot_be(changes, says):
    with pytest.raises(InputError, match=says):
        Settings(**changes)


@pytest.mark.parametrize("kind", ["word", "bpe"])
def test_a_vocabulary_too_small_for_the_characters_is_refused(shelf, tmp_path, kind):
    if kind == "word":
        pytest.importorskip("jieba")
    with pytest.raises(InputError, match="词表 300 项装不下.*--vocabulary"):
        prepare([shelf / "0.txt"], tmp_path / "data", Settings(kind, vocabulary=300))
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("lacking", ["jieba", "opencc", "a tokenizer"])
def test_what_is_not_installed_is_said_before_a_book_is_read(shelf, tmp_path, monkeypatch, lacking):
    read_first = []
    monkeypatch.setattr(reading, "clean", lambda *arguments, **options: read_first.append(1))
    wanted = {
        "jieba": Settings("word"),
        "opencc": Settings(with_rules=("simplify",)),
        "a tokenizer": Settings(str(shelf)),
    }[lacking]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "opencc", None)
    load_jieba.cache_clear()
    with pytest.raises(InputError, match="jieba|OpenCC|tokenizer.json"):
        prepare([shelf], tmp_path / "data", wanted)
    load_jieba.cache_clear()
    assert not read_first


def test_a_run_folder_names_the_model_in_it(shelf, shelf_data, tmp_path):
    model = tmp_path / "run" / layouts.MODEL_FOLDER
    load_tokenizer(shelf_data).save(model)
    with pytest.raises(InputError, match="请改用 .*model"):
        prepare([shelf], tmp_path / "data", Settings(model=tmp_path / "run"))


def test_rules_are_switched_by_name():
    default = [name for name, rule in RULES.items() if getattr(rule, "default", True)]
    first = default[0]
    assert Settings().rules is None
    assert list(Settings(without_rules=(first,)).rules) == default[1:]
    assert list(Settings(with_rules=tuple(RULES)).rules) == list(RULES)
    identities = [Settings(), Settings(without_rules=(first,)), Settings("bpe", vocabulary=9)]
    assert len({tuple(one.identity()) for one in identities}) == 3


# ---- the preflight


def test_unseen_characters_and_the_presets_are_counted(tmp_path):
    book = novel(12)
    last = book.chapters[-1]
    strange = type(last)(last.title, (*last.paragraphs, "鑫淼焱垚" * 3))
    checked = write_data([Novel("书", (*book.chapters[:-1], strange))], tmp_path)["preflight"]
    assert checked["unseen_characters"]["test"] >= 4
    assert checked["held_out_paragraphs"] == 16
    tokens = len(read_tokens(tmp_path / "train.npy"))
    for size in checked["presets"].values():
        blocks = math.ceil((tokens - 1) / size["context"]) if tokens > size["context"] else 0
        assert size["blocks"] == blocks
        assert size["steps_per_epoch"] == math.ceil(blocks / size["batch_size"])
    assert checked["presets"]["tiny"]["trainable"]
    assert not checked["presets"]["base"]["trainable"]  # a held-out chapter of 400 characters


def test_a_traditional_book_on_a_simplified_vocabulary_is_told_the_remedy(
    shelf, shelf_data, tmp_path
):
    plain = raw_book()
    text = plain.translate(str.maketrans("天的是了他来", TRADITIONAL[:6]))
    file = tmp_path / "traditional.txt"
    file.write_text(text, encoding="utf-8")
    header = prepare([file], tmp_path / "data", Settings(tokenizer=str(shelf_data)))
    share = header["preflight"]["byte_fallback_share"]["train"]
    assert 0.01 < share < 0.2
    lines = explain(header["preflight"])
    assert [line for line in lines if "--simplify" in line]
    assert [line for line in lines if f"{share:.2%}" in line]
    own = prepare([file], tmp_path / "own")
    assert not [line for line in explain(own["preflight"]) if "--simplify" in line]


# ---- arrays and texts in pieces


arrays = st.lists(st.lists(st.integers(0, 2**16 - 1), max_size=30), max_size=8)


@given(arrays, st.sampled_from([np.uint16, np.uint32]))
@settings(max_examples=50)
def test_pieces_are_written_as_numpy_writes_the_whole(tmp_path_factory, pieces, kind):
    path = tmp_path_factory.mktemp("npy") / "train.npy"
    parts = [np.array(piece, dtype=kind) for piece in pieces]
    digest = write_tokens(path, iter(parts))
    whole = np.concatenate([*parts, np.empty(0, parts[0].dtype if parts else np.uint16)])
    assert np.array_equal(np.load(path), whole) and np.load(path).dtype == whole.dtype
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest == write_tokens(path, whole)


def test_the_stream_of_a_split_does_not_depend_on_its_chunks(tmp_path, monkeypatch):
    from novelkit.tokenizing import chunks

    write_data([novel(12), novel(12, title="又一本")], tmp_path / "a")
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 700)
    write_data([novel(12), novel(12, title="又一本")], tmp_path / "b")
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_the_anchors_of_long_texts_take_a_part_and_say_so(shelf, shelf_data, tmp_path, monkeypatch):
    assert "anchors_characters" not in read(shelf_data / layouts.DATA_FILE)
    monkeypatch.setattr(scores, "ANCHOR_CHARACTERS", (3000, 500))
    header = prepare([shelf], tmp_path / "data")
    measured = header["anchors_characters"]
    assert 2900 <= measured["train"] <= 3000 and measured["validation"] == 500
    whole = read(shelf_data / layouts.DATA_FILE)["anchors"]
    assert header["anchors"]["unigram"] == pytest.approx(whole["unigram"], rel=0.1)


@pytest.mark.parametrize("text", ["a" * 999, "雪" * 5000, "𠮷" * 5000, "é𠮷雪a" * 3000])
def test_passages_of_a_file_are_whole_characters(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_text(text, encoding="utf-8")
    sample = scores.read_evenly(path, 1000)
    assert min(900, len(text)) <= len(sample) <= 1000
    assert set(sample) == set(text)


# ---- other tokenizers


def test_the_tokenizer_of_data_is_any_kind(shelf, tmp_path):
    pytest.importorskip("tokenizers")
    for kind in ("char", "word", "bpe"):
        settings_ = Settings(tokenizer=kind, vocabulary=800 if kind != "char" else None)
        header = prepare([shelf], tmp_path / kind, settings_)
        tokenizer = load_tokenizer(tmp_path / kind)
        assert header["tokenizer"] == kind == tokenizer.kind
        text = (tmp_path / kind / "test.txt").read_text(encoding="utf-8")
        assert tokenizer.decode(read_tokens(tmp_path / kind / "test.npy")) == text


def test_ids_too_few_for_one_step_are_refused(tmp_path):
    pytest.importorskip("tokenizers")
    # Sentences of a few set phrases, in an order of its own each, become a few pieces each.
    phrases = ("天色已经很晚了", "老人没有说话", "雪还在一直下", "他把灯点起来", "远处有狗在叫")
    orders = ["，".join(order) + "。" for order in permutations(phrases)]
    chapters = [f"第{number}章\n" + "\n".join(orders[number - 1 :: 12]) for number in range(1, 13)]
    (tmp_path / "a.txt").write_text("\n\n".join(chapters), encoding="utf-8")
    with pytest.raises(InputError, match="一步也训练不了.*--tokenizer char"):
        prepare([tmp_path / "a.txt"], tmp_path / "data", Settings("bpe", vocabulary=3000))
    assert not (tmp_path / "data").exists()


MEASURE = """
import resource, sys
from pathlib import Path
from novelkit.pipeline import Settings, prepare
prepare([Path(sys.argv[1])], Path(sys.argv[2]), Settings(processes=1))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="counts memory in kB there")
def test_memory_does_not_grow_with_the_number_of_books(tmp_path):
    peaks = []
    for count in (100, 400):  # the anchors take 2 million characters of either
        shelf = write_books(tmp_path / f"shelf{count}", count, 99)
        command = [sys.executable, "-c", MEASURE, shelf, tmp_path / f"data{count}"]
        done = subprocess.run([*map(str, command)], capture_output=True, check=True)
        peaks.append(int(done.stdout) * 1024)
    texts = (tmp_path / "data400" / "train.txt").stat().st_size
    assert texts > 30e6
    # What may grow is a hash a paragraph and some numbers a chapter, far less than the text.
    assert peaks[1] - peaks[0] < texts / 2
