"""The writing desk: a manuscript, three continuations to choose from, and all that steers them.

    from novelkit.writing import desk
    desk("novel-small")

Text streams while it is written. A callback cannot be interrupted by another one, so writing is a
task that yields to the event loop of the kernel at every token: there the Stop button is heard, on
ipykernel 6 and 7. Where updates after the callback do not reach the page (Colab), it is written
inside the callback, and interrupting the kernel stops it. No threads, no widgets of third parties,
and nothing of the manuscript in the notebook: it is in its own file.
"""

import asyncio
import html
import sys
import time
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from novelkit.errors import InputError
from novelkit.sampling import Guide
from novelkit.writing import coloring
from novelkit.writing.panels import BranchPanel, Controls, ExportPanel, GuidePanel
from novelkit.writing.session import Candidate, WritingSession

CANDIDATES = 3
# How much of a long manuscript is shown and coloured, in characters.
SHOWN = 2000
# A page takes about so many updates of a text a second.
_REFRESH = 0.1
_BOX = "border:1px solid #ccc;border-radius:6px;padding:8px 12px;"


class WritingDesk:
    """The widgets of a session. `widget` is what a notebook shows."""

    def __init__(
        self,
        session: WritingSession,
        candidates: int = CANDIDATES,
        in_callback: bool | None = None,
    ) -> None:
        """`in_callback` None: only where the page needs it, which is Colab."""
        self.session = session
        self._in_callback = "google.colab" in sys.modules if in_callback is None else in_callback
        self._task: asyncio.Future[None] | None = None
        self._stopping = False
        self.controls = Controls()
        self.guide = GuidePanel(session.guide, session.knows_headers, self._take_guide)
        self.branch = BranchPanel(self._branch)
        self.export = ExportPanel(lambda: session.manuscript.text, self._save_record)
        self.manuscript, self.editor = widgets.HTML(), _editor()
        self.message, self.effort, self.seen = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.cards = [_Card(number, self._accept) for number in range(candidates)]
        self.buttons = {
            name: widgets.Button(
                description=label,
                icon=icon,
                tooltip=hint,
                button_style=style,
                layout=widgets.Layout(width="auto", min_width="76px"),
            )
            for name, label, icon, hint, style in _BUTTONS
        }
        for name, button in self.buttons.items():
            button.on_click(lambda _button, name=name: self._press(name))
        # How much is to be written decides how much of the manuscript is seen.
        for control in (self.controls.sliders["length"], self.controls.stop_at):
            control.observe(lambda _change: self._show_view(), "value")
        self.widget = self._lay_out()
        self._show()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """The widgets, and for a page that cannot show them a line of text."""
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        return {
            "text/plain": "写作台：运行这一格才看得见",
            "application/vnd.jupyter.widget-view+json": view,
        }

    # ---- buttons

    def _press(self, name: str) -> None:
        self._say("")
        actions = {
            "continue": self._continue,
            "stop": self._stop,
            "reject": self._reject,
            "undo": self._undo,
            "redo": self._redo,
            "edit": self._edit,
        }
        actions[name]()

    def _continue(self) -> None:
        if self.is_writing:
            return
        if self.editor.layout.display != "none":
            self._edit()
        if self.session.candidates:
            self._take_next_seeds()
        self._stopping = False
        writing = self._write()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is None or self._in_callback:
            _run_to_the_end(writing)
        else:
            self._task = loop.create_task(writing)

    @property
    def is_writing(self) -> bool:
        return self._task is not None and not self._task.done()

    async def _write(self) -> None:
        """Let the session propose, show what comes, and listen in between."""
        self._set_writing(True)
        pieces, shown_at = None, 0.0
        try:
            pieces = self.session.propose(self.controls.config(), len(self.cards))
            for _ in pieces:
                if time.monotonic() - shown_at > _REFRESH:
                    self._show_candidates()
                    shown_at = time.monotonic()
                # Here the kernel reads what else was pressed.
                await asyncio.sleep(0)
                if self._stopping:
                    self._say("已停下，写好的留着。")
                    break
        except InputError as error:
            self._say(str(error), wrong=True)
        except KeyboardInterrupt:
            self._say("已中断，写好的留着。")
        finally:
            if pieces is not None:
                pieces.close()
            self._set_writing(False)
            self._show_candidates()
            self._show_buttons()

    def _stop(self) -> None:
        self._stopping = True

    def _accept(self, number: int) -> None:
        if self.is_writing or number >= len(self.session.candidates):
            return
        self.session.accept(number)
        self._take_next_seeds()
        self._show()

    def _reject(self) -> None:
        self.session.reject()
        self._take_next_seeds()
        self._show()

    def _take_next_seeds(self) -> None:
        """Another time, other continuations: each candidate has had a seed of its own."""
        seed = self.controls.sliders["seed"]
        seed.value = (seed.value + len(self.cards)) % (seed.max + 1)

    def _undo(self) -> None:
        if not self.session.undo():
            self._say("没有可以撤销的了。")
        self._show()

    def _redo(self) -> None:
        if not self.session.redo():
            self._say("没有可以重做的了。")
        self._show()

    def _edit(self) -> None:
        """Open the editor, or take what was written in it."""
        editing = self.editor.layout.display != "none"
        if editing:
            self.session.edit(self.editor.value)
        else:
            self.editor.value = self.session.manuscript.text
        self.editor.layout.display = "none" if editing else ""
        self.buttons["edit"].description = "手改" if editing else "改好了"
        self._show()

    def _branch(self, position: int, text: str) -> None:
        if not self.is_writing:
            self.session.branch(position, text)
            self._show()

    def _take_guide(self, guide: Guide) -> None:
        self.session.guide = guide
        self._show_view()

    def _save_record(self, path: Path) -> None:
        from novelkit.writing.record import save_record

        save_record(self.session.record, self.session.manuscript.text, path)

    # ---- what is shown

    def _show(self) -> None:
        spans, before = coloring.tail(self.session.manuscript.spans, SHOWN)
        more = f"<small>（前面还有 {before} 字）</small>\n" if before else ""
        text = coloring.spans_to_html(spans) or '<span style="color:#999">点“手改”写个开头</span>'
        # The last line stays in sight: a column that is filled from below.
        self.manuscript.value = (
            f'<div style="{_BOX}{coloring.STYLE}height:300px;overflow-y:auto;display:flex;'
            'flex-direction:column-reverse">'
            f'<div style="margin-bottom:auto">{more}{text}</div></div>'
        )
        self.branch.take(self.session.manuscript)
        self._show_candidates()
        self._show_view()
        self._show_effort()
        self._show_buttons()

    def _show_candidates(self) -> None:
        for number, card in enumerate(self.cards):
            there = number < len(self.session.candidates)
            candidate = self.session.candidates[number] if there else None
            copied = self.session.copied_share(candidate.text) if candidate else None
            card.show(candidate, copied, self.is_writing)

    def _show_buttons(self) -> None:
        writing = self.is_writing
        enabled = {
            "continue": not writing,
            "stop": writing,
            "reject": bool(self.session.candidates) and not writing,
            "undo": self.session.can_undo and not writing,
            "redo": self.session.can_redo and not writing,
            "edit": not writing,
        }
        for name, button in self.buttons.items():
            button.disabled = not enabled[name]

    def _set_writing(self, writing: bool) -> None:
        for button in self.buttons.values():
            button.disabled = writing
        self.buttons["stop"].disabled = not writing or self._in_callback
        if writing and self._in_callback:
            self._say("正在写。要停下，请用菜单：代码执行程序 → 中断执行。")
        elif writing:
            self._say("正在写……")
        elif self.message.value.endswith(("正在写……</div>", "中断执行。</div>")):
            self._say("")
        if not writing:
            self._task = None

    def _show_view(self) -> None:
        try:
            view = self.session.view(self.controls.config())
        except InputError as error:
            self.guide.show(0, 0, html.escape(str(error)))
            return
        self.seen.value = coloring.view_to_html(view)
        self.guide.show(view.guide_tokens, view.budget)

    def _show_effort(self) -> None:
        effort = self.session.effort()
        self.effort.value = (
            f"新写 {effort.characters} 字，其中模型的 {effort.by_model} 字；"
            f"采用过 {effort.accepted} 字，留下 {effort.kept_share:.0%}；"
            f"手打 {effort.typed} 字，删 {effort.deleted} 字，按钮 {effort.clicks} 次："
            f"比全部手打省 {effort.saved_share:.0%}"
        )

    def _say(self, text: str, wrong: bool = False) -> None:
        colour = "#b00" if wrong else "#555"
        told = f'<div style="color:{colour}">{html.escape(text)}</div>' if text else ""
        self.message.value = told

    # ---- where everything stands

    def _lay_out(self) -> Any:
        row = widgets.Layout(flex_flow="row wrap")
        left = widgets.VBox(
            [
                self.manuscript,
                self.editor,
                widgets.HBox(list(self.buttons.values()), layout=row),
                self.message,
                widgets.HBox([card.widget for card in self.cards], layout=row),
                self.effort,
            ],
            # As wide as there is room, and on a narrow page below each other.
            layout=widgets.Layout(flex="3 1 460px", min_width="0"),
        )
        more = widgets.Accordion(
            [self.guide.widget, self.branch.widget, self.seen, self.export.widget]
        )
        titles = ("题头、备忘、作者按", "回到一处，另走一条路", "模型看到的", "导出")
        for number, title in enumerate(titles):
            more.set_title(number, title)
        more.selected_index = None
        right = widgets.VBox(
            [self.controls.widget, more],
            layout=widgets.Layout(flex="1 1 300px", min_width="0", padding="0 12px 0 0"),
        )
        return widgets.HBox([left, right], layout=row)


