"""How many tokens a model reads at once: as many as it was made for, fewer, or more.

GPT-2 has one trained vector a position. Fewer positions are a shorter table; there is nothing to
take for more, unless the table is stretched, which moves every position (as Dosovitskiy et al.
2021, arXiv:2010.11929, section 3.2, do with pictures) and must be trained away. Models with
relative positions, Llama and Qwen2 among them, have no table: any length up to the one they were
trained for is theirs.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import nn

from novelkit.errors import InputError
from novelkit.model.causal import CausalLM, maximum_context
from novelkit.model.gpt2 import GPT2
from novelkit.model.interface import LanguageModel


def fit_context(model: LanguageModel, n_ctx: int | None = None, interpolate: bool = False) -> str:
    """Set `model.config.n_ctx`, None as the model has it; returns what was done, in Chinese.

    The returned text is empty where nothing changed. Raises `InputError` for more tokens than the
    model was made for; with `interpolate` a GPT-2's position table is stretched to them instead.
    """
    if n_ctx is not None and n_ctx < 1:
        raise InputError(f"n_ctx 必须是正整数，现在是 {n_ctx}：请改正后再训练。")
    if isinstance(model, CausalLM):
        return _fit_causal(model, n_ctx)
    if isinstance(model, GPT2):
        return _fit_gpt2(model, n_ctx or model.config.n_ctx, interpolate)
    raise TypeError(f"neither GPT2 nor CausalLM: {type(model).__name__}")


def _fit_gpt2(model: GPT2, wanted: int, interpolate: bool) -> str:
    has = model.config.n_ctx
    if wanted == has:
        return ""
    if wanted > has and not interpolate:
        raise InputError(
            f"这个模型的位置表只有 {has} 行，第 {has + 1} 个位置它从没学过：n_ctx 不能是 {wanted}。"
            f"请用不超过 {has} 的 n_ctx；真要更长，可以把位置表插值拉长（损失会先变坏再练回来）。"
        )
    table = model.position_embedding.weight
    with torch.no_grad():
        rows = table[:wanted] if wanted < has else _stretch(table, wanted)
        # A copy: a view would keep the whole table in memory and in every checkpoint.
        model.position_embedding = nn.Embedding.from_pretrained(rows.clone(), freeze=False)
    model.config = replace(model.config, n_ctx=wanted)
    if wanted < has:
        return (
            f"上下文从 {has} 截短到 {wanted}：位置表只留前 {wanted} 行，其余的练不到。"
            f"写作时模型也只看得到最近的 {wanted} 个词元。"
        )
    return (
        f"上下文从 {has} 拉长到 {wanted}：位置表按比例插值，每个位置都挪动了一点，"
        "开头的损失会比原模型高，要训练一阵才练得回来。"
    )


def _stretch(table: torch.Tensor, rows: int) -> torch.Tensor:
    """A table (old rows, C) read at `rows` evenly spaced places, the first and last kept."""
    return F.interpolate(table.T[None], size=rows, mode="linear", align_corners=True)[0].T


def _fit_causal(model: CausalLM, n_ctx: int | None) -> str:
    most = maximum_context(model.model)
    wanted = n_ctx or model.config.n_ctx
    if most is not None and wanted > most:
        raise InputError(
            f"这个模型（{model.config.architecture}）最多看 {most} 个词元，n_ctx 不能是 {wanted}："
            f"请用不超过 {most} 的 n_ctx。"
        )
    model.config = replace(model.config, n_ctx=wanted)
    if most is not None and wanted < most:
        return (
            f"模型能看 {most} 个词元，这次训练和写作用 {wanted} 个：块更短、更省内存，"
            "它的位置编码不用改。"
        )
    return ""
