"""Logs of training, ours and other trainers', as the records that the curve is read from.

`read_log` takes a RUN folder, `trainer_state.json` of transformers' Trainer (or its output folder),
a CSV or TSV table, JSON Lines, or TensorBoard's event files. `merging` makes one record for each
step of them.
"""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from novelkit import layouts
from novelkit.diagnosis.merging import Row, choose_columns, field_of, number_of, plain, to_records
from novelkit.errors import InputError
from novelkit.training.history import Record, read_history

STATE_FILE = "trainer_state.json"
HISTORY_FILES = (layouts.HISTORY_FILE, layouts.PACKED_HISTORY_FILE)
DELIMITERS = ",\t;|"
# Folders into which Keras puts a split each, under the same tags.
SPLIT_FOLDERS = ("train", "validation", "valid", "val", "eval")


def read_log(path: Path | str) -> tuple[list[Record], dict[str, Any]]:
    """The records of a log, and the "data" of its ledger, {} for any log but a RUN folder's.

    Losses are None where the log says NaN, and validation losses stand at the step that was
    trained before them. Raises `InputError` for what is no log or has no training loss.
    """
    path = Path(path)
    try:
        if not path.exists():
            raise InputError(f"没有找到 {path}：请检查路径。")
        if path.name in (layouts.RUN_FILE, *HISTORY_FILES):
            path = path.parent
        if _is_run(path):
            return _read_run(path)
        rows = _read_folder(path) if path.is_dir() else _read_file(path)
    except OSError as error:
        raise InputError(
            f"读不了 {path}（{error.strerror or error}）：请检查文件和权限。"
        ) from error
    records = to_records(rows)
    if not records:
        raise InputError(_why_empty(path, rows))
    return records, {}


def _is_run(path: Path) -> bool:
    return any((path / name).is_file() for name in (layouts.RUN_FILE, *HISTORY_FILES))


def _read_run(run: Path) -> tuple[list[Record], dict[str, Any]]:
    ledger = run / layouts.RUN_FILE
    data = layouts.read_header(ledger, "novelkit-run")["data"] if ledger.is_file() else {}
    records = read_history(run)
    if not any("loss" in record for record in records):
        raise InputError(f"{run} 里还没有一步训练，没有曲线可看：请先训练，或检查路径。")
    return records, data


def _why_empty(path: Path, rows: list[Row]) -> str:
    """The one line that says why rows gave no record."""
    if not rows:
        return f"{path} 里一行记录都没有：可能还没有开始训练，请检查路径，或训练几步后再来。"
    column = choose_columns(rows).get("loss", "")
    cells = [str(row[column]) for row in rows if row.get(column)]
    if cells and number_of(cells[0]) is None:
        return (
            f"{path} 的 {column} 这一列不是数（如 {cells[0][:40]!r}）："
            "请只记录数字，PyTorch 的损失用 loss.item()。"
        )
    names = "、".join(list(dict.fromkeys(name for row in rows for name in row))[:8])
    shown = "".join(letter for letter in names if letter.isprintable())[:120]
    return (
        f"{path} 里没有训练损失，只有 {shown}：请把每步的损失记在名为 loss 或 train_loss 的列里"
        "（transformers 的 Trainer 要设 logging_steps）。"
    )


def _read_folder(folder: Path) -> list[Row]:
    rows = _read_trainer(folder)
    if rows is not None:
        return rows
    if files := sorted(folder.rglob("events.out.tfevents.*")):
        return _read_events(folder, files)
    raise InputError(
        f"{folder} 里没有认识的训练记录：文件夹里要有 {layouts.HISTORY_FILE}、{STATE_FILE} 或 "
        "TensorBoard 的 events.out.tfevents.*；CSV 和 JSON Lines 请直接给出那个文件。"
    )


def _read_file(path: Path) -> list[Row]:
    if "tfevents" in path.name:
        return _read_events(path, [path])
    with path.open("rb") as file:
        if b"\0" in file.read(4096):
            raise InputError(f"{path} 不是 UTF-8 的文本：请另存为 UTF-8 的 CSV 或 JSON Lines。")
    # Names of columns in another encoding are none that we know, and the numbers are ASCII.
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    return _read_json(path, text) if text.lstrip()[:1] in ("{", "[") else _read_table(path, text)


def _read_trainer(folder: Path) -> list[Row] | None:
    """The log of transformers' Trainer, None where the folder has none.

    Of the checkpoints the last whose state is whole; the folder's own unless training went on.
    """
    checkpoints = [
        (int(number), path)
        for path in folder.glob(f"checkpoint-*/{STATE_FILE}")
        if (number := path.parent.name.removeprefix("checkpoint-")).isdecimal()
    ]
    paths = [path for _, path in sorted(checkpoints, reverse=True)]
    own = [folder / STATE_FILE] if (folder / STATE_FILE).is_file() else []
    if not own + paths:
        return None
    newest = next(filter(None, map(_read_state, paths)), None)
    whole = [state for state in (*map(_read_state, own), newest) if state]
    if not whole:
        raise InputError(
            f"{folder} 里的 {STATE_FILE} 都不完整（共 {len(own + paths)} 个）："
            "保存时可能被打断，请换一份完整的副本，或再训练到下一个检查点。"
        )
    state = max(whole, key=lambda state: state.get("global_step") or 0)
    return [row for row in state["log_history"] if isinstance(row, dict)]


