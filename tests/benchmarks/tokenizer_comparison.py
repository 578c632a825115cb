"""The three tokenizers of the kit, judged by the same small model at equal training time.

    python tests/benchmarks/tokenizer_comparison.py
    python tests/benchmarks/tokenizer_comparison.py --seconds 60 --corpus ../shared/corpus
    python tests/benchmarks/tokenizer_comparison.py --words 5 10 30 --pieces 5 10 30

Bits per character count the bytes of rare characters and everything else that must be written, so
they compare where a loss per token cannot. The training time is CPU time of one thread, and the
models of a book train in turns of a few seconds: so other work on the machine neither adds to it
nor falls on one of them. Data order, seed and settings are the same. `--words` and `--pieces` try
several least counts of a word or a piece; `--layers` and `--embedding` make the model of the tiny
preset smaller, so that a short time is enough for it. One Markdown table on standard output.
"""

import argparse
import io
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from novelkit.environment import Compute
from novelkit.model import GPT2, PRESETS, preset
from novelkit.scores import bits_per_character
from novelkit.tokenizing import CharTokenizer, Tokenizer
from novelkit.tokenizing.bpe import MINIMUM_PIECE_COUNT, BpeTokenizer
from novelkit.tokenizing.comparison import measure_tokenizer, share_cut_otherwise
from novelkit.tokenizing.words import MINIMUM_WORD_COUNT, WordTokenizer
from novelkit.training import TrainConfig
from novelkit.training.batches import BatchStream
from novelkit.training.data import evaluate
from novelkit.training.step import Learner

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = ROOT / "assets" / "novel" / "novel.txt"
CORPUS_BOOKS = ("红楼梦", "呐喊")
TURN = 5.0  # seconds
WARMUP, COOLDOWN = 0.05, 0.2  # shares of the training time
HELD_OUT = 0.1  # the end of the book
HELD_OUT_CHARACTERS = 40_000
HEADER = (
    "| text | tokenizer | vocabulary | parameters (embedding) | characters/token | bytes, % |"
    " cut otherwise by AutoTokenizer alone, % | encode MB/s | steps | epochs |"
    " bits/character | best on the way |"
)


@dataclass
class Candidate:
    """A tokenizer with the model that trains on it."""

    name: str
    tokenizer: Tokenizer
    training: str
    held_out: str
    seconds: float = 0.0
    steps: int = 0
    best: float = float("inf")

    def prepare(self, options: argparse.Namespace) -> None:
        """A fresh model and the ids; the same seed for all."""
        torch.manual_seed(options.seed)
        self.ids = self.tokenizer.encode(self.training)
        self.held_out_ids = self.tokenizer.encode(self.held_out)
        self.config = TrainConfig(seed=options.seed)
        sizes = {"n_layer": options.layers, "n_embd": options.embedding}
        size = preset("tiny", len(self.tokenizer), **sizes)
        compute = Compute("cpu", "float32", False, "the same for all")
        self.learner = Learner(GPT2(size), self.config, compute)
        self.batches = BatchStream(self.ids, size.n_ctx, self.config.batch_size, options.seed)

    def train(self, seconds: float, total: float) -> None:
        """Train until this candidate has had `seconds`, on the way to `total`."""
        while self.seconds < seconds:
            began = time.process_time()
            share = self.seconds / total
            rate = min(1.0, share / WARMUP + 0.05, max(0.0, 1 - share) / COOLDOWN)
            self.steps += 1
            batch = self.batches.batch(self.steps)
            self.learner.update(batch, self.config.peak_rate * rate, self.steps)
            self.seconds += time.process_time() - began

    def measure(self) -> float:
        """Bits per character of the held-out text; not counted as training time."""
        loss = evaluate(self.learner.model, self.held_out_ids)
        bits = bits_per_character(loss, len(self.held_out_ids), len(self.held_out))
        self.best = min(self.best, bits)
        return bits

    def row(self, title: str) -> str:
        """The line of the table, with the last measure."""
        measured = measure_tokenizer(self.tokenizer, self.held_out)
        weights = self.learner.model.parameters()
        embedding = self.learner.model.token_embedding.weight.numel()
        trained = self.steps * self.config.batch_size * self.learner.model.config.n_ctx
        cells = (
            title,
            self.name,
            f"{len(self.tokenizer):,}",
            f"{sum(weight.numel() for weight in weights):,} ({embedding:,})",
            f"{measured.characters_per_token:.3f}",
            f"{measured.fallback_share:.2%}".rstrip("%"),
            f"{share_cut_otherwise(self.tokenizer, self.held_out):.2%}".rstrip("%"),
            f"{measured.encode_speed:.1f}",
            f"{self.steps}",
            f"{trained / len(self.ids):.1f}",
            f"{self.measure():.3f}",
            f"{self.best:.3f}",
        )
        return "| " + " | ".join(cells) + " |"


