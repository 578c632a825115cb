"""The recorded runs whose curves are most like a run's: what rules cannot say, likeness may show.

Of each run of the fault-injection harness that the rules were set on, its signs are kept with what
had been done to it (`recorded_runs.npz`; `tests/benchmarks/faults.py record` writes it). A run is
compared with all of them (k nearest neighbours: Fix and Hodges 1951), over the signs that it has
and whose unit does not depend on the text. What it is like adds a little to what the rules found,
and nothing where no recorded run is like it.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from novelkit.diagnosis.causes import CAUSES
from novelkit.diagnosis.signs import Signs

RECORDED_FILE = Path(__file__).with_name("recorded_runs.npz")

NEAREST = 5
# Of the logarithm of their votes: the rules have weighed most of what makes runs alike already.
WEIGHT = 0.7
# By how much further, over all signs, a neighbour counts 1 / e.
REACH = 6.0
# Votes for every cause before any is counted. With next to none the verdicts are about as often
# right, and far too sure: five healthy neighbours say nothing of what no curve shows.
PRIOR = 0.3
# Mean distance of a sign. Of two parts of the recorded runs, that share no text and no size of a
# model, 998 in 1,000 have their neighbours in the other part nearer than `FAMILIAR` (`faults.py
# fit`).
FAMILIAR, FOREIGN = 1.0, 1.3
# Of a loss that stands nowhere only the form is left, and forms of many causes are alike: with the
# whole of it, more of the confident verdicts on logs of ten steps a line were wrong, not fewer.
UNANCHORED = 0.25

# A distance is in interquartile ranges of a sign; beyond these no run is further away than another.
FURTHEST = 3.0
# Distances are kept in steps of this.
STEP = FURTHEST / 120
ABSENT = np.int8(-128)


@dataclass(frozen=True)
class Neighbours:
    """The recorded runs most like a run, nearest first."""

    causes: tuple[str, ...]
    votes: tuple[float, ...]
    trust: float  # 0 to 1, by how much they are like it

    def odds(self) -> dict[str, float]:
        """What each cause gets in addition to its score, in logarithms of odds."""
        found = dict.fromkeys(CAUSES, PRIOR)
        for cause, vote in zip(self.causes, self.votes, strict=True):
            found[cause] += vote
        return {cause: self.trust * WEIGHT * math.log(vote) for cause, vote in found.items()}


NOBODY = Neighbours((), (), 0.0)


class RecordedRuns:
    """Runs whose cause is known, as distances from the median of each sign, of shape (runs, signs).

    Attributes:
        names: the signs, of shape (signs,)
        median, scale: of each sign over all runs, the scale as interquartile range
        places: where each run lies, int8 in steps of `STEP` scales, `ABSENT` where it has no such
            sign
        causes: of each run
    """

    def __init__(
        self,
        names: Sequence[str],
        median: np.ndarray,
        scale: np.ndarray,
        places: np.ndarray,
        causes: Sequence[str],
    ) -> None:
        self.names, self.causes = list(names), list(causes)
        self.median, self.scale, self.places = median, scale, places

    @classmethod
    def of(cls, signs: Sequence[Signs], causes: Sequence[str]) -> "RecordedRuns":
        """From all signs of runs; those to be compared are chosen by whoever calls."""
        names = sorted({name for found in signs for name in found})
        values = _values(signs, names)
        low, median, high = np.nanquantile(values, (0.25, 0.5, 0.75), axis=0)
        # Most runs miss no step and begin one session: of such signs the few others say how wide.
        width = np.nanstd(np.clip(values, *np.nanquantile(values, (0.02, 0.98), axis=0)), axis=0)
        scale = np.where(high - low > 1e-9, high - low, np.where(width > 1e-9, width, 1.0))
        median, scale = median.astype(np.float32), scale.astype(np.float32)
        places = np.round(_scaled(values, median, scale) / STEP)
        places = np.where(np.isnan(places), float(ABSENT), places).astype(np.int8)
        return cls(names, median, scale, places, causes)

    @classmethod
    @functools.cache
    def load(cls, file: Path = RECORDED_FILE) -> "RecordedRuns":
        """As `save` wrote it."""
        with np.load(file, allow_pickle=False) as found:
            return cls(
                found["names"].tolist(),
                found["median"],
                found["scale"],
                found["places"],
                found["causes"].tolist(),
            )

    def save(self, file: Path) -> None:
        """The same runs make the same bytes."""
        np.savez_compressed(
            file,
            names=np.array(self.names),
            median=self.median,
            scale=self.scale,
            places=self.places,
            causes=np.array(self.causes),
        )

    def nearest(self, signs: Signs) -> Neighbours:
        """The `NEAREST` runs to one with these signs; nobody where it has none of them."""
        (place,) = _scaled(_values([signs], self.names), self.median, self.scale)
        known = ~np.isnan(place)
        if not known.any() or not len(self.causes):
            return NOBODY
        recorded = self.places[:, known]
        apart = np.abs(recorded * STEP - place[known])
        # What the one shows and the other has not got is as far as can be.
        distances = np.where(recorded == ABSENT, FURTHEST, apart).sum(axis=1)
        chosen = np.argsort(distances, kind="stable")[:NEAREST]
        far = float(distances[chosen].mean() / known.sum())
        trust = min(1.0, max(0.0, (FOREIGN - far) / (FOREIGN - FAMILIAR)))
        return Neighbours(
            causes=tuple(self.causes[at] for at in chosen),
            votes=tuple(np.exp((distances[chosen[0]] - distances[chosen]) / REACH).tolist()),
            trust=trust * (UNANCHORED if signs.get("unanchored") else 1.0),
        )


def _values(signs: Sequence[Signs], names: Sequence[str]) -> np.ndarray:
    rows = [[found.get(name, math.nan) for name in names] for found in signs]
    return np.nan_to_num(np.array(rows, dtype=float), nan=np.nan, posinf=1e9, neginf=-1e9)


def _scaled(values: np.ndarray, median: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.clip((values - median) / scale, -FURTHEST, FURTHEST)


def neighbours_of(signs: Signs) -> Neighbours:
    """Among the runs that came with the package."""
    return RecordedRuns.load().nearest(signs)
