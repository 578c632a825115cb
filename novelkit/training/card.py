"""The README of an exported model: data, settings, curve and scores, from the run's own files."""

import math
from collections.abc import Iterable
from typing import Any

from novelkit.scores import ANCHOR_NAMES
from novelkit.training.history import Record

CURVE_ROWS = 12

# What a hub reads of a model card (huggingface.co/docs/hub/model-cards).
_FRONT_MATTER = """---
language: zh
library_name: transformers
pipeline_tag: text-generation
---
"""


def model_card(
    name: str,
    data: dict[str, Any],
    ledger: dict[str, Any],
    history: list[Record],
    scores: dict[str, float],
    best_step: int | None,
) -> str:
    """Markdown in Chinese; `data` is the header of the DATA folder, `ledger` that of the run."""
    parts = [
        _FRONT_MATTER,
        f"# {name}\n\n用 novelkit 训练的中文小说模型：给它一段开头，它逐字续写。",
        _data(data),
        _settings(ledger, best_step),
        _curve(history),
        _scores(scores, data["anchors"]),
        _limits(),
    ]
    return "\n\n".join(parts) + "\n"


def _data(data: dict[str, Any]) -> str:
    rows = (
        [novel["title"], novel["chapters"], novel["characters"], novel["source"].get("sha256", "")]
        for novel in data["novels"]
    )
    splits = (
        [name, part["chapters"], part["characters"], part["tokens"]]
        for name, part in data["splits"].items()
    )
    return (
        "## 数据\n\n"
        + _table(("书", "章", "字", "原文件的 sha256"), rows)
        + f"\n\n分词器：{data['tokenizer']}，词表 {data['vocabulary']:,} 项。按整章划分：\n\n"
        + _table(("划分", "章", "字", "词元"), splits)
        + "\n\n版权：权重是从上面的文字里学来的。书若仍受版权保护，公开这个模型之前请先取得授权；"
        "公版书请在这里写明依据。"
    )


def _settings(ledger: dict[str, Any], best_step: int | None) -> str:
    values = {**ledger["model"], **ledger["config"]}
    decisions = ([item["step"], item["kind"], item["reason"]] for item in ledger["decisions"])
    sessions = (
        [item["id"], item["started"], item["device"], item["torch"], item.get("last_step", "")]
        for item in ledger["sessions"]
    )
    return (
        "## 训练\n\n"
        f"导出的是第 {best_step} 步（验证损失最低）的权重。\n\n"
        + _table(("设置", "值"), values.items())
        + "\n\n训练中的决定：\n\n"
        + _table(("步", "什么", "为什么"), decisions)
        + "\n\n各次训练：\n\n"
        + _table(("次", "开始", "设备", "PyTorch", "到第几步"), sessions)
    )


def _curve(history: list[Record]) -> str:
    evaluated = [record for record in history if "validation_loss" in record]
    every = max(1, -(-len(evaluated) // CURVE_ROWS))
    # The last one always: it is where the run ended.
    shown = [*evaluated[:-1:every], *evaluated[-1:]]
    rows = (
        [
            record["step"],
            f"{record['loss']:.3f}",
            f"{record['validation_loss']:.3f}",
            f"{record['bits_per_character']:.3f}",
        ]
        for record in shown
    )
    return "## 损失\n\n" + _table(("步", "训练（nats／词元）", "验证", "验证（比特／字）"), rows)


def _scores(scores: dict[str, float], anchors: dict[str, float]) -> str:
    found = [
        ("这个模型，验证章节", scores["validation_bits_per_character"]),
        ("这个模型，测试章节", scores["test_bits_per_character"]),
    ]
    found += [
        (f"{ANCHOR_NAMES[name][0]}，验证章节", nats / math.log(2))
        for name, nats in anchors.items()
        if name in ANCHOR_NAMES
    ]
    rows = ([name, f"{value:.3f}"] for name, value in found)
    return "## 分数（比特／字，越低越好）\n\n" + _table(("模型", "比特／字"), rows)


def _limits() -> str:
    return (
        "## 能做什么，不能做什么\n\n"
        "它学的是上面这些书的字句，不懂事理，也不记得几百字以前的情节；写出的话可能冒犯人，"
        "也可能整段照抄训练文本，用之前请查重。"
    )


def _table(head: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    lines = [list(head), *(list(row) for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(value: Any) -> str:
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