def _read_state(path: Path) -> dict[str, Any] | None:
    """None for a file that a kill has torn."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    whole = isinstance(state, dict) and isinstance(state.get("log_history"), list)
    return state if whole else None


def _read_json(path: Path, text: str) -> list[Row]:
    """A trainer's state, a list of records, or a record in each line."""
    try:
        value = json.loads(text)
        found = value.get("log_history", [value]) if isinstance(value, dict) else value
    except ValueError:
        found = list(_parse_lines(text))
    rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
    if not rows and found != []:
        raise InputError(
            f"{path} 不是完整的 JSON，也不是一行一条记录的 JSON Lines："
            "文件可能没有写完，请重新复制或导出。"
        )
    return rows


def _parse_lines(text: str) -> Iterator[Any]:
    """The lines that are JSON; None for one that is not, as the last of a killed run."""
    for line in text.split("\n"):
        try:
            yield json.loads(line)
        except ValueError:
            yield None


def _read_table(path: Path, text: str) -> list[Row]:
    """The rows of a CSV or TSV whose first line names the columns."""
    text = text.lstrip("\r\n")
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        rows = [{name.strip(): cell for name, cell in row.items() if name} for row in reader]
    except csv.Error as error:
        raise InputError(f"{path} 不是表格（{error}）：请另存为 UTF-8 的 CSV。") from error
    # A kill tears the last line, and "2.3" of 2.31 would be a number too.
    torn = rows and not text.endswith(("\n", "\r")) and None in rows[-1].values()
    return rows[:-1] if torn else rows


def _delimiter(text: str) -> str:
    """What the sniffer finds, if it parts the header; else the commonest in the header."""
    header = text.partition("\n")[0]
    commonest = max(DELIMITERS, key=header.count)
    try:
        found = csv.Sniffer().sniff(text[:8192], DELIMITERS).delimiter
    except csv.Error:
        return commonest
    parts = found in header and any(map(field_of, header.split(found)))
    return found if parts else commonest


def _read_events(path: Path, files: list[Path]) -> list[Row]:
    """The scalars of a run in the order in which they were written; each file is a session.

    Raises `InputError` without the package tensorboard, and where several runs lie in the folder.
    """
    loaded = sorted(filter(None, map(_load_events, files)), key=lambda part: part[0])
    runs: dict[Path, list[list[Row]]] = {}
    for _, run, rows in loaded:
        runs.setdefault(run, []).append(rows)
    trained = {
        run: parts
        for run, parts in runs.items()
        if any(field_of(name) == "loss" for rows in parts for row in rows for name in row)
    }
    if len(trained) > 1:
        names = "、".join(run.name for run in list(trained)[-5:])
        raise InputError(
            f"{path} 里有 {len(trained)} 次训练的记录（如 {names}）：请给出其中一个文件夹。"
        )
    parts = next(iter((trained or runs).values()), [])
    return [{**row, "session": session} for session, rows in enumerate(parts) for row in rows]


def _load_events(path: Path) -> tuple[float, Path, list[Row]] | None:
    """When an event file begins, the folder of its run, and its scalars, one a row in their order.

    None for a file without an event.
    """
    accumulator = _open_events(path)
    try:
        begin = accumulator.FirstEventTimestamp()
    except ValueError:
        return None
    events = [
        (event, tag) for tag in accumulator.Tags()["scalars"] for event in accumulator.Scalars(tag)
    ]
    for tag in accumulator.Tags()["tensors"]:
        if accumulator.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
            events += [(event, tag) for event in accumulator.Tensors(tag)]
    events.sort(key=lambda entry: entry[0].wall_time)
    names = {tag: _name_in(path.parent, tag) for _, tag in events}
    in_parts = any(tag != name for tag, name in names.items())
    rows = [{"step": event.step, names[tag]: _value(event)} for event, tag in events]
    return begin, path.parent.parent if in_parts else path.parent, rows


def _open_events(path: Path) -> Any:
    """TensorBoard's reader with every scalar loaded, also those kept as tensors."""
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError as error:
        raise InputError(
            f"{path} 是 TensorBoard 的记录，这里没有读它的包：请先运行 pip install tensorboard。"
        ) from error
    try:
        return EventAccumulator(str(path), size_guidance={"scalars": 0, "tensors": 0}).Reload()
    except Exception as error:  # its errors are TensorFlow's own where that is installed
        reason = " ".join(str(error).split())
        raise InputError(f"{path} 打不开（{reason}）：文件可能损坏，请重新复制一份。") from error


def _value(event: Any) -> float:
    """The number of a scalar, whether it was written as one or as a tensor."""
    if hasattr(event, "value"):
        return event.value
    from tensorboard.util.tensor_util import make_ndarray

    return float(make_ndarray(event.tensor_proto).reshape(-1)[0])


def _name_in(folder: Path, tag: str) -> str:
    """The tag, with the folder's name where that tells training from validation.

    `add_scalars("Loss", {"train": ...})` writes the tag Loss into a folder Loss_train.
    """
    place = plain(folder.name)
    if place.startswith(f"{plain(tag)}_"):
        return place
    return f"{place}/{tag}" if place in SPLIT_FOLDERS else tag