# Name, label, icon, what it does, style.
_BUTTONS = (
    ("continue", "续写", "play", "从稿子的末尾写几份续写", "primary"),
    ("stop", "停", "stop", "停下，写好的留着", "warning"),
    ("reject", "都不要", "times", "这几份都不要，换种子再写", ""),
    ("undo", "撤销", "undo", "稿子回到上一次改动之前", ""),
    ("redo", "重做", "repeat", "撤销错了，再回来", ""),
    ("edit", "手改", "pencil", "自己改稿子", ""),
)


class _Card:
    """One continuation, what is known of it, and the button that keeps it."""

    def __init__(self, number: int, accept: Any) -> None:
        self.text, self.told = widgets.HTML(), widgets.HTML()
        self.button = widgets.Button(description="用这份", icon="check", button_style="success")
        self.button.on_click(lambda _button: accept(number))
        self.widget = widgets.VBox(
            [self.text, self.told, self.button],
            layout=widgets.Layout(flex="1 1 160px", min_width="0", margin="4px"),
        )
        self.show(None, None, False)

    def show(self, candidate: Candidate | None, copied: float | None, writing: bool) -> None:
        self.button.disabled = candidate is None or not candidate.text or writing
        text, told = "", ""
        if candidate is not None:
            # A model without a filter cannot tell what it copied.
            share = "未检查" if copied is None else f"{copied:.0%}"
            text = coloring.spans_to_html(candidate.spans)
            told = (
                f'<small style="line-height:1.4;display:block">'
                f"平均对数概率 {candidate.mean_log_probability:.2f} · "
                f"重复 {candidate.repeated:.0%} · 照抄 {share} · {len(candidate.text)} 字</small>"
            )
        self.text.value = (
            f'<div style="{_BOX}{coloring.STYLE}font-size:16px;min-height:120px">{text}</div>'
        )
        self.told.value = told


def _editor() -> Any:
    return widgets.Textarea(
        rows=14, layout=widgets.Layout(width="100%", display="none"), continuous_update=False
    )


def _run_to_the_end(writing: Any) -> None:
    """Run a coroutine that waits for nothing, without an event loop."""
    try:
        while True:
            writing.send(None)
    except StopIteration:
        pass
