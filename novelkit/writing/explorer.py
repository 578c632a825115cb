"""Sliders over one distribution: what temperature and cuts make of the next token.

`sampling_explorer(model, prompt)` as the last line of a notebook cell shows it. Bars are
HTML, so that the browser's fonts draw them: light as the model gives them, coloured as they are
drawn from, grey where they are cut. The work is in functions without widgets (`survey`,
`as_html`); `SamplingExplorer` only connects them to ipywidgets (7.7 and 8, and nothing else).
"""

import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from novelkit.bundled import model_folder
from novelkit.errors import InputError
from novelkit.model import LanguageModel, open_model
from novelkit.sampling import Decoder, SamplingConfig, make_decoder, next_token_probabilities
from novelkit.tokenizing import load_tokenizer
from novelkit.tokenizing.interface import Tokenizer

SHOWN = 20
DRAWS = 20
KEPT_COLOUR, CUT_COLOUR = "#1f77b4", "#b0b0b0"
_ROW = "display:flex;align-items:center;height:18px;font-size:13px"
_EMPTY = "提示文字里没有字：请写几个字的开头。"
_NO_WIDGETS = "（没有装 ipywidgets，滑块看不到；改函数的参数，再运行一次，也是一样的。）"
_BLANKS = {"\n": "⏎", " ": "␣", "\u3000": "␣"}


@dataclass(frozen=True)
class Bar:
    """A token: what the model gives it, and what it is drawn with (0 where it is cut)."""

    text: str
    token: int
    before: float
    after: float


@dataclass(frozen=True)
class Survey:
    """The most probable tokens, and what holds of the whole distribution.

    Shown as the last value of a cell it is HTML, elsewhere text.
    """

    bars: tuple[Bar, ...]
    kept: int  # tokens that can be drawn
    kept_before: float  # how much the model gave them together
    entropy_before: float  # bits
    entropy: float
    note: str = ""

    def __str__(self) -> str:
        lines = [f"{bar.text}\t{bar.before:.1%} → {bar.after:.1%}" for bar in self.bars]
        return "\n".join([*filter(None, [self.note]), summary(self), *lines])

    def _repr_html_(self) -> str:
        note = f"<div>{html.escape(self.note)}</div>" if self.note else ""
        return note + as_html(self)


def next_logits(model: LanguageModel | Decoder, tokenizer: Tokenizer, prompt: str) -> Tensor:
    """The model's logits (V,) after a prompt, or after as much of its end as fits.

    Raises `InputError` for a prompt without characters.
    """
    if not prompt.strip():
        raise InputError(_EMPTY)
    decoder = make_decoder(model) if isinstance(model, LanguageModel) else model
    tokens = tokenizer.encode(prompt)[-decoder.n_ctx :].astype("int64")
    return decoder.read(torch.from_numpy(tokens)[None], decoder.new_cache())[0].cpu()


def survey(
    logits: Tensor, tokenizer: Tokenizer, config: SamplingConfig, shown: int = SHOWN, note: str = ""
) -> Survey:
    """What temperature and cuts make of logits (V,); the `shown` most probable tokens as bars."""
    before = logits.float().softmax(dim=-1)
    after = next_token_probabilities(logits, config)
    # Of equals the first one comes first, on every machine.
    likely = before.argsort(descending=True, stable=True)[:shown].tolist()
    bars = tuple(
        Bar(token_name(tokenizer, token), token, float(before[token]), float(after[token]))
        for token in likely
    )
    kept = after > 0
    sums = (float(before[kept].sum()), entropy_bits(before), entropy_bits(after))
    return Survey(bars, int(kept.sum()), *sums, note=note)


def entropy_bits(probabilities: Tensor) -> float:
    """The entropy of a distribution (V,) in bits: yes-no questions to learn what was drawn."""
    return float(torch.special.entr(probabilities.double()).sum() / torch.tensor(2.0).log()) + 0.0


