"""Execute notebooks from top to bottom: `python tests/notebooks/execute.py [--save] [NAME ...]`.

Each runs in an empty folder, as on a new machine. `--save` keeps the outputs in the notebook,
cleaned: progress bars as their last line, nothing that changes without a reason.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
# The longest cell trains for a minute on two free cores.
TIMEOUT_SECONDS = 900


def execute(
    path: Path, folder: Path, environment: Mapping[str, str] | None = None, prelude: str = ""
) -> nbformat.NotebookNode:
    """Run a notebook in `folder`; `prelude` is a first cell that stands for the machine.

    Raises `nbclient.exceptions.CellExecutionError` for the first cell that fails.
    """
    try:
        return _execute(path, folder, environment or {}, prelude)
    except CellTimeoutError:
        # A kernel was seen idle while its client waited for an answer that had got lost. A cell
        # that is too slow is so again.
        return _execute(path, folder, environment or {}, prelude)


def _execute(
    path: Path, folder: Path, environment: Mapping[str, str], prelude: str
) -> nbformat.NotebookNode:
    notebook = nbformat.read(path, as_version=4)
    if prelude:
        notebook.cells.insert(0, nbformat.v4.new_code_cell(prelude))
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
    )
    client.execute(env={**os.environ, **environment})
    if prelude:
        del notebook.cells[0]
    return notebook


def text_outputs(notebook: nbformat.NotebookNode) -> str:
    """All that the cells printed, for assertions."""
    parts = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            parts.append(output.get("text", "") or output.get("data", {}).get("text/plain", ""))
    return "\n".join(parts)


def clean(notebook: nbformat.NotebookNode) -> None:
    """Keep of the outputs what a reader needs: no widgets, bars as they ended."""
    notebook.metadata = nbformat.from_dict(
        {
            "accelerator": "GPU",
            "colab": {"gpuType": "T4", "provenance": []},
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = _merge_streams(cell.outputs)
            kept = [name for name in ("tags", "novelkit") if name in cell.metadata]
            cell.metadata = nbformat.from_dict({name: cell.metadata[name] for name in kept})


def _merge_streams(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Join what one stream printed in pieces; a carriage return overwrites its line."""
    merged: list[nbformat.NotebookNode] = []
    for output in outputs:
        last = merged[-1] if merged else None
        if output.output_type == "stream" and last and last.get("name") == output.name:
            last.text += output.text
        else:
            merged.append(output)
    for output in merged:
        if output.output_type == "stream":
            lines = output.text.split("\n")
            output.text = "\n".join(line.rstrip("\r").split("\r")[-1] for line in lines)
    filled = [output for output in merged if output.get("text", "-").strip()]
    return [output for output in filled if not _is_widget(output)]


def _is_widget(output: nbformat.NotebookNode) -> bool:
    """A slider without the state that is not saved: a reader would see an error in its place."""
    return "application/vnd.jupyter.widget-view+json" in output.get("data", {})


def save(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write in the form that `novelkit links` keeps: indent 1, readable Chinese."""
    clean(notebook)
    path.write_text(nbformat.writes(notebook).rstrip("\n") + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="such as 00_start; all without any")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    paths = [NOTEBOOKS / f"{name}.ipynb" for name in options.names]
    for path in paths or sorted(NOTEBOOKS.glob("*.ipynb")):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            notebook = execute(path, Path(folder))
        if options.save:
            save(notebook, path)
        print(f"{path.stem}: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
