"""Stage 04: which tokenizer is made or taken, what it spells in bytes, how tokenizers compare."""

import json

import pytest
from helpers_tokenizing import KINDS, TEXT, tokenizer_of

from novelkit.errors import InputError
from novelkit.tokenizing import (
    CharTokenizer,
    choose_tokenizer,
    fallback_report,
    tokenizer_sha256,
    train_tokenizer,
)
from novelkit.tokenizing.comparison import (
    compare_tokenizers,
    measure_tokenizer,
    share_cut_otherwise,
)
from novelkit.tokenizing.fallback import SIMPLIFIED, TRADITIONAL
from novelkit.tokenizing.foreign import SAMPLE

LIBRARIES = {"word": "jieba", "bpe": "tokenizers"}


@pytest.fixture(params=KINDS)
def kind(request):
    if request.param in LIBRARIES:
        pytest.importorskip(LIBRARIES[request.param])
    return request.param


def no_texts():
    """Texts that must not be read."""
    raise AssertionError("the texts were read")
    yield ""


# ---- train and choose


def test_each_kind_is_trained_by_its_name(kind):
    tokenizer = train_tokenizer(kind, [TEXT] * 20)
    assert tokenizer.kind == kind
    assert (len(tokenizer.encode(TEXT)) < len(TEXT)) == (kind != "char")
    assert tokenizer_sha256(choose_tokenizer(kind, iter([TEXT] * 20))) == tokenizer_sha256(
        tokenizer
    )


def test_texts_are_read_once_and_one_after_the_other(kind):
    seen = []

    def texts():
        for number in range(30):
            seen.append(number)
            yield TEXT

    train_tokenizer(kind, texts())
    assert seen == list(range(30))


def test_a_character_that_occurs_once_is_spelled_in_bytes(kind):
    tokenizer = train_tokenizer(kind, ["我们，我们，龘", "我们。鑫鑫"])
    assert tokenizer.count_fallback("龘。") == 2 and tokenizer.count_fallback("我们鑫") == 0
    assert train_tokenizer(kind, ["我们龘"], minimum_count=1).count_fallback("龘") == 0


def test_characters_are_counted_over_all_texts():
    whole = train_tokenizer("char", [TEXT])
    assert train_tokenizer("char", iter(TEXT)).vocabulary == whole.vocabulary


def test_the_vocabulary_size_bounds_words_and_pieces(kind):
    if kind != "char":
        tokenizer = train_tokenizer(kind, [TEXT * 20], vocabulary_size=0)
        assert len(tokenizer) == len(train_tokenizer("char", [TEXT * 20]))


@pytest.mark.parametrize("name", ["wordpiece", "CHAR", "", "no/such/folder"])
def test_an_unknown_name_is_refused_with_the_names_there_are(name):
    with pytest.raises(InputError, match="char、word、bpe") as caught:
        choose_tokenizer(name, no_texts())
    assert "\n" not in str(caught.value)


def test_an_unknown_kind_is_refused():
    with pytest.raises(InputError, match="char、word、bpe"):
        train_tokenizer("auto", no_texts())


def test_auto_takes_that_of_the_model_and_char_without_one(kind, tmp_path):
    tokenizer_of(kind).save(tmp_path)
    for name, model in (("auto", tmp_path), (str(tmp_path), None)):
        chosen = choose_tokenizer(name, no_texts(), model=model)
        assert tokenizer_sha256(chosen) == tokenizer_sha256(tokenizer_of(kind))
    assert choose_tokenizer("auto", [TEXT]).kind == "char"


def test_a_foreign_tokenizer_is_tried_on_the_book_itself(tmp_path):
    """Its normalization destroys what the fixed sample does not have."""
    tokenizers = pytest.importorskip("tokenizers")
    fast = tokenizers.ByteLevelBPETokenizer(unicode_normalizer="nfc")
    fast.train_from_iterator(
        [TEXT, SAMPLE], vocab_size=300, special_tokens=["<|endoftext|>"], show_progress=False
    )
    fast.save(str(tmp_path / "tokenizer.json"))
    assert choose_tokenizer(str(tmp_path), [TEXT]).kind == "foreign"
    with pytest.raises(InputError, match="毁掉"):
        choose_tokenizer(str(tmp_path), ["豈\uf900有此理"])


