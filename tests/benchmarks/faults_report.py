"""How well the doctor does on the runs of a part, beside baselines: tables, misses, a picture.

Levels of input: the training loss alone; with validation; with gradients, updates and sessions'
columns (all that a history has); with probes. Top-1 and top-2 are shares of all faulty runs;
macro-F1 is over all causes and healthy; a healthy run is flagged if it gets any other verdict. "At
equal alarms" is top-1 where a contender keeps silent below the confidence at which it would flag
more than one in fifty of the healthy runs; "the doctor at its alarms" is the doctor's top-1 if it
were made to speak until it flags as many healthy runs as the contender does.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from faults_catalogue import FAULTS
from faults_runs import HEALTHY, PROBES_FILE, TRUTH_FILE, Plan, is_faulty

from novelkit import layouts
from novelkit.diagnosis.curve import Curve
from novelkit.diagnosis.neighbours import neighbours_of
from novelkit.diagnosis.rules import rank
from novelkit.diagnosis.signs import Signs, read_signs
from novelkit.training.history import Record, read_history

LEVELS = ("loss", "validation", "gradients", "probes")
CAUSES = (HEALTHY, *FAULTS)
ALARMS = 0.02
Ranking = list[tuple[str, float]]


@dataclass(frozen=True)
class Case:
    """A run that counts: what was done to it, and what each level of input shows of it.

    Of kept signs (`faults_signs`) there is no history.
    """

    plan: Plan
    history: list[Record]
    signs: dict[str, Signs]

    @property
    def truth(self) -> str:
        return self.plan.cause


@dataclass(frozen=True)
class Score:
    """Of one contender at one level."""

    top_1: float
    top_2: float
    macro_f1: float
    flagged: float
    at_equal_alarms: float
    runs: int


def read_cases(out: Path, plans: Iterable[Plan]) -> tuple[list[Case], Counter[str], Counter[str]]:
    """The runs that count, and how many were made and discarded by cause."""
    cases, made, discarded = [], Counter[str](), Counter[str]()
    for plan in plans:
        if not (out / plan.name / TRUTH_FILE).exists():
            continue
        made[plan.cause] += 1
        if plan.cause != HEALTHY and not is_faulty(plan, out):
            discarded[plan.cause] += 1
            continue
        cases.append(_read_case(out / plan.name, plan))
    return cases, made, discarded


def _read_case(folder: Path, plan: Plan) -> Case:
    data = json.loads((folder / layouts.RUN_FILE).read_text(encoding="utf-8"))["data"]
    history = read_history(folder)
    curve = Curve.of(history, data)
    signs = {level: read_signs(curve, level) for level in LEVELS[:3]}
    if (folder / PROBES_FILE).exists():
        answers = json.loads((folder / PROBES_FILE).read_text(encoding="utf-8"))["signs"]
        known = {name: value for name, value in answers.items() if value is not None}
        signs["probes"] = signs["gradients"] | known
    return Case(plan, history, signs)


def judge(cases: Sequence[Case], rankings: Sequence[Ranking]) -> Score:
    """Rankings of causes, one a case, against the truth."""
    first = [ranking[0][0] for ranking in rankings]
    pairs = list(zip(cases, rankings, strict=True))
    faulty = [(case, ranking) for case, ranking in pairs if case.truth != HEALTHY]
    healthy = [name for case, name in zip(cases, first, strict=True) if case.truth == HEALTHY]
    return Score(
        top_1=_share(ranking[0][0] == case.truth for case, ranking in faulty),
        top_2=_share(case.truth in [c for c, _ in ranking[:2]] for case, ranking in faulty),
        macro_f1=_macro_f1([case.truth for case in cases], first),
        flagged=_share(name != HEALTHY for name in healthy),
        at_equal_alarms=_at_equal_alarms(pairs),
        runs=len(cases),
    )


def _at_equal_alarms(pairs: Sequence[tuple[Case, Ranking]]) -> float:
    """Top-1 with verdicts only above a confidence that flags at most `ALARMS` of the healthy."""
    healthy = [ranking[0] for case, ranking in pairs if case.truth == HEALTHY]
    alarms = sorted((sure for cause, sure in healthy if cause != HEALTHY), reverse=True)
    allowed = int(ALARMS * len(healthy))
    # The first alarm too many, and all that is no surer, stay unsaid.
    silent = alarms[allowed] if len(alarms) > allowed else -np.inf
    return _share(
        ranking[0][0] == case.truth and ranking[0][1] > silent
        for case, ranking in pairs
        if case.truth != HEALTHY
    )


def _share(hits: Iterable[bool]) -> float:
    found = list(hits)
    return sum(found) / max(1, len(found))


def _macro_f1(truth: Sequence[str], told: Sequence[str]) -> float:
    values = []
    for cause in sorted(set(truth)):
        both = sum(t == cause == f for t, f in zip(truth, told, strict=True))
        values.append(2 * both / max(1, truth.count(cause) + list(told).count(cause)))
    return float(np.mean(values))


def coverage(
    cases: Sequence[Case], rankings: Sequence[Ranking]
) -> list[tuple[float, float, float]]:
    """Least confidence, share of runs with at least that, share of their verdicts that is wrong."""
    rows = []
    for least in (0.0, 0.3, 0.5, 0.7, 0.9, 0.99):
        sure = [(c, r) for c, r in zip(cases, rankings, strict=True) if r[0][1] >= least]
        wrong = _share(r[0][0] != c.truth for c, r in sure)
        rows.append((least, len(sure) / max(1, len(cases)), wrong))
    return rows


def doctor(case: Case, level: str) -> Ranking:
    return rank(case.signs[level], neighbours_of(case.signs[level]))


def rules_alone(case: Case, level: str) -> Ranking:
    """The doctor without the recorded runs."""
    return rank(case.signs[level])


def doctor_at_alarms(cases: Sequence[Case], level: str, flagged: float) -> float:
    """The doctor's top-1 if it names a fault as readily as to flag that share of the healthy."""
    rankings = [dict(doctor(case, level)) for case in cases]
    doubts = sorted(
        (
            1 - shares[HEALTHY]
            for case, shares in zip(cases, rankings, strict=True)
            if case.truth == HEALTHY
        ),
        reverse=True,
    )
    allowed = round(flagged * len(doubts))
    silent = doubts[allowed] if allowed < len(doubts) else -1.0
    hits = []
    for case, shares in zip(cases, rankings, strict=True):
        if case.truth != HEALTHY:
            named = max((cause for cause in shares if cause != HEALTHY), key=shares.__getitem__)
            hits.append(named == case.truth and 1 - shares[HEALTHY] > silent)
    return _share(hits)


