"""The record of a writing session: what was asked, what came, what was kept; replayed and compared.

    {"format": "novelkit-writing", "version": 1, "started",
     "model": {"name", "weights_sha256", "tokenizer_sha256"},
     "machine": {"novelkit", "torch", "precision", "threads", "processor", "instructions"},
     "actions": [...], "text", "text_sha256"}

Actions, each with "kind":
    start      {"text"}: the manuscript that was there
    continue   {"settings", "guide", "count",
                "candidates": [{"tokens", "texts", "probabilities", "stopped"}]}
    accept     {"candidate"}
    reject     {}
    edit       {"start", "end", "text"}: by hand, in the characters of the manuscript
    branch     {"start", "end", "text"}: the same, with an alternative of the model
    undo, redo {}

The same seed, settings, precision, machine and versions of torch and of the kit give the same
tokens; another of them need not, and then the first difference says where.
"""

import hashlib
import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from novelkit import __version__, layouts
from novelkit.errors import InputError
from novelkit.sampling import Guide, SamplingConfig
from novelkit.tokenizing.headers import Header

FORMAT = "novelkit-writing"
VERSION = 1

_CANDIDATE = {"tokens": list, "texts": list, "probabilities": list}
_CHANGE = {"start": int, "end": int, "text": str}
# What a record and each kind of action must hold, as `layouts.holes_in` reads it.
_RECORD = {"model": dict, "machine": {"precision": str}, "text": str, "actions": [{"kind": str}]}
_ACTIONS: dict[str, dict[str, Any]] = {
    "start": {"text": str},
    "continue": {"settings": dict, "guide": dict, "count": int, "candidates": [_CANDIDATE]},
    "accept": {"candidate": int},
    "edit": _CHANGE,
    "branch": _CHANGE,
}


@dataclass(frozen=True)
class Difference:
    """The first place where a replay wrote another token."""

    action: int
    candidate: int
    position: int  # of the token in the candidate
    recorded: int | None  # None where the record ends before
    written: int | None


def new_record(model: dict[str, Any], precision: str, text: str) -> dict[str, Any]:
    """A record that begins with the manuscript that is there."""
    import torch

    return {
        "format": FORMAT,
        "version": VERSION,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": model,
        "machine": {
            "novelkit": __version__,
            "torch": torch.__version__,
            "precision": precision,
            "threads": torch.get_num_threads(),
            "processor": platform.machine(),
            # Which of them are used decides in which order sums are rounded.
            "instructions": torch.backends.cpu.get_cpu_capability(),
        },
        "actions": [{"kind": "start", "text": text}],
    }


def describe_model(folder: Path) -> dict[str, Any]:
    """The name of a model folder and what its weights and its tokenizer are, by sha256."""
    from novelkit.model import weights_sha256

    tokenizer = (folder / "tokenizer.json").read_bytes()
    return {
        "name": folder.name,
        "weights_sha256": weights_sha256(folder),
        "tokenizer_sha256": hashlib.sha256(tokenizer).hexdigest(),
    }


def settings_as_dict(config: SamplingConfig) -> dict[str, Any]:
    """All settings: a default may be another one some day."""
    return asdict(config)


def guide_as_dict(guide: Guide) -> dict[str, Any]:
    header = {k: v for k, v in asdict(guide.header).items() if v} if guide.header else {}
    given = {"header": header, "memory": guide.memory, "note": guide.note}
    return {name: value for name, value in given.items() if value}


def guide_from_dict(given: dict[str, Any]) -> Guide:
    header = dict(given.get("header", {}))
    if "names" in header:
        header["names"] = tuple(header["names"])
    return Guide(
        Header(**header) if header else None, given.get("memory", ""), given.get("note", "")
    )


def save_record(record: dict[str, Any], text: str, path: Path) -> None:
    """Write a record and the manuscript that came of it."""
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    path.parent.mkdir(parents=True, exist_ok=True)
    layouts.write_json(path, {**record, "text": text, "text_sha256": digest})


def load_record(path: Path) -> dict[str, Any]:
    """Read a record; raises `InputError` for a file that is none, damaged or newer."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"没有找到 {path}：请检查记录的路径。") from error
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} 不是完整的续写记录（{reason}）：请换一份。") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise InputError(f"{path} 不是续写记录：请给出 write --record 或写作台存下的文件。")
    if record.get("version") != VERSION:
        raise InputError(
            f"{path} 的版本是 {record.get('version')}，这个程序只认识 {VERSION}：请升级 novelkit。"
        )
    holes = list(_holes(record))
    if holes:
        raise InputError(f"{path} 缺少 {'、'.join(holes[:5])}，或类型不对：文件不完整，请换一份。")
    digest = hashlib.sha256(record["text"].encode("utf-8", "surrogatepass")).hexdigest()
    if digest != record.get("text_sha256"):
        raise InputError(f"{path} 与其中记录的 sha256 不符，文件被改过或损坏：请换一份。")
    return record


def _holes(record: dict[str, Any]) -> Iterator[str]:
    """What a record lacks; nobody may change it by hand and meet a traceback."""
    found = list(layouts.holes_in(record, _RECORD))
    yield from found
    if found:
        return
    actions = record["actions"]
    if not actions or actions[0]["kind"] != "start":
        yield "actions[0]"
    for number, action in enumerate(actions):
        shape = _ACTIONS.get(action["kind"], {})
        holes = list(layouts.holes_in(action, shape, f"actions[{number}]"))
        yield from holes
        if not holes and action["kind"] == "continue" and not _is_whole(action):
            yield f"actions[{number}].candidates"


def _is_whole(action: dict[str, Any]) -> bool:
    """Whether there are as many candidates as were asked for, and as many texts as tokens."""
    candidates = action["candidates"]
    return len(candidates) == action["count"] and all(
        len({len(item[name]) for name in _CANDIDATE}) == 1 for item in candidates
    )


def config_from_dict(settings: dict[str, Any]) -> SamplingConfig:
    """Settings of a record; raises `InputError` for one that does not exist or is out of range."""
    known = {field.name for field in fields(SamplingConfig)}
    unknown = sorted(settings.keys() - known)
    if unknown:
        raise InputError(f"记录里有不认识的设置 {'、'.join(unknown)}：请升级 novelkit。")
    return SamplingConfig(**settings)


def first_difference(
    action: int, recorded: Sequence[dict[str, Any]], written: Sequence[Sequence[int]]
) -> Difference | None:
    """Where the candidates of an action differ from what was written again; None if nowhere.

    A candidate that was stopped is compared as far as it goes.
    """
    for number, (candidate, tokens) in enumerate(zip(recorded, written, strict=True)):
        was = candidate["tokens"]
        for position, (old, new) in enumerate(_beside(was, tokens)):
            if old is None and candidate.get("stopped"):
                break
            if old != new:
                return Difference(action, number, position, old, new)
    return None


def _beside(one: Sequence[int], other: Sequence[int]) -> Iterator[tuple[int | None, int | None]]:
    for place in range(max(len(one), len(other))):
        yield (
            one[place] if place < len(one) else None,
            other[place] if place < len(other) else None,
        )
