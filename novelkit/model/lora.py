"""LoRA: train two thin matrices beside each large one, and fold them in at the end.

Hu et al. 2021, arXiv:2106.09685, as the package `peft` does it: y = W x + (alpha / rank) B A x,
where B starts at zero, so that training starts from the very model. Only A and B have gradients
and optimizer state, which is what saves memory; the finished folder is a plain model again.
"""

from dataclasses import dataclass
from typing import Any

from torch import nn

from novelkit.errors import InputError
from novelkit.model.causal import CausalLM
from novelkit.model.gpt2 import GPT2
from novelkit.model.interface import LanguageModel

# The linear maps of a block of our GPT-2. The paper adapts attention only; it takes all of them to
# come near full fine-tuning (Dettmers et al. 2023, arXiv:2305.14314, section 4).
GPT2_TARGETS = ("query_key_value", "project", "expand", "contract")
ALL_LINEAR = "all-linear"


@dataclass(frozen=True)
class LoraSettings:
    """Size and place of the adapters."""

    rank: int = 8
    # The adapters' output is scaled by alpha / rank.
    alpha: float = 16
    dropout: float = 0.0
    # Names of modules; none means every linear map of the blocks.
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise InputError(f"LoRA 的 rank 是 {self.rank}，至少是 1：请改正后再训练。")
        if not self.alpha > 0:
            raise InputError(f"LoRA 的 alpha 是 {self.alpha}，必须大于 0：请改正后再训练。")
        if not 0 <= self.dropout < 1:
            raise InputError(
                f"LoRA 的 dropout 是 {self.dropout}，必须在 [0, 1) 之间：请改正后再训练。"
            )


@dataclass(frozen=True)
class LoraReport:
    """How much of a model is trained."""

    trainable: int
    total: int
    adapters: int  # how many linear maps got one
    trains_embeddings: bool

    def describe(self) -> str:
        """One paragraph in Chinese."""
        text = (
            f"LoRA：在 {self.adapters} 个线性层旁边各加一对小矩阵，只训练 {self.trainable:,} 个数"
            f"（连小矩阵共 {self.total:,} 个，占 {self.trainable / self.total:.1%}），其余冻结；"
            "导出时合并进原来的权重。"
        )
        if self.trains_embeddings:
            text += "词表换过，新字的向量必须学，所以嵌入表（和输出层）照常训练，不只是小矩阵。"
        return text


def add_lora(
    model: LanguageModel, settings: LoraSettings | None = None, train_embeddings: bool = False
) -> LoraReport:
    """Put adapters into a model, in place, and freeze the rest.

    With `train_embeddings` the input embedding and the head stay trainable, which an exchanged
    vocabulary needs. The adapters are drawn from PyTorch's generator. Raises `InputError` without
    `peft`, for targets that the model does not have, and for a model that has adapters.
    """
    settings = settings or LoraSettings()
    if has_lora(model):
        raise InputError(
            "这个模型已经有 LoRA 了，不能再加一层：请先合并（merge_lora），或重新打开。"
        )
    inner, targets = _place(model, settings)
    _inject(inner, settings, targets)
    # Whatever `peft` thinks of embeddings: what trains is said here, in one place.
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "lora_" in name
    if train_embeddings:
        for module in embedding_modules(model):
            module.requires_grad_(True)
    adapters = sum(1 for module in model.modules() if hasattr(module, "lora_A"))
    trainable = sum(item.numel() for item in model.parameters() if item.requires_grad)
    return LoraReport(trainable, model.count_parameters(), adapters, train_embeddings)


def has_lora(model: nn.Module) -> bool:
    """Whether a model has adapters that are not folded in."""
    return any(hasattr(module, "lora_A") for module in model.modules())


def merge_lora(model: nn.Module) -> None:
    """Fold the adapters into the weights, in place: a plain model with everything trainable.

    Raises `InputError` if a weight would become NaN or infinite.
    """
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if hasattr(child, "lora_A"):
                setattr(parent, name, _merged(child))
    for module in model.modules():
        # What `peft` left of itself, and what `transformers` would take for an adapter to save.
        module.__dict__.pop("peft_config", None)
        module.__dict__.pop("_hf_peft_config_loaded", None)
    model.requires_grad_(True)


def _merged(layer: Any) -> nn.Module:
    """The layer without its adapter; experts of a mixture have one adapter around another."""
    if hasattr(layer.base_layer, "lora_A"):
        layer.base_layer = _merged(layer.base_layer)
    try:
        layer.merge(safe_merge=True)
    except ValueError as error:
        raise InputError(
            "LoRA 合并后的权重里有 NaN 或无穷：训练已经发散，请用更早的检查点，或减小学习率重来。"
        ) from error
    return layer.base_layer


def _place(model: LanguageModel, settings: LoraSettings) -> tuple[nn.Module, list[str] | str]:
    """The module that `peft` works on, and its targets."""
    if isinstance(model, CausalLM):
        # Needs the model of `transformers` itself to know which linear map is the head.
        return model.model, list(settings.targets) or ALL_LINEAR
    if isinstance(model, GPT2):
        return model, list(settings.targets or GPT2_TARGETS)
    raise TypeError(f"neither GPT2 nor CausalLM: {type(model).__name__}")


def _inject(inner: nn.Module, settings: LoraSettings, targets: list[str] | str) -> None:
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise InputError(
            "LoRA 来自 peft，这台机器上没有：请先 pip install peft，或去掉 LoRA 做全量训练。"
        ) from error
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]
        lora_dropout=settings.dropout,
        target_modules=targets,
    )
    linear = {name for name, item in inner.named_modules() if isinstance(item, nn.Linear)}
    try:
        inject_adapter_in_model(config, inner)
    except ValueError as error:
        merge_lora(inner)  # half of them may be in place, and they change nothing yet
        reason = " ".join(str(error).split())[:200]
        known = "、".join(sorted({name.rpartition(".")[2] for name in linear}))
        wanted = targets if isinstance(targets, str) else "、".join(targets)
        raise InputError(
            f"LoRA 加不到 {wanted} 上（{reason}）：这个模型的线性层叫 {known}，请从里面选。"
        ) from error


def embedding_modules(model: LanguageModel) -> list[nn.Module]:
    """The modules that hold a row a token: the input embedding, and the head if it has its own."""
    if isinstance(model, CausalLM):
        head = model.model.get_output_embeddings()
        return [model.token_embedding, *([] if head is None else [head])]
    return [model.token_embedding]  # type: ignore[list-item]