# Baselines -----------------------------------------------------------------------------------


def always(cause: str) -> Callable[[Case, str], Ranking]:
    return lambda case, level: [(cause, 1.0), (HEALTHY, 0.0)]


def train_tree(cases: Sequence[Case], level: str, neighbours: bool = False) -> Any:
    """A decision tree, or the nearest neighbour, on all signs of a level, from other cases."""
    from sklearn.impute import SimpleImputer
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import RobustScaler
    from sklearn.tree import DecisionTreeClassifier

    names = sorted({name for case in cases for name in case.signs[level]})
    filling = SimpleImputer(strategy="constant", fill_value=-9.0)
    last = (
        make_pipeline(filling, RobustScaler(), KNeighborsClassifier(1))
        if neighbours
        else make_pipeline(filling, DecisionTreeClassifier(min_samples_leaf=3, random_state=0))
    )
    last.fit(_matrix(cases, level, names), [case.truth for case in cases])

    def predict(case: Case, wanted: str) -> Ranking:
        shares = last.predict_proba(_matrix([case], wanted, names))[0]
        return sorted(zip(last.classes_, shares, strict=True), key=lambda pair: -pair[1])

    return predict


def _matrix(cases: Sequence[Case], level: str, names: Sequence[str]) -> np.ndarray:
    rows = [[case.signs[level].get(name, np.nan) for name in names] for case in cases]
    return np.nan_to_num(np.array(rows, dtype=float), nan=-9.0, posinf=1e6, neginf=-1e6)


