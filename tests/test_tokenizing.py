"""Stage 04: what every tokenizer promises, and that `AutoTokenizer` keeps it."""

import numpy as np
import pytest
from helpers_tokenizing import KINDS, LOOK_ALIKES, TEXT, texts, tokenizer_of
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.errors import InputError
from novelkit.tokenizing import CharTokenizer, StreamDecoder
from novelkit.tokenizing.comparison import encode_alone
from novelkit.tokenizing.interface import FIRST_BYTE_ID, FIRST_CHARACTER_ID
from novelkit.tokenizing.spelling import CHUNK

# The word tokenizer segments with jieba; the others need nothing.
LIBRARIES = {"word": "jieba", "bpe": "tokenizers"}


@pytest.fixture(params=KINDS)
def kind(request):
    if request.param in LIBRARIES:
        pytest.importorskip(LIBRARIES[request.param])
    return request.param


@pytest.fixture(scope="module")
def auto_tokenizers(tmp_path_factory):
    """The saved tokenizers as `transformers` loads them, by kind."""
    transformers = pytest.importorskip("transformers")
    found = {}
    for kind in KINDS:
        folder = tmp_path_factory.mktemp(kind)
        tokenizer_of(kind).save(folder)
        found[kind] = transformers.AutoTokenizer.from_pretrained(str(folder))
    return found


def spell(data: bytes) -> list[int]:
    return [FIRST_BYTE_ID + value for value in data]


# ---- lossless

AWKWARD = [
    "",
    "\0",
    "a\r\nb\rc\n\n\r",
    "\u2028\u2029\x85\x0b\x0c",
    "😀👨\u200d👩\u200d👧\u200d👦",
    "𠮷野家，㐂，龘靐齉，\U0002a6d6\U00030000",
    "\ufeff开头",
    "\ufffd\uffff\U0010ffff\ue000",
    "e\u0301 é ﬁ ａ",
    "  两边有空格  ",
    "\u3000\u3000我们\u3000\u3000我们 我们",
    "Ａ ａ A a",
    "今天天气很好……" * 50,
    "我" * 1000,
    *LOOK_ALIKES,
]


@settings(max_examples=150, deadline=None)
@given(text=texts)
@pytest.mark.parametrize("name", KINDS)
def test_every_text_comes_back(name, text):
    pytest.importorskip(LIBRARIES.get(name, "numpy"))
    tokenizer = tokenizer_of(name)
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert ids.dtype == np.int32 and ids.ndim == 1


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_texts_come_back(kind, text):
    tokenizer = tokenizer_of(kind)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_every_character_comes_back(kind):
    """All of the basic plane, and a sample of every other one."""
    planes = [*range(0xD800), *range(0xE000, 0x10000), *range(0x10000, 0x110000, 61), 0x10FFFF]
    text = "".join(map(chr, planes))
    tokenizer = tokenizer_of(kind)
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.decode(ids.astype(np.uint32)) == text


def test_a_text_of_many_chunks_has_the_ids_of_its_lines(kind):
    """Rare characters right where the text is divided for speed."""
    tokenizer = tokenizer_of(kind)
    line = "我们一起去龘大学😀\n"
    count = 3 * CHUNK // len(line)
    text = line * count
    ids = tokenizer.encode(text)
    assert ids.tolist() == tokenizer.encode(line).tolist() * count
    assert tokenizer.decode(ids) == text


@pytest.mark.parametrize(("text", "place"), [("\ud800", 1), ("好\udcff。", 2), ("a😀\udbff", 3)])
def test_a_lone_surrogate_is_refused_with_its_place(kind, text, place):
    tokenizer = tokenizer_of(kind)
    for action in (tokenizer.encode, tokenizer.count_fallback):
        with pytest.raises(InputError, match=f"第 {place} 个字符") as caught:
            action(text)
        assert "\n" not in str(caught.value)


def test_rare_characters_are_spelled_in_utf8_and_counted(kind):
    tokenizer = tokenizer_of(kind)
    for rare in ("龘", "😀", "é", "\0"):
        assert tokenizer.encode(rare).tolist() == spell(rare.encode())
    assert tokenizer.count_fallback("我龘们😀") == 2


def test_ellipsis_dash_quotes_and_new_line_can_be_learned(kind):
    assert tokenizer_of(kind).count_fallback("…—“”\n\u3000。，\r ") == 1  # the space
    assert tokenizer_of(kind).count_fallback(TEXT) == 0


# ---- special tokens


@settings(max_examples=100, deadline=None)
@given(text=texts)
@pytest.mark.parametrize("name", KINDS)
def test_no_text_encodes_to_a_special_token(name, text):
    pytest.importorskip(LIBRARIES.get(name, "numpy"))
    assert not (tokenizer_of(name).encode(text) < FIRST_BYTE_ID).any()


def test_the_text_of_a_byte_token_is_no_byte(kind):
    tokenizer = tokenizer_of(kind)
    ids = tokenizer.encode("<0x41>")
    assert len(ids) == 6 or not set(ids.tolist()) & set(tokenizer.byte_ids)
    assert tokenizer.decode(spell(b"A")) == "A"


