"""What a header is worth: bits per character of held-out passages behind right and wrong headers.

    python tests/benchmarks/steering.py MODEL DATA

The passages are those of the validation chapters, grouped by the style in the table of books. Each
is scored once behind a line end alone, as training text without a header is, once behind its own
header (title, author and style; with `--names` the names in it as well, which tell something of
what is to come) and once behind that of a book in another style. A model that a header steers
pays least for the right one and most for the wrong one.

With `--written SAMPLES` a second table says whether what it writes follows: how often 的 stands in
the passages of a style, and in what the model writes from one opening behind that style's header.
Markdown on standard output.
"""

import argparse
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scores_books import table

from novelkit import layouts
from novelkit.cleaning.novel import novel_files, read_jsonl
from novelkit.cleaning.splits import HoldOut, split_novel
from novelkit.model import open_model
from novelkit.sampling import Guide, SamplingConfig, generate
from novelkit.tokenizing import Header, encode_header, load_tokenizer
from novelkit.tokenizing.headers import cut_passages
from novelkit.tokenizing.parts import book_header, chapter_text

PASSAGE = 250  # characters, at least
OPENING, WRITTEN = "那年冬天，", 150  # characters of each sample
MARK = "的"
Case = tuple[Header | None, str]  # what stands before a passage, and the passage
MOST = 40  # passages a book, evenly spaced: the long books would hide the short ones


@dataclass(frozen=True)
class Passage:
    text: str
    header: Header  # with the names in it


def held_out_passages(data: Path) -> dict[str, list[Passage]]:
    """Passages of the validation chapters by style, "" for books without one."""
    header = layouts.read_header(data / layouts.DATA_FILE, "novelkit-data")
    found: dict[str, list[Passage]] = defaultdict(list)
    for described in header["novels"]:
        novel = read_jsonl(data / layouts.NOVELS_FOLDER / novel_files(described["source"])[0])
        told = (described.get(key, "") for key in ("author", "style", "names"))
        about = book_header(novel, *told)
        chapters = split_novel(novel, HoldOut(**described.get("held_out", {}))).validation
        texts = [text for one in chapters for text in cut_passages(chapter_text(one), PASSAGE)]
        if not texts:  # a book that is kept out whole
            continue
        chosen = np.linspace(0, len(texts) - 1, min(MOST, len(texts))).round().astype(int)
        found[about.style] += [Passage(texts[i], about.of_passage(texts[i])) for i in chosen]
    return dict(found)


@torch.inference_mode()
def passage_bits(model: Any, tokenizer: Any, group: list[list[Case]]) -> list[float]:
    """Bits per character of passages behind each of their cases, over the same tokens in all."""
    nats, characters = np.zeros(len(group[0])), 0
    for cases in group:
        fronts = [
            # Not the book token: nothing but a header ever came after it.
            tokenizer.encode("\n") if header is None else encode_header(tokenizer, header)
            for header, _ in cases
        ]
        room = model.config.n_ctx + 1 - max(map(len, fronts))
        ids = tokenizer.encode(cases[0][1])[:room]
        characters += len(tokenizer.decode(ids))
        for number, front in enumerate(fronts):
            stream = torch.from_numpy(np.concatenate([front, ids]).astype(np.int64))[None]
            losses = model.token_losses(stream[:, :-1], stream[:, 1:])[0, len(front) - 1 :]
            nats[number] += float(losses.sum())
    return (nats / characters / np.log(2)).tolist()


def written(model: Any, tokenizer: Any, header: Header | None, samples: int) -> str:
    """What the model writes from the same opening, one seed a sample, at the default settings."""
    configs = [SamplingConfig(length=WRITTEN, seed=seed) for seed in range(samples)]
    return "".join(
        piece.text
        for config in configs
        for piece in generate(model, tokenizer, OPENING, config, Guide(header))
    )


def marks(text: str) -> str:
    return f"{text.count(MARK) / max(1, len(text)):.1%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--names", action="store_true", help="tell who is in the passage")
    parser.add_argument("--written", type=int, metavar="SAMPLES", help="and what it writes")
    options = parser.parse_args()
    tokenizer, model = load_tokenizer(options.model), open_model(options.model).model.eval()
    passages = held_out_passages(options.data)
    styles = sorted(passages)
    if len(styles) < 2:
        parser.error("the table of books tells fewer than two styles: no header can be a wrong one")
    table("style", "passages", "no header", "its own", "another style's", "own against none")
    for number, style in enumerate(styles):
        own = passages[style]
        if not options.names:
            own = [replace(item, header=replace(item.header, names=())) for item in own]
        other = replace(passages[styles[number - 1]][0].header, names=())
        group = [[(header, item.text) for header in (None, item.header, other)] for item in own]
        bits = passage_bits(model, tokenizer, group)
        values = " | ".join(f"{value:.3f}" for value in bits)
        print(f"| {style or '—'} | {len(own)} | {values} | {bits[1] - bits[0]:+.3f} |", flush=True)
    if options.written:
        print()
        table("style", f"{MARK} in its passages", f"{MARK} in what is written behind its header")
        for style in styles:
            texts = "".join(item.text for item in passages[style])
            text = written(model, tokenizer, Header(style=style), options.written)
            print(f"| {style or '—'} | {marks(texts)} | {marks(text)} |", flush=True)
        text = written(model, tokenizer, None, options.written)
        print(f"| no header | | {marks(text)} |")


if __name__ == "__main__":
    main()
