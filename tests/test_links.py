"""One setting for the repository's address: the repository's own files, and a synthetic tree."""

import json
import os
from pathlib import Path

import pytest

from novelkit import __version__
from novelkit.errors import InputError
from novelkit.links import Links, disagreements, read_setting, rewrite

ROOT = Path(__file__).resolve().parents[1]
TAG = "v" + __version__
PYPROJECT = """[project]
name = "novelkit"

[project.urls]
# A comment that must stay.
Repository = "https://github.com/old/kit"
"""
IMAGE = "https://colab.research.google.com/assets/colab-badge.svg"


def badge(repository: str, tag: str, name: str) -> str:
    target = f"https://colab.research.google.com/github/{repository}/blob/{tag}/notebooks/{name}"
    return f"[![Colab]({IMAGE})]({target}.ipynb)"


def notebook(repository: str, tag: str, name: str) -> dict:
    setup = [
        f'REPOSITORY = "{repository}"  # 仓库\n',
        f'TAG = "{tag}"\n',
        'print(f"{REPOSITORY}@{TAG}")\n',
    ]
    prose = badge(repository, tag, name) + "\n\n# 开始\n\n下一本：" + badge(repository, tag, "next")
    return {
        "cells": [
            {"cell_type": "markdown", "metadata": {}, "source": prose},
            {"cell_type": "code", "metadata": {}, "outputs": [], "source": setup},
            {"cell_type": "code", "metadata": {}, "outputs": [], "source": 'TAG = "我的"'},
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    readme = badge("old/kit", TAG, "00_start") + "\n" + badge("old/kit", TAG, "01_download") + "\n"
    (tmp_path / "README.md").write_text(readme, encoding="utf-8")
    (tmp_path / "README.zh.md").write_text("说明\n\n" + readme, encoding="utf-8")
    (tmp_path / "notebooks").mkdir()
    for name in ("00_start", "01_download"):
        text = json.dumps(notebook("old/kit", TAG, name), ensure_ascii=False, indent=1) + "\n"
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(text, encoding="utf-8")
    return tmp_path


def contents(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in files}


def test_the_repository_agrees_with_its_own_setting():
    assert "/" in read_setting(ROOT).owner_repo
    assert disagreements(ROOT) == []


def test_the_repository_can_be_moved(tmp_path):
    for file in (ROOT / "pyproject.toml", *ROOT.glob("README*.md")):
        text = file.read_text(encoding="utf-8")
        (tmp_path / file.name).write_text(text, encoding="utf-8")
    assert tmp_path / "pyproject.toml" in rewrite(tmp_path, "someone/else", "main")
    assert read_setting(tmp_path) == Links("someone/else", "main")
    assert disagreements(tmp_path) == []


def test_rewrite_changes_every_place_and_nothing_else(tree):
    before = contents(tree)
    assert disagreements(tree) == []
    changed = rewrite(tree, "new-owner/my.kit", "v9.9.9")
    assert sorted(path.relative_to(tree).as_posix() for path in changed) == sorted(before)
    after = contents(tree)
    assert after.keys() == before.keys()
    for name, text in before.items():
        wanted = text.replace("old/kit", "new-owner/my.kit").replace(TAG, "v9.9.9")
        if name == "pyproject.toml":
            wanted += '\n[tool.novelkit]\ntag = "v9.9.9"\n'
        assert after[name] == wanted
    assert read_setting(tree) == Links("new-owner/my.kit", "v9.9.9")
    assert disagreements(tree) == []


def test_rewrite_again_changes_nothing_and_back_restores_every_byte(tree):
    before = contents(tree)
    rewrite(tree, "a/b", "feature/x")
    assert rewrite(tree, "a/b", "feature/x") == []
    rewrite(tree, "old/kit")
    assert contents(tree) == before


def test_a_full_disk_keeps_the_old_file_and_names_it(tree, monkeypatch):
    def full(file):
        raise OSError(28, "No space left on device")

    before = contents(tree)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError) as caught:
        rewrite(tree, "a/b")
    assert caught.value.filename == str(tree / "pyproject.toml")
    assert contents(tree) == before


def test_each_disagreement_is_named(tree):
    notebook_file = tree / "notebooks" / "00_start.ipynb"
    text = notebook_file.read_text(encoding="utf-8")
    wrong = text.replace('TAG = \\"' + TAG, 'TAG = \\"v0.0.0').replace("/00_start", "/02_other")
    notebook_file.write_text(wrong, encoding="utf-8")
    readme = (tree / "README.md").read_text(encoding="utf-8")
    (tree / "README.md").write_text(readme.replace("old/kit", "fork/kit", 1), encoding="utf-8")
    lines = disagreements(tree)
    assert len(lines) == 3
    assert any("README.md：徽章指向" in line and "fork/kit" in line for line in lines)
    assert any("00_start.ipynb：TAG 是 'v0.0.0'" in line for line in lines)
    assert any("02_other.ipynb，不是它自己" in line for line in lines)


def test_a_notebook_without_links_keeps_every_byte(tree):
    odd = '{"cells": [{"cell_type": "code", "source": "x = 1"}],   "metadata": {}}'
    file = tree / "notebooks" / "plain.ipynb"
    file.write_text(odd, encoding="utf-8")
    assert file not in rewrite(tree, "a/b")
    assert file.read_text(encoding="utf-8") == odd


@pytest.mark.parametrize(
    "repository",
    [
        "",
        "kit",
        "a/b/c",
        "https://github.com/a/b",
        "a/b.git",
        "a b/c",
        "a/..",
        "-a/b",
        'a/b"',
        "a/",
    ],
)
def test_malformed_repositories_are_refused_and_nothing_is_written(tree, repository):
    before = contents(tree)
    with pytest.raises(InputError, match="OWNER/REPO"):
        rewrite(tree, repository)
    assert contents(tree) == before


@pytest.mark.parametrize("tag", ["a b", "../x", "/main", 'v"1', "v1.", "标签"])
def test_malformed_tags_are_refused(tree, tag):
    with pytest.raises(InputError, match="标签"):
        rewrite(tree, "a/b", tag)


def test_a_missing_or_unreadable_setting_is_named(tree):
    with pytest.raises(InputError, match="没有 pyproject"):
        read_setting(tree / "notebooks")
    for text in ("[project]\n", "not toml", '[project.urls]\nRepository = "https://a.org/x"\n'):
        (tree / "pyproject.toml").write_text(text, encoding="utf-8")
        with pytest.raises(InputError):
            read_setting(tree)


def test_a_setting_in_another_style_is_refused_instead_of_half_changed(tree):
    text = '[project]\nurls = { Repository = "https://github.com/old/kit" }\n'
    (tree / "pyproject.toml").write_text(text, encoding="utf-8")
    before = contents(tree)
    with pytest.raises(InputError, match="手工"):
        rewrite(tree, "a/b")
    assert contents(tree) == before


def test_a_damaged_notebook_is_named_and_nothing_is_written(tree):
    (tree / "notebooks" / "01_download.ipynb").write_text('{"cells": [', encoding="utf-8")
    before = contents(tree)
    with pytest.raises(InputError, match="01_download.ipynb 不是完好的"):
        rewrite(tree, "a/b")
    assert contents(tree) == before
