"""The figure of the requests: one bar each, where its bytes stand, with a font and without."""

import pytest

from novelkit.plots.download import plot_requests

REQUESTS = [(0, 40_000), (40_000, 80_000), (80_000, 96_757)]


pytestmark = pytest.mark.usefixtures("font")


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
