"""Everything that a run carries from step to step, into a checkpoint and out of it."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from novelkit import checkpoint, layouts
from novelkit.training.disk import writing_to
from novelkit.training.optimizers import load_state_tensors, state_tensors
from novelkit.training.step import Learner

_FORMAT = "novelkit-state"


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


def save_state(run: Path, state: State, learner: Learner, keep: int) -> None:
    """Write a checkpoint of this step and drop the checkpoints and best weights it replaces."""
    state.scaler = learner.scaler.state_dict()
    header = {"format": _FORMAT, "version": layouts.VERSION, "state": asdict(state)}
    tensors = state_tensors(learner.model, learner.optimizers)
    parent = run / layouts.CHECKPOINTS_FOLDER
    with writing_to(run):
        checkpoint.write_checkpoint(
            parent,
            state.step,
            {
                "model.safetensors": lambda path: save_file(weights(learner), path),
                "optimizer.safetensors": lambda path: save_file(tensors, path),
                "random.safetensors": lambda path: save_file(_random_state(), path),
                "state.json": lambda path: layouts.write_json(path, header),
            },
        )
    checkpoint.keep_newest(parent, keep, state.step)
    # Should this checkpoint be damaged, a resume goes back to an older one and its best weights.
    needed = {_best_step(folder) for folder in checkpoint.list_checkpoints(parent)}
    for folder in checkpoint.list_checkpoints(run / layouts.BEST_FOLDER):
        if checkpoint.checkpoint_step(folder) not in needed:
            checkpoint.delete(folder)


def _best_step(folder: Path) -> int | None:
    """Which best weights a checkpoint counts on; None if it has none or cannot be read."""
    try:
        header = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        return header["state"]["best_step"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def load_state(folder: Path, learner: Learner) -> State:
    """Put a checkpoint back; returns its counters."""
    learner.model.load_state_dict(load_file(folder / "model.safetensors"))
    tensors = load_file(folder / "optimizer.safetensors")
    load_state_tensors(learner.model, learner.optimizers, tensors)
    _restore_random_state(load_file(folder / "random.safetensors"))
    state = State(**layouts.read_header(folder / "state.json", _FORMAT)["state"])
    if state.scaler:
        learner.scaler.load_state_dict(state.scaler)
    return state


def save_best(run: Path, state: State, learner: Learner) -> None:
    """Keep the weights of the best evaluation so far."""
    with writing_to(run):
        checkpoint.write_checkpoint(
            run / layouts.BEST_FOLDER,
            state.step,
            {"model.safetensors": lambda path: save_file(weights(learner), path)},
        )


def weights(learner: Learner) -> dict[str, Tensor]:
    """The model's weights on the CPU, by name."""
    return {name: tensor.cpu() for name, tensor in learner.model.state_dict().items()}


def _random_state() -> dict[str, Tensor]:
    """PyTorch's generators, which dropout draws from; data order and sampling have their own."""
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    if torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state()
    return state


def _restore_random_state(state: dict[str, Tensor]) -> None:
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
    if "mps" in state and torch.backends.mps.is_available():
        torch.mps.set_rng_state(state["mps"])
