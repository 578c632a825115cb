"""Is it worth starting from a trained model? Held-out bits by time, from it and from nothing.

    novelkit prepare book.txt --out DATA --from novel-small
    python tests/benchmarks/fine_tuning.py DATA --minutes 2 --out fine_tuning.png

Three runs with the same book, tokenizer and minutes: the bundled model fine-tuned as
`novelkit demo` does it, the tiny preset from nothing as it does with `--scratch`, and a new model
as large as the bundled one. They take turns of `--turn` seconds, so that whatever else the machine
does falls on all; evaluation costs none of them time. Every run has the whole of the test text as
its measure. Markdown on standard output.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch
from matplotlib.figure import Figure
from scores_books import note, table

from novelkit.bundled import MODEL_NAME
from novelkit.cli.demo import learning_settings
from novelkit.environment import Compute, choose_compute, seed_everything
from novelkit.model import GPT2, LanguageModel, ModelConfig, preset
from novelkit.plots.fonts import label, use_chinese_font
from novelkit.training import TrainConfig
from novelkit.training.batches import BatchStream
from novelkit.training.data import TrainingData, evaluate
from novelkit.training.schedule import Cycle, learning_rate
from novelkit.training.step import Learner

NAMES = {
    "fine-tuned": ("自带的模型微调", "the bundled model, fine-tuned"),
    "tiny": ("从头训练 tiny", "tiny, from nothing"),
    "same size": ("从头训练同样大小的", "the same size, from nothing"),
}


class Contender:
    """A model with its settings, and the curve of its loss by the time that it has had."""

    def __init__(
        self, name: str, model: LanguageModel, config: TrainConfig, data: TrainingData, by: Compute
    ) -> None:
        self.name, self.data, self.config = name, data, config
        self.learner = Learner(model, config, by)
        self.stream = BatchStream(
            data.tokens("train"),
            model.config.n_ctx,
            config.batch_size,
            config.seed,
            data.headers("train"),
        )
        self.seconds, self.step = 0.0, 0
        self.curve = [(0.0, 0, self.bits())]

    def turn(self, seconds: float, limit: float) -> None:
        """Train for so many seconds, of `limit` in all, then measure."""
        end = min(self.seconds + seconds, limit)
        while self.seconds < end:
            self.step += 1
            batch = self.stream.batch(self.step)
            began = time.perf_counter()
            self.learner.update(batch, self._rate(limit), self.step)
            self.seconds += time.perf_counter() - began
        self.curve.append((self.seconds, self.step, self.bits()))
        note(f"{self.name}: step {self.step}, {self.seconds:.0f} s, {self.curve[-1][2]:.3f}")

    def _rate(self, limit: float) -> float:
        """As wsd with the clock: the last part of the time cools down."""
        share = self.config.cooldown_share
        left = 1 - self.seconds / limit
        rate = learning_rate(self.step, Cycle(0), replace(self.config, schedule="constant"))
        return rate * min(1.0, max(left, 0.02) / share)

    def bits(self) -> float:
        tokens, headers = self.data.tokens("test"), self.data.headers("test")
        loss = evaluate(self.learner.evaluated, tokens, headers=headers)
        return self.data.bits_per_character("test", loss)


def contenders(data: TrainingData, start: str, by: Compute) -> list[Contender]:
    seed_everything(0)
    bundled = data.start_from(start).model
    size = bundled.config
    assert isinstance(size, ModelConfig)
    scratch, vocabulary = learning_settings(0, from_nothing=True), data.header["vocabulary"]
    return [
        Contender("fine-tuned", bundled, learning_settings(0, from_nothing=False), data, by),
        Contender("tiny", GPT2(preset("tiny", vocabulary)), scratch, data, by),
        Contender("same size", GPT2(size), scratch, data, by),
    ]


def draw(runs: list[Contender]) -> Figure:
    use_chinese_font()
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for run in runs:
        seconds, _, bits = zip(*run.curve, strict=True)
        axes.plot(seconds, bits, marker="o", markersize=3, label=label(*NAMES[run.name]))
    axes.set_xlabel(label("训练用的时间（秒，不含验证）", "training time (seconds)"))
    axes.set_ylabel(label("留出章节（比特／字）", "held-out bits per character"))
    axes.legend(frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--start", default=MODEL_NAME, help="the model to start from")
    parser.add_argument("--minutes", type=float, default=2.0, help="of training, for each")
    parser.add_argument("--turn", type=float, default=10.0, help="seconds")
    parser.add_argument("--out", type=Path, help="a PNG of the curves")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    data, by = TrainingData.read(options.data), choose_compute(measure=True)
    runs = contenders(data, options.start, by)
    limit = 60 * options.minutes
    while any(run.seconds < limit for run in runs):
        for run in runs:
            if run.seconds < limit:
                run.turn(options.turn, limit)
    table("run", "parameters", "steps", "before", "lowest", "at the end")
    for run in runs:
        bits = [value for *_, value in run.curve]
        parameters = run.learner.model.count_parameters()
        cells = f"{parameters:,} | {run.step} | {bits[0]:.3f} | {min(bits):.3f} | {bits[-1]:.3f}"
        print(f"| {run.name} | {cells} |")
    ahead = all(
        ours[2] < theirs[2]
        for other in runs[1:]
        for ours, theirs in zip(runs[0].curve, other.curve, strict=False)
    )
    print(f"\nThe fine-tuned model is {'' if ahead else 'NOT '}ahead at every time.")
    if options.out:
        draw(runs).savefig(options.out, dpi=120)


if __name__ == "__main__":
    main()