def test_special_tokens_are_silent_and_part_what_they_stand_between(kind):
    tokenizer = tokenizer_of(kind)
    ids = [tokenizer.book, *tokenizer.encode("我龘").tolist(), tokenizer.chapter]
    assert tokenizer.decode([*ids, tokenizer.end_of_text]) == "我龘"
    first, *rest = spell("龘".encode())
    assert tokenizer.decode([first, tokenizer.chapter, *rest]) == "\ufffd" * 3
    assert len({tokenizer.book, tokenizer.chapter, tokenizer.end_of_text}) == 3


@pytest.mark.parametrize("wrong", [-1, 10**6])
def test_ids_of_another_tokenizer_are_refused(kind, wrong):
    with pytest.raises(InputError, match="词表"):
        tokenizer_of(kind).decode([300, wrong])


# ---- the same through `tokenizers` and `transformers`


@settings(max_examples=150, deadline=None)
@given(text=texts)
@pytest.mark.parametrize("name", KINDS)
def test_the_saved_file_alone_gives_the_same_ids_and_text(name, text):
    pytest.importorskip("tokenizers")
    pytest.importorskip(LIBRARIES.get(name, "numpy"))
    tokenizer = tokenizer_of(name)
    alone = encode_alone(tokenizer, text)
    assert tokenizer.decode(alone) == text
    assert not set(alone) & {tokenizer.book, tokenizer.chapter, tokenizer.end_of_text}
    # Without jieba the file chooses words by their frequency: other ids, and still the same text.
    if name != "word":
        assert alone == tokenizer.encode(text).tolist()


@settings(max_examples=100, deadline=None)
@given(text=texts)
@pytest.mark.parametrize("name", KINDS)
def test_auto_tokenizer_is_lossless_and_agrees(auto_tokenizers, name, text):
    auto = auto_tokenizers[name]
    ids = auto(text, add_special_tokens=False)["input_ids"]
    assert auto.decode(ids) == text
    assert not set(ids) & set(auto.all_special_ids)
    assert tokenizer_of(name).decode(ids) == text
    assert auto.decode(tokenizer_of(name).encode(text).tolist()) == text
    if name != "word":
        assert ids == tokenizer_of(name).encode(text).tolist()


@settings(max_examples=100, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", KINDS)
def test_any_ids_decode_as_auto_tokenizer_decodes_them(auto_tokenizers, name, data):
    tokenizer = tokenizer_of(name)
    wanted = st.lists(st.integers(FIRST_BYTE_ID, len(tokenizer) - 1), max_size=30)
    ids = data.draw(wanted)
    assert tokenizer.decode(ids) == auto_tokenizers[name].decode(ids)


@pytest.mark.parametrize("name", KINDS)
def test_the_saved_special_tokens_have_our_ids(auto_tokenizers, name):
    auto, tokenizer = auto_tokenizers[name], tokenizer_of(name)
    assert auto.eos_token_id == tokenizer.end_of_text
    assert auto.bos_token_id == tokenizer.book
    assert auto.convert_tokens_to_ids("<|chapter|>") == tokenizer.chapter
    assert len(auto) == len(tokenizer)


# ---- streaming


@settings(max_examples=100, deadline=None)
@given(text=texts)
@pytest.mark.parametrize("name", KINDS)
def test_streaming_gives_the_same_text_and_never_half_a_character(name, text):
    pytest.importorskip(LIBRARIES.get(name, "numpy"))
    tokenizer = tokenizer_of(name)
    stream, shown = tokenizer.stream(), ""
    for token in tokenizer.encode(text).tolist():
        shown += stream.push(token)
        assert text.startswith(shown)
    assert shown + stream.finish() == text


@settings(max_examples=100, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", KINDS)
def test_streaming_any_ids_equals_decoding_them(name, data):
    tokenizer = tokenizer_of(name)
    ids = data.draw(st.lists(st.integers(0, len(tokenizer) - 1), max_size=40))
    stream = StreamDecoder(tokenizer)
    streamed = "".join(stream.push(token) for token in ids) + stream.finish()
    assert streamed == tokenizer.decode(ids)
    streamed.encode("utf-8")


def test_bytes_that_are_no_character_become_one_replacement_each(kind):
    tokenizer = tokenizer_of(kind)
    broken = spell(b"\xe4\xbd")
    known = tokenizer.encode("我").tolist()
    assert tokenizer.decode(broken) == "\ufffd\ufffd"
    assert tokenizer.decode([*broken, *known]) == "\ufffd\ufffd我"
    # One bad run does not spoil a good one.
    good = spell("龘".encode())
    assert tokenizer.decode([*good, *known, *broken]) == "龘我\ufffd\ufffd"


# ---- the character vocabulary


def test_the_vocabulary_is_ordered_by_frequency_and_a_rare_character_left_out():
    tokenizer = CharTokenizer.train("乙甲甲丙丙丁", minimum_count=2)
    assert tokenizer.characters == ("丙", "甲")
    assert len(tokenizer) == FIRST_CHARACTER_ID + 2


def test_one_token_a_known_character():
    assert len(CharTokenizer.train("我不是人").encode("我不是人")) == 4


@pytest.mark.parametrize("characters", [["甲", "甲"], ["甲乙"], [""]])
def test_a_vocabulary_that_is_no_set_of_characters_is_refused(characters):
    with pytest.raises(InputError, match="词表"):
        CharTokenizer(characters)
