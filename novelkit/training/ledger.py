"""The ledger of a run, `run.json`: its settings, every choice with its step, every session.

A choice made by a clock or a measurement (precision, when the cooldown starts) is made once,
written down here with its step, and obeyed by whoever resumes. Settings are compared, and a
resume with other ones is refused with the difference.
"""

import platform
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from novelkit import layouts
from novelkit.errors import InputError
from novelkit.training.disk import writing_to
from novelkit.training.schedule import Cycle


@dataclass
class Ledger:
    """`run.json` in memory; `save` after every change."""

    run: Path
    run_id: str
    config: dict[str, Any]
    model: dict[str, Any]
    data: dict[str, Any]
    decisions: list[dict[str, Any]] = field(default_factory=list)
    sessions: list[dict[str, Any]] = field(default_factory=list)
    # Of several processes only the main one writes; the others follow the same decisions.
    writes: bool = True

    @classmethod
    def read(cls, run: Path) -> "Ledger":
        header = layouts.read_header(run / layouts.RUN_FILE, "novelkit-run")
        try:
            return cls(run, **{name: header[name] for name in _FIELDS})
        except KeyError as error:
            raise InputError(
                f"{run / layouts.RUN_FILE} 缺少 {error}：请换一个训练文件夹。"
            ) from error

    def save(self) -> None:
        if not self.writes:
            return
        values = {name: value for name, value in asdict(self).items() if name in _FIELDS}
        with writing_to(self.run):
            layouts.write_json(
                self.run / layouts.RUN_FILE,
                {"format": "novelkit-run", "version": layouts.VERSION, **values},
            )

    def decide(self, step: int, kind: str, value: Any, reason: str) -> None:
        """Write down a choice that takes effect after `step`."""
        self.decisions.append({"step": step, "kind": kind, "value": value, "reason": reason})
        self.save()

    def decided(self, kind: str) -> dict[str, Any] | None:
        """The latest choice of this kind."""
        return next((item for item in reversed(self.decisions) if item["kind"] == kind), None)

    def value_at(self, kind: str, step: int, default: Any = None) -> Any:
        """What holds for `step`: the latest choice of this kind that was made before it."""
        made = [item for item in self.decisions if item["kind"] == kind and item["step"] < step]
        return made[-1]["value"] if made else default

    def cycle_at(self, step: int) -> Cycle | None:
        """The latest cycle that has begun by `step`: a resume may go back behind a later one."""
        chosen = [item["value"] for item in self.decisions if item["kind"] == "cycle"]
        begun = [value for value in chosen if value["start"] <= step]
        return Cycle(**begun[-1]) if begun else None

    def open_session(self, resumed_from: int | None, device: str) -> int:
        """Note that a process begins to work; returns the session's number, from 1."""
        self.sessions.append(
            {
                "id": len(self.sessions) + 1,
                "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                "resumed_from": resumed_from,
                "device": device,
                "torch": torch.__version__,
                "python": platform.python_version(),
                "ended": None,
            }
        )
        self.save()
        return len(self.sessions)

    def close_session(self, step: int, reason: str) -> None:
        self.sessions[-1].update(ended=reason, last_step=step)
        self.save()

    def refuse_other(self, **found: dict[str, Any]) -> None:
        """Raise `InputError` with the differences if config, model or data are not the run's."""
        differences = [
            f"{group}.{key}：原来 {was}，现在 {found[group].get(key)}"
            for group in found
            for key in sorted(getattr(self, group).keys() | found[group].keys())
            if (was := getattr(self, group).get(key)) != found[group].get(key)
        ]
        if differences:
            raise InputError(
                f"{self.run} 里的训练与这次的设置不同（{'；'.join(differences)}）："
                "请用原来的设置继续，或换一个 --out 文件夹从头训练。"
            )


_FIELDS = ("run_id", "config", "model", "data", "decisions", "sessions")
