"""Any causal language model of `transformers` behind the interface of our GPT-2.

Covers what `AutoModelForCausalLM` knows, Llama and Qwen2 among them. Does not cover code that a
model brings along, quantised weights, and models that read in both directions.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from novelkit import layouts
from novelkit.errors import InputError
from novelkit.model.interface import LanguageModel, Sizes
from novelkit.model.weights import weight_files

# A model with relative positions reads far more than a block of training should hold.
DEFAULT_CONTEXT = 1024


@dataclass(frozen=True)
class CausalConfig(Sizes):
    """The sizes of a model of `transformers`; `n_ctx` is how much of its context is used here."""

    architecture: str
    n_layer: int
    n_head: int
    n_embd: int


class CausalCache:
    """What a model keeps of the tokens read so far, `length` of them."""

    def __init__(self) -> None:
        from transformers import DynamicCache

        self.past = DynamicCache()
        self.length = 0


class CausalLM(LanguageModel):
    """Token ids (B, T) to next-token logits (B, T, vocab_size), computed by `transformers`."""

    config: CausalConfig

    def __init__(self, model: Any, n_ctx: int | None = None) -> None:
        super().__init__()
        self.model = model
        self.config = read_sizes(model, n_ctx)
        # safetensors stores no tensor twice: a tied head is left out and put back.
        self.register_state_dict_post_hook(_leave_out_tied)
        self.register_load_state_dict_pre_hook(_put_back_tied)

    @property
    def token_embedding(self) -> nn.Embedding:
        """The input embedding, under the name that it has in our GPT-2."""
        return self.model.get_input_embeddings()

    @property
    def is_tied(self) -> bool:
        """Whether the head is the input embedding again."""
        head = self.model.get_output_embeddings()
        return head is None or head.weight is self.token_embedding.weight

    def forward(self, ids: Tensor, cache: CausalCache | None = None) -> Tensor:
        """Logits (B, T, vocab_size) of the token after each of `ids` (B, T).

        With a cache, `ids` come after the tokens that it holds. Raises `ValueError` past n_ctx.
        """
        start = cache.length if cache is not None else 0
        if start + ids.size(1) > self.config.n_ctx:
            raise ValueError(f"{start + ids.size(1)} tokens, n_ctx is {self.config.n_ctx}")
        if cache is None:
            return self.model(input_ids=ids, use_cache=False).logits
        output = self.model(input_ids=ids, past_key_values=cache.past, use_cache=True)
        cache.length += ids.size(1)
        return output.logits

    def save(self, folder: Path, special_tokens: dict[str, int] | None = None) -> None:
        """Write `model.safetensors`, `config.json` and `generation_config.json` into `folder`."""
        from transformers import GenerationConfig

        folder.mkdir(parents=True, exist_ok=True)
        if special_tokens is not None:
            _name_special_tokens(self.model.config, special_tokens)
            self.model.generation_config = GenerationConfig(
                do_sample=True, top_k=50, **special_tokens
            )
        # So that a reader of the folder knows with which length it was trained.
        self.model.config.n_ctx = self.config.n_ctx
        with tempfile.TemporaryDirectory(dir=folder, prefix=".saving-") as temporary, _quiet():
            # One file, however large: its hash names the model.
            self.model.save_pretrained(temporary, max_shard_size="1000GB")
            mode = (Path(temporary) / "config.json").stat().st_mode
            for path in sorted(Path(temporary).iterdir()):
                # `save_file` makes files that only their owner may read.
                path.chmod(mode)
                with layouts.replacing(folder / path.name) as target:
                    shutil.move(path, target)


def read_sizes(model: Any, n_ctx: int | None = None) -> CausalConfig:
    """The sizes of a model of `transformers`, whatever its configuration calls them."""
    config = model.config.get_text_config()
    wanted = n_ctx or getattr(config, "n_ctx", None) or DEFAULT_CONTEXT
    return CausalConfig(
        architecture=type(model).__name__,
        vocab_size=model.get_input_embeddings().weight.size(0),
        n_ctx=min(wanted, maximum_context(model) or wanted),
        n_layer=int(getattr(config, "num_hidden_layers", 0) or 0),
        n_head=int(getattr(config, "num_attention_heads", 0) or 0),
        n_embd=int(getattr(config, "hidden_size", 0) or 0),
    )


def maximum_context(model: Any) -> int | None:
    """How many tokens the model was made to read; None where nothing limits it."""
    config = model.config.get_text_config()
    for name in ("max_position_embeddings", "max_seq_len", "seq_length"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return None


def load_causal(folder: Path, config: dict[str, Any]) -> CausalLM:
    """The model of a folder in float32, ready to write; `config` is its `config.json`.

    Raises `InputError` for what is no causal language model, or not all there.
    """
    _refuse_unknown(folder, config)
    weight_files(folder)
    model, found = _read_causal(folder)
    _refuse_holes(folder, model, found)
    _refuse_two_directions(folder, model)
    return CausalLM(model).eval()


def _read_causal(folder: Path) -> tuple[Any, dict[str, Any]]:
    """The model as the library reads it, and what it says of weights that did not fit."""
    from transformers import AutoModelForCausalLM

    reader: Any = AutoModelForCausalLM.from_pretrained
    try:
        with _quiet():
            return reader(
                folder,
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
                # Those are counted by the caller, who names what does not fit.
                ignore_mismatched_sizes=True,
            )
    # The library raises whatever the code of one of its two hundred architectures runs into.
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"{folder} 里的模型 transformers 读不进来（{reason}）："
            "文件可能不完整或已损坏，请重新下载，或换一个模型。"
        ) from error


def _refuse_unknown(folder: Path, config: dict[str, Any]) -> None:
    from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING

    kind = str(config["model_type"])
    if kind not in CONFIG_MAPPING:
        if config.get("auto_map"):
            raise InputError(
                f"{folder} 的模型（{kind}）要运行它自带的程序才能打开：别人的程序能做任何事，"
                "所以拒绝。请换一个 transformers 自己认识的模型。"
            )
        raise InputError(
            f"这个版本的 transformers 不认识 {folder} 的模型（model_type 是 {kind}）："
            "请升级 transformers，或换一个模型。"
        )
    if CONFIG_MAPPING[kind] not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise InputError(
            f"{folder} 的模型（{kind}）不是从左到右续写的语言模型，不能接着写小说："
            "请换一个，如 uer/gpt2-chinese-cluecorpussmall。"
        )
    if config.get("quantization_config"):
        raise InputError(
            f"{folder} 的权重是量化过的，只能用来读，不能接着训练：请下载它没有量化的版本。"
        )


def _refuse_holes(folder: Path, model: nn.Module, found: dict[str, Any]) -> None:
    """Raise `InputError` where the library would have filled a gap with random numbers."""
    mismatched = [item if isinstance(item, str) else item[0] for item in found["mismatched_keys"]]
    holes = sorted({*found["missing_keys"], *mismatched})
    if holes:
        raise InputError(
            f"{folder} 缺少或放错了 {len(holes)} 项权重（如 {holes[0]}）："
            "权重和 config.json 不是同一个模型，请重新下载，或换一个模型。"
        )
    if not all(torch.isfinite(parameter).all() for parameter in model.parameters()):
        raise InputError(f"{folder} 的权重里有 NaN 或无穷：请重新训练，或重新复制一份。")


@torch.no_grad()
def _refuse_two_directions(folder: Path, model: Any) -> None:
    """Raise `InputError` if a later token changes earlier logits, as in BERT.

    Its name does not tell: BERT counts as a causal model that was set up otherwise.
    """
    ids = torch.arange(1, 6)[None] % model.get_input_embeddings().weight.size(0)
    changed = ids.clone()
    changed[0, -1] = 0
    before, after = (model.eval()(input_ids=item).logits[0] for item in (ids, changed))
    change = (before - after).abs().amax(dim=1)
    # Rounding may differ a little; as a share of what the changed token does to its own logits.
    if change[:-1].max() > 1e-4 * change[-1]:
        raise InputError(
            f"{folder} 的模型（{type(model).__name__}）会看到后面的字，不是从左到右续写的："
            "用它训练等于偷看答案，请换一个因果语言模型。"
        )


def _name_special_tokens(config: Any, special_tokens: dict[str, int]) -> None:
    """Put the ids into a configuration; one that it does not get means another token now."""
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        if hasattr(config, name):
            setattr(config, name, special_tokens.get(name))


def _tied_names(model: nn.Module) -> dict[str, str]:
    """Names of parameters that are another one again, and the first name of that one."""
    first: dict[int, str] = {}
    tied = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        owner = first.setdefault(id(parameter), name)
        if owner != name:
            tied[name] = owner
    return tied


def _leave_out_tied(
    module: nn.Module, state: dict[str, Tensor], prefix: str, _metadata: Any
) -> None:
    for name in _tied_names(module):
        state.pop(f"{prefix}{name}", None)


def _put_back_tied(module: nn.Module, state: dict[str, Tensor], prefix: str, *_rest: Any) -> None:
    for name, owner in _tied_names(module).items():
        if f"{prefix}{owner}" in state:
            state.setdefault(f"{prefix}{name}", state[f"{prefix}{owner}"])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the reports and progress bars of `transformers` off the terminal."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
