"""A game of blind curves: the reader names the cause, then the doctor does, and a score is kept.

The runs are those of `assets/runs/faults/`: real trainings with a known fault or none
(`tests/benchmarks/faults.py`). `Game` needs no widgets; `blind_form` puts it into a form, and how
a curve is drawn is the caller's business.
"""

import gzip
import html
import io
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from novelkit.bundled import ASSETS
from novelkit.diagnosis.causes import CAUSES, HEALTHY
from novelkit.diagnosis.curve import Curve
from novelkit.diagnosis.doctor import UNKNOWN, Diagnosis, diagnose_history
from novelkit.diagnosis.probes import Probed
from novelkit.diagnosis.signs import Signs
from novelkit.errors import InputError
from novelkit.training.history import Record

BLIND_RUNS = ASSETS / "runs" / "faults"
INDEX_FILE = "index.json"
# No curve shows these: the training is well, and what is wrong comes after it.
INVISIBLE = ("vocabulary_mismatch",)


@dataclass(frozen=True)
class BlindRun:
    """A recorded training with its truth, and what the probes found of it."""

    name: str
    cause: str
    part: str  # "develop": the doctor's rules were set on runs of that part
    history: list[Record]
    data: dict[str, Any]
    probes: Signs

    @property
    def curve(self) -> Curve:
        return Curve.of(self.history, self.data)

    def diagnose(self, probes: bool = False) -> Diagnosis:
        """The doctor's verdict from the history, or with the probes too."""
        return diagnose_history(self.history, self.data, Probed(self.probes) if probes else None)


def read_blind_runs(
    folder: Path = BLIND_RUNS, leave_out: Sequence[str] = INVISIBLE
) -> list[BlindRun]:
    """The runs of a folder, by name; raises `InputError` where there are none."""
    index = folder / INDEX_FILE
    if not index.is_file():
        raise InputError(f"{folder} 里没有 {INDEX_FILE}：请用完整的 novelkit 仓库。")
    found = json.loads(index.read_text(encoding="utf-8"))
    return [
        _read_run(folder, name, entry)
        for name, entry in sorted(found.items())
        if entry["cause"] not in leave_out
    ]


def _read_run(folder: Path, name: str, entry: dict[str, Any]) -> BlindRun:
    lines = gzip.decompress((folder / f"{name}.jsonl.gz").read_bytes()).decode().splitlines()
    probes = {sign: value for sign, value in entry["probes"].items() if value is not None}
    history = [json.loads(line) for line in lines]
    return BlindRun(name, entry["cause"], entry["part"], history, entry["data"], probes)


@dataclass(frozen=True)
class Answer:
    """What was said of a run: by the reader, by the doctor from the curve and with the probes."""

    told: str
    truth: str
    doctor: Diagnosis
    probed: Diagnosis

    @property
    def right(self) -> bool:
        return self.told == self.truth

    def as_lines(self) -> list[str]:
        """In Chinese, with the evidence and the experiment that would have told."""
        mark = "✓ 对了" if self.right else "✗ 不对"
        cause = CAUSES[self.truth]
        lines = [f"{mark}。实际是：{cause.title[0]}"]
        for name, diagnosis in (("只看曲线", self.doctor), ("加上探针", self.probed)):
            first = diagnosis.findings[0] if diagnosis.findings else None
            said = f"{first.title}（{first.confidence:.0%}）" if first else "说不准"
            lines.append(f"医生{name}：{said}")
        shown = [f for f in self.probed.findings if f.cause == self.truth] or self.doctor.findings
        lines += [f"证据：{line}" for finding in shown[:1] for line in finding.evidence]
        return [*lines, f"分得清的实验：{cause.experiment[0]}"]


class Game:
    """Blind runs in an order that `seed` decides; `answer` moves on to the next one."""

    def __init__(self, runs: Sequence[BlindRun], seed: int = 0) -> None:
        """Raises `InputError` without runs."""
        if not runs:
            raise InputError("没有盲诊用的曲线：请用完整的 novelkit 仓库。")
        self._runs = random.Random(seed).sample(list(runs), len(runs))
        self._next = 0
        self.answers: list[Answer] = []
        causes = {run.cause for run in runs} | {HEALTHY}
        self.choices = [(CAUSES[cause].title[0], cause) for cause in CAUSES if cause in causes]

    @property
    def run(self) -> BlindRun:
        """The run that is asked about; after the last one they begin again."""
        return self._runs[self._next % len(self._runs)]

    def answer(self, cause: str) -> Answer:
        """Score one answer; raises `InputError` for a word that is no choice."""
        known = [name for _, name in self.choices]
        if cause not in known:
            raise InputError(f"没有 {cause!r} 这个选项，可选的是 {'、'.join(known)}。")
        found = Answer(cause, self.run.cause, self.run.diagnose(), self.run.diagnose(True))
        self.answers.append(found)
        self._next += 1
        return found

    def score(self) -> str:
        """How often the reader and the doctor were right; "cannot tell" is not counted as wrong."""
        said = [(answer.doctor.verdict, answer.truth) for answer in self.answers]
        silent = sum(verdict == UNKNOWN for verdict, _ in said)
        counts = (sum(a.right for a in self.answers), sum(v == t for v, t in said), silent)
        return "{}：你对 {} 条；医生只看曲线对 {} 条，说不准 {} 条".format(
            f"{len(said)} 条曲线", *counts
        )


def blind_form(game: Game, draw: Callable[[Curve, str], Any]) -> Any:
    """The game as a form; `draw` makes a matplotlib figure of a curve and a title.

    Without ipywidgets a text that says how to play by calls.
    """
    try:
        return BlindForm(game, draw).box
    except ImportError:
        return '没有 ipywidgets：看 game.run.curve 画出的图，用 game.answer("原因") 回答。'


class BlindForm:
    """The widget, in `box`: a curve, a list of causes, and what comes of it."""

    def __init__(self, game: Game, draw: Callable[[Curve, str], Any]) -> None:
        """Raises ImportError without ipywidgets."""
        import ipywidgets as widgets

        self._game, self._draw = game, draw
        wide = widgets.Layout(width="480px")
        self.picture, self.told = widgets.Image(format="png"), widgets.HTML()
        self.choice = widgets.Dropdown(options=game.choices, description="原因", layout=wide)
        self.button = widgets.Button(description="就是它")
        self.following = widgets.Button(description="下一条")
        buttons = widgets.HBox([self.choice, self.button, self.following])
        self.box = widgets.VBox([self.picture, buttons, self.told])
        self.button.on_click(self._answer)
        self.following.on_click(self._show)
        self._show()

    def _show(self, _: object = None) -> None:
        figure = self._draw(self._game.run.curve, f"第 {len(self._game.answers) + 1} 条")
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=80)
        self.picture.value = file.getvalue()
        self.told.value = ""
        self.button.disabled, self.following.disabled = False, True

    def _answer(self, _: object = None) -> None:
        lines = [*self._game.answer(self.choice.value).as_lines(), self._game.score()]
        self.told.value = "<br>".join(map(html.escape, lines))
        self.button.disabled, self.following.disabled = True, False
