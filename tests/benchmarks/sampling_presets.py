"""What the presets write: how it repeats itself and how probable it is, beside real books.

    python tests/benchmarks/sampling_presets.py MODEL DATA --samples 20 --length 300

Every preset continues the same openings, taken evenly from the test text of DATA, and what follows
them there is measured in the same way. Repeated: the share of runs of 4 characters that stood
earlier in the continuation. Distinct: the share of different pairs of characters. Loops: how many
continuations hold a passage that is said again at once, 12 characters or more in all. Nats a token
under the model. Copied: the share of characters in passages of 13 or more that the training text
has. Markdown on standard output.
"""

import argparse
from pathlib import Path

import numpy as np
from scores_books import table

from novelkit.bundled import model_folder
from novelkit.copying import find_copies
from novelkit.model import open_model
from novelkit.sampling import PRESETS, SamplingConfig, generate, make_decoder
from novelkit.scores.repetition import distinct_share, longest_loop, repeated_share
from novelkit.tokenizing import load_tokenizer

OPENING = 80
LOOP = 12


def openings(text: str, samples: int, length: int) -> list[tuple[str, str]]:
    """Evenly spaced places of the text: what comes before, and what follows."""
    places = np.linspace(0, len(text) - OPENING - length - 1, samples).astype(int)
    found = []
    for place in places:
        start = text.find("。", place) + 1 or int(place)
        middle = start + OPENING
        found.append((text[start:middle], text[middle : middle + length]))
    return found


def show(name: str, texts: list[str], nats: list[float], training: Path) -> None:
    copies = find_copies("\n".join(texts), training)
    cells = [
        f"{np.mean([repeated_share(text) for text in texts]):.1%}",
        f"{np.mean([distinct_share(text) for text in texts]):.1%}",
        f"{sum(longest_loop(text) >= LOOP for text in texts)} / {len(texts)}",
        f"{np.mean(nats):.2f}" if nats else "",
        f"{copies.share:.2%}",
    ]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("data", type=Path)
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--length", type=int, default=300, help="characters")
    options = parser.parse_args()
    folder = model_folder(options.model)
    decoder, tokenizer = make_decoder(open_model(folder).model), load_tokenizer(folder)
    text = (options.data / "test.txt").read_text(encoding="utf-8")
    pairs = openings(text, options.samples, options.length)
    configs = {name: preset.config for name, preset in PRESETS.items()}
    configs["SamplingConfig()"] = SamplingConfig()
    table("settings", "repeated", "distinct", "loops", "nats a token", "copied")
    training = options.data / "train.txt"
    show("the books themselves", [following for _, following in pairs], [], training)
    for name, config in configs.items():
        texts, nats = [], []
        for seed, (opening, _) in enumerate(pairs):
            settings = config.changed(length=options.length, seed=seed)
            pieces = list(generate(decoder, tokenizer, opening, settings))
            texts.append("".join(piece.text for piece in pieces))
            nats += [-float(np.log(piece.probability)) for piece in pieces]
        show(name, texts, nats, training)


if __name__ == "__main__":
    main()
