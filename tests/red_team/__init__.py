"""The red team: hostile, broken and untidy submissions, and what each of them deserves.

They are fixtures that prove that the grader gives no unearned marks and takes none that are
earned. They run inside the grader's own workers only. See README.md beside this file.
"""

from dataclasses import replace
from pathlib import Path

from red_team import (
    breaking,
    broken_files,
    escaping,
    exhausting,
    forging,
    guessing,
    importing,
    names,
    patching,
    untidy,
)
from red_team.attempts import Attempt, Expected

THEMES = {
    "猜答案": guessing,
    "伪造": forging,
    "改解释器": patching,
    "越狱": escaping,
    "导入": importing,
    "耗尽": exhausting,
    "崩溃": breaking,
    "坏文件": broken_files,
    "怪名字": names,
    "诚实但凌乱": untidy,
}
ROOT = Path(__file__).resolve().parents[2]


def attempts() -> list[Attempt]:
    """All of them, by theme."""
    return [
        replace(one, expected=replace(one.expected, theme=theme))
        for theme, module in THEMES.items()
        for one in module.ATTEMPTS
    ]


def make_red_team(folder: Path, only: frozenset[str] = frozenset()) -> list[Expected]:
    """Write the submissions (those of `only`, if it names any) into an empty folder."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [one for one in attempts() if not only or one.expected.student in only]
    for one in chosen:
        one.write(folder)
    _fill_in(folder)
    return [one.expected for one in chosen]


def _fill_in(folder: Path) -> None:
    """What an attacker would find out for himself: the paths of this very host."""
    for path in folder.glob("*/*.ipynb"):
        if path.is_symlink() or not path.is_file() or path.stat().st_size > 1 << 20:
            continue
        text = path.read_bytes()
        filled = text.replace(b"@ROOT@", str(ROOT).encode())
        filled = filled.replace(b"@FOLDER@", str(folder).encode())
        if filled != text:
            path.write_bytes(filled)
