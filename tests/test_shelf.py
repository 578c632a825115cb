"""The table of books: who wrote them, what they are for, and what that does to the data."""

import json

import numpy as np
import pytest
from helpers_text import novel

from novelkit import layouts
from novelkit.cleaning import Chapter, Novel
from novelkit.cleaning.exports import chapter_rows
from novelkit.cleaning.splits import HoldOut, split_novel
from novelkit.errors import InputError
from novelkit.pipeline import Settings, prepare
from novelkit.pipeline.shelf import read_entries
from novelkit.tokenizing import load_tokenizer, read_tokens, write_data
from novelkit.tokenizing.headers import header_spans

TABLE = "title\tauthor\tstyle\tnames\tuse\trepeat\tremark\n"


@pytest.fixture
def books(tmp_path):
    """Three books of different lengths and words."""
    folder = tmp_path / "books"
    folder.mkdir()
    for number, title in enumerate(("雪后", "河边", "山上")):
        text = novel(12, 8 + number, title).text.replace("天还没有亮", f"{title}还没有亮")
        # No paragraph of one book stands in another.
        text = text.replace("件事。", f"件{title}的事。").replace("。”", f"，{title}。”")
        (folder / f"{title}.txt").write_text(text.replace("他说", "老周说"), encoding="utf-8")
    return folder


def write_table(tmp_path, *rows):
    path = tmp_path / "books.tsv"
    path.write_text(TABLE + "".join(row + "\n" for row in rows), encoding="utf-8")
    return path


def ids(out, split):
    return np.array(read_tokens(out / f"{split}.npy"))


def text(out, split):
    return (out / f"{split}.txt").read_text(encoding="utf-8")


# ---- the table


def test_a_table_is_read_by_its_columns(tmp_path):
    rows = ("雪后\t周远\t小说\t老周，阿秀\ttest\t\t早年的", "河边\t\t\t\t\t3\t")
    entries = read_entries(write_table(tmp_path, *rows))
    assert entries["雪后"].names == ("老周", "阿秀") and entries["雪后"].use == "test"
    assert entries["雪后"].author == "周远" and entries["雪后"].repeat == 1
    assert entries["雪后"].remarks == {"remark": "早年的"} and not entries["河边"].remarks
    assert (entries["河边"].use, entries["河边"].repeat) == ("train", 3)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("书名\t作者\n雪后\t周远\n", "title"),
        (TABLE + "\t周远\n", "第 2 行.*没有书名"),
        (TABLE + "雪后\t\t\t\tnone\n", "第 2 行.*use"),
        (TABLE + "雪后\t\t\t\t\t0\n", "第 2 行.*repeat"),
        (TABLE + "雪后\t\t\t\t\t多\n", "第 2 行.*不是整数"),
        (TABLE + "雪后\n雪后\n", "两行"),
        (b"\xff\xfe", "UTF-8"),
    ],
)
def test_a_wrong_table_says_which_line(tmp_path, content, said):
    path = tmp_path / "books.tsv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    with pytest.raises(InputError, match=said):
        read_entries(path)


def test_a_listed_book_that_cannot_be_used_says_why(books, tmp_path):
    (books / "短书.txt").write_text("天亮了。\n", encoding="utf-8")
    table = write_table(tmp_path, "短书\t周远")
    with pytest.raises(InputError, match=r"短书\.txt 不能用：.*分不出"):
        prepare([books], tmp_path / "data", Settings(books=table))


def test_a_table_that_leaves_nothing_to_train_on_says_so(books, tmp_path):
    table = write_table(tmp_path, *(f"{title}\t\t\t\ttest" for title in ("雪后", "河边", "山上")))
    with pytest.raises(InputError, match="至少留一本 train"):
        prepare([books], tmp_path / "data", Settings(books=table))


def test_a_table_of_other_books_is_refused_before_anything_is_written(books, tmp_path):
    table = write_table(tmp_path, "雪后", "没有的书")
    with pytest.raises(InputError, match="没有的书"):
        prepare([books], tmp_path / "data", Settings(books=table))
    assert not (tmp_path / "data").exists()


# ---- what it does


