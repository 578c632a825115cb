"""Bits per character on the books that a DATA folder keeps out whole, beside models that count.

    python tests/benchmarks/kept_out.py MODEL DATA                     # the model
    python tests/benchmarks/kept_out.py MODEL DATA --baselines         # and n-grams, PPMd
    python tests/benchmarks/kept_out.py MODEL DATA --dynamic           # and learning as it reads

Static models (ours, and modified Kneser-Ney over the training text) know nothing of a book but what
stands before a character. PPMd (7-Zip's variant H, by `pyppmd`, order 8, primed with the training
text) learns the book while it codes it; so does ours with `--dynamic` (Krause et al. 2018,
arXiv:1709.07432): after each window is scored, one step of SGD on it. Markdown on standard output.
"""

import argparse
import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scores_books import Book, note, table

from novelkit import layouts
from novelkit.cleaning.novel import novel_files, read_jsonl
from novelkit.model import open_model
from novelkit.pipeline.folder import file_sha256
from novelkit.scores import Windows, ngram_losses, score_text
from novelkit.tokenizing import load_tokenizer
from novelkit.tokenizing.parts import chapter_text

STRIDE = 4  # of the context, a window moves on by one over so much
ORDERS = {"unigram": 1, "trigram": 3, "5-gram": 5}
PPMD_ORDER, PPMD_MEMORY = 8, 1 << 30
DYNAMIC_RATE = 0.02


def kept_out_books(data: Path) -> list[Book]:
    """The books of a DATA folder that are tests as a whole, as training would have read them."""
    header = layouts.read_header(data / layouts.DATA_FILE, "novelkit-data")
    books = []
    for novel in header["novels"]:
        if novel.get("held_out", {}).get("whole"):
            chapters = read_jsonl(data / layouts.NOVELS_FOLDER / novel_files(novel["source"])[0])
            books.append(Book(novel["title"], "".join(map(chapter_text, chapters.chapters))))
    return books


def static_bits(model: Any, tokenizer: Any, text: str, stride: int = STRIDE) -> float:
    """Bits per character of a text, every token after at least three quarters of a context."""
    context = model.config.n_ctx
    windows = Windows(context, stride=max(1, context // stride))
    score = score_text(lambda ids: model(torch.from_numpy(ids)), tokenizer, text, windows)
    return score.bits_per_character


def dynamic_bits(folder: Path, text: str, rate: float) -> float:
    """Bits per character of a model that learns from each half context when it has been scored."""
    tokenizer, model = load_tokenizer(folder), open_model(folder).model.eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    ids = np.append(tokenizer.book, tokenizer.encode(text)).astype(np.int64)
    context = model.config.n_ctx
    step, nats = context // 2, 0.0
    for end in range(step, len(ids) + step - 1, step):
        end = min(end, len(ids) - 1)
        begin = max(0, end - context)
        inputs = torch.from_numpy(ids[begin:end])[None]
        losses = model.token_losses(inputs, torch.from_numpy(ids[begin + 1 : end + 1])[None])[0]
        new = losses[-(end - max(0, (end - 1) // step * step)) :]
        nats += float(new.detach().sum())
        optimizer.zero_grad()
        losses.mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return nats / len(text) / math.log(2)


def ppmd_bits(training: str, texts: list[str]) -> list[float]:
    """What PPMd adds for each text after the training text, in bits per character."""
    from pyppmd import Ppmd7Encoder

    def size(text: str) -> int:
        encoder = Ppmd7Encoder(PPMD_ORDER, PPMD_MEMORY)
        return len(encoder.encode(text.encode("utf-8"))) + len(encoder.flush())

    alone = size(training)
    return [(size(training + text) - alone) * 8 / len(text) for text in texts]


def baselines(data: Path, books: list[Book], cache: Path | None) -> dict[str, dict[str, float]]:
    """Bits per character by model and book; kept in `cache`, since they are no model's of ours."""
    texts = "\0".join((book.title + "\0" + book.text) for book in books)
    key = {
        "train": file_sha256(data / "train.txt"),
        "books": hashlib.sha256(texts.encode("utf-8")).hexdigest(),
    }
    if cache and cache.is_file():
        kept = json.loads(cache.read_text(encoding="utf-8"))
        if kept["of"] == key:
            return kept["bits"]
        note(f"{cache} is of other texts and is made again")
    training = (data / "train.txt").read_text(encoding="utf-8")
    bits: dict[str, dict[str, float]] = {name: {} for name in ORDERS}
    for book in books:
        note(f"n-grams: {book.title}")
        losses = ngram_losses(training, book.text, order=5)
        for name, order in ORDERS.items():
            bits[name][book.title] = losses[order - 1] / math.log(2)
    note("PPMd")
    coded = ppmd_bits(training, [book.text for book in books])
    bits["PPMd, learning"] = dict(zip((book.title for book in books), coded, strict=True))
    if cache:
        layouts.write_json(cache, {"of": key, "bits": bits})
    return bits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--baselines", action="store_true", help="n-grams and PPMd, minutes")
    parser.add_argument("--cache", type=Path, help="a JSON file that keeps the baselines")
    parser.add_argument("--dynamic", action="store_true", help="the model as it learns, slow")
    parser.add_argument("--rate", type=float, default=DYNAMIC_RATE, help="of --dynamic")
    parser.add_argument("--limit", type=int, help="characters of each book, for a quick look")
    options = parser.parse_args()
    books = kept_out_books(options.data)
    if not books:
        parser.error("no book of this DATA folder is kept out whole (`use` test in the table)")
    if options.limit:
        books = [Book(book.title, book.text[: options.limit]) for book in books]
    bits = baselines(options.data, books, options.cache) if options.baselines else {}
    tokenizer, model = load_tokenizer(options.model), open_model(options.model).model.eval()
    bits["model"] = {book.title: static_bits(model, tokenizer, book.text) for book in books}
    if options.dynamic:
        bits["model, learning"] = {
            book.title: dynamic_bits(options.model, book.text, options.rate) for book in books
        }
    table("bits per character", *(book.title for book in books), "mean")
    for name, row in bits.items():
        values = [row[book.title] for book in books]
        print(f"| {name} | {' | '.join(f'{v:.3f}' for v in [*values, np.mean(values)])} |")
    if "5-gram" in bits:
        below = np.mean([bits["5-gram"][b.title] - bits["model"][b.title] for b in books])
        print(f"\nThe model is {below:.3f} bits per character below the 5-gram, over the books.")


if __name__ == "__main__":
    main()