# What the findings of other tools mean in our names; a tool that finds nothing says healthy.
TRAINPROOF = {
    "TP-NAN": "number_overflow",
    "TP-ZERO-LOSS": "number_overflow",
    "TP-ZERO-GRAD": "parameters_frozen",
    "TP-DIVERG": "learning_rate_too_high",
    "TP-GRAD-SPIKE": "learning_rate_too_high",
    "TP-OVERFIT": "overfitting",
    "TP-ZERO-LR": "learning_rate_too_low",
    "TP-DEAD": "learning_rate_too_low",
    "TP-FLAT": "learning_rate_too_low",
}


def trainproof(case: Case, level: str) -> Ranking:
    """trainproof's findings on the columns of a level; every failure before every warning."""
    from trainproof.epoch import check_records

    findings = check_records(_plain_records(case, level))["findings"]
    order = {"FAIL": 0, "WARN": 1}
    findings = [item for item in findings if item["level"] in order]
    findings.sort(key=lambda item: order[item["level"]])
    named = [
        cause
        for item in findings
        for code, cause in TRAINPROOF.items()
        if item["id"].startswith(code)
    ]
    return _in_order(named)


def training_doctor(case: Case, level: str) -> Ranking:
    """training-doctor's diagnoses, most confident first, by the words of their titles."""
    from training_doctor import Doctor

    tool = Doctor()
    for record in _plain_records(case, level):
        tool.log(record.pop("step"), **record)
    found = sorted(tool.analyze(), key=lambda item: -item.confidence)
    return _in_order([cause for item in found if (cause := _by_words(item.problem.lower()))])


def _by_words(title: str) -> str | None:
    words = {
        "too high": "learning_rate_too_high",
        "too low": "learning_rate_too_low",
        "overfit": "overfitting",
        "nan": "number_overflow",
        "mixed precision": "number_overflow",
        "unusual train": "validation_leaked",
        "instab": "learning_rate_too_high",
        "explo": "learning_rate_too_high",
        "plateau": "learning_rate_too_low",
        "vanish": "learning_rate_too_low",
    }
    return next((cause for word, cause in words.items() if word in title), None)


def _plain_records(case: Case, level: str) -> list[dict[str, Any]]:
    names = {"loss": "loss"}
    if level != "loss":
        names["validation_loss"] = "eval_loss"
    if level in ("gradients", "probes"):
        names |= {"gradient_norm": "grad_norm", "learning_rate": "lr"}
    rows = []
    for record in case.history:
        row: dict[str, Any] = {"step": record["step"]}
        for name, theirs in names.items():
            if name in record:
                row[theirs] = float("nan") if record[name] is None else record[name]
        rows.append(row)
    return rows


def _in_order(causes: Sequence[str]) -> Ranking:
    named = list(dict.fromkeys(causes)) or [HEALTHY]
    return [*((cause, 1.0 / (1 + place)) for place, cause in enumerate(named)), (HEALTHY, 0.0)]


TITLES = (
    "",
    "top-1",
    "top-2",
    "macro-F1",
    "healthy runs flagged",
    "top-1 at equal alarms",
    "the doctor at its alarms",
)

# Output ---------------------------------------------------------------------------------------


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown; the first column is text."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def report(
    cases: list[Case],
    teachers: list[Case],
    picture: Path | None,
    without: Sequence[str] = (),
    level: str | None = None,
) -> None:
    """Print all tables for `cases`; baselines that learn do so from `teachers`.

    Misses and the picture are of `level`, or of the highest that all cases have.
    """
    for name in LEVELS:
        usable = [case for case in cases if name in case.signs]
        if usable:
            _print_level(name, usable, teachers, without)
    _print_coverage(cases)
    shared = [name for name in LEVELS if all(name in case.signs for case in cases)]
    chosen = level or shared[-1]
    rankings = [doctor(case, chosen) for case in cases]
    _print_misses(cases, rankings)
    if picture:
        draw_matrix(cases, rankings, chosen, picture)


def contenders(
    level: str, cases: Sequence[Case], teachers: list[Case], without: Sequence[str] = ()
) -> dict[str, Callable[[Case, str], Ranking]]:
    """The doctor and every baseline that can be had here."""
    found: dict[str, Callable[[Case, str], Ranking]] = {
        "the doctor": doctor,
        "its rules alone": rules_alone,
        "always healthy": always(HEALTHY),
        "always the learning rate": always("learning_rate_too_high"),
    }
    teachers = [case for case in teachers if level in case.signs]
    if not teachers:
        print(
            "(no such runs of the part `develop`: nothing for a tree or a neighbour to learn from)"
        )
    try:
        if teachers:
            found["decision tree"] = train_tree(teachers, level)
            found["nearest neighbour"] = train_tree(teachers, level, neighbours=True)
    except ImportError:
        print("(no scikit-learn: pip install scikit-learn for two more rows)")
    if not all(case.history for case in cases):
        print("(kept signs have no histories: nothing for trainproof and training-doctor to read)")
        return found
    for name, tool in (("trainproof", trainproof), ("training-doctor", training_doctor)):
        if name in without:
            continue
        try:
            __import__(tool.__name__)
            found[name] = tool
        except ImportError:
            print(f"(no {name}: pip install {name} for one more row)")
    return found


def _print_level(
    level: str, cases: list[Case], teachers: list[Case], without: Sequence[str]
) -> None:
    rows = []
    for name, told in contenders(level, cases, teachers, without).items():
        score = judge(cases, [told(case, level) for case in cases])
        shares = (score.top_1, score.top_2, score.macro_f1, score.flagged, score.at_equal_alarms)
        beside = doctor_at_alarms(cases, level, score.flagged)
        rows.append((name, *(f"{share:.1%}" for share in (*shares, beside))))
    print(f"\n{level}, {len(cases)} runs:\n")
    print(table(TITLES, rows))


def _print_coverage(cases: list[Case]) -> None:
    """By level and least confidence: the share of runs with a verdict, and of these the wrong."""
    columns = []
    for level in LEVELS:
        usable = [case for case in cases if level in case.signs]
        if usable:
            columns.append(coverage(usable, [doctor(case, level) for case in usable]))
    rows = []
    for points in zip(*columns, strict=True):
        shares = [f"{covered:.0%}, {wrong:.1%}" for _, covered, wrong in points]
        rows.append([f"{points[0][0]:.2f}", *shares])
    print(
        "\nRuns with a verdict of at least so much confidence, and how many of these are wrong:\n"
    )
    print(table(["confidence", *LEVELS[: len(columns)]], rows))


def _print_misses(cases: list[Case], rankings: list[Ranking]) -> None:
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for case, ranking in zip(cases, rankings, strict=True):
        if ranking[0][0] != case.truth:
            groups[case.truth, ranking[0][0]].append(case.plan.name)
    print("\nMisses:\n")
    rows = [
        (truth, told, str(len(names)), ", ".join(names[:3]))
        for (truth, told), names in sorted(groups.items(), key=lambda item: -len(item[1]))
    ]
    print(table(["cause", "verdict", "runs", "among them"], rows))


def print_counts(made: Counter[str], discarded: Counter[str]) -> None:
    """Runs by cause, and those whose damage stayed below the threshold."""
    rows = [(cause, str(made[cause]), str(discarded[cause])) for cause in CAUSES if made[cause]]
    print(table(["cause", "runs", "discarded as harmless"], rows))


def draw_matrix(
    cases: Sequence[Case], rankings: Sequence[Ranking], level: str, target: Path
) -> None:
    """The confusion matrix as a PNG: rows are what was done, columns what the doctor says."""
    from matplotlib.figure import Figure

    counts = np.zeros((len(CAUSES), len(CAUSES)))
    for case, ranking in zip(cases, rankings, strict=True):
        counts[CAUSES.index(case.truth), CAUSES.index(ranking[0][0])] += 1
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(11, 9.5), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*counts.nonzero(), strict=True):
        color = "white" if shares[row, column] > 0.5 else "black"
        text = f"{counts[row, column]:.0f}"
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color=color)
    names = [cause.replace("_", " ") for cause in CAUSES]
    axes.set_xticks(range(len(names)), names, rotation=55, ha="right", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xlabel("what the doctor says")
    axes.set_ylabel("what was done to the run")
    axes.set_title(f"{len(cases)} held-out runs, level: {level}")
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110)