def token_name(tokenizer: Tokenizer, token: int) -> str:
    """How a token is shown: its text, with marks for blanks and names for what is no text."""
    if token in tokenizer.byte_ids:
        return f"字节 {token - tokenizer.byte_ids.start:02X}"
    special = {
        tokenizer.chapter: "〔章〕",
        tokenizer.book: "〔书〕",
        tokenizer.end_of_text: "〔完〕",
    }
    if token in special:
        return special[token]
    text = tokenizer.decode([token])
    return "".join(
        _BLANKS.get(c, c if c.isprintable() else f"\\u{ord(c):04x}") for c in text
    ) or str(token)


def draw(
    logits: Tensor, tokenizer: Tokenizer, config: SamplingConfig, count: int = DRAWS, seed: int = 0
) -> list[str]:
    """`count` tokens from the distribution of logits (V,), each put back; the same for a seed."""
    probabilities = next_token_probabilities(logits, config).double()
    generator = torch.Generator().manual_seed(seed)
    drawn = probabilities.multinomial(count, replacement=True, generator=generator)
    return [token_name(tokenizer, token) for token in drawn.tolist()]


def summary(found: Survey) -> str:
    """One line in words."""
    return (
        f"可抽的词元 {found.kept:,} 个，它们原来占 {found.kept_before:.1%}；"
        f"熵 {found.entropy_before:.2f} → {found.entropy:.2f} 比特"
    )


def as_html(found: Survey) -> str:
    """Two bars a token, one over the other, with both numbers."""
    highest = max(max(bar.before, bar.after) for bar in found.bars)
    rows = "".join(_row(bar, highest) for bar in found.bars)
    legend = "浅蓝：模型原来的概率　深蓝：现在抽的概率　灰：被切掉的"
    return (
        f'<div style="max-width:640px"><div>{summary(found)}</div>'
        f'<div style="font-size:12px;opacity:.7">{legend}</div>{rows}</div>'
    )


def _row(bar: Bar, highest: float) -> str:
    cut = bar.after == 0
    light = _bar(CUT_COLOUR if cut else KEPT_COLOUR, bar.before / highest, ".8" if cut else ".3")
    solid = "" if cut else _bar(KEPT_COLOUR, bar.after / highest, "1", "height:7px;top:4px")
    numbers = f"{bar.before:.1%} → " + ("切掉" if cut else f"{bar.after:.1%}")
    return (
        f'<div style="{_ROW}"><span style="width:7em;text-align:right;padding-right:6px;'
        f'white-space:nowrap;overflow:hidden">{html.escape(bar.text)}</span>'
        f'<span style="position:relative;flex:1;height:15px">{light}{solid}</span>'
        f'<span style="width:9em;padding-left:6px;font-size:12px">{numbers}</span></div>'
    )


def _bar(colour: str, share: float, opacity: str, more: str = "height:15px;top:0") -> str:
    return (
        f'<span style="position:absolute;left:0;{more};width:{100 * share:.2f}%;'
        f'background:{colour};opacity:{opacity}"></span>'
    )


def sampling_explorer(
    model: str | Path | LanguageModel | Decoder,
    prompt: str,
    tokenizer: Tokenizer | None = None,
    config: SamplingConfig | None = None,
    shown: int = SHOWN,
) -> Any:
    """Sliders for temperature, top-k, top-p and min-p over what follows `prompt`.

    `model` is a folder, a bundled model by its name, or a model with its `tokenizer`. Returns the
    widget, for the last line of a cell. Without ipywidgets it is the picture of `config` alone.
    Raises `InputError` for a prompt without characters, or a folder without a model.
    """
    if isinstance(model, str | Path):
        folder = model_folder(model)
        model, tokenizer = open_model(folder).model, load_tokenizer(folder)
    if tokenizer is None:
        raise TypeError("a model that is no folder needs its tokenizer")
    config = config or SamplingConfig(temperature=1.0, top_k=0)
    logits = next_logits(model, tokenizer, prompt)
    try:
        explorer = SamplingExplorer(model, tokenizer, prompt, config, shown)
    except ImportError:
        return survey(logits, tokenizer, config, shown, _NO_WIDGETS)
    return explorer.box


