"""`novelkit grade SUBMISSIONS --out OUT`: a folder of homework in, marks and pages out."""

import argparse
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from novelkit.cli.output import Output, check_writable
from novelkit.errors import InputError

# What another grading of the same batch has to be told, and what only with a time that is due.
REPEATED = ("only", "exercises", "no_course", "cases", "roster", "weights", "trust", "due")
LATENESS = ("times", "free_days", "per_day", "grace_hours")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "submissions", type=Path, help="作业文件夹：每个学生一个 .ipynb、.py 或 .zip，或一个文件夹"
    )
    parser.add_argument("--out", type=Path, required=True, help="成绩放在这里；再运行就接着评")
    chosen = parser.add_argument_group("评什么")
    chosen.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="只评名字这样开头的练习，如 07"
    )
    chosen.add_argument(
        "--student", nargs="+", default=[], metavar="ID", help="只评这些学生，评过也重评"
    )
    chosen.add_argument("--again", action="store_true", help="评过的也重评")
    chosen.add_argument(
        "--exercises", type=Path, nargs="+", default=[], metavar="DIR", help="加上这里自己出的题"
    )
    chosen.add_argument("--no-course", action="store_true", help="不评课程的题，只评自己出的")
    chosen.add_argument("--cases", type=Path, metavar="DIR", help="隐藏用例用这里的")
    chosen.add_argument("--seed", type=int, help="隐藏用例的种子（默认随机，记在 OUT 里）")
    term = parser.add_argument_group("学期")
    term.add_argument("--roster", type=Path, metavar="CSV", help="名单，也可以是 Moodle、Canvas 的")
    term.add_argument("--weights", type=Path, metavar="CSV", help="每道题或每个 notebook 占多少分")
    term.add_argument("--due", help="截止时间，如 2026-03-01T23:59:59+08:00")
    term.add_argument("--times", type=Path, metavar="CSV", help="提交时间（默认看文件的时间）")
    term.add_argument("--free-days", type=int, default=0, help="每人可以迟交而不扣分的天数")
    term.add_argument("--per-day", type=float, default=0.1, help="迟一天扣总分的几成（默认 0.1）")
    term.add_argument("--grace-hours", type=float, default=0.0, help="截止后宽限几小时")
    machine = parser.add_argument_group("机器")
    machine.add_argument("--workers", type=int, help="同时评几份（默认 CPU 的核数）")
    machine.add_argument(
        "--trust", action="store_true", help="隔不开学生的代码也评：它们那时几乎不受限制"
    )


def run(options: argparse.Namespace) -> int:
    from novelkit.grading.batch import Course, Grader, Store, batch_seed
    from novelkit.grading.cases import choose_exercises
    from novelkit.grading.reporting import write_reports
    from novelkit.grading.sandbox import check_platform

    output = Output(options.json)
    check_platform(options.trust)
    check_writable(options.out)
    term = _term(options)
    exercises = choose_exercises(options.exercises, options.only, not options.no_course)
    seed = batch_seed(options.out, options.seed)
    course = Course.prepare(exercises, seed, options.cases, options.exercises)
    submissions = _submissions(options, course)
    output.say(f"{len(submissions)} 份作业，{len(exercises)} 道练习，种子 {seed}")
    store = Store(options.out)
    with Grader(course, store, [options.submissions], options.workers, options.trust) as grader:
        isolation = grader.isolation
        for line in isolation.missing:
            output.say(f"注意：{line}")
        grader.check_references()
        output.say("参考答案都拿到满分，开始评。")
        counts = _grade(grader, _wanted(options, submissions), output, again=_again(options))
    _say_counts(output, counts)
    found = write_reports(
        options.out, course, store, submissions, term, isolation, _command(options, seed)
    )
    for line in found["problems"]:
        output.say(f"注意：{line}")
    output.say(f"成绩表：{options.out / 'grades.csv'}；全班：{found['class']}")
    output.result({"seed": seed, "counts": counts, **found})
    return 0


def _again(options: argparse.Namespace) -> bool:
    return options.again or bool(options.student)


def _command(options: argparse.Namespace, seed: int) -> str:
    """What grades this batch again, into a folder OUT of one's choice, by the seed that it had."""
    words = ["novelkit", "grade", options.submissions, "--out", "OUT", "--seed", seed]
    for name in (*REPEATED, *(LATENESS if options.due else ())):
        if value := getattr(options, name):
            values = [] if value is True else value if isinstance(value, list) else [value]
            words += [f"--{name.replace('_', '-')}", *values]
    return shlex.join(map(str, words))


def _term(options: argparse.Namespace) -> Any:
    from novelkit.grading import term

    late = None
    if options.due:
        due = term.read_due(options.due)
        late = term.LatePolicy(
            due, options.free_days, options.per_day, grace_hours=options.grace_hours
        )
    zone = late.due.tzinfo if late else None
    return term.Term(
        roster=term.read_roster(options.roster) if options.roster else None,
        weights=term.read_weights(options.weights) if options.weights else {},
        late=late,
        submitted=term.read_submitted(options.times, zone) if options.times else {},
        overrides=term.read_overrides(options.out),
    )


def _submissions(options: argparse.Namespace, course: Any) -> Sequence[Any]:
    from novelkit.grading.submissions import read_submissions

    notebooks = {exercise.notebook for exercise in course.exercises.values()}
    found = read_submissions(options.submissions, sorted(notebooks))
    if not found:
        raise InputError(f"{options.submissions} 里没有作业（.ipynb、.py、.zip 或文件夹）。")
    return found


def _wanted(options: argparse.Namespace, submissions: Sequence[Any]) -> list[Any]:
    if not options.student:
        return list(submissions)
    chosen = [one for one in submissions if one.student in options.student]
    unknown = set(options.student) - {one.student for one in chosen}
    if unknown:
        names = "、".join(one.student for one in submissions[:10])
        raise InputError(f"没有 {'、'.join(sorted(unknown))} 的作业；有：{names}……")
    return chosen


def _grade(grader: Any, submissions: Sequence[Any], output: Output, again: bool) -> dict[str, int]:
    counts: Counter[str] = Counter()
    total = len(submissions) * len(grader.course.exercises)
    with output.bar("评分", total, unit="题") as bar:

        def told(result: Any, new: bool) -> None:
            counts[str(result.status)] += 1
            bar.update()

        grader.run(submissions, again, told)
    return dict(counts)


def _say_counts(output: Output, counts: dict[str, int]) -> None:
    from novelkit.grading.words import WORDS

    words = {str(status): word.chinese for status, word in WORDS.items()}
    output.say("，".join(f"{words.get(name, name)} {count}" for name, count in counts.items()))
