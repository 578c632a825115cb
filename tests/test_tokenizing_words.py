"""Stage 04: the word tokenizer, and jieba behind it in both its forms."""

import importlib.util
import tarfile
from pathlib import Path

import numpy as np
import pytest
from helpers_tokenizing import SENTENCES, TEXT, texts, tokenizer_of
from hypothesis import given, settings

from novelkit.errors import InputError
from novelkit.tokenizing import segmentation
from novelkit.tokenizing.comparison import share_cut_otherwise
from novelkit.tokenizing.interface import FIRST_CHARACTER_ID
from novelkit.tokenizing.segmentation import load_jieba, mask, segment
from novelkit.tokenizing.spelling import code_points
from novelkit.tokenizing.words import _TIED, WordTokenizer

jieba = pytest.importorskip("jieba")
ROOT = Path(__file__).resolve().parents[1]
BUNDLED = (ROOT / "assets" / "novel" / "novel.txt").read_text(encoding="utf-8")
CORPUS = ROOT.parent / "shared" / "corpus" / "novels.tar.xz"


@pytest.fixture(scope="module", autouse=True)
def quiet():
    jieba.setLogLevel("WARNING")


@pytest.fixture
def fresh_jieba():
    """Which jieba is there is asked once a process; these tests change the answer."""
    load_jieba.cache_clear()
    yield
    load_jieba.cache_clear()


@pytest.fixture
def cuts():
    """jieba in Rust and in Python."""
    pytest.importorskip("rjieba")
    return load_jieba(), load_jieba(prefer_rust=False)


def pieces(tokenizer, text):
    """The text of each token."""
    return [tokenizer.decode([token]) for token in tokenizer.encode(text).tolist()]


# ---- words


def test_words_of_jieba_are_one_token_each():
    assert pieces(tokenizer_of("word"), "今天天气很好，我们一起去北京大学看书……") == [
        *("今天天气", "很", "好", "，", "我们", "一起", "去", "北京大学", "看书", "…", "…"),
    ]


def test_a_word_outside_of_the_vocabulary_is_spelled_in_its_characters():
    tokenizer = WordTokenizer.train([TEXT], vocabulary_size=0, minimum_word_count=1)
    assert tokenizer.longer == ()
    assert pieces(tokenizer, "我们看书") == list("我们看书")


def test_a_word_with_rare_characters_inside_is_still_one_token():
    """Its characters have no ids of their own, and must not turn into bytes."""
    tokenizer = WordTokenizer(["我"], ["北京大学"], [-1.0, -2.0])
    assert pieces(tokenizer, "我北京大学") == ["我", "北京大学"]
    assert len(tokenizer.encode("北京")) == 6


def test_words_are_taken_by_frequency_up_to_the_size_and_the_least_count():
    text = "学校。" * 9 + "老师。" * 7 + "国家。" * 5 + "问题。" * 3
    assert WordTokenizer.train([text], minimum_word_count=5).longer == ("学校", "老师", "国家")
    characters = len(set(text))
    size = FIRST_CHARACTER_ID + characters + 2
    sized = WordTokenizer.train([text], vocabulary_size=size, minimum_word_count=1)
    assert sized.longer == ("学校", "老师") and len(sized) == size


def test_texts_are_counted_together_and_read_once():
    lines = iter([SENTENCES[0], SENTENCES[1]] * 2)
    together = WordTokenizer.train(lines, minimum_word_count=2)
    assert (
        together.vocabulary
        == WordTokenizer.train([(SENTENCES[0] + SENTENCES[1]) * 2], minimum_word_count=2).vocabulary
    )
    assert next(lines, None) is None


def test_no_word_holds_a_space_a_line_end_or_punctuation():
    text = BUNDLED + "\r\n a.b c++ 3.14% Mr.Lu\r\n" * 20
    tokenizer = WordTokenizer.train([text], minimum_word_count=5)
    assert len(tokenizer.longer) > 100
    assert all("\u4e00" <= character <= "\u9fd5" for character in "".join(tokenizer.longer))


def test_ids_do_not_depend_on_words_a_program_added(fresh_jieba, monkeypatch):
    monkeypatch.setattr(segmentation.importlib.util, "find_spec", python_only)
    before = load_jieba()("王小虎常在学校门口")
    jieba.initialize()
    # Put back afterwards: to delete a word would leave its frequency in the total.
    monkeypatch.setattr(jieba.dt, "FREQ", dict(jieba.dt.FREQ))
    monkeypatch.setattr(jieba.dt, "total", jieba.dt.total)
    jieba.add_word("虎常在学校", 10**9)
    load_jieba.cache_clear()
    assert "虎常在学校" in jieba.lcut("王小虎常在学校门口")
    assert load_jieba()("王小虎常在学校门口") == before


# ---- segmentation


