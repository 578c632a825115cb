"""The figure of the requests: one bar each, where its bytes stand, with a font and without."""

import matplotlib
import matplotlib.font_manager
import pytest

from novelkit import environment
from novelkit.environment import fonts
from novelkit.plots.download import plot_requests

REQUESTS = [(0, 40_000), (40_000, 80_000), (80_000, 96_757)]


@pytest.fixture(params=["chinese", "none"], autouse=True)
def font(request, monkeypatch):
    """As on a machine with a Chinese font, and as in Colab, where there is none."""
    if request.param == "chinese" and environment.find_chinese_font() is None:
        pytest.skip("no font with simplified Chinese here")
    if request.param == "none":
        manager = matplotlib.font_manager.fontManager
        kept = [font for font in manager.ttflist if "DejaVu" in font.name]
        monkeypatch.setattr(manager, "ttflist", kept)
        monkeypatch.setattr(fonts, "BUNDLED", ())
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield request.param


@pytest.mark.filterwarnings("error")
def test_each_request_is_a_bar_where_its_bytes_stand(tmp_path, font):
    figure = plot_requests(REQUESTS, 96_757)
    figure.savefig(tmp_path / "requests.png")
    assert (tmp_path / "requests.png").stat().st_size > 5_000
    (axes,) = figure.axes
    background, bars = axes.containers
    assert [bar.get_width() for bar in background] == [96_757] * 3
    drawn = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars]
    assert drawn == REQUESTS
    texts = [text.get_text() for text in axes.get_yticklabels()]
    assert texts[0] == ("第 1 次请求" if font == "chinese" else "request 1")
    assert axes.yaxis_inverted() and axes.get_xlim() == (0, 96_757)


@pytest.mark.filterwarnings("error")
def test_a_single_request_and_an_empty_file_can_be_drawn(tmp_path):
    plot_requests([(0, 1)], 1).savefig(tmp_path / "one.png")
    plot_requests([(0, 0)], 0).savefig(tmp_path / "none.png")
    assert (tmp_path / "none.png").stat().st_size > 1_000