def test_a_book_for_the_test_is_kept_out_whole(books, tmp_path):
    out = tmp_path / "data"
    header = prepare([books], out, Settings(books=write_table(tmp_path, "河边\t\t\t\ttest")))
    test, training = text(out, "test"), text(out, "train")
    assert header["splits"]["test"]["chapters"] == 12
    assert test.startswith("河边\n") and "件雪后的事" not in test and "件河边的事" not in training
    # The other books are measured on as well, but need give nothing to the test.
    assert header["splits"]["validation"]["chapters"] == 2
    assert header["splits"]["train"]["chapters"] == 22
    # Every book ends where its text does.
    tokenizer = load_tokenizer(out)
    ends = {s: int((ids(out, s) == tokenizer.end_of_text).sum()) for s in layouts.SPLITS}
    assert ends == {"train": 0, "validation": 2, "test": 1}
    # What else reads the folder cuts the books in the same way.
    for split in layouts.SPLITS:
        rows = list(chapter_rows(out, split))
        assert len(rows) == header["splits"][split]["chapters"]


def test_a_repeated_book_stands_in_the_training_ids_so_often(books, tmp_path):
    plain, out = tmp_path / "plain", tmp_path / "data"
    before = prepare([books], plain)
    after = prepare([books], out, Settings(books=write_table(tmp_path, "河边\t\t\t\t\t3")))
    tokenizer, once, often = load_tokenizer(out), ids(plain, "train"), ids(out, "train")
    starts = [*np.flatnonzero(once == tokenizer.book), len(once)]
    shares = [once[begin:end] for begin, end in zip(starts, starts[1:], strict=False)]
    names = [novel["title"] for novel in before["novels"]]
    copies = [
        share for n, share in zip(names, shares, strict=True) for _ in range(1 + 2 * (n == "河边"))
    ]
    assert (often == np.concatenate(copies)).all()
    for split in ("validation", "test"):
        assert (ids(plain, split) == ids(out, split)).all()
    # The text, the vocabulary and the counts stay those of the books.
    assert text(out, "train") == text(plain, "train")
    assert after["splits"]["train"]["chapters"] == before["splits"]["train"]["chapters"]
    assert after["vocabulary"] == before["vocabulary"]
    ratio = len(often) / after["splits"]["train"]["characters"]
    assert ratio == pytest.approx(len(once) / before["splits"]["train"]["characters"], rel=1e-3)
    fallback = "byte_fallback_characters"
    assert after["preflight"][fallback] == before["preflight"][fallback]


def test_headers_stand_before_passages_of_the_training_text_alone(books, tmp_path):
    plain, out = tmp_path / "plain", tmp_path / "data"
    prepare([books], plain)
    table = write_table(tmp_path, "雪后\t周远\t小说\t老周、母亲", "河边\t\t诗\t\t\t2")
    settings = Settings(books=table, headers=True)
    header = prepare([books], out, settings)
    tokenizer, marks = load_tokenizer(out), header["headers"]
    lines = {}
    for split in layouts.SPLITS:
        stream = ids(out, split)
        spans = header_spans(stream, marks["book"], marks["line_end"])
        lines[split] = [tokenizer.decode(stream[begin + 1 : end]) for begin, end in spans]
        assert header["splits"][split]["header_tokens"] == sum(e - b for b, e in spans)
        # Without them the ids are those of the text without headers, its repeats aside.
        kept = np.ones(len(stream), bool)
        for begin, end in spans:
            kept[begin + 1 : end] = False
        if split != "train":
            assert (stream[kept] == ids(plain, split)).all()
        assert header["splits"][split]["characters"] >= len(text(out, split))
    # One a book where the model is measured, without names: they would tell what is to come.
    assert lines["validation"] == [
        "书名：山上\n",
        "书名：河边；风格：诗\n",
        "书名：雪后；作者：周远；风格：小说\n",
    ]
    assert any("人物：" in line and "章节：" in line for line in lines["train"])
    assert any("母亲" in line for line in lines["train"] if "人物：" in line)
    # Two copies of a passage have headers of their own.
    of_river = [line for line in lines["train"] if "诗" in line]
    assert len(set(of_river)) > 2
    # Whoever encodes it, in however many processes: the same bytes.
    again = tmp_path / "again"
    prepare([books], again, Settings(books=table, headers=True, processes=2))
    assert all((ids(again, s) == ids(out, s)).all() for s in layouts.SPLITS)


