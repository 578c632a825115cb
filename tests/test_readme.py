"""What the READMEs promise exists: commands, options, targets, files, pictures."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from novelkit.__main__ import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
READMES = [ROOT / "README.md", ROOT / "README.zh.md"]
USES = sorted(
    {
        line.split("#")[0].strip()
        for readme in READMES
        for line in readme.read_text(encoding="utf-8").splitlines()
        if line.startswith("novelkit ")
    }
)


def test_the_readmes_show_the_commands_of_the_journey():
    shown = {use.split()[1] for use in USES}
    assert {"inspect", "prepare", "train", "diagnose", "write"} <= shown <= set(COMMANDS)


@pytest.mark.parametrize("use", USES)
def test_every_option_shown_is_one_that_the_command_takes(use: str):
    command = use.split()[1]
    text = subprocess.run(
        [sys.executable, "-m", "novelkit", command, "--help"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    ).stdout
    for option in re.findall(r"--[a-z-]+", use):
        assert option in text


@pytest.mark.parametrize("readme", READMES, ids=["en", "zh"])
def test_make_targets_and_links_exist(readme: Path):
    text = readme.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake ([a-z-]+)\b", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
        if "://" not in link:
            assert (ROOT / link).exists(), link


def test_the_plain_commands_are_those_of_the_makefile():
    readme = READMES[0].read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for arguments in ("-c constraints.txt torch", '-c constraints.txt -e ".[local]"'):
        assert f"-m pip install {arguments}" in readme
        assert f"-m pip install --quiet {arguments}" in makefile


def test_the_file_tree_names_files_that_exist():
    tree = READMES[0].read_text(encoding="utf-8").split("## The files")[1].split("```")[1]
    folder = ROOT
    for line in filter(None, tree.splitlines()):
        name = line.split()[0]
        if not line.startswith(" "):
            folder = ROOT / name
            assert folder.exists(), name
        else:
            assert (folder / name).exists(), name


def test_every_module_stands_in_the_file_tree():
    tree = READMES[0].read_text(encoding="utf-8").split("## The files")[1].split("```")[1]
    names = {line.split()[0].rstrip("/") for line in tree.splitlines() if line.strip()}
    for path in (ROOT / "novelkit").iterdir():
        if path.name not in ("__init__.py", "__main__.py", "__pycache__", "errors.py"):
            assert path.name in names, path.name


def test_torch_is_pinned_and_the_requirements_only_bounded():
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert re.search(r"^torch==\d+\.\d+\.\d+$", constraints, re.MULTILINE)
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    bounds = [line for line in requirements if line and not line.startswith("#")]
    assert bounds and all(re.fullmatch(r"[a-z0-9_-]+>=[\d.]+", line) for line in bounds)
