"""Everything that a run carries from step to step, into a checkpoint and out of it.

Not in it, because they are functions of the seed and the step: the order of the data, the dice of
dropout, the learning rate.
"""

import json
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from novelkit import checkpoint, layouts
from novelkit.model import LanguageModel
from novelkit.training.disk import writing_to
from novelkit.training.optimizers import load_state_tensors, state_tensors
from novelkit.training.step import Learner

_FORMAT = "novelkit-state"
_STATE_FILE = "state.json"


@dataclass
class State:
    """The counters of a run; tensors are the `Learner`'s."""

    step: int = 0
    tokens: int = 0
    best_step: int | None = None
    best_loss: float | None = None
    last_loss: float | None = None
    evaluations_without_gain: int = 0
    scaler: dict[str, Any] = field(default_factory=dict)


def save_state(run: Path, state: State, learner: Learner, keep: int) -> Path:
    """Write a checkpoint of this step and drop the checkpoints and best weights it replaces."""
    state.scaler = learner.scaler.state_dict()
    header = {"format": _FORMAT, "version": layouts.VERSION, "state": asdict(state)}
    tensors = {name: partial(save_file, named) for name, named in _tensors(learner).items()}
    parent = run / layouts.CHECKPOINTS_FOLDER
    with writing_to(run):
        folder = checkpoint.write_checkpoint(
            parent,
            state.step,
            {
                **tensors,
                _STATE_FILE: lambda path: layouts.write_json(path, header),
            },
        )
    checkpoint.keep_newest(parent, keep, state.step)
    # Should this checkpoint be damaged, a resume goes back to an older one and its best weights.
    needed = {_best_step(folder) for folder in checkpoint.list_checkpoints(parent)}
    for best in checkpoint.list_checkpoints(run / layouts.BEST_FOLDER):
        if checkpoint.checkpoint_step(best) not in needed:
            checkpoint.delete(best)
    return folder


def _tensors(learner: Learner) -> dict[str, dict[str, Tensor]]:
    """The files of a checkpoint that hold tensors."""
    files = {
        "model.safetensors": weights(learner.model),
        "optimizer.safetensors": state_tensors(learner.model, learner.optimizers),
    }
    if learner.average:
        files["average.safetensors"] = weights(learner.average.model)
    return files


def _best_step(folder: Path) -> int | None:
    """Which best weights a checkpoint counts on; None if it has none or cannot be read."""
    try:
        header = json.loads((folder / _STATE_FILE).read_text(encoding="utf-8"))
        return header["state"]["best_step"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def load_state(folder: Path | None, learner: Learner) -> State:
    """Put a checkpoint back, in every process; returns its counters.

    The main process alone needs to see `folder`: it hands the content to the others.
    """
    processes = learner.processes
    content = processes.share(_read(folder) if processes.is_main and folder else None)
    if content is None:
        return State()
    counters, tensors = content
    learner.model.load_state_dict(tensors["model.safetensors"])
    load_state_tensors(learner.model, learner.optimizers, tensors["optimizer.safetensors"])
    if learner.average:
        learner.average.load_state_dict(tensors["average.safetensors"])
    state = State(**counters)
    if state.scaler:
        learner.scaler.load_state_dict(state.scaler)
    return state


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]]:
    counters = layouts.read_header(folder / _STATE_FILE, _FORMAT)["state"]
    return counters, {path.name: load_file(path) for path in folder.glob("*.safetensors")}


def save_best(run: Path, state: State, learner: Learner) -> None:
    """Keep the weights of the best evaluation so far."""
    best = weights(learner.evaluated)
    with writing_to(run):
        checkpoint.write_checkpoint(
            run / layouts.BEST_FOLDER, state.step, {"model.safetensors": partial(save_file, best)}
        )


def weights(model: LanguageModel) -> dict[str, Tensor]:
    """A model's weights on the CPU, by name."""
    return {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