def test_one_book_as_a_value_has_the_same_headers(tmp_path):
    book = novel(12, 8, "雪后")
    book = Novel(book.title, book.chapters, {**book.source, "author": "周远"})
    written = write_data([book], tmp_path / "data", headers=True)
    marks, stream = written["headers"], ids(tmp_path / "data", "train")
    spans = header_spans(stream, marks["book"], marks["line_end"])
    tokenizer = load_tokenizer(tmp_path / "data")
    assert tokenizer.decode(stream[: spans[0][1]]) == "书名：雪后；作者：周远\n"
    assert len(spans) > 1


def test_the_settings_of_the_table_are_part_of_the_fingerprint(books, tmp_path):
    out = tmp_path / "data"
    settings = Settings(books=write_table(tmp_path, "雪后\t周远"), headers=True)
    assert not prepare([books], out, settings)["reused"]
    assert prepare([books], out, settings)["reused"]
    write_table(tmp_path, "雪后\t周近")
    assert not prepare([books], out, settings)["reused"]
    assert not prepare([books], out, Settings(books=settings.books, headers=False))["reused"]
    assert not prepare([books], out, Settings(held_out=0.2))["reused"]


def test_headers_are_the_default_where_the_model_knows_them(books, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    prepare([books], first, Settings(headers=True))
    (first / layouts.MODEL_FILE).write_text(json.dumps({"headers": True}), encoding="utf-8")
    assert "headers" in prepare([books], second, Settings(model=first))
    plain = Settings(model=first, headers=False)
    assert "headers" not in prepare([books], tmp_path / "third", plain)


def test_rare_characters_are_spelled_in_bytes_on_request(books, tmp_path):
    few = prepare([books], tmp_path / "few", Settings(minimum_count=40))
    many = prepare([books], tmp_path / "many")
    assert few["vocabulary"] < many["vocabulary"]
    assert few["preflight"]["lost_characters"] == 0
    spelled = "byte_fallback_characters"
    assert few["preflight"][spelled]["train"] > many["preflight"][spelled]["train"]
    for settings in ({"minimum_count": 0}, {"minimum_count": 3, "model": tmp_path / "many"}):
        with pytest.raises(InputError, match="minimum-count"):
            Settings(**settings)


# ---- how much is held out


@pytest.mark.parametrize(("share", "count"), [(1 / 12, 8), (0.02, 2), (0.001, 1), (0.2, 20)])
def test_the_share_decides_how_many_chapters_are_held_out(share, count):
    book = novel(99, 10)
    splits = split_novel(book, HoldOut(share))
    assert len(splits.validation) == len(splits.test) == count
    alone = split_novel(book, HoldOut(share, test=False))
    assert len(alone.validation) == count and alone.test == ()
    assert alone.train + alone.validation == book.chapters


@pytest.mark.parametrize("characters", [3000, 20_000, 51_000, 60_000, 200_000])
@pytest.mark.parametrize("test", [True, False])
def test_a_small_share_of_a_short_book_is_still_enough_to_measure_on(characters, test):
    lines = tuple(f"第{number:05d}段，" + "雪" * 40 for number in range(characters // 48))
    splits = split_novel(Novel("书", (Chapter("", lines),)), HoldOut(0.02, test=test))
    held_out = [splits.validation, splits.test] if test else [splits.validation]
    for part in held_out:
        assert sum(chapter.characters for chapter in part) >= min(200, characters / 30)
    assert sum(chapter.characters for chapter in splits.train) > 0.7 * characters


def test_a_book_without_chapters_gives_its_share_too():
    lines = tuple(f"第{number:05d}段，" + "雪" * 40 for number in range(2000))
    splits = split_novel(Novel("书", (Chapter("", lines),)), HoldOut(0.05, test=False))
    assert splits.test == () and not splits.by_chapters
    assert len(splits.validation[0].paragraphs) == pytest.approx(100, abs=30)


@pytest.mark.parametrize("share", [0, -0.1, 0.3, 1])
def test_a_share_that_leaves_too_little_or_nothing_is_refused(share):
    with pytest.raises(InputError, match="留出的比例"):
        HoldOut(share)
