"""What students and the instructor read: a page for each student, one for the class.

Each is a single file that works without a network and without scripts. A student's page shows
what the student may see: of hidden cases only how they ended, and no seed. `class_page` stands in
`class_page.py`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from novelkit.exercises import Exercise
from novelkit.grading.class_page import class_page
from novelkit.grading.markup import (
    anchor,
    badge,
    bullets,
    document,
    escaped,
    file_names,
    link,
    source_block,
    table,
    tiles,
)
from novelkit.grading.records import CaseResult
from novelkit.grading.sheets import number_text
from novelkit.grading.tables import Batch
from novelkit.grading.term import Grade, Mark
from novelkit.grading.words import OUTCOMES
from novelkit.layouts import write_text

STUDENTS_FOLDER, CLASS_FILE = "students", "class.html"


def write_pages(
    folder: Path, grades: Sequence[Grade], exercises: Mapping[str, Exercise], batch: Batch
) -> Path:
    """Write `students/ID.html` for each grade and `class.html`, whose path is returned.

    Files are replaced one by one, each atomically; pages of students who are gone stay.
    """
    folder = Path(folder)
    names = file_names([grade.person.id for grade in grades])
    for name, grade in zip(names, grades, strict=True):
        write_text(folder / STUDENTS_FOLDER / f"{name}.html", student_page(grade, exercises))
    addresses = [f"{STUDENTS_FOLDER}/{name}.html" for name in names]
    write_text(folder / CLASS_FILE, class_page(grades, exercises, batch, addresses))
    return folder / CLASS_FILE


def student_page(grade: Grade, exercises: Mapping[str, Exercise]) -> str:
    """The page of one student, as HTML."""
    name = grade.person.name or grade.person.id
    body = [
        f"<h1>{escaped(name)}</h1>",
        f'<p class="sub">{escaped(_about(grade))}</p>',
        tiles(_totals(grade)),
        _notices(grade),
        _overview(grade, exercises),
        *(_section(mark, exercises[mark.result.exercise]) for mark in grade.marks),
    ]
    return document(f"{name} 的成绩", "\n".join(filter(None, body)))


def _about(grade: Grade) -> str:
    parts = {"学号": grade.person.id, "班级": grade.person.section, "提交": grade.submission}
    if not grade.submission:
        parts["提交"] = "没有收到"
    return " · ".join(f"{title}：{value}" for title, value in parts.items() if value)


def _totals(grade: Grade) -> list[tuple[str, str]]:
    total = f"{number_text(grade.final)} / {number_text(grade.possible)}"
    found = [(total, "总分（部分练习待人工评定）" if grade.needs_human else "总分")]
    if grade.percent is not None:
        found.append((f"{grade.percent:.1f}%", "得分率"))
    if grade.late_days:
        found.append((f"{grade.late_days} 天", "迟交"))
    if grade.penalty:
        found.append((f"−{100 * grade.penalty:g}%", f"迟交扣分（扣前 {number_text(grade.raw)}）"))
    passed = grade.counts["passed"]
    return [*found, (f"{passed} / {len(grade.marks)}", "完全通过的练习")]


def _notices(grade: Grade) -> str:
    lines = [*grade.problems, *(f"待教师处理：{reason}" for reason in grade.reasons)]
    notice = f'<div class="notice">{bullets(lines)}</div>' if lines else ""
    return notice + "".join(map(_remark, grade.comments))


def _remark(comment: str) -> str:
    return f'<div class="remark"><b>教师评语：</b>{escaped(comment)}</div>' if comment else ""


def _overview(grade: Grade, exercises: Mapping[str, Exercise]) -> str:
    rows = [
        (
            link(f"#{anchor(mark.result.exercise)}", exercises[mark.result.exercise].title)
            + f' <span class="code">{escaped(mark.result.exercise)}</span>',
            badge(mark.result.status),
            _points(mark),
            f"{number_text(mark.value)} / {number_text(mark.weight)}" if mark.counted else "不计",
        )
        for mark in grade.marks
    ]
    weighted = any(mark.weight != mark.possible for mark in grade.marks)
    header, classes = ["练习", "结果", "得分", "计入总分"], ["title", "short", "number", "number"]
    width = 4 if weighted else 3
    return table(header[:width], [row[:width] for row in rows], classes[:width])


def _points(mark: Mark) -> str:
    if not mark.counted:
        return f"待定 / {number_text(mark.possible)}"
    changed = "（教师改）" if mark.overridden else ""
    return f"{number_text(mark.points)} / {number_text(mark.possible)}{changed}"


def _section(mark: Mark, exercise: Exercise) -> str:
    """One exercise: title, status, points, notes, cases, source, the instructor's comment."""
    result = mark.result
    hints = f"<h3>提示</h3>{bullets(result.hints)}" if result.hints else ""
    source = f"<h3>你的答案</h3>{source_block(result.source)}" if result.source else ""
    title = f'{escaped(exercise.title)} <span class="code">{escaped(exercise.function)}</span>'
    aside = f'{badge(result.status)}<span class="points">{_points(mark)}</span>'
    parts = [
        f'<h2 id="{anchor(exercise.name)}">{aside}{title}</h2>',
        _remark(mark.comment),
        bullets(result.notes),
        _public_cases([case for case in result.cases if not case.hidden]),
        _hidden_cases([case for case in result.cases if case.hidden]),
        hints,
        source,
    ]
    return "\n".join(filter(None, parts))


def _outcome(case: CaseResult) -> str:
    symbol, word = OUTCOMES.get(case.outcome, ("?", case.outcome))
    return f"{symbol} {escaped(word)}"


def _tally(cases: Sequence[CaseResult]) -> str:
    return f"通过 {sum(case.outcome == 'passed' for case in cases)} / {len(cases)}"


def _public_cases(cases: Sequence[CaseResult]) -> str:
    if not cases:
        return ""
    rows = [
        (
            str(case.number),
            _outcome(case),
            escaped(case.call),
            escaped(case.expected),
            escaped(case.got),
            escaped(case.hint),
        )
        for case in cases
    ]
    header = ("#", "结果", "调用", "应得", "实际", "提示")
    classes = ("number", "short", "value", "value", "value", "")
    return f"<h3>公开用例：{_tally(cases)}</h3>{table(header, rows, classes)}"


def _hidden_cases(cases: Sequence[CaseResult]) -> str:
    """How many passed, and for the others how they ended; never what was asked or expected."""
    if not cases:
        return ""
    # Equal ones together, since their numbers tell a student nothing.
    ended = Counter((_outcome(case), case.hint) for case in cases if case.outcome != "passed")
    rows = [(outcome, str(count), escaped(hint)) for (outcome, hint), count in ended.items()]
    found = table(("结果", "个数", "提示"), rows, ("short", "number", "")) if rows else ""
    return f"<h3>隐藏用例：{_tally(cases)}</h3>{found}"
