"""What a run will need, said before it starts: parameters, memory, and time by a rehearsed step."""

import time
from typing import Any

import torch

from novelkit.model import GPT2, MemorySettings, describe_sizes, size_report
from novelkit.training.batches import Batch
from novelkit.training.memory import available_memory
from novelkit.training.planning import Plan
from novelkit.training.step import Learner

# A CPU rehearses about so many tokens: a whole batch of a large model would take a minute.
CPU_TOKENS = 2048


def describe_needs(learner: Learner, batch: Batch, plan: Plan) -> list[str]:
    """Chinese lines on the run that begins with `batch`; learns nothing."""
    compute, lines = learner.compute, [learner.compute.reason]
    if isinstance(learner.model, GPT2):
        lines.append(describe_sizes(_size_report(learner)))
    step = plan.state.step + 1
    seconds = _seconds_a_step(learner, batch)
    found = f"试算一步约 {_show_seconds(seconds)}（{compute.device}，{compute.dtype}）"
    if plan.cycle.end is not None:
        steps = plan.cycle.end - step + 1
        lines.append(f"{found}：还要训练 {steps:,} 步，约 {_show_seconds(steps * seconds)}。")
    else:
        steps = int((plan.minutes or 0) * 60 / seconds)
        lines.append(f"{found}：{plan.minutes:g} 分钟约能训练 {steps:,} 步。")
    return lines


def _size_report(learner: Learner) -> dict[str, Any]:
    compute, config = learner.compute, learner.config
    settings = MemorySettings(
        dtype=compute.dtype,
        optimizer=config.optimizer,
        device=compute.device,
        average=learner.average is not None,
    )
    assert isinstance(learner.model, GPT2)
    memory = available_memory(compute.device)
    return size_report(learner.model.config, config.batch_size, memory, settings)


def _seconds_a_step(learner: Learner, batch: Batch) -> float:
    """Forward and backward of a whole batch, from the second of two passes of a part of it."""
    rows, context = batch.inputs.shape
    part = max(1, min(rows, CPU_TOKENS // context))
    if learner.compute.device != "cpu":
        part = rows // learner.parts
    tried = Batch(batch.inputs[:part], batch.targets[:part], batch.epoch, batch.position)
    seconds = 0.0
    for _ in range(2):
        began = time.perf_counter()
        learner.rehearse(tried, parts=1)
        if learner.compute.device == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - began
    return max(seconds, 1e-6) * rows / part


def _show_seconds(seconds: float) -> str:
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} 小时"
    if seconds >= 90:
        return f"{seconds / 60:.0f} 分钟"
    return f"{seconds:.0f} 秒" if seconds >= 10 else f"{seconds:.2g} 秒"
