"""What the tests of the text half share: a small book, a tiny model, a tokenizer with a past."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from novelkit.cleaning import Chapter, Novel
from novelkit.tokenizing import CharTokenizer

# torch only where a model is made: the other tests also run where it is not installed.
if TYPE_CHECKING:
    from novelkit.model import GPT2

NUMERALS = "一二三四五六七八九十"
SENTENCES = (
    "天还没有亮，他就起来把院子里的雪扫了一遍，又到井边挑了两担水，这才坐下来吃早饭。",
    "“你怎么又回来了？”她站在门口，手里还拿着那盏灯……",
    "老人不说话，只是看着河对面的山——看了很长时间，他才把烟袋收起来，慢慢地往回走。",
    "这条街从前是卖布的，后来布店一家一家都关了门，只剩下拐角上的一家茶馆。",
    "“不去。”他说。",
    "孩子们在树下面跑来跑去，谁也没有注意到天黑了，直到有一家的母亲站在巷口喊。",
)


def numeral(number: int) -> str:
    """1 to 99 in Chinese."""
    tens, ones = divmod(number, 10)
    head = "" if not tens else "十" if tens == 1 else NUMERALS[tens - 1] + "十"
    return head + (NUMERALS[ones - 1] if ones else "")


def chapter(number: int, paragraphs: int = 8) -> Chapter:
    """A chapter whose paragraphs stand in no other chapter."""
    lines = tuple(
        f"{SENTENCES[(number + i) % len(SENTENCES)]}这是第{numeral(number)}天的第{numeral(i)}件事。"
        for i in range(1, paragraphs + 1)
    )
    return Chapter(f"第{numeral(number)}章 雪后的第{numeral(number)}天", lines)


def novel(chapters: int, paragraphs: int = 8, title: str = "雪后") -> Novel:
    """A book of so many chapters."""
    parts = tuple(chapter(number, paragraphs) for number in range(1, chapters + 1))
    return Novel(title, parts, {"file": f"{title}.txt"})


def raw_book(chapters: int = 12) -> str:
    """The text of a book as a file that people have holds it."""
    return novel(chapters).text + "\n"


def tiny_model(tokenizer: CharTokenizer, n_ctx: int = 32, seed: int = 0) -> GPT2:
    """A random model with clear preferences: weights far larger than at the start of training."""
    import torch

    from novelkit.model import GPT2, ModelConfig

    # Other work shares the cores; more threads than that only wait for each other.
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    config = ModelConfig(
        vocab_size=len(tokenizer), n_ctx=n_ctx, n_layer=2, n_head=2, n_embd=16, dropout=0.1
    )
    model = GPT2(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.normal_(std=0.4)
    return model


def save_tiny_model(tokenizer: CharTokenizer, folder: Path, n_ctx: int = 32) -> Path:
    """A model folder as training exports it, in milliseconds."""
    from novelkit.model import save_model

    save_model(tiny_model(tokenizer, n_ctx), folder)
    tokenizer.save(folder)
    return folder
