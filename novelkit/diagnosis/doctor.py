"""From signs to a diagnosis: ranked findings, what could not be checked, what to do next."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from novelkit.diagnosis.causes import CAUSES, HEALTHY, NOTES, Text
from novelkit.diagnosis.curve import Curve
from novelkit.diagnosis.events import event_evidence, event_remarks
from novelkit.diagnosis.neighbours import NEAREST, Neighbours, neighbours_of
from novelkit.diagnosis.probes import Probed, probe
from novelkit.diagnosis.reading import read_log
from novelkit.diagnosis.rules import clues_for, rank
from novelkit.diagnosis.setup import TrainingSetup
from novelkit.diagnosis.signs import MINIMUM_STEPS, Signs, read_signs
from novelkit.diagnosis.wording import SIGN_TEXTS, say
from novelkit.errors import InputError
from novelkit.scores import ANCHOR_NAMES
from novelkit.training.history import Record

LANGUAGES = ("zh", "en")
UNKNOWN = "unknown"
# Below this share of the odds no cause is named: on runs that the rules had not seen, verdicts
# below it were wrong about as often as right (tests/benchmarks/README.md).
CERTAIN = 0.5
# A healthy verdict is no surer than this where no probe was asked: of the faults that held-out runs
# had, one in eight left no trace in the history.
CLEARED = 0.9
# First loss by ln V: of 849 runs none began above 1.02, and worse than guessing is a model that is
# sure of what it does not know, by weights that are drawn too large.
BAD_START = 1.05
# Other causes that deserve an experiment.
WORTH_A_TRY = 0.1
EVIDENCE = 4  # sentences of signs at most
# Of the nearest recorded runs, and how much these have to be like it: what is worth a sentence.
MOST_NEIGHBOURS = 3
ALIKE = 0.5

# What only a probe can tell, and which probe.
ONLY_PROBES: dict[str, Text] = {
    "label_offset": ("标签有没有错位", "whether labels are shifted wrongly"),
    "moved_weights": ("有没有参数没在学", "whether some parameters do not learn"),
    "sampler": ("续写时的词表与训练时是否相同", "whether the sampler has the same vocabulary"),
    "resumes": ("恢复训练有没有丢东西", "whether a resume loses anything"),
    "texts": ("验证文本有没有混进训练、文本有没有乱码", "leaks and damage in the texts"),
}


@dataclass(frozen=True)
class Finding:
    """A cause, how sure we are (0 to 1), the numbers that say so, cures, the next experiment."""

    cause: str
    title: str
    confidence: float
    evidence: tuple[str, ...]
    cures: tuple[str, ...]
    next_experiment: str


@dataclass(frozen=True)
class Diagnosis:
    """Findings, most probable first; remarks on what is no cause; what could not be checked."""

    findings: tuple[Finding, ...]
    remarks: tuple[str, ...]
    unchecked: tuple[str, ...]
    signs: Signs = field(repr=False, default_factory=dict)

    @property
    def verdict(self) -> str:
        """The cause that is named, or "unknown"."""
        return self.findings[0].cause if self.findings else UNKNOWN

    def as_dict(self) -> dict[str, Any]:
        """For JSON; numbers that are no numbers are left out of the signs."""
        return {
            "verdict": self.verdict,
            "findings": [asdict(finding) for finding in self.findings],
            "remarks": list(self.remarks),
            "unchecked": list(self.unchecked),
            "signs": {name: round(float(v), 6) for name, v in self.signs.items() if v == v},
        }


def diagnose(
    log: Path | str, setup: TrainingSetup | None = None, language: str = "zh"
) -> Diagnosis:
    """Read a RUN folder or another trainer's log (`reading.read_log`), and ask the probes of its
    training, if one is given; raises `InputError` for a log that cannot be read."""
    history, data = read_log(log)
    return diagnose_history(history, data, probe(setup) if setup else None, language)


def diagnose_history(
    history: Sequence[Record],
    data: dict[str, Any],
    probed: Probed | None = None,
    language: str = "zh",
) -> Diagnosis:
    """The same from records (see `training.history`) and a ledger's `data`, with its anchors."""
    if language not in LANGUAGES:
        raise InputError(f"language 是 {language}，可用的是 {'、'.join(LANGUAGES)}。")
    curve = Curve.of(history, data)
    signs = read_signs(curve) | (probed.signs if probed else {})
    speak = LANGUAGES.index(language)
    unchecked = tuple(text[speak] for text in _unchecked(curve, probed))
    if curve.finite.sum() < MINIMUM_STEPS and not signs.get("missing"):
        return Diagnosis((), (), unchecked, signs)
    seen = _Seen(signs, curve, neighbours_of(signs), probed is not None)
    findings = _findings(seen, speak)
    remarks = tuple(text[speak] for text in _remarks(signs, curve, findings[0].cause))
    return Diagnosis(tuple(findings), remarks, unchecked, signs)


@dataclass(frozen=True)
class _Seen:
    """What findings speak of."""

    signs: Signs
    curve: Curve
    neighbours: Neighbours
    probed: bool


def _findings(seen: _Seen, speak: int) -> list[Finding]:
    ranked = rank(seen.signs, seen.neighbours)
    findings = [
        _finding(cause, share, seen, speak)
        for place, (cause, share) in enumerate(ranked)
        if place == 0 or (share >= WORTH_A_TRY and cause != HEALTHY)
    ]
    if ranked[0][1] < CERTAIN:
        findings.insert(0, _undecided(findings, speak))
    return findings


