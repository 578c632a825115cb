"""Which blocks a step sees: a pure function of (seed, epoch, step), with nothing to restore.

An epoch cuts the training tokens into blocks at an offset of its own and shuffles them; the
epochs follow one another without a gap, so that a batch may span two and no block is dropped.
"""

from dataclasses import dataclass

import numpy as np

from novelkit.tokenizing.blocks import Blocks


@dataclass(frozen=True)
class Batch:
    """Inputs and targets, int64 (batch_size, n_ctx), and where in the data they come from."""

    inputs: np.ndarray
    targets: np.ndarray
    epoch: int  # of the first sequence, from 0
    position: int  # sequences of that epoch that came before


class BatchStream:
    """The endless stream of training batches of a run."""

    def __init__(
        self,
        tokens: np.ndarray,
        context: int,
        batch_size: int,
        seed: int,
        headers: np.ndarray | None = None,
    ) -> None:
        self.tokens, self.context, self.headers = tokens, context, headers
        self.batch_size, self.seed = batch_size, seed
        self._starts = [0]  # number of sequences before each epoch
        self._current: tuple[int, Blocks, np.ndarray] | None = None

    def batch(self, step: int) -> Batch:
        """The batch of `step` (from 1); any step, in any order, gives the same answer."""
        first = (step - 1) * self.batch_size
        rows = [self._locate(index) for index in range(first, first + self.batch_size)]
        parts = []
        for epoch in dict.fromkeys(epoch for epoch, _ in rows):
            blocks, order = self._epoch(epoch)
            wanted = [order[position] for found, position in rows if found == epoch]
            parts.append(blocks.batch(wanted))
        inputs = np.concatenate([part[0] for part in parts])
        targets = np.concatenate([part[1] for part in parts])
        return Batch(inputs, targets, *rows[0])

    def _locate(self, index: int) -> tuple[int, int]:
        while self._starts[-1] <= index:
            blocks = self._blocks(len(self._starts) - 1)
            self._starts.append(self._starts[-1] + len(blocks.with_targets()))
        epoch = int(np.searchsorted(self._starts, index, side="right")) - 1
        return epoch, index - self._starts[epoch]

    def _blocks(self, epoch: int) -> Blocks:
        offset = int(np.random.default_rng((self.seed, epoch, 0)).integers(self.context))
        return Blocks(self.tokens, self.context, offset, self.headers)

    def _epoch(self, epoch: int) -> tuple[Blocks, np.ndarray]:
        if self._current is None or self._current[0] != epoch:
            blocks = self._blocks(epoch)
            random = np.random.default_rng((self.seed, epoch, 1))
            order = random.permutation(blocks.with_targets())
            self._current = epoch, blocks, order
        return self._current[1], self._current[2]
