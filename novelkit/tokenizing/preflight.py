"""The preflight of a DATA folder: what could make training on its texts worthless, counted.

`preflight` counts, `explain` says what follows, `refuse_leaks`, `refuse_short` and `refuse_losses`
end the work. Near duplicates and texts that were written twice in other words are not looked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from novelkit import layouts
from novelkit.errors import InputError
from novelkit.tokenizing.blocks import count_blocks
from novelkit.tokenizing.fallback import TRADITIONAL
from novelkit.tokenizing.parts import BookParts

# What the presets train with by default: texts that make no step with the smallest make none at
# all. Written out, since this stage comes before the model's and imports nothing of it.
TINY_CONTEXT = 128
TINY_BATCH = 16
CONTEXTS = {"tiny": TINY_CONTEXT, "small": 512, "base": 1024}
# A held-out split below the smallest context cannot be measured by any model.
SHORTEST_SPLIT = TINY_CONTEXT
# Poems and sayings that a book repeats stay far below; another edition of a book far above.
LEAKED_SHARE = 0.1
# Fewer than this may be chance in a short book.
LEAKED_PARAGRAPHS = 3
# Common characters that only traditional texts have are about a twelfth of such a text; a name or
# a quotation has a few of them too.
TRADITIONAL_SHARE = 0.005
# How messages call the splits.
SPLIT_NAMES = {"train": "训练", "validation": "验证", "test": "测试"}


@dataclass
class Census:
    """What is counted over all books while each of them is in memory once."""

    # How often each code point occurs in each split, int64 of shape (0x110000,).
    counts: dict[str, np.ndarray] = field(
        default_factory=lambda: {name: np.zeros(0x110000, np.int64) for name in layouts.SPLITS}
    )
    paragraphs: dict[str, list[np.ndarray]] = field(
        default_factory=lambda: {name: [] for name in layouts.SPLITS}
    )
    titles: list[str] = field(default_factory=list)
    sha256: list[str] = field(default_factory=list)
    gap_characters: int = 0
    cut_books: int = 0

    def add(self, book: BookParts, name: str) -> None:
        """Count a book; `name` is what messages call it."""
        self.titles.append(name)
        self.sha256.append(book.sha256)
        self.gap_characters += book.gap_characters
        self.cut_books += not book.by_chapters
        for split, share in book.shares.items():
            self.counts[split][share.code_points] += share.counts
            self.paragraphs[split].append(share.paragraphs)

    def characters(self, split: str) -> int:
        return int(self.counts[split].sum())

    def leaked(self) -> np.ndarray:
        """The paragraphs of the held-out splits that stand in the training split too, rising."""
        return np.intersect1d(np.concatenate(self.paragraphs["train"]), self.held_out())

    def held_out(self) -> np.ndarray:
        """The different paragraphs of validation and test, rising."""
        return np.unique(np.concatenate(self.paragraphs["validation"] + self.paragraphs["test"]))

    def identical_books(self) -> list[list[str]]:
        """Groups of books whose texts are the same."""
        groups: dict[str, list[str]] = {}
        for name, digest in zip(self.titles, self.sha256, strict=True):
            groups.setdefault(digest, []).append(name)
        return [names for names in groups.values() if len(names) > 1]


def refuse_short(census: Census) -> None:
    """Raise `InputError` where a split has too few characters to train on or to measure."""
    if not census.titles:
        raise InputError("没有可用的小说：请给出至少一个文本文件。")
    for name in layouts.SPLITS:
        if (characters := census.characters(name)) <= SHORTEST_SPLIT:
            raise InputError(
                f"{SPLIT_NAMES[name]}部分只有 {characters} 个字，至少要 {SHORTEST_SPLIT + 1} 个："
                "这本书太短，分不出训练、验证和测试，请加长文本或多放几本。"
            )


def refuse_leaks(census: Census) -> None:
    """Raise `InputError` where much of the held-out text stands in the training text too."""
    leaked, held_out = census.leaked(), census.held_out()
    if len(leaked) < LEAKED_PARAGRAPHS or len(leaked) <= LEAKED_SHARE * len(held_out):
        return
    learned = _most(census.paragraphs["train"], leaked)
    pairs = zip(census.paragraphs["validation"], census.paragraphs["test"], strict=True)
    measured = _most([np.concatenate(pair) for pair in pairs], leaked)
    first, second = census.titles[learned], census.titles[measured]
    where = (
        f"多半是 {first} 与 {second} 收了同一部书，请只留一份"
        if learned != measured
        else f"多半是 {first} 里的章节重复了，请删去重复的章节"
    )
    raise InputError(
        f"留出的 {len(held_out):,} 段里有 {len(leaked):,} 段（{len(leaked) / len(held_out):.0%}）"
        f"在训练章节里一字不差：验证损失会量成背诵，不能用。{where}再 prepare。"
    )


def _most(paragraphs: Sequence[np.ndarray], wanted: np.ndarray) -> int:
    """The number of the book that has most of the wanted paragraphs."""
    return int(np.argmax([np.isin(hashes, wanted).sum() for hashes in paragraphs]))


def refuse_losses(counts: dict[str, Any]) -> None:
    """Raise `InputError` for what the counts of a preflight forbid: text that does not come back,
    an epoch without a step."""
    if counts["lost_characters"]:
        raise InputError(f"{_lost(counts['lost_characters'])}，或换一个分词器。")
    if not counts["presets"]["tiny"]["trainable"]:
        raise InputError(
            f"编码之后有一部分不足 {TINY_CONTEXT + 1} 个词元，一步也训练不了："
            "请加长文本、多放几本，或改用 --tokenizer char（词元更多）。"
        )


def preflight(
    tokenizer: Any, census: Census, lost: int, fallback: dict[str, int], tokens: dict[str, int]
) -> dict[str, Any]:
    """What could make training on these texts worthless, counted before it starts.

    `lost`, `fallback` (characters) and `tokens` were counted while encoding.
    """
    presets = {name: _epoch(tokens, context) for name, context in CONTEXTS.items()}
    training, mark = census.counts["train"], ord("\N{REPLACEMENT CHARACTER}")
    return {
        "lost_characters": lost,
        "gap_characters": census.gap_characters,
        "books_cut_between_paragraphs": census.cut_books,
        "byte_fallback_characters": fallback,
        "byte_fallback_share": {
            name: round(count / max(1, census.characters(name)), 6)
            for name, count in fallback.items()
        },
        "traditional_share": _traditional_share(tokenizer, training),
        "unseen_characters": {
            name: int(((census.counts[name] > 0) & (training == 0)).sum())
            for name in layouts.SPLITS[1:]
        },
        "held_out_paragraphs": len(census.held_out()),
        "paragraphs_in_train_and_held_out": len(census.leaked()),
        "identical_books": census.identical_books(),
        "replacement_characters": {name: int(census.counts[name][mark]) for name in layouts.SPLITS},
        "presets": presets,
        "tiny_preset": {key: presets["tiny"][key] for key in presets["tiny"] if key != "trainable"},
    }


def _epoch(tokens: dict[str, int], context: int) -> dict[str, Any]:
    blocks = count_blocks(tokens["train"], context)
    return {
        "context": context,
        "batch_size": TINY_BATCH,
        "blocks": blocks,
        "steps_per_epoch": -(-blocks // TINY_BATCH),
        # Every split must fill a block, or there is nothing to measure.
        "trainable": min(tokens.values()) > context,
    }


def _traditional_share(tokenizer: Any, counts: np.ndarray) -> float:
    """The share of the commonest traditional characters that are spelled in bytes."""
    missing = [ord(char) for char in TRADITIONAL if tokenizer.count_fallback(char)]
    return round(float(counts[missing].sum() / max(1, counts.sum())), 6)


def explain(counts: dict[str, Any]) -> list[str]:
    """Every count of a preflight that is not 0, with what follows from it, in Chinese lines."""
    found = []
    if count := counts["lost_characters"]:
        found.append(_lost(count))
    if count := counts["gap_characters"]:
        books = counts.get("books_cut_between_paragraphs", 1)
        which = f"{books} 本书" if books > 1 else "这本书"
        found.append(
            f"{which}分不出足够的章，只好在段落之间切开，切口处空出的 {count:,} 个字哪边都不用"
        )
    if count := _by_split(counts["byte_fallback_characters"]):
        found.append(
            f"{count} 个字不在词表里{_shares(counts)}，按 UTF-8 字节拼写（一个字占几个词元）："
            "不会丢字，但模型写这些字容易出错"
        )
    if (share := counts.get("traditional_share", 0)) >= TRADITIONAL_SHARE:
        found.append(
            f"这是繁体文字，词表是简体的（单是最常见的繁体字就有 {share:.1%} 要拼字节）："
            "请加 --simplify 先转成简体，或换用繁体的模型"
        )
    if count := counts["paragraphs_in_train_and_held_out"]:
        found.append(
            f"{count:,} 段文字在训练和留出的章节里都有：留出的损失会偏低，背下来的会显得像学会的"
        )
    for names in counts.get("identical_books", []):
        found.append(f"{'、'.join(names)} 的文字完全相同：这部书会被学几遍，请只留一份")
    if count := _by_split(counts["replacement_characters"]):
        found.append(f"{count} 个 U+FFFD（原文件里损坏的字）：模型会学着写出它，有完好的文件请换用")
    return found


def _lost(count: int) -> str:
    return f"{count:,} 个字编码再解码后变了样：模型会学到错的文字，请不要用这份数据训练"


def _shares(counts: dict[str, Any]) -> str:
    """The share of byte fallback in the training text, where it was counted."""
    share = counts.get("byte_fallback_share", {}).get("train", 0)
    return f"（占训练文字的 {share:.2%}）" if share else ""


def _by_split(counts: dict[str, int]) -> str:
    """Counts that are not 0, as 训练 3、测试 1."""
    return "、".join(f"{SPLIT_NAMES[name]} {count:,}" for name, count in counts.items() if count)
