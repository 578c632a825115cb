"""The parts of the writing desk that hold settings: sliders, what stays in sight, branches, export.

Valid on ipywidgets 7.7 and 8. Each panel is a plain object with a `widget`, and tells its owner of
changes by a callback.
"""

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from novelkit.errors import InputError
from novelkit.sampling import DEFAULT_PRESET, PRESETS, Guide, SamplingConfig, preset_config
from novelkit.tokenizing.headers import Header, split_names
from novelkit.writing.coloring import percent, shown
from novelkit.writing.exports import WRITERS, export
from novelkit.writing.manuscript import Manuscript, Span

# As wide as the column that holds it; a percentage would not count the margins.
_WIDE = widgets.Layout(width="auto")
_LABELS = {"description_width": "5.5em"}

# Setting, label, least, most, step: a float has a step below 1.
_SLIDERS: tuple[tuple[str, str, float, float, float], ...] = (
    ("temperature", "温度", 0.0, 2.0, 0.05),
    ("top_k", "top-k", 0, 200, 1),
    ("top_p", "top-p", 0.05, 1.0, 0.05),
    ("min_p", "min-p", 0.0, 0.3, 0.01),
    ("repetition_penalty", "重复惩罚", 1.0, 1.5, 0.01),
    ("frequency_penalty", "频率惩罚", 0.0, 1.0, 0.05),
    ("dry_multiplier", "防绕圈", 0.0, 3.0, 0.1),
    ("length", "字数", 10, 1000, 10),
    ("seed", "种子", 0, 9999, 1),
)
_STOPS = (
    ("写够字数", "length"),
    ("到句末", "sentence"),
    ("到段末", "paragraph"),
    ("到章末", "chapter"),
)


class Controls:
    """Presets above sliders: a `SamplingConfig`."""

    def __init__(self) -> None:
        names = [(preset.label, name) for name, preset in PRESETS.items()]
        self.preset = widgets.Dropdown(
            options=names, value=DEFAULT_PRESET, description="风格", style=_LABELS, layout=_WIDE
        )
        self.told = widgets.HTML()
        self.sliders = {row[0]: _slider(*row[1:]) for row in _SLIDERS}
        self.stop_at = widgets.Dropdown(
            options=_STOPS, value="sentence", description="写到", style=_LABELS, layout=_WIDE
        )
        self.close_pairs = widgets.Checkbox(description="引号成对", indent=False)
        self.banned = widgets.Text(
            description="不许写", placeholder="用空格分开", style=_LABELS, layout=_WIDE
        )
        self.sliders["length"].value = 80
        self.preset.observe(self._take_preset, "value")
        self._take_preset()
        parts = [self.preset, self.told, *self.sliders.values()]
        self.widget = widgets.VBox([*parts, self.stop_at, self.close_pairs, self.banned])

    def _take_preset(self, _change: Any = None) -> None:
        preset = PRESETS[self.preset.value]
        self.told.value = f'<small style="color:#666">{preset.description}</small>'
        for name, slider in self.sliders.items():
            if name not in ("length", "seed"):
                slider.value = getattr(preset.config, name)
        self.close_pairs.value = preset.config.close_pairs

    def config(self) -> SamplingConfig:
        """The settings as they stand; raises `InputError` for what cannot be."""
        given: dict[str, Any] = {name: slider.value for name, slider in self.sliders.items()}
        return preset_config(
            self.preset.value,
            **given,
            stop_at=self.stop_at.value,
            close_pairs=self.close_pairs.value,
            banned_phrases=tuple(self.banned.value.split()),
        )


def _slider(label: str, least: float, most: float, step: float) -> Any:
    kind = widgets.FloatSlider if step < 1 else widgets.IntSlider
    return kind(
        min=least,
        max=most,
        step=step,
        description=label,
        continuous_update=False,
        style=_LABELS,
        layout=_WIDE,
    )


class GuidePanel:
    """Header, memory and author's note, and how much of the context they take."""

    def __init__(self, guide: Guide, knows_headers: bool, changed: Callable[[Guide], None]) -> None:
        self._changed = changed
        self.told = widgets.HTML()
        header = guide.header or Header()
        self.fields = {
            "title": _line("书名", header.title),
            "author": _line("作者", header.author),
            "style": _line("风格", header.style),
            "chapter": _line("章节", header.chapter),
            "names": _line("人物", "、".join(header.names)),
        }
        self.memory = _area("备忘", guide.memory, "前情、人物、地点：写多长模型都看得见")
        self.note = _area("作者按", guide.note, "接下来往哪里写")
        for field in (*self.fields.values(), self.memory, self.note):
            field.observe(self._tell, "value")
        shown_fields = list(self.fields.values()) if knows_headers else []
        self.widget = widgets.VBox([*shown_fields, self.memory, self.note, self.told])

    def guide(self) -> Guide:
        given = {name: field.value.strip() for name, field in self.fields.items()}
        header = Header(**{**given, "names": split_names(given["names"])})
        return Guide(header or None, self.memory.value, self.note.value)

    def show(self, tokens: int, budget: int, problem: str = "") -> None:
        """How much is used of how much."""
        if problem:
            self.told.value = f'<span style="color:#b00">{problem}</span>'
            return
        characters = len(self.memory.value) + len(self.note.value)
        self.told.value = (
            f"备忘和作者按 {characters} 字；连题头一共 {tokens} 个词元，最多 {budget} 个"
        )

    def _tell(self, _change: Any) -> None:
        self._changed(self.guide())


