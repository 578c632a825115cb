"""What several test files need: a small novel, its DATA folder and a model that trains on it.

The novel is made of sentences of our own in an order that a seed decides, so that the tests need
no download and find the same text on every machine. Imports of torch stay inside the fixtures:
most test files do without it.
"""

import random
from pathlib import Path

import pytest

SENTENCES = (
    "天亮以前，渡口上只有一盏灯还亮着。",
    "老船夫把缆绳绕了三圈，才慢慢直起腰来。",
    "“你从哪里来？”她问，声音很轻……",
    "他没有回答，只是望着对岸的柳树出神。",
    "风从河面上吹过来，带着泥土和青草的气味。",
    "集市散了以后，街上剩下几个收摊的小贩。",
    "铁匠铺里的火还没有熄，照得半面墙通红。",
    "孩子们提着灯笼跑过石桥，笑声越来越远。",
    "那封信在抽屉里放了七年，纸边已经发黄。",
    "“等雪化了再走罢。”父亲说完，又添了一根柴。",
    "山路拐了一个弯，寺里的钟声忽然近了。",
    "她把绣了一半的手帕叠好，压在箱子底下——再没有打开过。",
    "雨下了一整夜，清早的院子里落满了槐花。",
    "先生合上书，说今天就讲到这里。",
    "没有人知道那条小船后来漂到了什么地方。",
    "井边的石板上，还留着去年冬天磕出的裂纹。",
)


@pytest.fixture(scope="session")
def novel():
    """A book of 12 chapters of about 400 characters each."""
    from novelkit.cleaning import Chapter, Novel

    rng = random.Random(20)
    chapters = tuple(
        Chapter(
            f"第{number}章",
            tuple("".join(rng.sample(SENTENCES, 4)) for _ in range(6)),
        )
        for number in range(1, 13)
    )
    return Novel("渡口", chapters, {"file": "渡口.txt"})


@pytest.fixture(scope="session")
def data_folder(novel, tmp_path_factory) -> Path:
    """The novel as a DATA folder; tests only read it (copy it to change it)."""
    from novelkit.tokenizing import write_data

    folder = tmp_path_factory.mktemp("data") / "data"
    write_data([novel], folder)
    return folder


@pytest.fixture(scope="session")
def model_size(data_folder):
    """A model that learns this novel in seconds; it has dropout, so random numbers matter."""
    from novelkit.model import ModelConfig
    from novelkit.tokenizing import load_tokenizer

    vocabulary = len(load_tokenizer(data_folder))
    return ModelConfig(vocabulary, n_ctx=32, n_layer=2, n_head=2, n_embd=32, dropout=0.1)


@pytest.fixture(scope="session")
def cpu():
    """One core in float32: what two runs must share to agree to the bit."""
    import torch

    from novelkit.environment import Compute

    torch.set_num_threads(1)
    return Compute("cpu", "float32", False, "测试用")


@pytest.fixture(params=["chinese", "none"])
def font(request, monkeypatch):
    """As on a machine with a Chinese font, and as in Colab, where there is none."""
    # Here, since most tests draw nothing and these imports take their time.
    import matplotlib
    import matplotlib.font_manager

    from novelkit import environment
    from novelkit.environment import fonts

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


@pytest.fixture(scope="session")
def shelf(tmp_path_factory):
    """Six books in several encodings; tests only read them."""
    from helpers_command import shelf_texts

    folder = tmp_path_factory.mktemp("shelf")
    for name, content in shelf_texts():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="session")
def shelf_data(shelf, tmp_path_factory):
    """The shelf as a DATA folder; tests only read it."""
    from novelkit.pipeline import prepare

    out = tmp_path_factory.mktemp("shelf-data") / "data"
    prepare([shelf], out)
    return out
