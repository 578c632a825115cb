"""Which optimizer moves which weight, and its state as named tensors.

Weight decay falls on matrices only: it would pull the scale of a norm towards zero and means
nothing for a bias. Muon takes the matrices of the blocks and leaves embeddings, norms and biases
to AdamW (Loshchilov and Hutter, arXiv:1711.05101). SGD and Adafactor are PyTorch's, LAMB (You et
al. 2019, arXiv:1904.00962) is that of the package `pytorch_optimizer`.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Embedding
from torch.optim import SGD, Adafactor, AdamW, Optimizer

from novelkit.errors import InputError
from novelkit.model import LanguageModel, embedding_modules
from novelkit.training.config import TrainConfig
from novelkit.training.muon import Muon

Named = dict[str, nn.Parameter]


def build_optimizers(
    model: LanguageModel, config: TrainConfig, dtype: torch.dtype = torch.float32
) -> dict[str, Optimizer]:
    """The optimizers of a run by name; together they hold every trainable parameter once.

    `dtype` is the one that the device computes fast, for Muon's iteration.
    """
    named = {name: item for name, item in model.named_parameters() if item.requires_grad}
    if config.optimizer != "muon":
        return {config.optimizer: _one_for_all(_groups(named, config), config)}
    hidden = hidden_matrices(model)
    rest = {name: item for name, item in named.items() if name not in hidden}
    groups = [{**group, "factor": config.adamw_factor} for group in _groups(rest, config)]
    optimizers: dict[str, Optimizer] = {"adamw": _adamw(groups, config)}
    if hidden:
        optimizers["muon"] = Muon(
            _by_axis_of_thirds(hidden),
            lr=config.peak_rate,
            weight_decay=config.weight_decay,
            momentum=config.beta1,
            dtype=dtype,
        )
    return optimizers


def hidden_matrices(model: LanguageModel) -> Named:
    """The trained matrices from hidden features to hidden features, which Muon was made for.

    Not a table with a row a token or a position, and not the thin matrices of an adapter.
    """
    tables = [*embedding_modules(model), *(m for m in model.modules() if isinstance(m, Embedding))]
    excluded = {id(parameter) for table in tables for parameter in table.parameters()}
    return {
        name: item
        for name, item in model.named_parameters()
        if item.requires_grad
        and item.dim() == 2
        and id(item) not in excluded
        and "lora_" not in name
    }


def _by_axis_of_thirds(hidden: Named) -> list[dict[str, Any]]:
    """Groups for Muon: matrices that hold query, key and value as thirds of an axis, and others."""
    groups: dict[int | None, list[nn.Parameter]] = {}
    for name, item in hidden.items():
        fused = any(part in name for part in ("query_key_value", "c_attn", "qkv"))
        axis = item.shape[0] < item.shape[1]  # transformers' Conv1D keeps (in, out)
        thirds = fused and max(item.shape) == 3 * min(item.shape)
        groups.setdefault(int(axis) if thirds else None, []).append(item)
    return [{"params": items, "axis": axis} for axis, items in groups.items()]


def _groups(named: Named, config: TrainConfig) -> list[dict[str, Any]]:
    matrices = [parameter for parameter in named.values() if parameter.dim() >= 2]
    others = [parameter for parameter in named.values() if parameter.dim() < 2]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _one_for_all(groups: list[dict[str, Any]], config: TrainConfig) -> Optimizer:
    if config.optimizer == "sgd":
        # Its decay is added to the gradient, which for SGD is the same as the decoupled one.
        nesterov = config.beta1 > 0
        return SGD(groups, lr=config.peak_rate, momentum=config.beta1, nesterov=nesterov)
    if config.optimizer == "adafactor":
        return Adafactor(groups, lr=config.peak_rate)
    if config.optimizer == "lamb":
        return _lamb(groups, config)
    return _adamw(groups, config)


def _adamw(groups: list[dict[str, Any]], config: TrainConfig) -> AdamW:
    betas = (config.beta1, config.beta2)
    # fused: one kernel for all parameters.
    return AdamW(groups, lr=config.peak_rate, betas=betas, fused=True)


def _lamb(groups: list[dict[str, Any]], config: TrainConfig) -> Optimizer:
    try:
        from pytorch_optimizer import Lamb
    except ImportError as error:
        raise InputError(
            "LAMB 来自 pytorch_optimizer，这台机器上没有："
            "请先 pip install pytorch-optimizer，或换一个优化器。"
        ) from error
    return Lamb(groups, lr=config.peak_rate, betas=(config.beta1, config.beta2))


def set_learning_rate(optimizers: dict[str, Optimizer], learning_rate: float) -> None:
    """Give every parameter group this learning rate, times its own factor."""
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * group.get("factor", 1.0)


@torch.no_grad()
def shrink(optimizers: dict[str, Optimizer], amount: float) -> None:
    """Move the entries of all matrices towards zero by `amount`, and not beyond: L1's pull.

    The proximal step of an L1 penalty (Duchi and Singer 2009), decoupled from the gradient as
    weight decay is.
    """
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.dim() >= 2:
                    parameter.copy_(nn.functional.softshrink(parameter, amount))


def _parameter_names(model: nn.Module, optimizer: Optimizer) -> list[str]:
    """The names of an optimizer's parameters, in the order of its `state_dict`."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [names[id(item)] for group in optimizer.param_groups for item in group["params"]]


def state_tensors(model: nn.Module, optimizers: dict[str, Optimizer]) -> dict[str, Tensor]:
    """The state of all optimizers as `optimizer/parameter/key` -> tensor, for safetensors.

    Some optimizers count their steps once a group: `optimizer/#group/step`.
    """
    tensors = {}
    for kind, optimizer in optimizers.items():
        names = _parameter_names(model, optimizer)
        for index, state in optimizer.state_dict()["state"].items():
            for key, value in state.items():
                tensor = value if isinstance(value, Tensor) else torch.tensor(value)
                # A copy: optimizers may keep several values in one storage.
                tensors[f"{kind}/{names[index]}/{key}"] = tensor.detach().cpu().clone()
        for number, group in enumerate(optimizer.param_groups):
            if "step" in group:
                tensors[f"{kind}/#{number}/step"] = torch.tensor(group["step"])
    return tensors


def load_state_tensors(
    model: nn.Module, optimizers: dict[str, Optimizer], tensors: dict[str, Tensor]
) -> None:
    """Put back what `state_tensors` took out; raises `KeyError` for an unknown parameter."""
    for kind, optimizer in optimizers.items():
        indices = {name: i for i, name in enumerate(_parameter_names(model, optimizer))}
        state: dict[int, dict[str, Tensor]] = {}
        groups = optimizer.state_dict()["param_groups"]
        for name, key, tensor in _owned(kind, tensors):
            if name.startswith("#"):
                groups[int(name[1:])][key] = tensor.item()
            else:
                state.setdefault(indices[name], {})[key] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": groups})


def _owned(kind: str, tensors: dict[str, Tensor]) -> Iterator[tuple[str, str, Tensor]]:
    for path, tensor in tensors.items():
        owner, name, key = path.split("/")
        if owner == kind:
            yield name, key, tensor