@settings(max_examples=60, deadline=None)
@given(text=texts)
def test_segmentation_keeps_every_character_in_its_place(text):
    words = [word for piece in segment(code_points(text)) for word in piece]
    joined = "".join(words)
    assert joined == mask(code_points(text)) and len(joined) == len(text)
    assert all(a == b for a, b in zip(joined, text, strict=True) if a != "\n")


def test_pieces_divide_no_run_of_hanzi(monkeypatch):
    monkeypatch.setattr(segmentation, "PIECE", 10)
    text = "今天天气很好我们一起去北京大学看书。" * 4 + "今天天气很好" * 10
    points = code_points(text)
    assert len(list(segment(points))) > 3
    words = [word for piece in segment(points) for word in piece]
    assert words == load_jieba()(mask(points))


def test_rjieba_and_jieba_give_the_same_ids_on_the_bundled_novel(cuts, monkeypatch):
    tokenizer = WordTokenizer.train([BUNDLED], minimum_word_count=1)
    ids = []
    for cut in cuts:
        monkeypatch.setattr(segmentation, "load_jieba", lambda cut=cut: cut)
        ids.append(tokenizer.encode(BUNDLED))
    assert len(ids[0]) < len(BUNDLED) and np.array_equal(*ids)


@pytest.mark.parametrize("text", ["常在我心里", "所以常在这庵里起坐", "他常在家"])
def test_the_one_word_on_which_they_differ_has_the_same_ids(cuts, monkeypatch, text):
    ids = []
    for cut in cuts:
        monkeypatch.setattr(segmentation, "load_jieba", lambda cut=cut: cut)
        tokenizer = WordTokenizer.train([TEXT + text * 20], minimum_word_count=2)
        ids.append((tokenizer.longer, tokenizer.encode(text).tolist()))
    assert ids[0] == ids[1]


@settings(max_examples=60, deadline=None)
@given(text=texts)
def test_rjieba_and_jieba_cut_any_text_alike(text):
    pytest.importorskip("rjieba")
    masked = mask(code_points(text.replace("常在", "")))
    assert load_jieba()(masked) == load_jieba(prefer_rust=False)(masked)


def test_our_words_are_those_of_plain_jieba(cuts):
    """On text as it stands in a novel, all the hanzi of it: the mask changes no word."""
    text = BUNDLED[:20_000]
    ours = [word for piece in segment(code_points(text), cuts[0]) for word in piece]
    plain = jieba.lcut(text)
    assert hanzi_spans(ours) == hanzi_spans(plain)


def hanzi_spans(words):
    """Where the words of two and more hanzi begin and end."""
    spans, start = [], 0
    for word in words:
        if len(word) > 1 and all("\u4e00" <= character <= "\u9fd5" for character in word):
            spans.append((start, start + len(word)))
        start += len(word)
    assert len(spans) > 1000
    return spans


@pytest.mark.slow
@pytest.mark.skipif(not CORPUS.is_file(), reason="needs ../shared/corpus")
def test_rjieba_and_jieba_agree_on_the_lines_of_a_corpus(cuts):
    """All but the one word that the vocabulary leaves out, here spelled in its characters."""

    def ours(cut, line):
        words = cut(mask(code_points(line)))
        return [part for word in words for part in (word if word in _TIED else [word])]

    lines = 0
    with tarfile.open(CORPUS) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            if file is None or not member.name.endswith(".txt"):
                continue
            for line in file.read().decode("utf-8").split("\n")[:400]:
                lines += 1
                assert ours(cuts[0], line) == ours(cuts[1], line)
    assert lines > 5000


# ---- without jieba


def python_only(name, real=importlib.util.find_spec):
    return None if name == "rjieba" else real(name)


def test_it_works_without_rjieba(fresh_jieba, monkeypatch):
    with_any = tokenizer_of("word").encode(TEXT).tolist()
    load_jieba.cache_clear()
    monkeypatch.setattr(segmentation.importlib.util, "find_spec", python_only)
    tokenizer = WordTokenizer.train([TEXT], minimum_word_count=2)
    assert load_jieba().__self__.__class__ is jieba.Tokenizer
    assert tokenizer.encode(TEXT).tolist() == with_any


def test_without_jieba_encoding_is_refused_and_decoding_works(fresh_jieba, monkeypatch):
    tokenizer = tokenizer_of("word")
    ids = tokenizer.encode(TEXT)
    load_jieba.cache_clear()
    monkeypatch.setattr(segmentation.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="jieba.*pip install jieba") as caught:
        tokenizer.encode("我们")
    assert "\n" not in str(caught.value)
    assert tokenizer.decode(ids) == TEXT


def test_the_saved_file_alone_cuts_nearly_the_same_words():
    """By the frequencies of the training text; measured on text it was not trained on."""
    pytest.importorskip("tokenizers")
    cut = len(BUNDLED) * 4 // 5
    tokenizer = WordTokenizer.train([BUNDLED[:cut]], minimum_word_count=5)
    assert 0 < share_cut_otherwise(tokenizer, BUNDLED[cut:]) < 0.1
    assert share_cut_otherwise(tokenizer, "。") == 0
