"""Which request brought which bytes of a file."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from novelkit.plots.fonts import label, use_chinese_font


def plot_requests(requests: Sequence[tuple[int, int]], total: int) -> Figure:
    """The byte range (first, behind the last) that each request brought, one row a request.

    `total` is the length of the whole file in bytes.
    """
    use_chinese_font()
    figure = Figure(figsize=(9, 0.45 * len(requests) + 1.1), layout="constrained")
    axes = figure.subplots()
    rows = range(1, len(requests) + 1)
    axes.barh(rows, [total] * len(rows), color="0.93")
    axes.barh(rows, [end - start for start, end in requests], left=[start for start, _ in requests])
    for row, (start, end) in zip(rows, requests, strict=True):
        axes.text(1.01 * max(total, 1), row, f"{start:,} – {end:,}", va="center", fontsize=9)
    axes.set_xlim(0, max(total, 1))
    axes.set_ylim(len(requests) + 0.6, 0.4)
    axes.set_yticks(rows, [label(f"第 {row} 次请求", f"request {row}") for row in rows])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlabel(label("文件里的位置（字节）", "position in the file (bytes)"))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure
