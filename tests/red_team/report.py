"""Run the red team and print what each submission scores, as a Markdown table.

    python tests/red_team/report.py [--markdown FILE] [--as-user UID] [--only STUDENT ...]

Ends with code 1 when a submission scores what it does not deserve. `--as-user` (as root only)
becomes that user first, to see what holds on a host where the grader is not root; the interpreter
and the repository must be readable for that user.
"""

import argparse
import os
import platform
import sys
import tempfile
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve()
# Run as a script: this package and novelkit as they lie here.
sys.path[:1] = [str(HERE.parents[1]), str(HERE.parents[2])]

from red_team import make_red_team  # noqa: E402
from red_team.attempts import Expected  # noqa: E402
from red_team.grading import Graded, answered, differences, grade, scored  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--markdown", type=Path, help="write the table to this file as well")
    parser.add_argument("--as-user", type=int, metavar="UID", help="become this user first")
    parser.add_argument("--only", nargs="+", default=[], metavar="STUDENT")
    arguments = parser.parse_args()
    if arguments.as_user is not None:
        os.setgroups([])
        os.setresgid(*[arguments.as_user] * 3)
        os.setresuid(*[arguments.as_user] * 3)
        os.environ["HOME"] = "/nonexistent"
    with tempfile.TemporaryDirectory(prefix="novelkit-red-team-") as folder:
        expected = make_red_team(Path(folder, "submissions"), frozenset(arguments.only))
        graded = grade(Path(folder, "submissions"))
    text = table(expected, graded)
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text, encoding="utf-8")
    return 1 if any(differences(one, graded) for one in expected) else 0


def table(expected: list[Expected], graded: Graded) -> str:
    """The facts of this host, then a row for each submission, then what went wrong."""
    wrong = {one.student: lines for one in expected if (lines := differences(one, graded))}
    facts = (
        f"{date.today()}, {platform.system()} {platform.release()} {platform.machine()}, "
        f"Python {platform.python_version()}, {'root' if os.geteuid() == 0 else 'not root'}; "
        f"{isolation(graded)}. {len(expected) - len(wrong)} of {len(expected)} as deserved, "
        f"{graded.seconds:.0f} s."
    )
    lines = [
        facts,
        "",
        "| theme | submission | 它想做什么 | what it tries | deserved | scored | ok |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in expected:
        deserved = "; ".join(dict.fromkeys(str(one.deserved[name]) for name in answered(one)))
        row = [one.theme, one.student, one.chinese, one.english, deserved, scored(one, graded)]
        row.append("no" if one.student in wrong else "yes")
        lines.append(f"| {' | '.join(map(escaped, row))} |")
    lines += [f"\n{student}: {'; '.join(found)}" for student, found in wrong.items()]
    return "\n".join(lines) + "\n"


def isolation(graded: Graded) -> str:
    found = graded.isolation
    kept = {
        "own user": found.user,
        "processes": found.processes,
        "files": found.files,
        "network": found.network,
        "memory": found.memory,
    }
    missing = [name for name, held in kept.items() if not held]
    return f"without: {', '.join(missing)}" if missing else "all kinds of isolation"


def escaped(text: str) -> str:
    """One cell of a Markdown table."""
    shown = "".join(one if one.isprintable() else "·" for one in text)
    return shown.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


if __name__ == "__main__":
    sys.exit(main())
