"""Stage 09 in real kernels, without a page: text streams, and Stop is heard while it does.

On the kernel that is installed, and on the older one of Colab's image with ipywidgets 7.7.1, which
gets an environment of its own.
"""

import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
from helpers_desk import SETUP, running_kernel

TESTS = Path(__file__).parent
OLD = ["ipykernel==6.17.1", "ipywidgets==7.7.1", "jupyter_client<8", "ipython<9"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def old_python(tmp_path_factory):
    """A Python with the kernel and the widgets of Colab, and all else of this one."""
    folder = tmp_path_factory.mktemp("old")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    install = [python, "-m", "pip", "install", "--quiet", *OLD]
    subprocess.run(install, check=True, timeout=240)
    ask = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    theirs = subprocess.run(ask, check=True, capture_output=True, encoding="utf-8").stdout.strip()
    ours = [sysconfig.get_path("purelib"), str(TESTS.parent)]
    # Read after its own packages, so that those come first.
    (Path(theirs) / "rest.pth").write_text("\n".join(ours), encoding="utf-8")
    return python


@pytest.fixture(params=["installed", "old"])
def kernel(request):
    python = request.getfixturevalue("old_python") if request.param == "old" else sys.executable
    with running_kernel(python) as kernel:
        kernel.kind = request.param
        yield kernel


def prepare(kernel, length, **settings):
    kernel.execute(SETUP.format(tests=str(TESTS), length=length))
    for name, value in settings.items():
        kernel.execute(f"desk.{name} = {value!r}")


def test_the_kernel_is_the_one_that_is_meant(kernel):
    versions = kernel.execute(
        "import ipykernel, ipywidgets; print(ipykernel.__version__, ipywidgets.__version__)"
    )
    if kernel.kind == "old":
        assert versions == "6.17.1 7.7.1"
    else:
        assert int(versions.split(".")[0]) >= 7 and " 8." in versions


def test_text_streams_and_stop_is_heard(kernel):
    prepare(kernel, 1000)
    card = kernel.identify("desk.cards[0].text")
    message = kernel.identify("desk.message")
    kernel.click(kernel.identify("desk.buttons['continue']"))
    grown = kernel.updates(card, 3)
    assert len(grown) >= 5, "the text came at once or not at all"
    lengths = [len(value) for value in grown]
    assert lengths == sorted(lengths) and lengths[-1] > lengths[0]
    began = time.monotonic()
    kernel.click(kernel.identify("desk.buttons['stop']"))
    said = kernel.updates(message, 10, until=lambda value: "已停下" in value)
    assert "已停下" in said[-1] and time.monotonic() - began < 5
    written = int(kernel.execute("print(len(session.candidates[0].text))"))
    assert 0 < written < 1000
    # What was written can still be kept.
    kernel.click(kernel.identify("desk.cards[0].button"))
    kernel.updates(kernel.identify("desk.manuscript"), 2)
    assert int(kernel.execute("print(len(session.manuscript.text))")) == 5 + written


def test_it_finishes_by_itself_and_its_buttons_come_back(kernel):
    prepare(kernel, 20)
    message = kernel.identify("desk.message")
    kernel.click(kernel.identify("desk.buttons['continue']"))
    said = kernel.updates(message, 20, until=lambda value: value == "")
    assert said[-1] == ""
    assert kernel.execute("print([len(c.text) for c in session.candidates])") == "[20, 20, 20]"
    states = "print(desk.buttons['stop'].disabled, desk.buttons['continue'].disabled)"
    assert kernel.execute(states) == "True False"


def test_inside_the_callback_text_streams_too(kernel):
    """As in Colab: there Stop is not heard, and interrupting the kernel keeps what was written."""
    prepare(kernel, 1000, _in_callback=True)
    card = kernel.identify("desk.cards[0].text")
    kernel.click(kernel.identify("desk.buttons['continue']"))
    assert len(kernel.updates(card, 3)) >= 5
    kernel.interrupt()
    assert int(kernel.execute("print(len(session.candidates[0].text))")) in range(1, 1000)
    assert "已中断" in kernel.execute("print(desk.message.value)")