def _finding(cause: str, share: float, seen: _Seen, speak: int) -> Finding:
    texts, signs = CAUSES[cause], seen.signs
    clues = [clue.sign for clue, _ in clues_for(cause, signs) if clue.sign in SIGN_TEXTS]
    evidence = [say(sign, signs[sign])[speak] for sign in dict.fromkeys(clues)][:EVIDENCE]
    if cause == HEALTHY or not evidence:
        evidence = [text[speak] for text in _where_it_stands(signs, seen.curve)]
    evidence += [text[speak] for text in event_evidence(cause, seen.curve)]
    evidence += [text[speak] for text in _likeness(cause, seen.neighbours)]
    if cause == HEALTHY and not seen.probed:
        share = min(share, CLEARED)
    return Finding(
        cause=cause,
        title=texts.title[speak],
        confidence=round(share, 3),
        evidence=tuple(evidence),
        cures=tuple(cure[speak] for cure in texts.cures),
        next_experiment=texts.experiment[speak],
    )


def _likeness(cause: str, neighbours: Neighbours) -> list[Text]:
    """What most of the recorded runs that are like it were."""
    count = neighbours.causes.count(cause)
    if count < MOST_NEIGHBOURS or neighbours.trust < ALIKE:
        return []
    same = ("是正常的", "were healthy") if cause == HEALTHY else ("是同一个原因", "had this cause")
    return [
        (
            f"与它最像的 {NEAREST} 条有记录的曲线里，{count} 条{same[0]}",
            f"of the {NEAREST} recorded curves most like it, {count} {same[1]}",
        )
    ]


def _undecided(candidates: list[Finding], speak: int) -> Finding:
    title = ("说不准：几种可能都解释得通", "cannot tell: several causes would explain it")
    line = ("最可能的是“{}”，也只有 {:.0%}", "the most probable, {!r}, has {:.0%}")
    first = candidates[0]
    return Finding(
        cause=UNKNOWN,
        title=title[speak],
        confidence=round(1 - first.confidence, 3),
        evidence=(line[speak].format(first.title, first.confidence),),
        cures=(),
        next_experiment=first.next_experiment,
    )


def _where_it_stands(signs: Signs, curve: Curve) -> list[Text]:
    """The loss and the anchors that it has passed."""
    if "last" not in signs:
        return []
    texts: list[Text] = [
        (
            f"训练损失 {signs['last']:.2f} nats／字，步与步之间的波动 {signs['swing']:.2f}",
            f"training loss {signs['last']:.2f} nats per character, swing {signs['swing']:.2f}",
        )
    ]
    reached = signs.get("validation_last")
    if reached is None or not curve.anchors:
        return texts
    passed = [ANCHOR_NAMES[name] for name, value in curve.anchors.items() if reached < value]
    chinese, english = ("、".join(n[0] for n in passed), ", ".join(n[1] for n in passed))
    texts.append(
        (
            f"验证损失 {reached:.2f}，低于这些参考线：{chinese or '一条也没有'}",
            f"validation loss {reached:.2f}, below these anchors: {english or 'none'}",
        )
    )
    return texts


def _remarks(signs: Signs, curve: Curve, verdict: str) -> list[Text]:
    """What may look like a fault and is none; and a beginning that no cause explains."""
    found: list[Text] = []
    if signs.get("probe_start", 1.0) > BAD_START:
        chinese, english = (text.format(signs["probe_start"]) for text in NOTES["start"])
        found.append((chinese, english))
    if verdict != HEALTHY:
        return found
    slope = signs.get("end_slope", 0.0)
    if slope > 0.06:
        found.append(NOTES["cooling" if _is_cooling(curve) else "unfinished"])
    elif signs.get("below_best", -1.0) > 0 and abs(slope) < 0.03:
        found.append(NOTES["at_the_floor"])
    least = max(0.25 * signs.get("swing", 1.0), 4 * signs.get("epoch_drop_error", 0.0))
    if signs.get("epoch_drop", 0.0) > least:
        found.append(NOTES["sawtooth"])
    return found + event_remarks(curve)


def _is_cooling(curve: Curve) -> bool:
    rate = curve.learning_rate
    return rate is not None and bool(rate[-1] < 0.5 * np.nanmax(rate))


def _unchecked(curve: Curve, probed: Probed | None) -> list[Text]:
    """What this input cannot tell, each with the reason."""
    found: list[Text] = []
    if len(curve) < MINIMUM_STEPS:
        found.append(
            (
                f"趋势：只有 {len(curve)} 步，至少要 {MINIMUM_STEPS} 步才看得出",
                f"the trend: {len(curve)} steps, it takes {MINIMUM_STEPS} to see one",
            )
        )
    if len(curve.validation) < 3:
        found.append(
            (
                f"过拟合：只有 {len(curve.validation)} 次验证，无从比较",
                f"overfitting: {len(curve.validation)} evaluations are too few to compare",
            )
        )
    if not curve.anchors:
        found.append(
            (
                "损失的高低：不知道语料的参考线（novelkit prepare 会算）",
                "how good the loss is: the corpus's anchors are unknown (novelkit prepare)",
            )
        )
    if curve.update_ratio is None:
        found.append(
            (
                "学习率、优化器、没在学的参数：没有记录更新的大小",
                "learning rate, optimizer, still parameters: sizes of updates were not logged",
            )
        )
    return found + _unprobed(probed)


def _unprobed(probed: Probed | None) -> list[Text]:
    if probed is None:
        chinese, english = ([text[n] for text in ONLY_PROBES.values()] for n in (0, 1))
        return [
            (
                f"{'、'.join(chinese)}：只看曲线看不出，要用探针（给出 DATA）",
                f"{', '.join(english)}: no curve shows it, give DATA for the probes",
            )
        ]
    return [
        (f"探针 {name}：{reason}", f"probe {name}: {reason}")
        for name, reason in probed.failed.items()
    ]