def candidates(training: str, held_out: str, options: argparse.Namespace) -> list[Candidate]:
    """`char`, and `word` and `bpe` with each least count asked for."""
    made: list[tuple[str, Tokenizer]] = [("char", CharTokenizer.train(training, 2))]
    for count in options.words:
        made.append((f"word ≥{count}", WordTokenizer.train([training], minimum_word_count=count)))
    for count in options.pieces:
        made.append((f"bpe ≥{count}", BpeTokenizer.train([training], minimum_piece_count=count)))
    return [Candidate(name, tokenizer, training, held_out) for name, tokenizer in made]


def compare(title: str, text: str, options: argparse.Namespace) -> None:
    """Train and print the rows of one book."""
    cut = text.rfind("\n", 0, int(len(text) * (1 - HELD_OUT))) + 1
    training, held_out = text[:cut], text[cut : cut + HELD_OUT_CHARACTERS]
    all_of_them = candidates(training, held_out, options)
    for candidate in all_of_them:
        candidate.prepare(options)
    turns = max(1, round(options.seconds / TURN))
    for turn in range(1, turns + 1):
        # There and back, so that none is always the first.
        for candidate in all_of_them[:: 1 if turn % 2 else -1]:
            candidate.train(options.seconds * turn / turns, options.seconds)
            if turn % max(1, turns // 6) == 0 and turn < turns:
                candidate.measure()
    for candidate in all_of_them:
        print(candidate.row(title), flush=True)


def corpus_books(folder: Path, names: list[str]) -> list[tuple[str, str]]:
    """Those of the named books that the folder has."""
    archive = folder / "novels.tar.xz"
    if not archive.is_file():
        return []
    with tarfile.open(archive) as tar:
        members = {Path(member.name).stem: member for member in tar if member.isfile()}
        found = [name for name in names if name in members]
        files = [(name, tar.extractfile(members[name])) for name in found]
        return [
            (name, io.TextIOWrapper(file, encoding="utf-8").read()) for name, file in files if file
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="CPU time of each model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--layers", type=int, default=PRESETS["tiny"]["n_layer"])
    parser.add_argument("--embedding", type=int, default=PRESETS["tiny"]["n_embd"])
    parser.add_argument("--books", nargs="*", default=list(CORPUS_BOOKS), help="of the corpus")
    parser.add_argument("--corpus", type=Path, default=ROOT.parent / "shared" / "corpus")
    parser.add_argument("--words", type=int, nargs="*", default=[MINIMUM_WORD_COUNT])
    parser.add_argument("--pieces", type=int, nargs="*", default=[MINIMUM_PIECE_COUNT])
    options = parser.parse_args()
    torch.set_num_threads(1)
    books = [
        ("bundled novel", BUNDLED.read_text(encoding="utf-8")),
        *corpus_books(options.corpus, options.books),
    ]
    print(HEADER)
    print("|" + " --- |" * (HEADER.count("|") - 1))
    for title, text in books:
        compare(title, text, options)


if __name__ == "__main__":
    main()
