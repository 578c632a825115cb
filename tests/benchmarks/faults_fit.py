"""Weights for the doctor's clues, fitted to `develop` and `validate`: what `faults.py fit` prints.

The doctor's scores are linear in the weights of its clues and its shares a softmax of the scores,
so that fitting them is multinomial logistic regression, with one minimum. Weights are held near
those that the rules have by a penalty (a Gaussian prior around them), which whoever wrote a clue
chose for a reason; the ramps stay as they are. All levels of a history count alike; clues of probes
keep their weights. Whether a fit is worth taking over is told by cross-validation: each of the two
parts, which share no corpus and no size, is judged by weights of the other, as far as the weights
to begin with were not themselves fitted to both. There the runs most like one are sought in the
other part as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from faults_record import recorded_runs
from faults_report import LEVELS, Case, Ranking, judge, table
from faults_runs import HEALTHY

from novelkit.diagnosis.neighbours import NOBODY, RecordedRuns
from novelkit.diagnosis.rules import RULES, START, Clue

Rules = Mapping[str, tuple[Clue, ...]]
FITTED_LEVELS = LEVELS[:3]
# The strength of the prior. From a sixth to twice of it the other part was judged about alike.
PRIOR = 3e-4
# A healthy run that is flagged costs as much as so many faults that are not named.
HEALTHY_COUNTS = 20.0
# A change of less is none.
WORTH_SAYING = 0.5


class Scores:
    """The scores of all causes as a linear function of the weights of all clues."""

    def __init__(self, rules: Rules = RULES) -> None:
        self.causes = list(rules)
        self.clues = [(cause, clue) for cause in rules for clue in rules[cause]]
        self.weights = torch.tensor([clue.weight for _, clue in self.clues], dtype=torch.float64)
        self.owner = torch.tensor([self.causes.index(cause) for cause, _ in self.clues])
        start = [0.0 if cause == HEALTHY else START for cause in self.causes]
        self.start = torch.tensor(start, dtype=torch.float64)
        free = [not clue.sign.startswith("probe_") for _, clue in self.clues]
        self.free = torch.tensor(free, dtype=torch.float64)

    def strengths(self, cases: Sequence[Case], level: str) -> torch.Tensor:
        """How much each clue counts in each case, of shape (cases, clues)."""
        rows = [[clue.strength(case.signs[level]) for _, clue in self.clues] for case in cases]
        return torch.tensor(rows, dtype=torch.float64)

    def __call__(self, strengths: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        scores = self.start.expand(len(strengths), -1)
        return scores.index_add(1, self.owner, strengths * weights)

    def rankings(
        self,
        cases: Sequence[Case],
        level: str,
        weights: torch.Tensor,
        recorded: RecordedRuns | None = None,
    ) -> list[Ranking]:
        """As the doctor's, with these weights and recorded runs, if any."""
        likeness = [
            (recorded.nearest(case.signs[level]) if recorded else NOBODY).odds() for case in cases
        ]
        odds = [[found[cause] for cause in self.causes] for found in likeness]
        scores = self(self.strengths(cases, level), weights) + torch.tensor(odds)
        return [
            sorted(zip(self.causes, row, strict=True), key=lambda pair: -pair[1])
            for row in scores.softmax(dim=1).tolist()
        ]


def fit(scores: Scores, cases: Sequence[Case], prior: float = PRIOR) -> torch.Tensor:
    """The most probable weights given the cases, of shape (clues,)."""
    strengths = torch.cat([scores.strengths(cases, level) for level in FITTED_LEVELS])
    truth = torch.tensor([scores.causes.index(case.truth) for case in cases] * len(FITTED_LEVELS))
    counts = torch.where(truth == scores.causes.index(HEALTHY), HEALTHY_COUNTS, 1.0).double()
    moved = torch.zeros_like(scores.weights, requires_grad=True)
    optimizer = torch.optim.LBFGS([moved], max_iter=500, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        shares = scores(strengths, scores.weights + moved * scores.free)
        losses = torch.nn.functional.cross_entropy(shares, truth, reduction="none")
        loss = (losses * counts).mean() + prior * moved.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return scores.weights + moved.detach() * scores.free


@dataclass(frozen=True)
class CrossValidated:
    """Cases by part, and how each is judged by what the other parts say, at each level."""

    cases: list[Case]
    by_rules: dict[str, list[Ranking]]
    with_neighbours: dict[str, list[Ranking]]
    trusts: list[float]  # of the nearest runs, from the whole history

    @property
    def familiar(self) -> float:
        """The share of runs whose nearest ones have all their votes."""
        return float(np.mean(np.array(self.trusts) == 1.0))


def cross_validate(scores: Scores, cases: Sequence[Case], prior: float = PRIOR) -> CrossValidated:
    """Each part with weights fitted to the other parts, alone and with the runs of these."""
    by_rules, with_neighbours = ({level: [] for level in FITTED_LEVELS} for _ in range(2))
    found = CrossValidated([], by_rules, with_neighbours, [])
    for part in sorted({case.plan.part for case in cases}):
        mine = [case for case in cases if case.plan.part == part]
        others = [case for case in cases if case.plan.part != part]
        weights, recorded = fit(scores, others, prior), recorded_runs(others)
        found.cases.extend(mine)
        for level in FITTED_LEVELS:
            found.by_rules[level] += scores.rankings(mine, level, weights)
            found.with_neighbours[level] += scores.rankings(mine, level, weights, recorded)
        whole = FITTED_LEVELS[-1]
        found.trusts.extend(recorded.nearest(case.signs[whole]).trust for case in mine)
    return found


def print_fit(cases: Sequence[Case]) -> None:
    """Present and fitted weights side by side, and what either is worth."""
    scores = Scores()
    weights = fit(scores, cases)
    rows = [
        (
            cause,
            clue.sign,
            f"{clue.nothing:g}",
            f"{clue.all:g}",
            f"{clue.weight:g}",
            f"{weight:.1f}",
        )
        for (cause, clue), weight in zip(scores.clues, weights.tolist(), strict=True)
        if abs(weight - clue.weight) >= WORTH_SAYING
    ]
    print(table(["cause", "sign", "nothing", "all", "weight", "fitted"], rows))
    found = cross_validate(scores, cases)
    lines = []
    for level in FITTED_LEVELS:
        for name, rankings in (
            ("present weights", scores.rankings(found.cases, level, scores.weights)),
            ("fitted on the other part", found.by_rules[level]),
            ("and the nearest of its runs", found.with_neighbours[level]),
        ):
            score = judge(found.cases, rankings)
            shares = (score.top_1, score.top_2, score.macro_f1, score.flagged)
            lines.append((f"{level}, {name}", *(f"{share:.1%}" for share in shares)))
    print()
    print(table(["", "top-1", "top-2", "macro-F1", "healthy runs flagged"], lines))
    print(f"\nnearest runs of the other part that are familiar: {found.familiar:.1%} of the runs")
    causes = np.array([case.truth for case in cases])
    print(f"\n{len(cases)} runs, {int((causes == HEALTHY).sum())} of them healthy")
