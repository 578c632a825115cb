"""How fast text becomes ids: ours beside what others use, in one run on the same text.

    python tests/benchmarks/tokenizing.py
    python tests/benchmarks/tokenizing.py --corpus ../shared/corpus --repeats 9

Speeds are in million bytes of UTF-8 a second, medians of the repeats; "wall" is what a clock saw,
"CPU" counts the work of all threads, and is the one to read where other programs are running.
Slow ones are measured on the beginning of the text. Before anything is timed, our ids are compared
with those of the saved `tokenizer.json`. The text is 红楼梦 of the corpus, or the bundled novel as
often as 2.5 MB hold it. One Markdown table on standard output.
"""

import argparse
import io
import json
import statistics
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from novelkit.tokenizing import CharTokenizer, train_tokenizer
from novelkit.tokenizing import segmentation as segmentation_module
from novelkit.tokenizing.files import describe_tokenizer
from novelkit.tokenizing.segmentation import load_jieba
from novelkit.tokenizing.spelling import SpelledTokenizer

ROOT = Path(__file__).resolve().parents[2]
BOOK = "红楼梦"
SIZE = 2_500_000  # bytes
SLOW_CHARACTERS = 100_000
RARE_SHARE = 0.05


@dataclass(frozen=True)
class Row:
    """One way to do it, and the row whose speed is its 1."""

    group: str
    name: str
    text: str
    action: Callable[[str], object]
    reference: bool = False


