"""Which precision to write in: bytes for weights where the model's text hardly costs more so."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from novelkit import bundled
from novelkit.model import GPT2, LanguageModel
from novelkit.sampling.decoder import Decoder, make_decoder
from novelkit.tokenizing.interface import Tokenizer

# Bits per character may change by so much, as a share.
TOLERANCE = 0.01
# A character is at most so many tokens of ours, and a text of so many characters fills a context.
_CHARACTERS_A_TOKEN = 4


@dataclass(frozen=True)
class ChosenDecoder:
    """A decoder, why it is in this precision (Chinese), and mean losses in nats per token."""

    decoder: Decoder
    reason: str
    losses: dict[str, float]

    @property
    def precision(self) -> str:
        return self.decoder.precision


def choose_decoder(
    model: LanguageModel, tokenizer: Tokenizer, text: str = "", tolerance: float = TOLERANCE
) -> ChosenDecoder:
    """The fastest decoder whose bits per character on `text` are those of fp32, within a share.

    `text` is one that the model was not trained on; without one, the bundled novel where it is
    there. Bits per character of one text are its mean loss times a constant, so losses tell.
    """
    exact = make_decoder(model)
    if not isinstance(model, GPT2) or next(model.parameters()).device.type != "cpu":
        return ChosenDecoder(exact, "fp32：只有 CPU 上的 GPT-2 有更快的写法", {})
    text = text or _bundled_text()
    tokens = tokenizer.encode(text[: _CHARACTERS_A_TOKEN * exact.n_ctx])[: exact.n_ctx]
    if len(tokens) < 2:
        return ChosenDecoder(exact, "fp32：没有文字可以检验 int8 写得准不准", {})
    fast = make_decoder(model, "int8")
    ids = torch.from_numpy(tokens.astype("int64"))[None]
    losses = {decoder.precision: _loss(decoder, ids) for decoder in (exact, fast)}
    change = losses["int8"] / losses["fp32"] - 1
    told = f"{len(tokens)} 个词元上的损失变化 {change:+.2%}"
    if abs(change) < tolerance:
        return ChosenDecoder(fast, f"int8：{told}，不到 {tolerance:.0%}", losses)
    return ChosenDecoder(exact, f"fp32：换成 int8，{told}，超过 {tolerance:.0%}", losses)


def _loss(decoder: Decoder, ids: torch.Tensor) -> float:
    logits = decoder.all_logits(ids[:, :-1]).cpu()
    return float(F.cross_entropy(logits[0], ids[0, 1:]))


def _bundled_text() -> str:
    """The end of the bundled novel's clean text; empty where the package came alone."""
    path = bundled.ASSETS / "novel" / "novel.txt"
    return path.read_text(encoding="utf-8")[-4000:] if path.is_file() else ""
