"""A model goes on with another vocabulary: its rows are carried over by the text of the tokens.

The body of a language model knows the language; its embedding says which number is which
character, and only that changes with the vocabulary. A row goes to the token of the same text, a
longer token starts as the mean of its pieces, and what the model never knew starts from the mean
of all rows, which disturbs the others least (Hewitt 2021, "Initializing New Word Embeddings for
Pretrained Language Models"), with a little noise to tell such tokens apart.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from novelkit.errors import InputError
from novelkit.model.causal import CausalLM, read_sizes
from novelkit.model.gpt2 import GPT2
from novelkit.model.interface import LanguageModel
from novelkit.model.vocabulary import (
    AVERAGED,
    KINDS,
    NEW,
    SAME,
    SIMILAR,
    RowPlan,
    plan_rows,
    token_characters,
    token_texts,
)
from novelkit.tokenizing.interface import Tokenizer
from novelkit.tokenizing.loading import load_tokenizer, tokenizer_sha256

# Noise of a new row, as a share of the spread of the old rows in each channel.
NOISE = 0.1
_SHOWN = 12


@dataclass(frozen=True)
class TransplantReport:
    """What became of the rows, and of how much of the training text."""

    rows_before: int
    rows_after: int
    identical: bool  # the tokenizer is the model's own; only unused rows were cut
    rows: dict[str, int]  # by how they came about: same, similar, averaged, new
    # The share of the training text's characters in tokens of each kind; None if not counted.
    shares: dict[str, float] | None
    new_characters: str  # the commonest ones that the model never knew, at most twelve

    @property
    def carried(self) -> int:
        """Rows that came over from one row: of the same text, or of another form of it."""
        return self.rows[SAME] + self.rows[SIMILAR]

    def describe(self) -> str:
        """One paragraph in Chinese."""
        if self.identical:
            return (
                f"词表就是模型自己的 {self.rows_after} 项，没有改动；模型的表有 {self.rows_before}"
                " 行，多出的空行没有对应的字，已去掉。"
            )
        rows = self.rows
        text = (
            f"模型原来的词表（{self.rows_before} 项）换成了数据的词表（{self.rows_after} 项）："
            f"{rows[SAME]} 项搬来同一个字的向量，{rows[SIMILAR]} 项用近似的（大小写、全角半角、"
            f"相近的标点），{rows[AVERAGED]} 项取所含各片的平均，{rows[NEW]} 项模型没见过，从"
            "平均向量加一点噪声开始。"
        )
        if self.shares:
            known = 1 - self.shares[NEW]
            text += (
                f"训练文字里 {known:.1%} 的字有旧向量可用（{self.shares[SAME]:.1%} 是同一个字）。"
            )
        if self.new_characters:
            text += f"要从头学的字如 {self.new_characters}。"
        return text + "中间各层没有动，读过的语言都还在。"


def fit_vocabulary(
    model: LanguageModel,
    folder: Path,
    tokenizer: Tokenizer,
    *,
    counts: np.ndarray | None = None,
    seed: int = 0,
) -> TransplantReport | None:
    """Make the model of `folder` read and write the ids of `tokenizer`, in place.

    None where its own tokenizer is the same and has as many ids as the model has rows. `counts`
    are how often each id stands in the training text.
    """
    if not _is_same(folder, tokenizer):
        return transplant(model, folder, tokenizer, counts=counts, seed=seed)
    before, after = model.config.vocab_size, len(tokenizer)
    if before < after:
        raise InputError(
            f"{folder} 的分词器有 {after} 项，模型只有 {before} 行向量：两者不是一起的，"
            "请重新下载，或换一个模型。"
        )
    if before == after:
        return None
    # Rows that pad the table to a round number; the data has no ids for them.
    plan = RowPlan(tuple((row,) for row in range(after)), (SAME,) * after)
    _exchange_rows(model, plan, torch.Generator().manual_seed(seed))
    return TransplantReport(before, after, True, _row_counts(plan), None, "")


def transplant(
    model: LanguageModel,
    folder: Path,
    tokenizer: Tokenizer,
    *,
    counts: np.ndarray | None = None,
    seed: int = 0,
) -> TransplantReport:
    """Exchange the vocabulary of `model`, which is that of `folder`, for `tokenizer`, in place."""
    plan, before = plan_rows(folder, tokenizer), model.config.vocab_size
    _exchange_rows(model, plan, torch.Generator().manual_seed(seed))
    return TransplantReport(
        rows_before=before,
        rows_after=len(tokenizer),
        identical=False,
        rows=_row_counts(plan),
        shares=None if counts is None else _shares(plan, tokenizer, counts),
        new_characters=_new_characters(plan, tokenizer, counts),
    )


def make_rows(old: Tensor, plan: RowPlan, random: torch.Generator) -> Tensor:
    """Old rows (old ids, ...) to new ones (new ids, ...): means as planned, or the mean of all."""
    old = old.detach().float().cpu()
    used = [
        (new, row) for new, rows in enumerate(plan.sources) for row in rows if row < old.size(0)
    ]
    targets, rows = (torch.tensor(column, dtype=torch.long) for column in _columns(used))
    count = torch.bincount(targets, minlength=len(plan.sources))
    made = torch.zeros(len(plan.sources), *old.shape[1:]).index_add_(0, targets, old[rows])
    made /= count.clamp(min=1).view(-1, *[1] * (old.dim() - 1))
    empty = count == 0
    noise = torch.randn(int(empty.sum()), *old.shape[1:], generator=random)
    made[empty] = old.mean(dim=0) + NOISE * old.std(dim=0, correction=0) * noise
    return made


def _columns(pairs: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [first for first, _ in pairs], [second for _, second in pairs]


def _is_same(folder: Path, tokenizer: Tokenizer) -> bool:
    """Whether the folder's own tokenizer gives the same ids; one that loses text never does."""
    try:
        own = load_tokenizer(folder)
    except InputError:
        return False
    return tokenizer_sha256(own) == tokenizer_sha256(tokenizer)