def read_text(corpus: Path) -> tuple[str, str]:
    """The name of the text and the text."""
    archive = corpus / "novels.tar.xz"
    if archive.is_file():
        with tarfile.open(archive) as tar:
            for member in tar:
                file = tar.extractfile(member) if Path(member.name).stem == BOOK else None
                if file:
                    return BOOK, io.TextIOWrapper(file, encoding="utf-8").read()
    text = (ROOT / "assets" / "novel" / "novel.txt").read_text(encoding="utf-8")
    return "bundled novel", text * -(-SIZE // len(text.encode("utf-8")))


def with_rare(text: str, share: float) -> CharTokenizer:
    """A vocabulary that lacks the rarest `share` of the characters as they occur."""
    kept, seen = [], 0
    for character, count in Counter(text).most_common():
        if seen >= (1 - share) * len(text):
            break
        kept.append(character)
        seen += count
    return CharTokenizer(kept)


def saved_file(tokenizer: SpelledTokenizer) -> Any:
    """Our `tokenizer.json` through the `tokenizers` library."""
    from tokenizers import Tokenizer

    fast = Tokenizer.from_str(json.dumps(describe_tokenizer(tokenizer.model())))
    fast.encode_special_tokens = True
    return fast


def check_equal(tokenizer: SpelledTokenizer, text: str) -> None:
    """Our ids are those of the saved file, look-alikes of special tokens included."""
    text = text[:SLOW_CHARACTERS] + "<|book|><|endoftext|><0x41>龘😀\r\n"
    ids = saved_file(tokenizer).encode(text, add_special_tokens=False).ids
    if ids != tokenizer.encode(text).tolist() or tokenizer.decode(ids) != text:
        raise SystemExit(f"{tokenizer.kind}: ids differ from those of the saved file")


def char_rows(text: str) -> list[Row]:
    """Ours with all characters known, with those of half the book, with 5 % rare ones; others."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    half = train_tokenizer("char", [text[: len(text) // 2]])
    vocabularies = {
        "every character known": CharTokenizer.train(text),
        "vocabulary of the first half": half,
        "vocabulary without the rarest": with_rare(text, RARE_SHARE),
    }
    rows, slow = [], text[:SLOW_CHARACTERS]
    for name, tokenizer in vocabularies.items():
        check_equal(tokenizer, text)
        share = tokenizer.count_fallback(text) / len(text)
        label = f"{name}, {share:.2%} in bytes"
        rows.append(Row("char", f"ours, encode: {label}", text, tokenizer.encode))
        ids = tokenizer.encode(text)
        rows.append(
            Row("char", f"ours, decode: {label}", text, lambda _, t=tokenizer, i=ids: t.decode(i))
        )
    known = vocabularies["every character known"].vocabulary
    level = Tokenizer(models.WordLevel(known, unk_token="<|endoftext|>"))
    level.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    fast = saved_file(half)
    return [
        *rows,
        Row("char", "Python dict, list of ids", text, lambda t: [known[c] for c in t], True),
        Row("char", "saved tokenizer.json, one text", slow, lambda t: fast.encode(t).ids),
        Row("char", "saved tokenizer.json, lines", slow, lambda t: batch_ids(fast, t)),
        Row("char", "`tokenizers` WordLevel", slow, lambda t: level.encode(t).ids),
        *bert_rows(known, slow),
    ]


def batch_ids(fast: Any, text: str) -> list[list[int]]:
    """Ids line by line, on all cores."""
    encodings = fast.encode_batch_fast(text.split("\n"), add_special_tokens=False)
    return [encoding.ids for encoding in encodings]


def bert_rows(vocabulary: dict[str, int], slow: str) -> list[Row]:
    """transformers' BertTokenizerFast with the same characters; no row where it is missing."""
    try:
        from transformers import BertTokenizerFast
    except ImportError:
        return []
    with tempfile.TemporaryDirectory() as folder:
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        words = [token for token in vocabulary if len(token) == 1 and token.strip()]
        path = Path(folder) / "vocab.txt"
        path.write_text("\n".join((*special, *words)), encoding="utf-8")
        bert = BertTokenizerFast(vocab_file=str(path))
    return [
        Row(
            "char",
            "transformers BertTokenizerFast, lines (drops line ends and spaces)",
            slow,
            lambda t: bert(t.split("\n"), add_special_tokens=False)["input_ids"],
        )
    ]


def word_rows(text: str) -> list[Row]:
    """Ours with each jieba that is installed, and plain jieba as its users call it."""
    import jieba

    tokenizer = train_tokenizer("word", [text])
    slow = text[:SLOW_CHARACTERS]
    rows, ids = [], []
    for name, prefer_rust, part in (("rjieba", True, text), ("jieba", False, slow)):
        cut = load_jieba(prefer_rust)
        if (type(cut).__name__ == "method") == prefer_rust:
            continue  # without rjieba there is jieba alone

        def encode(wanted: str, cut: Any = cut) -> np.ndarray:
            # Put back each time: who else encodes must get the jieba that is there.
            with patch.object(segmentation_module, "load_jieba", lambda: cut):
                return tokenizer.encode(wanted)

        ids.append(encode(slow).tolist())
        rows.append(Row("word", f"ours, encode, with {name}", part, encode))
    if ids[1:] and ids[0] != ids[1]:
        raise SystemExit("word: ids differ between rjieba and jieba")
    plain = jieba.Tokenizer()
    plain.initialize()
    all_ids = tokenizer.encode(text)
    fast = saved_file(tokenizer)
    return [
        *rows,
        Row("word", "ours, decode", text, lambda _: tokenizer.decode(all_ids)),
        Row("word", "jieba.cut alone", slow, lambda t: list(plain.cut(t)), True),
        Row("word", "saved tokenizer.json without jieba", slow, lambda t: fast.encode(t).ids),
    ]


def bpe_rows(text: str) -> list[Row]:
    """Ours, and the same file called directly."""
    tokenizer = train_tokenizer("bpe", [text])
    check_equal(tokenizer, text)
    fast, ids = saved_file(tokenizer), tokenizer.encode(text)
    slow = text[: 4 * SLOW_CHARACTERS]
    return [
        Row("bpe", "ours, encode", slow, tokenizer.encode),
        Row("bpe", "ours, decode", text, lambda _: tokenizer.decode(ids)),
        Row("bpe", "saved tokenizer.json, one text", slow, lambda t: fast.encode(t).ids, True),
        Row("bpe", "saved tokenizer.json, lines", slow, lambda t: batch_ids(fast, t)),
    ]


def measure(rows: list[Row], repeats: int) -> dict[str, tuple[float, float]]:
    """MB/s by wall and by CPU time; the rows take turns, so that a busy second falls on all."""
    times: dict[str, list[tuple[float, float]]] = {row.name: [] for row in rows}
    for turn in range(repeats + 1):
        for row in rows[:: 1 if turn % 2 else -1]:
            wall, cpu = time.perf_counter(), time.process_time()
            row.action(row.text)
            spent = time.perf_counter() - wall, time.process_time() - cpu
            if turn:  # the first is to warm up
                times[row.name].append(spent)
    sizes = {row.name: len(row.text.encode("utf-8")) / 1e6 for row in rows}
    return {
        name: tuple(
            sizes[name] / max(statistics.median(column), 1e-9)
            for column in zip(*all_of_them, strict=True)
        )
        for name, all_of_them in times.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, default=ROOT.parent / "shared" / "corpus")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    title, text = read_text(options.corpus)
    print(f"{title}, {len(text.encode('utf-8')) / 1e6:.2f} MB, median of {options.repeats}\n")
    print("| kind | what | MB/s, wall | MB/s, CPU | × the reference (CPU) |")
    print("| --- | --- | ---: | ---: | ---: |")
    for make in (char_rows, word_rows, bpe_rows):
        rows = make(text)
        speeds = measure(rows, options.repeats)
        (reference,) = (speeds[row.name][1] for row in rows if row.reference)
        for row in rows:
            wall, cpu = speeds[row.name]
            name = f"{row.name} (reference)" if row.reference else row.name
            print(
                f"| {row.group} | {name} | {wall:.1f} | {cpu:.1f} | {cpu / reference:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
