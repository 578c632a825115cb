"""A manuscript as HTML: every character of the model on the colour of its surprise.

What it was sure of stays white, what surprised it becomes orange; what a person typed has no
colour but a line below. Resting on a character shows its probability and what else could have come.
"""

import html
import math
from collections.abc import Iterable

from novelkit.sampling import View
from novelkit.writing.manuscript import Span

# A token of 1 in 1,000 has the full colour.
_FULL = math.log(1000)
_STRONGEST = 0.75
STYLE = "font-size:18px;line-height:1.9;white-space:pre-wrap;color:#222;background:#fff;"
NAMES = {"header": "题头", "memory": "备忘", "text": "正文", "note": "作者按"}
_SHADES = {"header": "#e8eefc", "memory": "#e6f5ea", "text": "#fff", "note": "#fdf3d8"}


def shade(probability: float) -> float:
    """How strong the colour of a probability is, 0 (certain) to `_STRONGEST` (1 in 1,000)."""
    surprise = -math.log(max(probability, 1e-30))
    return _STRONGEST * min(1.0, surprise / _FULL)


def spans_to_html(spans: Iterable[Span]) -> str:
    """Coloured characters, line ends kept by the style of what holds them."""
    return "".join(_span_to_html(span) for span in spans)


def _span_to_html(span: Span) -> str:
    text = html.escape(span.text)
    if not span.by_model:
        return f'<span style="border-bottom:1px dotted #999">{text}</span>'
    colour = f"rgba(240,130,20,{shade(span.probability):.2f})"
    return f'<span style="background:{colour}" title="{_hint(span)}">{text}</span>'


def _hint(span: Span) -> str:
    told = f"概率 {percent(span.probability)}"
    others = [item for item in span.alternatives if item.text and item.text != span.text]
    if others:
        listed = "、".join(f"{shown(item.text)} {percent(item.probability)}" for item in others)
        told += f"；还可能：{listed}"
    return html.escape(told, quote=True)


def percent(probability: float) -> str:
    return f"{probability:.1%}" if probability >= 0.001 else "不到 0.1%"


def shown(text: str) -> str:
    """A token as it can be read on a button."""
    return text.replace("\n", "⏎").replace("\u3000", "□").replace(" ", "␣") or "（无字）"


def tail(spans: tuple[Span, ...], characters: int) -> tuple[tuple[Span, ...], int]:
    """The last spans of about so many characters, and how many characters stand before them."""
    kept: list[Span] = []
    total = 0
    for span in reversed(spans):
        if total >= characters:
            break
        # A novel that was pasted is one span.
        part = span.part(max(0, len(span.text) - (characters - total)), len(span.text))
        kept.append(part if len(part.text) < len(span.text) else span)
        total += len(kept[-1].text)
    return tuple(reversed(kept)), sum(len(span.text) for span in spans) - total


def view_to_html(view: View) -> str:
    """What the model sees, part by part, each with its name and size."""
    blocks = [
        f'<div style="background:{_SHADES[part.name]};padding:4px 8px;white-space:pre-wrap">'
        f"<b>{NAMES[part.name]}</b> <small>{part.tokens} 词元 · {len(part.text)} 字</small>\n"
        f"{html.escape(part.text)}</div>"
        for part in view.parts
    ]
    head = (
        f"<div>模型一次看 {view.n_ctx} 个词元，现在看到 {view.tokens} 个；"
        f"稿子前面的 {view.unseen_characters} 字它看不见。</div>"
    )
    return head + "".join(blocks)
