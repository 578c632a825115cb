"""The loss of a run as a figure that is drawn again while the run goes on, in a notebook.

The figure is that of `plots.training`: raw points, a smooth line, the spread, the anchors of the
corpus, the sessions. It is shown as a PNG through IPython's display handles, which Jupyter and
Colab update in place while the cell still runs.
"""

import io
import time
from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure

from novelkit.plots.training import plot_loss

# Drawing may take at most this share of the time.
LARGEST_SHARE = 0.05


class LiveLoss:
    """Draws the loss as training goes on; pass `on_step` to `train`, and `close` at the end.

    with LiveLoss(data) as live:
        train(data, run, size, on_step=live.on_step)
    """

    def __init__(
        self,
        data: dict[str, Any],
        earlier: list[dict[str, Any]] | None = None,
        title: str = "",
        every: float = 5.0,
        show: Callable[[Figure], None] | None = None,
    ) -> None:
        """`data`: the header of the DATA folder; `earlier`: the history that a resume goes on from.

        A new picture comes after `every` seconds at the soonest. `show` receives the figure, by
        default IPython's display.
        """
        self.data = _identity(data)
        self.history = list(earlier or [])
        self.title, self.every = title, every
        self._show = show or _Display()
        self._next = 0.0

    def on_step(self, record: dict[str, Any], last_step: int | None) -> None:
        """Note a step, and draw if it is time."""
        # A resume does steps again that were lost: what followed them belongs to the past.
        while self.history and self.history[-1]["step"] >= record["step"]:
            self.history.pop()
        self.history.append(record)
        if time.monotonic() >= self._next:
            self.draw()

    def draw(self) -> None:
        """Draw what is known now."""
        if not self.history:
            return
        began = time.monotonic()
        self._show(plot_loss(self.history, self.data, self.title))
        now = time.monotonic()
        self._next = now + max(self.every, (now - began) / LARGEST_SHARE)

    def close(self) -> None:
        """Draw the last steps too."""
        self.draw()

    def __enter__(self) -> "LiveLoss":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _identity(header: dict[str, Any]) -> dict[str, Any]:
    """What a plot needs of the data: from the header of a DATA folder, or from a ledger."""
    if "splits" not in header:
        return header
    splits = header["splits"].items()
    ratios = {name: part["tokens"] / part["characters"] for name, part in splits}
    return {"anchors": header["anchors"], "tokens_per_character": ratios}


class _Display:
    """One output of the cell, replaced by each new figure."""

    def __init__(self) -> None:
        self._handle: Any = None

    def __call__(self, figure: Figure) -> None:
        from IPython.display import Image, display

        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=90)
        image = Image(data=picture.getvalue(), format="png")
        if self._handle is None:
            self._handle = display(image, display_id=True)
        else:
            self._handle.update(image)
