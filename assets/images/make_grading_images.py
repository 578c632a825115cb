"""Pictures of the grader's pages: a made-up class whose mistakes a program draws.

    python assets/images/make_grading_images.py

Each of 28 students starts from right answers to eight exercises; in some of them one number or one
comparison is changed, or the answer left as it was given out. Needs Chromium and Linux.
"""

import argparse
import ast
import sys
import tempfile
from pathlib import Path
from random import Random

HERE = Path(__file__).resolve().parent
TESTS = HERE.parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "benchmarks")]

from grading import solution  # noqa: E402
from helpers_lab import browsing  # noqa: E402

from novelkit.__main__ import main as novelkit  # noqa: E402
from novelkit.grading.cases import choose_exercises  # noqa: E402

ONLY = ["00", "07", "08"]
STUDENTS = 28
FAMILIES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨"
GIVEN = ["晓春", "文博", "雨桐", "子涵", "思远", "佳宁", "一鸣", "若溪", "明哲", "书瑶"]
SEED = 5


class Mistake(ast.NodeTransformer):
    """Changes the number or the comparison of a given place."""

    def __init__(self, place: int) -> None:
        self.left = place

    def _here(self) -> bool:
        self.left -= 1
        return self.left == -1

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if type(node.value) in (int, float) and self._here():
            return ast.Constant(node.value + 1)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        other = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
        kind = other.get(type(node.ops[0]))
        if kind and self._here():
            node.ops[0] = kind()
        return node


def with_mistake(source: str, random: Random) -> str:
    """A right answer in which one thing was changed."""
    return ast.unparse(Mistake(random.randint(0, 4)).visit(ast.parse(source)))


def hand_in(folder: Path) -> Path:
    """Write the submissions and a roster; the path of the latter."""
    random = Random(SEED)
    right = {name: solution(one) for name, one in choose_exercises(only=ONLY).items()}
    rows = ["学号,姓名"]
    for number in range(STUDENTS):
        name = random.choice(FAMILIES) + random.choice(GIVEN)
        rows.append(f"2026{number:04d},{name}")
        care, parts = random.uniform(0.4, 1), []
        for source in right.values():
            luck = random.random()
            if luck < care:
                parts.append(source)
            elif luck < care + 0.3:
                parts.append(with_mistake(source, random))
        if number == 17:
            parts[0] = "def bits_per_character(a, b, c):\n    while True:\n        pass\n"
        if number != 20:
            text = "\n\n# %%\n".join(parts)
            (folder / f"2026{number:04d}_{name}.py").write_text(text, encoding="utf-8")
    roster = folder.parent / "roster.csv"
    roster.write_text("\n".join(rows), encoding="utf-8")
    return roster


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="a folder for the submissions and the pages")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.keep or Path(temporary)
        submissions, out = work / "submissions", work / "grades"
        submissions.mkdir(parents=True)
        roster = hand_in(submissions)
        words = ["grade", submissions, "--out", out, "--seed", SEED, "--only", *ONLY]
        if novelkit([*map(str, words), "--roster", str(roster)]):
            sys.exit(1)
        with browsing(1100, 1400) as page:
            page.goto((out / "class.html").as_uri())
            page.screenshot(path=HERE / "grading_class.png")
            pages = sorted((out / "students").iterdir(), key=lambda one: -one.stat().st_size)
            page.goto(pages[0].as_uri())
            page.screenshot(path=HERE / "grading_student.png")


if __name__ == "__main__":
    main()
