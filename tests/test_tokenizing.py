"""Stage 04: lossless ids, equal to those of `tokenizers`, blocks that lose nothing, the folder."""

import hashlib
import json
import math
import os

import numpy as np
import pytest
from helpers_text import chapter, novel
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit import layouts
from novelkit.cleaning import Novel
from novelkit.errors import InputError
from novelkit.tokenizing import (
    IGNORED,
    Blocks,
    CharTokenizer,
    StreamDecoder,
    encode_chapters,
    load_tokenizer,
    read_tokens,
    tokenizer_sha256,
    write_data,
    write_tokens,
)
from novelkit.tokenizing import data as data_module
from novelkit.tokenizing.characters import (
    FIRST_BYTE_ID,
    FIRST_CHARACTER_ID,
    SPECIAL_TOKENS,
)
from novelkit.tokenizing.data import WRITE_STEPS
from novelkit.tokenizing.preflight import TINY_BATCH, TINY_CONTEXT, explain

KNOWN = "的一是了我不人在他有这“”‘’……——，。！？：；\n\u3000 <|book>0x41ndfthpr"
TOKENIZER = CharTokenizer.train(KNOWN)
LOOK_ALIKES = (*SPECIAL_TOKENS, "<0x41>", "<0xE4><0xBD>", "<|bo", "ook|>", "▁", "Ġ", "</s>", "##")
# Arbitrary Unicode, mixed with what the vocabulary knows and with what looks like its tokens.
texts = st.one_of(
    st.text(),
    st.lists(st.one_of(st.text(max_size=5), st.sampled_from((*LOOK_ALIKES, *KNOWN)))).map("".join),
)
ordinary_ids = st.lists(st.integers(FIRST_BYTE_ID, len(TOKENIZER) - 1), max_size=30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer")
    TOKENIZER.save(path)
    return path


@pytest.fixture(scope="module")
def transformers_tokenizer(folder):
    transformers = pytest.importorskip("transformers")
    return transformers.AutoTokenizer.from_pretrained(str(folder))


# ---- lossless


@given(texts)
def test_every_text_comes_back(text):
    ids = TOKENIZER.encode(text)
    assert TOKENIZER.decode(ids) == text
    assert ids.dtype == np.int32 and ids.ndim == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0",
        "a\r\nb\rc\n\n",
        "\u2028\u2029\x85\x0b\x0c",
        "😀👨\u200d👩\u200d👧\u200d👦",
        "𠮷野家，㐂，龘靐齉",
        "\ufeff开头",
        "\ufffd\uffff\U0010ffff",
        "e\u0301 é",
        "  两边有空格  ",
        "Ａ ａ A a",
    ],
)
def test_awkward_texts_come_back(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@pytest.mark.parametrize(("text", "place"), [("\ud800", 1), ("好\udcff。", 2), ("a😀\udbff", 3)])
def test_a_lone_surrogate_is_refused_with_its_place(text, place):
    with pytest.raises(InputError, match=f"第 {place} 个字符"):
        TOKENIZER.encode(text)


@given(texts)
def test_no_text_encodes_to_a_special_token(text):
    assert not (TOKENIZER.encode(text) < FIRST_BYTE_ID).any()


def test_one_token_a_known_character_and_utf8_bytes_for_the_others():
    assert len(TOKENIZER.encode("我不是人")) == 4
    spelled = TOKENIZER.encode("龘") - FIRST_BYTE_ID
    assert bytes(spelled.tolist()) == "龘".encode()
    assert TOKENIZER.count_fallback("我龘不😀") == 2


def test_ellipsis_dash_quotes_and_new_line_can_be_learned():
    tokenizer = CharTokenizer.train("“走……”他说——\n　‘好’。")
    assert tokenizer.count_fallback("…—“”‘’\n　。") == 0


def test_the_vocabulary_is_ordered_by_frequency_and_a_rare_character_left_out():
    tokenizer = CharTokenizer.train("乙甲甲丙丙丁", minimum_count=2)
    assert tokenizer.characters == ("丙", "甲")
    assert len(tokenizer) == FIRST_CHARACTER_ID + 2


@pytest.mark.parametrize("characters", [["甲", "甲"], ["甲乙"], [""]])
def test_a_vocabulary_that_is_no_set_of_characters_is_refused(characters):
    with pytest.raises(InputError, match="词表"):
        CharTokenizer(characters)


def test_special_tokens_are_silent_when_decoded():
    ids = [TOKENIZER.book, *TOKENIZER.encode("我龘").tolist(), TOKENIZER.chapter]
    assert TOKENIZER.decode([*ids, TOKENIZER.end_of_text]) == "我龘"


# ---- the same as the `tokenizers` library


@settings(max_examples=200, deadline=None)
@given(text=texts)
def test_ids_equal_those_of_auto_tokenizer(transformers_tokenizer, text):
    ids = transformers_tokenizer(text, add_special_tokens=False)["input_ids"]
    assert ids == TOKENIZER.encode(text).tolist()
    assert transformers_tokenizer.decode(ids) == text


@settings(max_examples=200, deadline=None)
@given(ids=ordinary_ids)
def test_any_ids_decode_as_auto_tokenizer_decodes_them(transformers_tokenizer, ids):
    assert TOKENIZER.decode(ids) == transformers_tokenizer.decode(ids)


def test_the_saved_special_tokens_have_our_ids(transformers_tokenizer):
    assert transformers_tokenizer.eos_token_id == TOKENIZER.end_of_text
    assert transformers_tokenizer.bos_token_id == TOKENIZER.book
    assert transformers_tokenizer.convert_tokens_to_ids("<|chapter|>") == TOKENIZER.chapter
    assert len(transformers_tokenizer) == len(TOKENIZER)


def test_saving_and_loading_gives_the_same_tokenizer(folder):
    loaded = load_tokenizer(folder)
    assert loaded.vocabulary == TOKENIZER.vocabulary
    assert tokenizer_sha256(loaded) == tokenizer_sha256(TOKENIZER)
    assert tokenizer_sha256(CharTokenizer(TOKENIZER.characters[::-1])) != tokenizer_sha256(loaded)


def vocabulary_file(vocabulary) -> str:
    return json.dumps({"model": {"vocab": vocabulary}})


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"model": 3}',
        vocabulary_file(3),
        vocabulary_file([["a", 1]]),
        vocabulary_file({"a": 0, "b": 1}),
        vocabulary_file({token: str(i) for token, i in TOKENIZER.vocabulary.items()}),
        # A hole in the numbers would shift every character after it.
        vocabulary_file({token: i + (i > 300) for token, i in TOKENIZER.vocabulary.items()}),
        vocabulary_file({**TOKENIZER.vocabulary, "两字": len(TOKENIZER)}),
    ],
)
def test_a_foreign_or_damaged_tokenizer_file_is_refused(tmp_path, content):
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError):
        load_tokenizer(tmp_path)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    with pytest.raises(InputError, match="里没有 tokenizer.json.*请"):
        load_tokenizer(tmp_path)
    with pytest.raises(InputError, match="没有 .*nowhere 这个文件夹.*请"):
        load_tokenizer(tmp_path / "nowhere")


