"""A progress bar for `train`: loss, validation loss, tokens a second, time left.

Plain `tqdm`, which a terminal, Jupyter and Colab all show. An object that the caller makes and
passes on: the library itself prints nothing.
"""

import sys
from types import TracebackType
from typing import Any, TextIO

from tqdm import tqdm

from novelkit.training.history import Record


class TrainingBar:
    """Pass the bar itself as `on_step`, `on_score` and `on_notice` of `train`; close it at last.

    with TrainingBar() as bar:
        train(data, run, size, on_step=bar.on_step, on_score=bar.on_score)
    """

    def __init__(self, file: TextIO | None = None, **options: Any) -> None:
        """`options` are those of `tqdm`."""
        self._options = {"file": file or sys.stderr, "leave": False, **options}
        self._bar = self._open("训练", "步")
        self._shown = {"损失": "—", "验证": "—"}
        self._scoring = False

    def on_step(self, record: Record, last_step: int | None) -> None:
        """Show a step; the time left is known once the last step is."""
        bar = self._bar
        if bar.total is None and bar.n == 0:
            # The speed, and with it the time left, is that of this session alone.
            bar.initial = bar.n = bar.last_print_n = record["step"] - 1
        bar.total = last_step
        if "validation_loss" in record:
            self._shown["验证"] = f"{record['validation_loss']:.3f}"
        speed = f"{record['tokens_per_second']:,}"
        self._shown |= {"损失": f"{record['loss']:.3f}", "词元／秒": speed}
        bar.set_postfix(self._shown, refresh=False)
        bar.update(record["step"] - bar.n)

    def on_score(self, done: int, total: int) -> None:
        """Show the scoring at the end, in place of the training."""
        if not self._scoring:
            self._bar.close()
            self._bar, self._scoring = self._open("给留出的章节打分", "块", total), True
        self._bar.update(done - self._bar.n)

    def on_notice(self, line: str) -> None:
        """Write a line above the bar."""
        self._bar.write(line, file=self._options["file"])

    def close(self) -> None:
        self._bar.close()

    def __enter__(self) -> "TrainingBar":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self, description: str, unit: str, total: int | None = None) -> tqdm:
        return tqdm(total=total, desc=description, unit=unit, **self._options)
