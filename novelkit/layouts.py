"""The layouts of the DATA, RUN and model folders: file names, keys and version numbers.

This is the one place where they are written down. A reader refuses a version that it does not
know, so a layout changes only together with its number. Every file is a standard format that
other tools open: UTF-8 text, JSON, JSON Lines, `.npy`, `.safetensors`, `tokenizer.json`.

DATA (written by `prepare`, read by `train`)
    data.json             {"format": "novelkit-data", "version": 1,
                           "tokenizer": "char", "tokenizer_sha256", "vocabulary",
                           "novels": [{"title", "chapters", "characters", "file", ...}],
                           "splits": {"train" | "validation" | "test":
                                      {"file", "sha256", "tokens", "characters", "chapters"}},
                           "anchors": {"uniform", "unigram", "bigram", "trigram", "xz"},
                           "preflight": {...}}         anchors are in nats per character
    train.npy, validation.npy, test.npy
                          the token ids of a split as one 1-D array, uint16 or uint32, in reading
                          order; training maps it into memory and cuts it into blocks
    train.txt, validation.txt, test.txt
                          the text of each split, from which the ids were made
    tokenizer.json, tokenizer_config.json
                          the tokenizer, as `transformers.AutoTokenizer` loads it
    novels/NAME.jsonl     one chapter a line (see `novelkit.cleaning.novel`)
    novels/NAME.report.json
                          how the encoding was found and what each cleaning rule removed

RUN (written by `train`, read by `diagnose`, `train --resume`)
    run.json              the ledger: {"format": "novelkit-run", "version": 1, "config", "model",
                           "data", "decisions": [{"step", "kind", "value", "reason"}],
                           "sessions": [{"id", "started", "resumed_from", "ended", ...}]};
                          kinds of decisions: compute, cycle, minutes, patience
    history.jsonl         one line a step, append-only; after a resume a step may stand there
                          twice, and the later line counts (`training.history.read_history`)
    checkpoints/step-00000500/
                          model.safetensors, optimizer.safetensors, random.safetensors,
                          state.json, and, written last, manifest.json with the size and sha256
                          of the others
    best/step-00000400/   model.safetensors and manifest.json of the best evaluation
    model/                the exported model folder

Model folder (written by `train`, read by `write`, `AutoModelForCausalLM`, `AutoTokenizer`)
    config.json, generation_config.json, model.safetensors
                          GPT-2 as `transformers.GPT2LMHeadModel` stores it
    tokenizer.json, tokenizer_config.json
    novelkit.json         {"format": "novelkit-model", "version": 1, "novels", "scores", "step"}
"""

import json
import os
from pathlib import Path
from typing import Any

from novelkit.errors import InputError

VERSION = 1

DATA_FILE = "data.json"
RUN_FILE = "run.json"
MODEL_FILE = "novelkit.json"
HISTORY_FILE = "history.jsonl"
CHECKPOINTS_FOLDER = "checkpoints"
BEST_FOLDER = "best"
MODEL_FOLDER = "model"
NOVELS_FOLDER = "novels"
SPLITS = ("train", "validation", "test")
# What a header must hold besides its format and version, so that no reader meets a hole.
REQUIRED_KEYS = {
    "novelkit-data": ("tokenizer_sha256", "vocabulary", "novels", "splits", "anchors"),
    "novelkit-run": ("config", "model", "data", "decisions", "sessions"),
}


def write_text(path: Path, text: str) -> None:
    """Write `text` so that the file is either the old one or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; NaN is refused, since JSON has none."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def read_header(path: Path, format_name: str) -> dict[str, Any]:
    """Read a folder's JSON header and check its format and version; raises `InputError`."""
    if not path.is_file():
        raise InputError(
            f"没有找到 {path}：这个文件夹里没有 {format_name} 的说明文件，请检查路径。"
        )
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} 不是完整的 JSON（{error}）：请重新生成这个文件夹。") from error
    if not isinstance(header, dict) or header.get("format") != format_name:
        raise InputError(f"{path} 不是 {format_name} 的说明文件：请检查给出的文件夹。")
    if header.get("version") != VERSION:
        raise InputError(
            f"{path} 的版本是 {header.get('version')}，这个程序只认识 {VERSION}：请重新生成。"
        )
    missing = [key for key in REQUIRED_KEYS.get(format_name, ()) if key not in header]
    if missing:
        raise InputError(f"{path} 缺少 {'、'.join(missing)}：文件不完整，请重新生成这个文件夹。")
    return header
