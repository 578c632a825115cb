"""One process or several (torchrun, accelerate launch): who they are and how they agree.

Several processes share one run: each takes its rows of every batch, gradients are averaged by
PyTorch's `DistributedDataParallel`, and the first process alone reads and writes the run folder
and tells the others. Built on `accelerate`, which knows the launchers, the devices and the
backends (gloo on CPUs, NCCL on GPUs). One process alone needs none of it.
"""

import atexit
import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import nn

from novelkit.errors import InputError

Value = TypeVar("Value")


@dataclass(frozen=True)
class Processes:
    """This process among `count`; the methods of one alone do nothing."""

    rank: int = 0
    count: int = 1

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def share(self, value: Value) -> Value:
        """The main process's `value`, for all; what the others pass is ignored."""
        if self.count == 1:
            return value
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([value], from_process=0)[0]

    def from_main(self, work: Callable[[], Value]) -> Value:
        """What `work` returns or raises in the main process, which alone does it, for all."""
        if self.count == 1:
            return work()
        found: Value | None = None
        failure: Exception | None = None
        if self.is_main:
            try:
                found = work()
            except Exception as error:
                failure = error
        found, failure = self.share((found, failure))
        if failure is not None:
            raise failure
        return found  # type: ignore[return-value]

    def gather(self, values: Sequence[Any]) -> list[Any]:
        """The values of all processes, in the order of their ranks."""
        if self.count == 1:
            return list(values)
        from accelerate.utils import gather_object

        return gather_object(list(values))

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module with gradients that are averaged over the processes after `backward`."""
        if self.count == 1 or not any(item.requires_grad for item in module.parameters()):
            return module
        on_gpu = next(module.parameters()).is_cuda
        devices = [torch.cuda.current_device()] if on_gpu else None
        return nn.parallel.DistributedDataParallel(module, device_ids=devices)

    def without_exchange(self, module: nn.Module) -> contextlib.AbstractContextManager[None]:
        """Inside, `backward` only adds to this process's own gradients."""
        if isinstance(module, nn.parallel.DistributedDataParallel):
            return module.no_sync()
        return contextlib.nullcontext()

    def rows(self, batch_size: int, parts: int = 1) -> slice:
        """This process's share of a batch, which it takes in `parts` equal ones.

        Raises `InputError` if there are no equal shares or parts.
        """
        share, rest = divmod(batch_size, self.count)
        if rest or share % parts:
            raise InputError(
                f"每步 {batch_size} 段文字不能平均分给 {self.count} 个进程、每个再分 {parts} 次："
                f"请把 batch_size 改成 {self.count * parts} 的倍数。"
            )
        return slice(self.rank * share, (self.rank + 1) * share)


def find_processes(use_cpu: bool = False) -> Processes:
    """Who this process is, by the environment that a launcher sets; joins the others."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Processes()
    from accelerate import PartialState

    state = PartialState(cpu=use_cpu or not torch.cuda.is_available())
    # A group whose threads still live when the interpreter has gone aborts a run that is done.
    atexit.register(state.destroy_process_group)
    return Processes(state.process_index, state.num_processes)
