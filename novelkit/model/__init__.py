"""Stage 05: GPT-2 in plain PyTorch (`gpt2.py`), its folder on disk (`folder.py`), and a start from
any causal language model (`opening.py`) in another vocabulary, context or with adapters."""

from novelkit.model.causal import CausalCache, CausalConfig, CausalLM
from novelkit.model.context import fit_context
from novelkit.model.folder import (
    load_model,
    load_transformers_state,
    read_config,
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
from novelkit.model.interface import LanguageModel
from novelkit.model.lora import (
    LoraReport,
    LoraSettings,
    add_lora,
    embedding_modules,
    has_lora,
    merge_lora,
)
from novelkit.model.opening import OpenedModel, Start, new_cache, open_model, start_from
from novelkit.model.packing import pack_half
from novelkit.model.sizes import (
    MemorySettings,
    describe_sizes,
    propose_micro_batch,
    size_report,
)
from novelkit.model.transplant import TransplantReport, fit_vocabulary, transplant

__all__ = [
    "GPT2",
    "PRESETS",
    "Cache",
    "CausalCache",
    "CausalConfig",
    "CausalLM",
    "LanguageModel",
    "LoraReport",
    "LoraSettings",
    "MemorySettings",
    "ModelConfig",
    "OpenedModel",
    "Start",
    "TransplantReport",
    "add_lora",
    "attention",
    "describe",
    "describe_sizes",
    "embedding_modules",
    "fit_context",
    "fit_vocabulary",
    "has_lora",
    "load_model",
    "load_transformers_state",
    "merge_lora",
    "new_cache",
    "open_model",
    "pack_half",
    "preset",
    "propose_micro_batch",
    "read_config",
    "save_model",
    "size_report",
    "start_from",
    "state_for_transformers",
    "transplant",
    "weights_sha256",
]
