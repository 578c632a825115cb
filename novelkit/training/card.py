"""The README of an exported model: data, settings, curve and scores, from the run's own files."""

import math
from collections.abc import Iterable
from typing import Any

from novelkit.scores import ANCHOR_NAMES
from novelkit.training.history import Record

CURVE_ROWS = 12
# What the table of books may say of a book.
_TOLD = {"author": "作者", "style": "风格", "repeat": "遍数"}

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
    novels = data["novels"]
    told = {name: label for name, label in _TOLD.items() if any(name in book for book in novels)}
    remarks = list(dict.fromkeys(name for book in novels for name in book.get("remarks", {})))
    rows = (
        [
            book["title"],
            *(book.get(name, "") for name in told),
            book["chapters"],
            book["characters"],
            "整本留作测试" if book.get("held_out", {}).get("whole") else "训练",
            *(book.get("remarks", {}).get(name, "") for name in remarks),
            book["source"].get("sha256", ""),
        ]
        for book in novels
    )
    head = ("书", *told.values(), "章", "字", "用途", *remarks, "原文件的 sha256")
    splits = (
        [name, part["chapters"], part["characters"], part["tokens"]]
        for name, part in data["splits"].items()
    )
    return (
        "## 数据\n\n"
        + _table(head, rows)
        + _headers(data)
        + f"\n\n分词器：{data['tokenizer']}，词表 {data['vocabulary']:,} 项。按整章划分：\n\n"
        + _table(("划分", "章", "字", "词元"), splits)
        + ("\n\n训练的字和词元含重复的遍数。" if "repeat" in told else "")
        + "\n\n版权：权重是从上面的文字里学来的。书若仍受版权保护，公开这个模型之前请先取得授权；"
        "公版书请在这里写明依据。"
    )


def _headers(data: dict[str, Any]) -> str:
    if "headers" not in data:
        return ""
    share = data["splits"]["train"]["header_tokens"] / data["splits"]["train"]["tokens"]
    return (
        f"\n\n训练文字的一些段落前面有题头（占词元的 {share:.1%}，不算损失），每一项都随机省去："
        "`书名：…；作者：…；风格：…；章节：…；人物：甲、乙`，前面是 `<|book|>`，后面是换行。"
        "续写时给哪几项都行，不给也行。"
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
