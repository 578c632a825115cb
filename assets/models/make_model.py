"""Make the bundled model, or one like it, from a folder of novels: prepare, train, pack.

    python assets/models/make_model.py BOOKS --out WORK              # two cores, hours
    python assets/models/make_model.py BOOKS --out WORK --lane gpu   # a large GPU, minutes
    python assets/models/make_model.py BOOKS --out WORK --sitting 8  # pauses after 8 minutes

Every step is a command of `novelkit`, printed before it runs; run again, it goes on where it
stopped, to the same weights as in one sitting. BOOKS is any folder of novels. A table of books
beside them is `--books`; `novel-small/books.tsv` is that of the bundled model. WORK gets `data`,
`run` and at the end `model`, with weights in half precision. WORK/data can be carried to a machine
without the packages that `prepare` needs: `--only train` there, `--only pack` at home.

The bundled model is of the GPU lane: 9,820 steps took 7.2 minutes of an NVIDIA H200 that trained
three other models at the same time. A step of the same size with the card to itself took 0.023
seconds, by which 9,800 would be under four minutes; no other card was tried.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path

from novelkit.__main__ import main as novelkit
from novelkit.layouts import MODEL_FOLDER

STEPS = ("prepare", "train", "pack")
# Of each weight's significand: a repository packs the file smaller, and the loss does not show it.
SIGNIFICAND_BITS = 6
INTERRUPTED = 130

# Pieces of several characters: at equal time lower in bits per character than single characters,
# and by more the longer it trained (README.md beside this file). The rarest characters would take
# rows of the model from pieces that are a hundred times as frequent.
PREPARE = ["--tokenizer", "bpe", "--vocabulary", "9216", "--minimum-count", "10"]
PREPARE += ["--headers", "--held-out", "0.02"]
# As many weights as fit the bundled model's 26 MB, in few wide layers: at equal time on a CPU they
# learn more than many narrow ones.
SIZE = ["--n-layer", "4", "--n-head", "6", "--n-embd", "384", "--n-ctx", "512"]
EVALUATION = ["--evaluate-every", "250", "--patience", "0"]
LANES = {
    # Three passes over the text are no time to learn it by heart, and on a CPU dropout makes a
    # step take twice as long.
    "cpu": [*SIZE, "--dropout", "0", "--batch-size", "8", "--max-steps", "8000", *EVALUATION],
    # Fifteen passes. With dropout 0.1 three of three trainings at this rate diverged after some
    # 4,000 steps, with 0.2 the one that was run did not (README.md beside this file).
    "gpu": [*SIZE, "--dropout", "0.2", "--batch-size", "32", "--max-steps", "9800", *EVALUATION],
}


def run(*arguments: object) -> None:
    """A command of `novelkit`, shown; ends the program where it fails."""
    words = [str(argument) for argument in arguments]
    print("novelkit", *words, flush=True)
    code = novelkit(words)
    if code == INTERRUPTED:
        print("paused; the same command goes on from here", flush=True)
    if code:
        sys.exit(code)


def train(work: Path, lane: str, sitting: float | None) -> None:
    if sitting:
        # As Ctrl-C would: the step is finished and a checkpoint written.
        timer = threading.Timer(60 * sitting, lambda: os.kill(os.getpid(), signal.SIGINT))
        timer.daemon = True
        timer.start()
    run("train", work / "data", "--out", work / "run", "--resume", *LANES[lane])
    if sitting:
        timer.cancel()


def pack(work: Path) -> None:
    """The model in half precision, with the filter of copies that a training elsewhere left out."""
    from novelkit.copying import FILTER_FILE, NgramFilter
    from novelkit.model import pack_half

    model = work / "run" / MODEL_FOLDER
    if not (model / FILTER_FILE).is_file():
        NgramFilter.build(work / "data" / "train.txt").save(model / FILTER_FILE)
    part = work / "model.part"
    shutil.rmtree(part, ignore_errors=True)
    pack_half(model, part, SIGNIFICAND_BITS)
    _drop_nothing(part / "config.json")
    # Only now, so that what is there is whole, also when this was interrupted.
    shutil.rmtree(work / "model", ignore_errors=True)
    part.rename(work / "model")
    size = sum(path.stat().st_size for path in (work / "model").iterdir())
    print(f"{work / 'model'}: {size / 1e6:.1f} MB", flush=True)


def _drop_nothing(path: Path) -> None:
    """Whoever fine-tunes the model begins without dropout: on a CPU it takes half as long again."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config |= dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("novels", type=Path, metavar="BOOKS", help="a folder of novels")
    parser.add_argument("--out", type=Path, required=True, metavar="WORK")
    parser.add_argument("--books", type=Path, help="the table of books")
    parser.add_argument("--lane", choices=sorted(LANES), default="cpu")
    parser.add_argument("--sitting", type=float, metavar="MINUTES", help="pause after so long")
    parser.add_argument("--only", choices=STEPS)
    options = parser.parse_args()
    wanted = [options.only] if options.only else STEPS
    if "prepare" in wanted:
        table = ["--books", options.books] if options.books else []
        run("prepare", options.novels, "--out", options.out / "data", *PREPARE, *table)
    if "train" in wanted:
        train(options.out, options.lane, options.sitting)
    if "pack" in wanted:
        pack(options.out)


if __name__ == "__main__":
    main()
