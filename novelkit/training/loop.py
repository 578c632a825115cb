"""The training loop: a DATA folder and a model in, a RUN folder out, resumable after any kill.

Read `train` first, then `Run` in `run.py`, which holds the pieces that it puts in order, and
`Learner.update` in `step.py`, which is one step. The same code runs in one process and in several
(`torchrun`, `accelerate launch`), see `processes.py`.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from novelkit import layouts
from novelkit.environment import Compute
from novelkit.errors import WorkError
from novelkit.model import LanguageModel, ModelConfig, Start
from novelkit.training.config import Budget, TrainConfig
from novelkit.training.data import Progress
from novelkit.training.export import Scores, export_model
from novelkit.training.interrupt import catch_interrupts
from novelkit.training.run import Hooks, OnNotice, OnStep, Run, Sample


@dataclass(frozen=True)
class TrainResult:
    """What a run came to; `scores` are those of the best weights on the whole held-out splits."""

    run: Path
    model: Path
    steps: int
    loss: float | None  # of the last step, nats per token
    best_step: int | None
    scores: Scores
    stopped: str  # "finished", "no improvement", "interrupted", "nothing to do"
    resumed_from: int | None
    skipped: tuple[str, ...]  # what was damaged and passed over, each a Chinese line
    seconds: float


def train(
    data: Path,
    out: Path,
    model: ModelConfig | Path | str | Start | LanguageModel,
    config: TrainConfig | None = None,
    budget: Budget | None = None,
    resume: bool = False,
    on_step: OnStep | None = None,
    compute: Compute | None = None,
    on_score: Progress | None = None,
    on_notice: OnNotice | None = None,
    sample: Sample | None = None,
    compiles: bool | None = None,
    mirror: Path | None = None,
) -> TrainResult:
    """Train a model on a prepared DATA folder: a new one of this size, or one to start from.

    The latter by its folder, its name on the Hub, as `model.start_from` gives it, or itself.

    With `resume`, a run in `out` goes on; without, a folder that holds one is refused. `compute`
    is the device and precision of a new run, chosen by capability and measurement if it is None;
    `compiles` passes the model through torch.compile, by default where that pays. `mirror`
    receives copies of the checkpoints, from which `resume` restores a lost run. The callbacks are
    explained in `Hooks`. Raises `InputError` for what cannot be trained, `WorkError` for a
    loss that is no number or a full disk.
    """
    began = time.monotonic()
    hooks = Hooks(on_step, on_score, on_notice, sample)
    config, budget = config or TrainConfig(), budget or Budget()
    run = Run(
        Path(data), Path(out), model, config, budget, resume, compute, hooks, compiles, mirror
    )
    stopped = _take_steps(run, began)
    scores = run.processes.from_main(lambda: export_model(run, on_score))
    return TrainResult(
        run=run.out,
        model=run.out / layouts.MODEL_FOLDER,
        steps=run.state.step,
        loss=run.state.last_loss,
        best_step=run.state.best_step,
        scores=scores,
        stopped=stopped,
        resumed_from=run.resumed_from,
        skipped=tuple(run.skipped),
        seconds=time.monotonic() - began,
    )


def _take_steps(run: Run, began: float) -> str:
    """Step by step until the plan, a signal or a failure ends it; says which."""
    if run.plan.finished:
        return "nothing to do"
    run.describe_needs()
    run.ledger.open_session(run.resumed_from, run.learner.compute.device)
    history = run.open_history()
    stopped = "going on"
    try:
        with catch_interrupts() as interrupted:
            while stopped == "going on":
                record = run.one_step()
                history.append(record)
                if run.hooks.on_step and run.processes.is_main:
                    run.hooks.on_step(record, run.plan.cycle.end)
                stopped = run.after_step(time.monotonic() - began, bool(interrupted))
    except WorkError:
        run.close_failed()
        raise
    finally:
        history.close()
    run.ledger.close_session(run.state.step, stopped)
    return stopped