# ---- what is spelled in bytes


def test_the_share_and_the_most_common_characters_are_reported():
    report = fallback_report(CharTokenizer.train("我不是人"), "我龘龘不是鑫人啊", examples=2)
    assert (report.characters, report.fallback, report.share) == (8, 4, 0.5)
    assert report.most_common[0] == ("龘", 2) and len(report.most_common) == 2
    assert "50.00%" in report.advice and "龘" in report.advice and "char" in report.advice


def test_nothing_to_report_gives_no_advice():
    for text in ("我不是人", ""):
        report = fallback_report(CharTokenizer.train("我不是人"), text)
        assert report.fallback == report.share == 0 and report.advice == ""


def test_a_few_rare_characters_are_no_reason_to_change():
    report = fallback_report(CharTokenizer.train("我不是人"), "我不是人" * 50 + "龘")
    assert report.advice and "--" not in report.advice


def test_a_traditional_book_on_a_simplified_vocabulary_is_told_to_simplify():
    tokenizer = CharTokenizer.train(SIMPLIFIED + "他去了，。")
    book = "他說這個國家的門開了，誰來過沒有？" * 3
    report = fallback_report(tokenizer, book)
    assert report.looks_traditional and report.lacks_traditional
    assert "繁体" in report.advice and "--simplify" in report.advice


def test_a_traditional_book_on_its_own_vocabulary_is_not():
    book = TRADITIONAL * 3 + "龘"
    report = fallback_report(CharTokenizer.train(book, minimum_count=2), book)
    assert report.looks_traditional and not report.lacks_traditional
    assert "--simplify" not in report.advice


def test_a_simplified_book_is_not_told_to_simplify():
    report = fallback_report(CharTokenizer.train(TRADITIONAL), SIMPLIFIED * 3)
    assert not report.looks_traditional and "--simplify" not in report.advice


def test_the_two_scripts_pair_up():
    assert len(SIMPLIFIED) == len(TRADITIONAL) == len(set(SIMPLIFIED + TRADITIONAL)) / 2


# ---- side by side


def test_a_measure_counts_what_is_there():
    measure = measure_tokenizer(CharTokenizer.train("我不是人"), "我龘不是", repeats=1)
    assert (measure.characters, measure.tokens, measure.fallback_characters) == (4, 6, 1)
    assert measure.characters_per_token == pytest.approx(4 / 6)
    assert measure.fallback_share == 0.25 and measure.lossless
    assert measure.encode_speed > 0 and measure.decode_speed > 0


def test_a_loss_is_seen():
    class Forgetful(CharTokenizer):
        def decode(self, ids):
            return super().decode(ids).replace("我", "")

    assert not measure_tokenizer(Forgetful("我不"), "我不", repeats=1).lossless


def test_the_kinds_are_compared_on_held_out_text():
    pytest.importorskip("jieba")
    pytest.importorskip("tokenizers")
    rows = compare_tokenizers(TEXT * 20, TEXT[:50], repeats=1)
    assert [row.kind for row in rows] == list(KINDS)
    assert all(row.characters == 50 and row.lossless for row in rows)
    assert rows[0].tokens == 50 > rows[1].tokens


def test_what_the_file_alone_cuts_otherwise_is_measured(kind):
    pytest.importorskip("tokenizers")
    share = share_cut_otherwise(tokenizer_of(kind), TEXT + "龘")
    assert share == 0 if kind != "word" else 0 <= share < 0.2


def test_another_cut_is_seen():
    """A word whose parts are words too: jieba takes the whole, the file the likelier parts."""
    pytest.importorskip("tokenizers")
    pytest.importorskip("jieba")
    from novelkit.tokenizing.words import WordTokenizer

    tokenizer = WordTokenizer("我", ["北京大学", "北京", "大学"], [-1.0, -9.0, -1.0, -1.0])
    assert len(tokenizer.encode("我北京大学")) == 2
    assert share_cut_otherwise(tokenizer, "我北京大学") == 0.5
    assert json.dumps(tokenizer.model())