def _line(label: str, value: str) -> Any:
    return widgets.Text(
        value=value, description=label, continuous_update=False, style=_LABELS, layout=_WIDE
    )


def _area(label: str, value: str, hint: str) -> Any:
    return widgets.Textarea(
        value=value,
        description=label,
        placeholder=hint,
        continuous_update=False,
        rows=3,
        style=_LABELS,
        layout=_WIDE,
    )


class BranchPanel:
    """A slider over the tokens that the model wrote; what else could have come, as buttons."""

    BUTTONS = 5
    REACH = 400  # so many of the last spans can be reached

    def __init__(self, chosen: Callable[[int, str], None]) -> None:
        self._chosen = chosen
        self._places: list[tuple[int, Span]] = []
        self._text = ""
        self.position = widgets.IntSlider(
            min=0, max=0, description="位置", style=_LABELS, layout=_WIDE
        )
        self.told = widgets.HTML()
        self.buttons = [widgets.Button() for _ in range(self.BUTTONS)]
        for number, button in enumerate(self.buttons):
            button.on_click(lambda _button, number=number: self._choose(number))
        self.position.observe(lambda _change: self._show(), "value")
        row = widgets.HBox(self.buttons, layout=widgets.Layout(flex_flow="row wrap"))
        self.widget = widgets.VBox([self.position, self.told, row])
        self._show()

    def take(self, manuscript: Manuscript) -> None:
        """Offer the places of a manuscript; the slider stands at the last one."""
        self._text, places, place = manuscript.text, [], 0
        for span in manuscript.spans:
            if span.alternatives:
                places.append((place, span))
            place += len(span.text)
        self._places = places[-self.REACH :]
        self.position.max = max(0, len(self._places) - 1)
        self.position.value = self.position.max
        self._show()

    def _show(self) -> None:
        if not self._places:
            self.told.value = "模型还没有写过字：续写并采用以后，这里可以回到任何一处另走一条路。"
            for button in self.buttons:
                button.layout.display = "none"
            return
        place, span = self._places[self.position.value]
        before, after = self._text[max(0, place - 14) : place], self._text[place:][:20]
        rest = after[len(span.text) :]
        self.told.value = (
            f'<div style="font-size:16px">…{_plain(before)}'
            f"<b>[{_plain(span.text)}]</b>{_plain(rest)}… 概率 {percent(span.probability)}</div>"
        )
        others = self._others()
        for number, button in enumerate(self.buttons):
            there = number < len(others)
            button.layout.display = "" if there else "none"
            if there:
                item = others[number]
                button.description = f"{shown(item.text)} {percent(item.probability)}"
                button.tooltip = "从这里改成它，后面的重写"

    def _others(self) -> list[Any]:
        _, span = self._places[self.position.value]
        return [item for item in span.alternatives if item.text and item.text != span.text]

    def _choose(self, number: int) -> None:
        if not self._places or number >= len(self._others()):
            return
        place, _ = self._places[self.position.value]
        self._chosen(place, self._others()[number].text)


def _plain(text: str) -> str:
    return html.escape(shown(text)) if text else ""


class ExportPanel:
    """A file name, a format, and where it went."""

    def __init__(self, text: Callable[[], str], save_record: Callable[[Path], None]) -> None:
        self._text, self._save_record = text, save_record
        self.title = _line("书名", "")
        self.author = _line("作者", "")
        self.name = _line("文件名", "稿子")
        self.format = widgets.Dropdown(
            options=[*WRITERS, ".json"], description="格式", style=_LABELS, layout=_WIDE
        )
        self.button = widgets.Button(description="导出", icon="download")
        self.told = widgets.HTML()
        self.button.on_click(lambda _button: self._export())
        self.widget = widgets.VBox(
            [self.title, self.author, self.name, self.format, self.button, self.told]
        )

    def _export(self) -> None:
        path = Path(f"{self.name.value.strip() or '稿子'}{self.format.value}")
        try:
            if self.format.value == ".json":
                self._save_record(path)
            else:
                export(self._text(), path, self.title.value.strip(), self.author.value.strip())
        except (InputError, OSError) as error:
            self.told.value = f'<span style="color:#b00">{html.escape(str(error))}</span>'
            return
        self.told.value = f"已存到 <code>{html.escape(str(path.absolute()))}</code>"
