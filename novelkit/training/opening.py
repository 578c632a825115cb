"""Opening a run folder: is it new or an old one, what may go on in it, and from where?

What is refused here would otherwise be the learner's worst evening: training that silently begins
again from scratch, or goes on with other data than it began with.
"""

import uuid
from pathlib import Path
from typing import Any

from novelkit import checkpoint, layouts
from novelkit.environment import Compute, choose_compute
from novelkit.errors import InputError
from novelkit.model import GPT2, LanguageModel, describe
from novelkit.model.sizes import MemorySettings, propose_micro_batch, show_bytes
from novelkit.training.config import TrainConfig
from novelkit.training.data import TrainingData
from novelkit.training.history import read_history
from novelkit.training.ledger import Ledger
from novelkit.training.memory import available_memory
from novelkit.training.processes import Processes
from novelkit.training.state import State


def identity(
    config: TrainConfig, model: LanguageModel, data: TrainingData
) -> dict[str, dict[str, Any]]:
    """What a run was told and what it reads: the same for all of its sessions."""
    return {"config": config.as_dict(), "model": describe(model), "data": data.identity}


def open_ledger(
    out: Path, config: TrainConfig, model: LanguageModel, data: TrainingData, resume: bool
) -> Ledger:
    """The ledger of `out`, new or old; raises `InputError` for a run that may not go on."""
    told = identity(config, model, data)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} 是一个文件，不是文件夹：请换一个 --out。")
    if not (out / layouts.RUN_FILE).exists():
        _refuse_leftovers(out)
        return Ledger(out, uuid.uuid4().hex, told["config"], told["model"], told["data"])
    if not resume:
        raise InputError(f"{out} 里已经有一次训练：继续它请加 --resume，重新开始请换一个文件夹。")
    ledger = Ledger.read(out)
    ledger.refuse_other(**told)
    return ledger


def _refuse_leftovers(out: Path) -> None:
    """Without its ledger nothing says what the checkpoints of a folder belong to."""
    leftovers = (layouts.HISTORY_FILE, layouts.CHECKPOINTS_FOLDER, layouts.BEST_FOLDER)
    found = [name for name in leftovers if (out / name).exists()]
    if found:
        raise InputError(
            f"{out} 里有 {'、'.join(found)}，却没有 {layouts.RUN_FILE}，"
            "说不清是哪次训练留下的：请找回它，或换一个文件夹。"
        )


def find_checkpoint(out: Path, checkpoint_steps: int) -> tuple[Path | None, list[str]]:
    """The checkpoint to go on from, and what was passed over, each a Chinese line.

    Raises `InputError` for a run that has lost all of its checkpoints.
    """
    folder, damaged = checkpoint.newest_valid(out / layouts.CHECKPOINTS_FOLDER)
    exists = (out / layouts.HISTORY_FILE).exists()
    last = max((record["step"] for record in (read_history(out) if exists else [])), default=0)
    # Step `checkpoint_steps` saves before the next one begins.
    if folder is None and (damaged or last > checkpoint_steps):
        problem = "；".join(damaged) or f"训练到过第 {last} 步，检查点却一个也没有"
        raise InputError(
            f"{out} 没有可用的检查点（{problem}）：继续就等于从头开始，所以停在这里。"
            f"请从备份找回 {layouts.CHECKPOINTS_FOLDER}，或换一个文件夹从头训练。"
        )
    if folder is None and last:
        return None, [f"上次停在第 {last} 步，还没存过检查点，从第 1 步重来"]
    return folder, [f"跳过检查点 {problem}" for problem in damaged]


def forget_damaged_best(out: Path, state: State, processes: Processes) -> list[str]:
    """Drop best weights that are damaged from `state`, and say so in a Chinese line."""
    if state.best_step is None:
        return []
    best = checkpoint.checkpoint_path(out / layouts.BEST_FOLDER, state.best_step)
    problem = processes.from_main(lambda: checkpoint.damage(best))
    if problem is None:
        return []
    state.best_step = state.best_loss = None
    return [f"{layouts.BEST_FOLDER}/{problem}，最好的权重改从以后的验证里选"]


def decide_compute(ledger: Ledger, wanted: Compute | None, step: int) -> Compute:
    """Device and precision: as the ledger says, unless the device is another one now."""
    decided, now = ledger.decided("compute"), wanted or choose_compute()
    if decided and decided["value"]["device"] == now.device:
        # A run begun on an A100 in bfloat16 may go on on a T4, which only emulates it.
        emulated = (now.device, decided["value"]["dtype"], now.dtype)
        if emulated != ("cuda", "bfloat16", "float16"):
            return Compute(**decided["value"], reason=decided["reason"])
    found = wanted or choose_compute(measure=True)
    value = {name: getattr(found, name) for name in ("device", "dtype", "use_grad_scaler")}
    ledger.decide(step, "compute", value, found.reason)
    return found


def decide_parts(
    ledger: Ledger, model: LanguageModel, config: TrainConfig, compute: Compute, rows: slice
) -> None:
    """Let a new run take its rows of a batch in as many parts as its memory asks for.

    By a formula, with a margin: a step that runs out of memory all the same takes smaller parts.
    """
    memory = available_memory(compute.device)
    if ledger.sessions or memory is None or not isinstance(model, GPT2):
        return
    count = rows.stop - rows.start
    settings = MemorySettings(
        dtype=compute.dtype,
        optimizer=config.optimizer,
        device=compute.device,
        average=bool(config.ema_decay),
    )
    try:
        micro_batch = propose_micro_batch(model.config, count, memory, settings)
    except InputError:
        micro_batch = 1  # the formula may be too careful
    parts = count // micro_batch
    if parts > config.accumulation:
        found = f"可用的内存是 {show_bytes(memory)}"
        reason = f"{found}：每步的 {count} 段分 {parts} 次过，每次 {micro_batch} 段"
        ledger.decide(0, "accumulation", parts, reason)