# ---- streaming


@given(texts)
def test_streaming_gives_the_same_text_and_never_half_a_character(text):
    stream, shown = StreamDecoder(TOKENIZER), ""
    for token in TOKENIZER.encode(text).tolist():
        shown += stream.push(token)
        assert text.startswith(shown)
    assert shown + stream.finish() == text


@given(st.lists(st.integers(0, len(TOKENIZER) - 1), max_size=40))
def test_streaming_any_ids_equals_decoding_them(ids):
    stream = StreamDecoder(TOKENIZER)
    streamed = "".join(stream.push(token) for token in ids) + stream.finish()
    assert streamed == TOKENIZER.decode(ids)
    streamed.encode("utf-8")


def test_bytes_that_are_no_character_become_one_replacement_each():
    broken = [FIRST_BYTE_ID + value for value in (0xE4, 0xBD)]
    assert TOKENIZER.decode(broken) == "\ufffd\ufffd"
    assert TOKENIZER.decode([*broken, TOKENIZER.vocabulary["我"]]) == "\ufffd\ufffd我"


# ---- blocks


@st.composite
def blocks(draw):
    context = draw(st.integers(1, 40))
    length = draw(st.integers(context + 1, 6 * context + 3))
    return Blocks(np.arange(length), context, draw(st.integers(0, context - 1)))