@torch.no_grad()
def _exchange_rows(model: LanguageModel, plan: RowPlan, random: torch.Generator) -> None:
    if isinstance(model, GPT2):
        table = model.token_embedding.weight
        rows = make_rows(table, plan, random).to(table)
        model.token_embedding = nn.Embedding.from_pretrained(rows, freeze=False)
        # A configuration is frozen, so that nobody changes half of it: this is the other half.
        model.config = type(model.config)(**{**vars(model.config), "vocab_size": len(rows)})
    elif isinstance(model, CausalLM):
        _exchange_causal(model, plan, random)
    else:
        raise TypeError(f"neither GPT2 nor CausalLM: {type(model).__name__}")


def _exchange_causal(model: CausalLM, plan: RowPlan, random: torch.Generator) -> None:
    """New input rows, and new rows and biases of a head of its own."""
    inner, after = model.model, len(plan.sources)
    _refuse_other_tables(model)
    made = {}
    for place, module in _tables(model).items():
        made[place] = {
            name: make_rows(parameter, plan, random)
            for name, parameter in module.named_parameters(recurse=False)
        }
    inner.resize_token_embeddings(after, mean_resizing=False)
    for place, module in _tables(model).items():
        for name, rows in made[place].items():
            getattr(module, name).copy_(rows)
    # What the padding token was is a character now, and its gradient must count.
    model.token_embedding.padding_idx = None
    config = inner.config.get_text_config()
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        if getattr(config, name, None) is not None:
            setattr(config, name, None)
    model.config = read_sizes(inner, model.config.n_ctx)


def _tables(model: CausalLM) -> dict[str, nn.Module]:
    """The modules that hold a row a token; a tied head is the input embedding once more."""
    head = model.model.get_output_embeddings()
    own = {} if model.is_tied else {"head": head}
    return {"input": model.token_embedding, **own}


def _refuse_other_tables(model: CausalLM) -> None:
    """Raise `InputError` if another embedding than those goes by the vocabulary."""
    known = list(_tables(model).values())
    for name, module in model.model.named_modules():
        if not isinstance(module, nn.Embedding) or any(module is item for item in known):
            continue
        if module.num_embeddings == model.config.vocab_size:
            raise InputError(
                f"{model.config.architecture} 除了输入和输出，还有一张跟词表走的表（{name}）："
                "换词表会算错，请用它自己的分词器准备数据（prepare --tokenizer）。"
            )


def _row_counts(plan: RowPlan) -> dict[str, int]:
    return {kind: plan.count(kind) for kind in KINDS}


def _shares(plan: RowPlan, tokenizer: Tokenizer, counts: np.ndarray) -> dict[str, float]:
    characters = token_characters(tokenizer) * counts
    kinds = np.array(plan.kinds)
    total = max(1, int(characters.sum()))
    return {kind: float(characters[kinds == kind].sum() / total) for kind in KINDS}


def _new_characters(plan: RowPlan, tokenizer: Tokenizer, counts: np.ndarray | None) -> str:
    """The commonest new tokens that show as text; by number where nothing was counted."""
    texts = token_texts(tokenizer)
    order = np.argsort(-counts, kind="stable") if counts is not None else range(len(texts))
    shown = (
        texts[index]
        for index in order
        if plan.kinds[index] == NEW and (counts is None or counts[index])
    )
    visible = [text for text in shown if text and text.isprintable() and text.strip()]
    return "、".join(visible[:_SHOWN])
