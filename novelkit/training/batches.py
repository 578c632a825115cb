"""Which blocks a step sees: a pure function of (seed, epoch, step), with nothing to restore.

An epoch cuts the training tokens into blocks at an offset of its own and shuffles them; the
epochs follow one another without a gap, so that a batch may span two and no block is dropped.

Where the text has headers, an epoch first shuffles what they divide it into. In the order of the
book a header stands behind text of the same book, which tells all that it says: a model that was
trained so for three passes read headers as if they were not there (assets/models/README.md).
Behind a passage of another book only the header says what is to come.
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


class ShuffledPassages:
    """A token array read in another order of its passages; nothing of it is copied beforehand.

    A passage begins with a header, or where the array begins.
    """

    def __init__(
        self, tokens: np.ndarray, headers: np.ndarray, random: np.random.Generator
    ) -> None:
        """`headers` are spans of the array, (headers, 2), in rising order."""
        begins = headers[:, 0]
        if not len(begins) or begins[0] > 0:
            begins = np.append(0, begins)
        lengths = np.diff(np.append(begins, len(tokens)))
        order = random.permutation(len(begins))
        self._tokens, self._begins = tokens, begins[order]
        # Where the passages begin and end in the new order.
        self._ends = np.cumsum(lengths[order])
        self._starts = self._ends - lengths[order]
        place = np.empty_like(self._starts)
        place[order] = self._starts
        moved = place[len(begins) - len(headers) :]
        spans = np.stack([moved, moved + headers[:, 1] - headers[:, 0]], axis=1)
        self.headers: np.ndarray = spans[np.argsort(moved)]

    def __len__(self) -> int:
        return len(self._tokens)

    def __getitem__(self, window: slice) -> np.ndarray:
        """The tokens of a range of the new order."""
        start, stop, _ = window.indices(len(self))
        number = int(np.searchsorted(self._ends, start, side="right"))
        parts = [self._tokens[:0]]
        while start < stop:
            here = min(stop, int(self._ends[number]))
            begin = int(self._begins[number]) + start - int(self._starts[number])
            parts.append(self._tokens[begin : begin + here - start])
            start, number = here, number + 1
        return np.concatenate(parts)


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
        if self.headers is None or not len(self.headers):
            return Blocks(self.tokens, self.context, offset)
        random = np.random.default_rng((self.seed, epoch, 2))
        passages = ShuffledPassages(self.tokens, self.headers, random)
        return Blocks(passages, self.context, offset, passages.headers)

    def _epoch(self, epoch: int) -> tuple[Blocks, np.ndarray]:
        if self._current is None or self._current[0] != epoch:
            blocks = self._blocks(epoch)
            random = np.random.default_rng((self.seed, epoch, 1))
            order = random.permutation(blocks.with_targets())
            self._current = epoch, blocks, order
        return self._current[1], self._current[2]
