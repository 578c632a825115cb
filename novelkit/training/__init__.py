"""Stage 06: train a GPT-2 on a prepared DATA folder, with exact resume.

`train` in `loop.py` is the place to start reading; `config.py` holds every setting.
"""

from novelkit.training.config import Budget, TrainConfig
from novelkit.training.data import evaluate
from novelkit.training.export import Scores
from novelkit.training.history import read_history, without_clock
from novelkit.training.loop import TrainResult, train
from novelkit.training.progress import TrainingBar
from novelkit.training.run import Hooks

__all__ = [
    "Budget",
    "Hooks",
    "Scores",
    "TrainConfig",
    "TrainResult",
    "TrainingBar",
    "evaluate",
    "read_history",
    "train",
    "without_clock",
]
