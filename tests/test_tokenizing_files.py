"""Stage 04: a tokenizer in its folder, ours or a model's own, and what is refused."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers_tokenizing import KINDS, TEXT, tokenizer_of
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.errors import InputError
from novelkit.tokenizing import CharTokenizer, load_tokenizer, tokenizer_sha256
from novelkit.tokenizing.foreign import SAMPLE, ForeignTokenizer

LIBRARIES = {"word": "jieba", "bpe": "tokenizers"}
TOKENIZER = CharTokenizer.train(TEXT)


@pytest.fixture(params=KINDS)
def kind(request):
    if request.param in LIBRARIES:
        pytest.importorskip(LIBRARIES[request.param])
    return request.param


# ---- ours


def test_saving_and_loading_gives_the_same_tokenizer(kind, tmp_path):
    tokenizer = tokenizer_of(kind)
    tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert type(loaded) is type(tokenizer) and loaded.kind == kind
    assert loaded.vocabulary == tokenizer.vocabulary
    assert loaded.encode(TEXT + "龘").tolist() == tokenizer.encode(TEXT + "龘").tolist()
    assert tokenizer_sha256(loaded) == tokenizer_sha256(tokenizer)
    before = (tmp_path / "tokenizer.json").read_bytes()
    loaded.save(tmp_path)
    assert (tmp_path / "tokenizer.json").read_bytes() == before


def test_the_hash_tells_kinds_and_orders_apart():
    pytest.importorskip("jieba")
    pytest.importorskip("tokenizers")
    hashes = {tokenizer_sha256(tokenizer_of(kind)) for kind in KINDS}
    hashes.add(tokenizer_sha256(CharTokenizer(TOKENIZER.characters[::-1])))
    assert len(hashes) == len(KINDS) + 1


@pytest.mark.parametrize("name", KINDS)
def test_what_transformers_wrote_again_still_loads(name, tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizer_of(name).save(tmp_path / "a")
    auto = transformers.AutoTokenizer.from_pretrained(str(tmp_path / "a"))
    auto.save_pretrained(str(tmp_path / "b"))
    loaded = load_tokenizer(tmp_path / "b")
    assert loaded.kind == name
    assert tokenizer_sha256(loaded) == tokenizer_sha256(tokenizer_of(name))


def vocabulary_file(vocabulary, **model) -> str:
    return json.dumps({"model": {**model, "vocab": vocabulary}})


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"model": 3}',
        vocabulary_file(3),
        vocabulary_file([["a", 1]]),
        vocabulary_file([]),
        vocabulary_file([3] * 300),
        vocabulary_file({}),
        vocabulary_file({"a": 0, "b": 1}),
        vocabulary_file({token: str(i) for token, i in TOKENIZER.vocabulary.items()}),
        # A hole in the numbers would shift every character after it.
        vocabulary_file({token: i + (i > 300) for token, i in TOKENIZER.vocabulary.items()}),
        vocabulary_file({token: len(TOKENIZER) - i for token, i in TOKENIZER.vocabulary.items()}),
        vocabulary_file({**TOKENIZER.vocabulary, "两字": len(TOKENIZER)}),
        vocabulary_file([[token, "x"] for token in TOKENIZER.vocabulary], type="Unigram"),
        vocabulary_file([[token, 0] for token in (*TOKENIZER.vocabulary, "我")], type="Unigram"),
    ],
)
def test_a_damaged_tokenizer_file_is_refused(tmp_path, content):
    pytest.importorskip("tokenizers")
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_tokenizer(tmp_path)
    assert "\n" not in str(caught.value)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_bpe_file_cut_anywhere_is_refused(tmp_path_factory, data):
    pytest.importorskip("tokenizers")
    folder = tmp_path_factory.mktemp("cut")
    tokenizer_of("bpe").save(folder)
    path = folder / "tokenizer.json"
    whole = path.read_bytes().rstrip()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(InputError):
        load_tokenizer(folder)


def test_a_bpe_file_with_a_merge_of_unknown_pieces_is_refused(tmp_path):
    pytest.importorskip("tokenizers")
    tokenizer_of("bpe").save(tmp_path)
    path = tmp_path / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["model"]["merges"].append(["鑫", "龘"])
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match="novelkit prepare"):
        load_tokenizer(tmp_path)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    with pytest.raises(InputError, match="里没有 tokenizer.json.*请"):
        load_tokenizer(tmp_path)
    with pytest.raises(InputError, match="没有 .*nowhere 这个文件夹.*请"):
        load_tokenizer(tmp_path / "nowhere")


def test_characters_and_loading_need_no_other_library(tmp_path):
    """A word tokenizer loads and decodes without jieba too."""
    pytest.importorskip("jieba")
    ids = tokenizer_of("word").encode("我们").tolist()
    tokenizer_of("word").save(tmp_path)
    heavy = ("jieba", "rjieba", "tokenizers", "transformers", "torch")
    code = (
        "import sys, pathlib, novelkit.tokenizing as t\n"
        "assert len(t.train_tokenizer('char', ['我我']).encode('我龘')) == 4\n"
        f"assert t.load_tokenizer(pathlib.Path(sys.argv[1])).decode({ids}) == '我们'\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code, str(tmp_path)],
        capture_output=True,
        encoding="utf-8",
        check=True,
        cwd=Path(__file__).resolve().parents[1],
    )
    assert done.stdout.strip() == "[]"


# ---- a model's own


@pytest.fixture
def byte_level(tmp_path):
    """A lossless tokenizer as GPT-2 has it, trained on a few lines."""
    tokenizers = pytest.importorskip("tokenizers")
    fast = tokenizers.ByteLevelBPETokenizer()
    fast.train_from_iterator(
        [TEXT, SAMPLE], vocab_size=500, special_tokens=["<|endoftext|>"], show_progress=False
    )
    return fast


@pytest.fixture
def foreign(byte_level, tmp_path):
    byte_level.save(str(tmp_path / "tokenizer.json"))
    return load_tokenizer(tmp_path)


@settings(max_examples=60, deadline=None)
@given(text=st.text())
def test_a_lossless_foreign_tokenizer_is_accepted(tmp_path_factory, text):
    tokenizers = pytest.importorskip("tokenizers")
    folder = tmp_path_factory.mktemp("foreign")
    fast = tokenizers.ByteLevelBPETokenizer()
    fast.train_from_iterator(
        [TEXT], vocab_size=300, special_tokens=["<|endoftext|>"], show_progress=False
    )
    fast.save(str(folder / "tokenizer.json"))
    tokenizer = load_tokenizer(folder)
    assert tokenizer.kind == "foreign"
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text and tokenizer.end_of_text not in ids.tolist()
    stream, shown = tokenizer.stream(), ""
    for token in ids.tolist():
        shown += stream.push(token)
        assert text.startswith(shown)
    assert shown + stream.finish() == text


def test_a_foreign_tokenizer_cannot_be_forged_and_ends_a_text(foreign):
    ids = foreign.encode("甲<|endoftext|>乙").tolist()
    assert foreign.end_of_text not in ids
    assert foreign.book == foreign.chapter == foreign.end_of_text
    assert foreign.decode([foreign.book, *ids]) == "甲<|endoftext|>乙"
    assert len(foreign) == max(foreign.vocabulary.values()) + 1


def test_a_long_foreign_text_streams_piece_by_piece(foreign):
    text = (TEXT + "龘😀\n") * 3
    stream = foreign.stream()
    shown = [stream.push(token) for token in foreign.encode(text).tolist()]
    assert "".join(shown) + stream.finish() == text
    assert max(map(len, shown)) < 20


def test_a_foreign_tokenizer_is_saved_as_it_is(foreign, tmp_path):
    foreign.save(tmp_path / "copy")
    again = load_tokenizer(tmp_path / "copy")
    assert tokenizer_sha256(again) == tokenizer_sha256(foreign)
    assert again.encode(TEXT).tolist() == foreign.encode(TEXT).tolist()


def test_older_files_of_gpt2_are_read(byte_level, tmp_path):
    folder = tmp_path / "older"
    folder.mkdir()
    byte_level.save_model(str(folder))
    config = {"eos_token": {"content": "<|endoftext|>"}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    tokenizer = load_tokenizer(folder)
    assert tokenizer.decode(tokenizer.encode(SAMPLE)) == SAMPLE
    tokenizer.save(tmp_path / "copy")
    assert (tmp_path / "copy" / "tokenizer.json").is_file()


def test_characters_of_several_tokens_are_counted(foreign):
    assert foreign.count_fallback("a龘鑫龘\n") == 3


def bert(folder):
    """The vocabulary of a Chinese BERT: hanzi, no `…`, no line feed, no space."""
    tokenizers = pytest.importorskip("tokenizers")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = sorted({*TEXT, *SAMPLE} - set("…—\n\r \t\u3000\u00a0"))
    path = folder / "vocab.txt"
    path.write_text("\n".join((*special, *characters)), encoding="utf-8")
    words = tokenizers.models.WordPiece.read_file(str(path))
    return tokenizers.BertWordPieceTokenizer(words, lowercase=True)


@pytest.mark.parametrize("file", ["vocab.txt", "tokenizer.json"])
def test_a_vocabulary_that_destroys_text_is_refused_by_what_it_destroys(tmp_path, file):
    fast = bert(tmp_path)
    if file == "tokenizer.json":
        (tmp_path / "vocab.txt").unlink()
        fast.save(str(tmp_path / file))
    with pytest.raises(InputError, match="毁掉.*--tokenizer char") as caught:
        load_tokenizer(tmp_path)
    for name in ("…", "—", "换行", "全角空格"):
        assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_that_only_moves_spaces_is_refused(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    fast = tokenizers.ByteLevelBPETokenizer(add_prefix_space=True)
    fast.train_from_iterator(
        [TEXT], vocab_size=300, special_tokens=["<|endoftext|>"], show_progress=False
    )
    fast.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(InputError, match="毁掉"):
        load_tokenizer(tmp_path)


def test_a_foreign_tokenizer_without_an_end_of_text_is_refused(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    fast = tokenizers.ByteLevelBPETokenizer()
    fast.train_from_iterator([TEXT], vocab_size=300, show_progress=False)
    fast.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(InputError, match="全文结束"):
        load_tokenizer(tmp_path)


def test_a_damaged_configuration_is_refused(foreign, tmp_path):
    (tmp_path / "tokenizer_config.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="tokenizer_config.json"):
        ForeignTokenizer(tmp_path)