class SamplingExplorer:
    """The widget, in `box`; `settings` are its sliders by the names of `SamplingConfig`."""

    def __init__(
        self,
        model: LanguageModel | Decoder,
        tokenizer: Tokenizer,
        prompt: str,
        config: SamplingConfig,
        shown: int = SHOWN,
    ) -> None:
        """Raises ImportError without ipywidgets."""
        import ipywidgets as widgets

        self._model = make_decoder(model) if isinstance(model, LanguageModel) else model
        self._tokenizer, self._shown, self._presses = tokenizer, shown, 0
        self._logits: Tensor | None = None
        self._problem = ""  # why there are no logits
        self.settings = _sliders(widgets, config, len(tokenizer))
        wide = widgets.Layout(width="640px")
        self.prompt = widgets.Text(prompt, description="提示", continuous_update=False, layout=wide)
        self.button = widgets.Button(description=f"抽 {DRAWS} 次")
        self.reset = widgets.Button(description="还原")
        self.picture, self.drawn = widgets.HTML(), widgets.HTML()
        buttons = widgets.HBox([self.button, self.reset])
        controls = [self.prompt, *self.settings.values(), buttons]
        self.box = widgets.VBox([*controls, self.drawn, self.picture])
        self._first = {name: slider.value for name, slider in self.settings.items()}
        self.prompt.observe(self._read, "value")
        for slider in self.settings.values():
            slider.observe(self._show, "value")
        self.button.on_click(self._draw)
        self.reset.on_click(self._restore)
        self._read()

    @property
    def config(self) -> SamplingConfig:
        """What the sliders say."""
        values = {name: slider.value for name, slider in self.settings.items()}
        return SamplingConfig(**values)

    def _read(self, _: object = None) -> None:
        """Ask the model about another prompt."""
        try:
            self._logits = next_logits(self._model, self._tokenizer, self.prompt.value)
        except InputError as error:
            self._logits, self._problem = None, str(error)
        self._show()

    def _show(self, _: object = None) -> None:
        self.drawn.value = ""  # it was drawn from another distribution
        self.button.disabled = self._logits is None
        if self._logits is None:
            self.picture.value = html.escape(self._problem)
            return
        found = survey(self._logits, self._tokenizer, self.config, self._shown)
        self.picture.value = as_html(found)

    def _draw(self, _: object = None) -> None:
        if self._logits is None:
            return
        texts = draw(self._logits, self._tokenizer, self.config, seed=self._presses)
        self._presses += 1
        self.drawn.value = _drawn_html(texts)

    def _restore(self, _: object = None) -> None:
        for name, value in self._first.items():
            self.settings[name].value = value


def _drawn_html(texts: Sequence[str]) -> str:
    """What was drawn in its order, then how often each."""
    order = " ".join(map(html.escape, texts))
    counts = Counter(texts).most_common()
    counted = "　".join(f"{html.escape(text)}×{count}" for text, count in counts if count > 1)
    return f"<div>抽到：{order}</div><div>{counted or '每次都不同'}</div>"


def _sliders(widgets: Any, config: SamplingConfig, vocabulary: int) -> dict[str, Any]:
    quiet = {"continuous_update": False, "layout": widgets.Layout(width="480px")}
    ranges = {
        "temperature": ("温度", max(2.0, config.temperature), 0.0, 0.05),
        "top_p": ("top-p", 1.0, 0.01, 0.01),
        "min_p": ("min-p", max(0.5, config.min_p), 0.0, 0.01),
    }
    sliders = {
        name: widgets.FloatSlider(
            value=getattr(config, name),
            min=lowest,
            max=highest,
            step=step,
            description=title,
            readout_format=".2f",
            **quiet,
        )
        for name, (title, highest, lowest, step) in ranges.items()
    }
    most = min(vocabulary, max(200, config.top_k))
    top_k = widgets.IntSlider(
        value=min(config.top_k, most), min=0, max=most, description="top-k", **quiet
    )
    names = ("temperature", "top_k", "top_p", "min_p")  # in the order in which they work
    return {name: {**sliders, "top_k": top_k}[name] for name in names}
