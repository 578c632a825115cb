"""A DATA folder as training sees it, and the loss of a model on one of its splits."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from novelkit import layouts, scores
from novelkit.errors import InputError
from novelkit.model import LanguageModel, Start, start_from
from novelkit.model.interface import Sizes
from novelkit.tokenizing.blocks import IGNORED, Blocks, read_tokens
from novelkit.tokenizing.headers import header_spans
from novelkit.tokenizing.loading import load_tokenizer
from novelkit.training.processes import Processes

# Blocks of so many tokens go through the model together: more would need a training's memory.
EVALUATION_TOKENS = 4096

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class TrainingData:
    """A prepared folder; its arrays are mapped into memory when they are asked for."""

    folder: Path
    header: dict[str, Any]

    @classmethod
    def read(cls, folder: Path | str) -> "TrainingData":
        """Raises `InputError` for a folder that `prepare` did not write."""
        folder = Path(folder)
        return cls(folder, layouts.read_header(folder / layouts.DATA_FILE, "novelkit-data"))

    def tokens(self, split: str) -> np.ndarray:
        """The ids of a split, 1-D, mapped into memory."""
        return read_tokens(self.folder / self.header["splits"][split]["file"])

    def headers(self, split: str) -> np.ndarray | None:
        """Where the headers of a split stand, (headers, 2), which are no targets; None without."""
        ids = self.header.get("headers")
        return header_spans(self.tokens(split), ids["book"], ids["line_end"]) if ids else None

    def scored_tokens(self, split: str) -> int:
        """The tokens of a split that spell its text: all but those of headers."""
        part = self.header["splits"][split]
        return part["tokens"] - part.get("header_tokens", 0)

    @property
    def identity(self) -> dict[str, Any]:
        """What must be the same for a run to go on, and what a reader of its losses needs."""
        splits = self.header["splits"]
        return {
            "tokenizer": self.header["tokenizer_sha256"],
            **{name: split["sha256"] for name, split in splits.items()},
            "anchors": self.header["anchors"],
            "tokens_per_character": {
                name: self.scored_tokens(name) / split["characters"]
                for name, split in splits.items()
            },
        }

    def bits_per_character(self, split: str, loss: float) -> float:
        """A split's mean loss in nats per token as bits per character."""
        characters = self.header["splits"][split]["characters"]
        return scores.bits_per_character(loss, self.scored_tokens(split), characters)

    def check(self, config: Sizes) -> None:
        """Raise `InputError` where model and data do not fit each other."""
        if config.vocab_size != self.header["vocabulary"]:
            raise InputError(
                f"模型词表有 {config.vocab_size} 项，数据词表有 {self.header['vocabulary']} 项："
                "编号对不上，请用这个模型的分词器重新 prepare。"
            )
        for split in layouts.SPLITS:
            self._check_file(split)
            Blocks(self.tokens(split), config.n_ctx)  # raises if it cannot fill one block

    def start_from(self, model: str | Path, **options: Any) -> Start:
        """A model folder or a model of the Hub, made to read this data (`model.start_from`)."""
        counts = np.bincount(self.tokens("train"), minlength=self.header["vocabulary"])
        return start_from(model, load_tokenizer(self.folder), counts=counts, **options)

    def _check_file(self, split: str) -> None:
        """Compare a split's file with the header: a run goes on with the same data only."""
        part = self.header["splits"][split]
        path = self.folder / part["file"]
        if not path.is_file():
            raise InputError(f"没有找到 {path}：请重新运行 novelkit prepare。")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != part["sha256"]:
            raise InputError(
                f"{path} 与 {layouts.DATA_FILE} 记录的 sha256 不符，文件损坏或被换过："
                "请重新运行 novelkit prepare。"
            )


@torch.no_grad()
def evaluate(
    model: LanguageModel,
    tokens: np.ndarray,
    maximum_blocks: int | None = None,
    progress: Progress | None = None,
    processes: Processes | None = None,
    headers: np.ndarray | None = None,
) -> float:
    """Mean loss in nats per token over evenly spaced blocks, in float32, without dropout.

    `progress(done, total)` counts blocks. Several processes share the blocks. The tokens of
    `headers`, (headers, 2), are not scored.
    """
    processes = processes or Processes()
    blocks = Blocks(tokens, model.config.n_ctx, headers=headers)
    count = len(blocks) if maximum_blocks is None else min(maximum_blocks, len(blocks))
    chosen = np.linspace(0, len(blocks) - 1, count).round().astype(int).tolist()
    chosen = chosen[processes.rank :: processes.count]
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    total, targets_seen = 0.0, 0
    together = max(1, EVALUATION_TOKENS // blocks.context)
    for start in range(0, len(chosen), together):
        inputs, targets = blocks.batch(chosen[start : start + together])
        loss = model.loss(torch.from_numpy(inputs).to(device), torch.from_numpy(targets).to(device))
        total += loss.item()
        targets_seen += int((targets != IGNORED).sum())
        if progress:
            progress(min(start + together, len(chosen)), len(chosen))
    model.train(was_training)
    totals = processes.gather([(total, targets_seen)])
    return sum(total for total, _ in totals) / sum(seen for _, seen in totals)
