"""Imports: a light start, stages that use only earlier ones, nothing that uses `cli`."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "novelkit"
HEAVY = ("torch", "transformers", "datasets", "tokenizers", "jieba", "matplotlib")
HEAVY += ("bs4", "lxml", "docx", "opencc", "requests", "chardet")
COMMANDS = sorted(
    path.stem for path in (PACKAGE / "cli").glob("*.py") if path.stem not in ("__init__", "output")
)

# The number of the notebook that a module belongs to.
STAGES = {
    "download": 1,
    "encoding": 2,
    "cleaning": 3,
    "tokenizing": 4,
    "model": 5,
    "training": 6,
    "checkpoint": 6,
    "diagnosis": 7,
    "sampling": 8,
    "writing": 9,
    "evaluation": 10,
    "analysis": 11,
}
# Below the stages; `environment` is stage 00 and any other may use it.
FOUNDATIONS = {"environment", "scores", "copying", "exercises", "errors", "layouts", "bundled"}
# Around the stages: they put them together, and no stage uses them.
AROUND = {"cli", "pipeline", "plots", "grading", "links", "__main__"}


def imported(path):
    """The parts of novelkit that a file imports, also inside of functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        parts = (name.split(".") for name in names)
        found |= {part[1] for part in parts if part[0] == "novelkit" and len(part) > 1}
    return found - {"__version__"}


def part_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_what_lies_below_it(path):
    part, uses = part_of(path), imported(path)
    assert part in STAGES.keys() | FOUNDATIONS | AROUND, f"{part} has no place in the design yet"
    if part in AROUND:
        assert "cli" not in uses or part in ("cli", "__main__")
        return
    if part in FOUNDATIONS:
        assert uses <= FOUNDATIONS
        return
    above = {used for used in uses - FOUNDATIONS if STAGES.get(used, 99) > STAGES[part]}
    assert not above


def test_the_reader_of_imports_sees_them():
    """The test above must be able to fail."""
    assert {"model", "tokenizing", "errors"} <= imported(PACKAGE / "sampling" / "generating.py")
    assert "output" not in imported(PACKAGE / "cli" / "check.py")
    assert {"cli", "encoding", "layouts"} <= imported(PACKAGE / "cli" / "inspect.py")


def loaded_after(code):
    """Which heavy packages a fresh Python holds after running `code`."""
    report = f"import sys; print(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        cwd=PACKAGE.parent,
    )
    return done.stdout.splitlines()[-1].split()


def test_importing_the_package_is_light():
    assert loaded_after("import novelkit") == []


def test_showing_the_overview_is_light():
    code = "from novelkit.__main__ import main\nfor a in ([], ['--help'], ['x']): main(a)"
    assert loaded_after(code) == []


def test_the_sub_commands_and_their_help_are_light():
    code = (
        "import importlib, contextlib\nfrom novelkit.__main__ import main\n"
        f"for name in {COMMANDS}:\n"
        "    importlib.import_module(f'novelkit.cli.{name}')\n"
        "    with contextlib.suppress(SystemExit): main([name, '--help'])\n"
    )
    assert len(COMMANDS) >= 8
    assert loaded_after(code) == []


def test_early_stages_and_foundations_are_light():
    names = ("download", "encoding", "cleaning", "tokenizing", "environment", "checkpoint")
    names += ("layouts", "scores", "copying", "exercises", "errors", "links")
    code = "\n".join(f"import novelkit.{name}" for name in names)
    assert loaded_after(code) == []


def test_reading_blocks_for_training_needs_neither_datasets_nor_jieba():
    loaded = loaded_after("import novelkit.training")
    assert not {"datasets", "jieba", "transformers", "matplotlib"} & set(loaded)


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({}, "passive 1000"),
        ({"OMP_WAIT_POLICY": "active"}, "active None"),
        ({"GOMP_SPINCOUNT": "7"}, "passive 7"),
    ],
)
def test_waiting_threads_leave_the_processor_to_others(told, found):
    """Spinning made the last cell of a notebook train 12 steps in the minute of 150."""
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {key: value for key, value in os.environ.items() if key not in names}
    program = f"import os, novelkit; print(*map(os.environ.get, {names}))"
    printed = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | told,
        cwd=Path(__file__).parents[1],
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout
    assert printed.strip() == found
