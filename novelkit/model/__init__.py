"""Stage 05: GPT-2 in plain PyTorch (`gpt2.py`), and its folder on disk (`folder.py`)."""

from novelkit.model.folder import (
    load_model,
    load_transformers_state,
    save_model,
    state_for_transformers,
    weights_sha256,
)
from novelkit.model.gpt2 import (
    GPT2,
    PRESETS,
    Cache,
    ModelConfig,
    attention,
    describe,
    preset,
)

__all__ = [
    "GPT2",
    "PRESETS",
    "Cache",
    "ModelConfig",
    "attention",
    "describe",
    "load_model",
    "load_transformers_state",
    "preset",
    "save_model",
    "state_for_transformers",
    "weights_sha256",
]
