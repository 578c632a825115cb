"""The preflight of a DATA folder: what could make training on its texts worthless, counted.

`preflight` counts, `explain` says what follows. Near duplicates and texts that were written twice
in other words are not looked for.
"""

from collections import Counter
from typing import Any

import numpy as np

from novelkit.tokenizing.blocks import Blocks
from novelkit.tokenizing.characters import CharTokenizer

# Exactly repeated paragraphs of at least this length are no coincidence of short dialogue.
DUPLICATE_CHARACTERS = 20
# What the smallest preset trains with by default: texts that make no step with these make none
# at all. Written out, since this stage comes before the model's and imports nothing of it.
TINY_CONTEXT = 128
TINY_BATCH = 16
# How messages call the splits.
SPLIT_NAMES = {"train": "训练", "validation": "验证", "test": "测试"}


def preflight(
    tokenizer: CharTokenizer, texts: dict[str, str], gap: int, training: np.ndarray
) -> dict[str, Any]:
    """What could make training on these texts worthless, counted before it starts.

    `training` are the ids of the training split; an epoch is counted for the smallest preset.
    """
    paragraphs = {
        name: {line for line in text.splitlines() if len(line) >= DUPLICATE_CHARACTERS}
        for name, text in texts.items()
    }
    held_out = paragraphs["validation"] | paragraphs["test"]
    blocks = len(Blocks(training, TINY_CONTEXT))
    return {
        "lost_characters": sum(_lost(tokenizer, text) for text in texts.values()),
        "gap_characters": gap,
        "byte_fallback_characters": {
            name: tokenizer.count_fallback(text) for name, text in texts.items()
        },
        "paragraphs_in_train_and_held_out": len(paragraphs["train"] & held_out),
        "replacement_characters": {
            name: text.count("\N{REPLACEMENT CHARACTER}") for name, text in texts.items()
        },
        "tiny_preset": {
            "context": TINY_CONTEXT,
            "batch_size": TINY_BATCH,
            "blocks": blocks,
            "steps_per_epoch": -(-blocks // TINY_BATCH),
        },
    }


def _lost(tokenizer: CharTokenizer, text: str) -> int:
    """Characters of `text` that do not come back from their ids; 0 is what is promised."""
    back = tokenizer.decode(tokenizer.encode(text))
    # The same characters in another order are no loss of any one, and yet not the same text.
    return 0 if back == text else max(1, (Counter(text) - Counter(back)).total())


def explain(counts: dict[str, Any]) -> list[str]:
    """Every count of a preflight that is not 0, with what follows from it, in Chinese lines."""
    found = []
    if count := counts["lost_characters"]:
        found.append(f"{count:,} 个字编码再解码后变了样：模型会学到错的文字，请不要用这份数据训练")
    if count := counts["gap_characters"]:
        found.append(
            f"这本书分不出足够的章，只好在段落之间切开，切口处空出的 {count:,} 个字哪边都不用"
        )
    if count := _by_split(counts["byte_fallback_characters"]):
        found.append(
            f"{count} 个字不在词表里，按 UTF-8 字节拼写（一个字占几个词元）："
            "不会丢字，但模型写这些字容易出错"
        )
    if count := counts["paragraphs_in_train_and_held_out"]:
        found.append(
            f"{count:,} 段文字在训练和留出的章节里都有：留出的损失会偏低，背下来的会显得像学会的"
        )
    if count := _by_split(counts["replacement_characters"]):
        found.append(f"{count} 个 U+FFFD（原文件里损坏的字）：模型会学着写出它，有完好的文件请换用")
    return found


def _by_split(counts: dict[str, int]) -> str:
    """Counts that are not 0, as 训练 3、测试 1."""
    return "、".join(f"{SPLIT_NAMES[name]} {count:,}" for name, count in counts.items() if count)
