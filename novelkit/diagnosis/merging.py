"""Lines of any trainer's log -> records as `training.history` has them.

A row is a dict from a column's name to a number, or a text that may spell one. Loggers name the
same thing in many ways, put what they trained and what they evaluated on separate lines, and go
on in the same file after a restart; here this becomes one record for each logged step.
"""

import functools
import math
import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from novelkit.training.history import Record

Row = dict[str, Any]
Fields = dict[str, float]  # NaN where the log says that there was no number

# Names as `plain` spells them, the likeliest first.
ALIASES = {
    "step": "trainer_global_step train_global_step global_step step steps iteration iterations "
    "iter train_iter train_step 步数 步",
    "loss": "loss train_loss training_loss train_loss_step loss_step loss_train loss_training "
    "train_training_loss train_epoch_loss train_loss_epoch loss_epoch epoch_loss 训练损失 损失 "
    "train training",
    "validation_loss": "validation_loss val_loss valid_loss eval_loss loss_validation loss_val "
    "loss_valid loss_eval val_loss_epoch valid_loss_epoch validation_loss_epoch "
    "validation_epoch_loss val_epoch_loss 验证损失",
    "learning_rate": "learning_rate lr train_learning_rate train_lr lr_adamw lr_adam 学习率",
    "gradient_norm": "gradient_norm grad_norm train_grad_norm train_gradient_norm 梯度范数",
    "epoch": "epoch train_epoch trainer_epoch epochs",
    # What our own histories hold; they may come under another file name. Not "tokens", by which
    # other loggers mean all tokens so far.
    **{name: name for name in ("update_ratio", "loss_spread", "scale", "skipped", "clipped")},
    "session": "session",
}
FIELDS = {alias: field for field, aliases in ALIASES.items() for alias in aliases.split()}
WHOLE = ("step", "epoch", "session")


@functools.cache
def plain(name: str) -> str:
    """A column's name in small letters and underscores; wandb puts "RUN - " before its own."""
    name = name.rsplit(" - ", 1)[-1].lower()
    return re.sub(r"[\W_]+", "_", name).strip("_")


def field_of(name: str) -> str | None:
    """The field of a record that a column of this name holds."""
    return FIELDS.get(plain(name))


def to_records(rows: Sequence[Row]) -> list[Record]:
    """Records in order of their steps, "loss" in each, None where it was no number.

    Empty where no row has a training loss. Rows stand in the order in which they were written.
    """
    columns = choose_columns(rows)
    if "loss" not in columns:
        return []
    lines = [fields for row in rows if (fields := _read_fields(row, columns))]
    lines = _join_lines(_in_order(_with_steps(lines)))
    _mark_lost_end(lines)
    _count_on_through_epochs(lines)
    return _finish(_attach_evaluations(_merge_sessions(lines)))


def choose_columns(rows: Sequence[Row]) -> dict[str, str]:
    """The fullest column for each field; of equally full ones the likeliest name.

    So the one mean that a trainer adds at its end does not pass for the losses of steps.
    """
    names = {name for row in rows for name in row if field_of(name)}
    ranks = {alias: rank for rank, alias in enumerate(FIELDS)}
    ordered = sorted(names, key=lambda name: (ranks[plain(name)], name))
    columns: dict[str, str] = {}
    for field in sorted(ALIASES, key=lambda field: field == "step"):
        counted = rows
        # wandb counts its own lines too: only where a loss stands do the columns compete.
        if field == "step" and "loss" in columns:
            counted = [
                row for row in rows if number_of(row.get(columns["loss"])) is not None
            ] or rows
        candidates = [name for name in ordered if field_of(name) == field]
        if candidates:
            columns[field] = max(candidates, key=lambda name: _count(name, counted))
    return columns


def _count(name: str, rows: Sequence[Row]) -> int:
    return sum(number_of(row.get(name)) is not None for row in rows)


