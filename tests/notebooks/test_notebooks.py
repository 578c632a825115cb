"""Every notebook: well-formed as saved, and runs from top to bottom, as on a new machine."""

import json
import subprocess
from pathlib import Path

import execute
import nbformat
import pytest

from novelkit.exercises import exercise_cells, load_exercises

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]

# Stands for Colab's image: the module that marks it, found as transformers looks for it, and
# nothing of the network.
COLAB = """
import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
google = module_from_spec(ModuleSpec("google", None, is_package=True))
google.colab = module_from_spec(ModuleSpec("google.colab", None))
sys.modules["google"], sys.modules["google.colab"] = google, google.colab
"""
# A port that nothing listens on: whatever asks the network fails at once.
NO_NETWORK = {
    "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "PIP_NO_INDEX": "1",
    "HF_HUB_OFFLINE": "1",
}


def test_the_course_has_its_first_notebook():
    assert "00_start" in NAMES


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_saved_outputs_come_from_one_clean_run(path: Path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert "widgets" not in notebook["metadata"]  # GitHub cannot render it
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert not [kind for kind in kinds if "widget" in kind]  # an error without that state
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    printed = "".join("".join(output.get("text", "")) for output in outputs)
    assert not [word for word in ("/home/", "/tmp/", str(ROOT)) if word in printed]


def test_the_setup_cell_is_the_same_in_all():
    assert len({_setup_source(path) for path in NOTEBOOKS}) == 1


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_exercises_of_the_notebook_are_those_of_its_file(path: Path):
    cells = exercise_cells(json.loads(path.read_text(encoding="utf-8")))
    defined = {
        name: exercise
        for name, exercise in load_exercises().items()
        if exercise.notebook == path.stem
    }
    assert set(cells) == set(defined)
    for name, source in cells.items():
        assert f"def {defined[name].function}(" in source


# All run as in Colab, below; the way of a local Jupyter differs in the setup cell alone, which is
# the same in all of them. One stands for the rest, that with the widgets.
LOCAL = [path for path in NOTEBOOKS if path.stem == "09_writing"]


@pytest.mark.notebooks
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("path", LOCAL, ids=[path.stem for path in LOCAL])
def test_runs_from_top_to_bottom(path: Path, tmp_path: Path):
    notebook = execute.execute(path, tmp_path, NO_NETWORK)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    assert (tmp_path / "novelkit-work").is_dir()


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kit as Colab would clone it: the working tree, tagged as the notebooks expect."""
    folder = tmp_path_factory.mktemp("published") / "kit"
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        encoding="utf-8",
    ).stdout.split("\0")
    for name in filter(None, files):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    tag = next(
        line.split('"')[1]
        for line in _setup_source(ROOT / "notebooks" / "00_start.ipynb").splitlines()
        if line.startswith("TAG = ")
    )
    for command in (
        ["init", "--quiet"],
        ["add", "--all"],
        ["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "-m", "t"],
        ["tag", tag],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


@pytest.mark.notebooks
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_runs_in_colab_from_a_clone_without_other_network(
    path: Path, tmp_path: Path, published: Path
):
    variables = {**NO_NETWORK, "NOVELKIT_SOURCE": published.as_uri()}
    notebook = execute.execute(path, tmp_path, variables, COLAB + _WHERE_CELL)
    assert (_clone(tmp_path) / "novelkit" / "__init__.py").is_file()
    # The modules came from the clone and not from this environment's own installation.
    location = (tmp_path / "where.txt").read_text(encoding="utf-8")
    assert Path(location).is_relative_to(_clone(tmp_path))
    assert "没有挂载" in execute.text_outputs(notebook)


def _clone(folder: Path) -> Path:
    """The kit that the setup cell fetched into `folder`, whole and under its own name."""
    (found,) = folder.glob("novelkit-kit-*")
    assert ".part" not in found.name
    return found


# Written when the kernel ends, after the notebook imported the kit.
_WHERE_CELL = """
import atexit
@atexit.register
def _write_where():
    open("where.txt", "w", encoding="utf-8").write(sys.modules["novelkit"].__file__)
"""


def _setup_source(path: Path) -> str:
    notebook = nbformat.read(path, as_version=4)
    return next(cell.source for cell in notebook.cells if "REPOSITORY = " in cell.source)
