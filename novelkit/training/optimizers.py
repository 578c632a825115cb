"""Which optimizer moves which weight, and its state as named tensors.

Weight decay falls on matrices only: it would pull the scale of a norm towards zero and means
nothing for a bias. Muon (Jordan 2024; `torch.optim.Muon`) takes the matrices of the blocks, whose
updates it orthogonalises; embeddings, norms and biases stay with AdamW (Loshchilov and Hutter,
arXiv:1711.05101).
"""

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

from novelkit.training.config import TrainConfig

Named = dict[str, nn.Parameter]


def build_optimizers(model: nn.Module, config: TrainConfig) -> dict[str, Optimizer]:
    """The optimizers of a run by name; together they hold every parameter exactly once."""
    named = dict(model.named_parameters())
    hidden = {
        name: parameter
        for name, parameter in named.items()
        if config.optimizer == "muon" and parameter.dim() == 2 and name.startswith("blocks.")
    }
    rest = {name: parameter for name, parameter in named.items() if name not in hidden}
    optimizers: dict[str, Optimizer] = {"adamw": _adamw(rest, config)}
    if hidden:
        optimizers["muon"] = Muon(
            list(hidden.values()),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            # Scales an update to the size of AdamW's, so that both take one learning rate.
            adjust_lr_fn="match_rms_adamw",
        )
    return optimizers


def _adamw(named: Named, config: TrainConfig) -> AdamW:
    matrices = [parameter for parameter in named.values() if parameter.dim() >= 2]
    others = [parameter for parameter in named.values() if parameter.dim() < 2]
    return AdamW(
        [
            {"params": matrices, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        # One kernel for all parameters where the device has it.
        fused=True,
    )


def set_learning_rate(optimizers: dict[str, Optimizer], learning_rate: float) -> None:
    """Give every parameter group this learning rate."""
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = learning_rate


def _parameter_names(model: nn.Module, optimizer: Optimizer) -> list[str]:
    """The names of an optimizer's parameters, in the order of its `state_dict`."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [names[id(item)] for group in optimizer.param_groups for item in group["params"]]


def state_tensors(model: nn.Module, optimizers: dict[str, Optimizer]) -> dict[str, Tensor]:
    """The state of all optimizers as `optimizer/parameter/key` -> tensor, for safetensors."""
    tensors = {}
    for kind, optimizer in optimizers.items():
        names = _parameter_names(model, optimizer)
        for index, state in optimizer.state_dict()["state"].items():
            for key, value in state.items():
                tensor = value if isinstance(value, Tensor) else torch.tensor(value)
                tensors[f"{kind}/{names[index]}/{key}"] = tensor.detach().cpu().contiguous()
    return tensors


def load_state_tensors(
    model: nn.Module, optimizers: dict[str, Optimizer], tensors: dict[str, Tensor]
) -> None:
    """Put back what `state_tensors` took out; raises `KeyError` for an unknown parameter."""
    for kind, optimizer in optimizers.items():
        indices = {name: i for i, name in enumerate(_parameter_names(model, optimizer))}
        state: dict[int, dict[str, Tensor]] = {}
        for path, tensor in tensors.items():
            owner, name, key = path.split("/")
            if owner == kind:
                state.setdefault(indices[name], {})[key] = tensor
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