@given(blocks())
def test_every_target_is_scored_exactly_once(cut):
    inputs, targets = cut.batch(range(len(cut)))
    scored = targets != IGNORED
    assert sorted(targets[scored].tolist()) == list(range(1, len(cut.tokens)))
    # Aligned by one, and each row is a full window of the text: no padding anywhere.
    assert (targets[scored] == inputs[scored] + 1).all()
    assert (np.diff(inputs, axis=1) == 1).all()
    assert inputs.min() >= 0 and inputs.max() < len(cut.tokens) - 1
    assert inputs.shape == targets.shape == (len(cut), cut.context)
    assert scored.any(axis=1).all()


@given(blocks(), st.randoms(use_true_random=False))
def test_a_block_is_the_same_in_any_batch(cut, random):
    chosen = [random.randrange(len(cut)) for _ in range(4)]
    together = cut.batch(chosen)
    for row, index in enumerate(chosen):
        alone = cut.batch([index])
        assert (together[0][row] == alone[0]).all() and (together[1][row] == alone[1]).all()


@pytest.mark.parametrize("length", [0, 1, 8])
def test_tokens_that_fill_no_block_are_refused(length):
    with pytest.raises(InputError, match="n_ctx"):
        Blocks(np.arange(length), 8)


@pytest.mark.parametrize("index", [-1, 3])
def test_a_block_that_does_not_exist_is_an_index_error(index):
    with pytest.raises(IndexError):
        Blocks(np.arange(25), 8).batch([index])


@pytest.mark.parametrize("offset", [-1, 8])
def test_an_offset_outside_of_the_context_is_refused(offset):
    with pytest.raises(ValueError):
        Blocks(np.arange(25), 8, offset)


# ---- arrays on disk


def test_arrays_come_back_mapped_with_their_hash(tmp_path):
    path = tmp_path / "train.npy"
    digest = write_tokens(path, np.arange(70_000, dtype=np.uint32))
    read = read_tokens(path)
    assert isinstance(read, np.memmap) and read[-1] == 69_999
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [file.name for file in tmp_path.iterdir()] == ["train.npy"]


@pytest.mark.parametrize("cut", [0, 3, 60, 200])
def test_a_damaged_array_is_refused_in_one_line(tmp_path, cut):
    path = tmp_path / "train.npy"
    write_tokens(path, np.arange(1000, dtype=np.uint16))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match="novelkit prepare") as caught:
        read_tokens(path)
    assert "\n" not in str(caught.value)


def test_a_missing_array_is_refused(tmp_path):
    with pytest.raises(InputError, match="没有找到"):
        read_tokens(tmp_path / "train.npy")


def test_an_array_that_cannot_be_written_leaves_the_old_one_alone(tmp_path, monkeypatch):
    path = tmp_path / "train.npy"
    write_tokens(path, np.arange(5, dtype=np.uint16))

    def full(file, *arguments, **options):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError):
        write_tokens(path, np.arange(9, dtype=np.uint16))
    assert len(read_tokens(path)) == 5
    assert [file.name for file in tmp_path.iterdir()] == ["train.npy"]


# ---- the DATA folder


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
    assert set(header["anchors"]) == {"uniform", "unigram", "bigram", "trigram", "xz"}
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