def number_of(value: Any) -> float | None:
    """NaN for what is spelled as no number (nan, inf), None for an empty cell and other text."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else math.nan


def _read_fields(row: Row, columns: dict[str, str]) -> Fields:
    # The last line of transformers holds means over the whole run.
    if number_of(row.get("train_runtime")) is not None:
        return {}
    numbers = {field: number_of(row.get(name)) for field, name in columns.items()}
    return {
        field: number
        for field, number in numbers.items()
        if number is not None and not (field in WHOLE and math.isnan(number))
    }


def _mark_lost_end(lines: list[Fields]) -> None:
    """Give the lines after the last loss that only lack it a loss that is NaN.

    Pandas writes NaN as an empty cell or null. Where such lines also stand between losses, the log
    just has its learning rates on lines of their own.
    """
    trained = {fields["step"] for fields in lines if "loss" in fields}
    bare = [
        fields
        for fields in lines
        if fields.keys() & {"learning_rate", "gradient_norm"}
        and "validation_loss" not in fields
        and fields["step"] not in trained
    ]
    last = max(trained, default=-math.inf)
    if all(fields["step"] > last for fields in bare):
        for fields in bare:
            fields["loss"] = math.nan


def _with_steps(lines: list[Fields]) -> list[Fields]:
    """Each line with its step; where the log counts none, what was trained is numbered from 1."""
    counts = any("step" in fields for fields in lines)
    step = 0.0
    for fields in lines:
        # An evaluation without a step belongs to what was trained before it.
        trained = bool(fields.keys() - {"validation_loss", "epoch"})
        step = fields.get("step", step) if counts else step + trained
        fields["step"] = float(int(step))
    return lines


def _in_order(lines: list[Fields]) -> list[Fields]:
    """Tables in the web show the newest line first, and so are they exported."""
    steps = [fields["step"] for fields in lines]
    falls = steps[:1] > steps[-1:] and steps == sorted(steps, reverse=True)
    return lines[::-1] if falls else lines


def _join_lines(lines: list[Fields]) -> list[Fields]:
    """Neighbouring lines of one step as one; of two numbers the later counts."""
    return [
        functools.reduce(_join, same) for _, same in groupby(lines, lambda fields: fields["step"])
    ]


def _join(first: Fields, second: Fields) -> Fields:
    """Both lines of a step; a second evaluation is that of the best model, put back at the end."""
    kept = {"validation_loss"} if "loss" in second else {"validation_loss", "session"}
    return {**first, **second, **{name: first[name] for name in kept & first.keys()}}


def _count_on_through_epochs(lines: list[Fields]) -> None:
    """Make one count of steps that begin anew in each epoch.

    A restart also goes back in its steps, but not forward in its epochs.
    """
    trained = [fields for fields in lines if "loss" in fields]
    pairs = zip(trained, trained[1:], strict=False)
    back = [(old, new) for old, new in pairs if new["step"] <= old["step"]]
    if not all(int(old.get("epoch", 0)) < int(new.get("epoch", 0)) for old, new in back):
        return
    firsts = {id(new): old["step"] + (new["step"] == 0) for old, new in back}
    before = 0.0
    for fields in lines:
        before += firsts.get(id(fields), 0.0)
        fields["step"] += before


def _merge_sessions(lines: list[Fields]) -> dict[int, Fields]:
    """One entry a step. Training that goes back belongs to a new session, and undoes the old."""
    by_step: dict[int, Fields] = {}
    last, session = (-math.inf, 0.0), 0
    for fields in lines:
        step = int(fields["step"])
        if "loss" in fields:
            place = (step, fields.get("session", 0.0))
            if step <= last[0]:
                by_step = {old: value for old, value in by_step.items() if old < step}
            session += step <= last[0] or place[1] != last[1]
            last = place
            fields = {**fields, "session": float(session)}
        by_step[step] = _join(by_step.get(step, {}), fields)
    return by_step


def _attach_evaluations(by_step: dict[int, Fields]) -> dict[int, Fields]:
    """The steps with a training loss, each with an evaluation of its own or the next one after it.

    A record without a loss would look like training that met NaN, so an evaluation between two
    records goes to the earlier, whose weights came first; of several, the nearest. One before all
    training has no record to go to and is left out.
    """
    trained: dict[int, Fields] = {}
    for step in sorted(by_step):
        fields = by_step[step]
        if "loss" in fields:
            trained[step] = last = dict(fields)
        elif trained and "validation_loss" in fields:
            last.setdefault("validation_loss", fields["validation_loss"])
    return trained


def _finish(trained: dict[int, Fields]) -> list[Record]:
    """Records with None for NaN, and sessions counted from 1 where there are several."""
    sessions = sorted({fields["session"] for fields in trained.values()})
    records = []
    for step, fields in trained.items():
        record: Record = {"step": step, "loss": None}
        for name in (name for name in ALIASES if name in fields and name != "step"):
            value = fields[name]
            whole = int(value) if name in WHOLE else value
            record[name] = None if math.isnan(value) else whole
        record["session"] = sessions.index(fields["session"]) + 1
        if len(sessions) == 1:
            del record["session"]
        records.append(record)
    return records
