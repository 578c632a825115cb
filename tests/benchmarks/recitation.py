"""Does a model recite? The share of what it writes that stands word for word in its training text.

    python tests/benchmarks/recitation.py MODEL DATA --samples 40 --length 500

It continues openings of the books that the DATA folder keeps out whole, at the default sampling
settings, one seed a sample. Beside it stands the same share of those books themselves: set phrases,
poems and titles that all novels of the kind share, which is what an honest writer copies too. Of
the openings nothing is counted. Markdown on standard output, and with `--out` the texts as JSON.
"""

import argparse
from pathlib import Path

import numpy as np
from kept_out import kept_out_books
from scores_books import Book, note, table

from novelkit import layouts
from novelkit.copying import find_copies
from novelkit.model import open_model
from novelkit.sampling import SamplingConfig, generate
from novelkit.tokenizing import load_tokenizer

LENGTHS = (13, 20)  # characters that a passage has at least
OPENING = 60


def openings(books: list[Book], count: int) -> list[str]:
    """Beginnings of paragraphs, evenly spread over the books and in them."""
    found = []
    for number in range(count):
        text = books[number % len(books)].text
        # From the middle of a step, so that no opening is a book's first heading.
        place = int(len(text) * (number // len(books) + 0.5) / -(-count // len(books)))
        start = text.rfind("\n", 0, place) + 1
        found.append(text[start : start + OPENING].split("\n")[0])
    return [opening for opening in found if opening.strip()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--length", type=int, default=500, help="characters of each")
    parser.add_argument("--out", type=Path, help="the texts as JSON")
    options = parser.parse_args()
    books, training = kept_out_books(options.data), options.data / "train.txt"
    if not books:
        parser.error("no book of this DATA folder is kept out whole (`use` test in the table)")
    model, tokenizer = open_model(options.model).model, load_tokenizer(options.model)
    texts = []
    for seed, opening in enumerate(openings(books, options.samples)):
        config = SamplingConfig(length=options.length, seed=seed)
        written = "".join(p.text for p in generate(model, tokenizer, opening, config))
        texts.append({"seed": seed, "opening": opening, "text": written})
        note(f"sample {seed}: {written[:30]!r}")
    if options.out:
        layouts.write_json(options.out, texts)
    # A line feed apart: no passage may run from one text into the next.
    groups = {"written": "\n".join(item["text"] for item in texts)}
    groups |= {f"《{book.title}》": book.text for book in books}
    table("text", "characters", *(f"in ≥ {n}" for n in LENGTHS), "longest")
    shares = {}
    for name, text in groups.items():
        reports = [find_copies(text, training, n) for n in LENGTHS]
        shares[name] = [report.share for report in reports]
        longest = reports[0].longest
        length = longest.end - longest.start if longest else 0
        cells = " | ".join(f"{share:.2%}" for share in shares[name])
        print(f"| {name} | {len(text):,} | {cells} | {length} |", flush=True)
    own = np.mean([shares[name][0] for name in groups if name != "written"])
    print(f"\nIn passages of 13 and more: {shares['written'][0] / own:.2f} × the books' own share.")


if __name__ == "__main__":
    main()
