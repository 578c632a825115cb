"""The instructor's page: the class at a glance, and what waits for a decision."""

import statistics
from collections.abc import Mapping, Sequence

from novelkit.exercises import Exercise
from novelkit.grading.markup import (
    badge,
    bullets,
    document,
    escaped,
    link,
    picture,
    source_block,
    table,
    tiles,
)
from novelkit.grading.records import Status
from novelkit.grading.sheets import number_text
from novelkit.grading.tables import Batch
from novelkit.grading.term import Grade, Mark
from novelkit.grading.words import GROUPS, WORDS


def class_page(
    grades: Sequence[Grade],
    exercises: Mapping[str, Exercise],
    batch: Batch,
    addresses: Sequence[str],
) -> str:
    """The page as HTML; `addresses` are the relative paths of the students' pages, in order."""
    shares = difficulties(grades, exercises)
    parts = [
        "<h1>全班成绩</h1>",
        f'<p class="sub">{escaped(batch.started)}</p>' if batch.started else "",
        tiles(_summary(grades)),
        _waiting(grades, addresses, batch),
        _exercises(grades, exercises, shares),
        _totals(grades),
        _students(grades, addresses),
        _facts(batch),
    ]
    return document("全班成绩", "\n".join(filter(None, parts)))


def difficulties(
    grades: Sequence[Grade], exercises: Mapping[str, Exercise]
) -> dict[str, float | None]:
    """The mean share of points of each exercise that was graded, the hardest first.

    Those who did not answer count with nothing; what waits for a human does not count. None, at
    the end, where nothing counts.
    """
    found: dict[str, float | None] = {}
    for name in exercises:
        shares = [
            mark.points / mark.possible
            for mark in _marks(grades, name)
            if mark.counted and mark.possible
        ]
        found[name] = statistics.fmean(shares) if shares else None

    def hardest(name: str) -> tuple[bool, float, str]:
        share = found[name]
        return share is None, share or 0.0, name

    return {name: found[name] for name in sorted(found, key=hardest)}


def _marks(grades: Sequence[Grade], exercise: str) -> list[Mark]:
    return [m for grade in grades for m in grade.marks if m.result.exercise == exercise]


def _summary(grades: Sequence[Grade]) -> list[tuple[str, str]]:
    percents = [grade.percent for grade in grades if grade.percent is not None]
    found = [(str(len(grades)), "学生"), (str(sum(bool(g.submission) for g in grades)), "份提交")]
    if percents:
        found.append((f"{statistics.median(percents):.1f}%", "总分的中位数"))
        found.append((f"{statistics.fmean(percents):.1f}%", "总分的平均数"))
    late = sum(grade.late_days > 0 for grade in grades)
    if late:
        found.append((str(late), "人迟交"))
    return [*found, (str(sum(grade.needs_human for grade in grades)), "人待人工处理")]


def _waiting(grades: Sequence[Grade], addresses: Sequence[str], batch: Batch) -> str:
    rows = [
        (link(address, _name(grade)), escaped(grade.submission), bullets(grade.reasons))
        for grade, address in zip(grades, addresses, strict=True)
        if grade.needs_human
    ]
    if not rows and not batch.problems:
        return ""
    found = table(("学生", "提交", "原因"), rows, ("", "", "")) if rows else ""
    problems = f'<div class="notice">{bullets(batch.problems)}</div>' if batch.problems else ""
    return f"<h2>需要你处理</h2>{found}{problems}"


def _exercises(
    grades: Sequence[Grade],
    exercises: Mapping[str, Exercise],
    shares: Mapping[str, float | None],
) -> str:
    """How the exercises ended (table and stacked bars), and which were hard."""
    # For the figure alone, so that matplotlib loads only where a page is made.
    from novelkit.plots.grading import plot_difficulty, plot_statuses

    if not exercises or not grades:
        return ""
    groups = [(_title(one), _grouped(grades, name)) for name, one in exercises.items()]
    hard = [(_title(exercises[name]), share) for name, share in shares.items() if share is not None]
    parts = [
        "<h2>各题的结果</h2>",
        picture(plot_statuses(groups, GROUPS), "各题各种结果的人数，数字见下表"),
        _counts(grades, exercises, shares),
    ]
    if hard:
        parts += [
            "<h2>难度：最难的在最上面</h2>",
            picture(plot_difficulty(hard), "各题的平均得分率，数字见上表"),
        ]
    return "\n".join(parts)


def _title(exercise: Exercise) -> tuple[str, str]:
    return f"{exercise.title}（{exercise.name[:2]}）", exercise.name


def _grouped(grades: Sequence[Grade], exercise: str) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for mark in _marks(grades, exercise):
        group = WORDS[mark.result.status].group
        found[group] = found.get(group, 0) + 1
    return found


def _counts(
    grades: Sequence[Grade],
    exercises: Mapping[str, Exercise],
    shares: Mapping[str, float | None],
) -> str:
    """Status counts, a row an exercise; statuses that nobody has are left out."""
    found = {name: [m.result.status for m in _marks(grades, name)] for name in exercises}
    used = [status for status in Status if any(status in seen for seen in found.values())]
    rows = []
    for name, exercise in exercises.items():
        share = shares[name]
        counts = [found[name].count(status) for status in used]
        rows.append(
            (
                f'{escaped(exercise.title)} <span class="code">{escaped(name)}</span>',
                *(str(count) if count else "·" for count in counts),
                "–" if share is None else f"{100 * share:.0f}%",
            )
        )
    header = ("练习", *(f"{WORDS[one].symbol}\n{WORDS[one].chinese}" for one in used), "得分率")
    return table(header, rows, ("title", *["number"] * (len(used) + 1)))


def _totals(grades: Sequence[Grade]) -> str:
    from novelkit.plots.grading import plot_lateness, plot_totals

    percents = [grade.percent for grade in grades if grade.percent is not None]
    if not percents:
        return ""
    parts = ["<h2>总分的分布</h2>", picture(plot_totals(percents), "总分的直方图")]
    handed = [grade for grade in grades if grade.submission and grade.possible]
    if any(grade.late_days for grade in handed):
        days = [grade.late_days for grade in handed]
        raw = [100 * grade.raw / grade.possible for grade in handed]
        parts.append("<h2>总分与迟交</h2>")
        parts.append(picture(plot_lateness(days, raw), "扣分前的总分与迟交天数"))
    return "\n".join(parts)


def _name(grade: Grade) -> str:
    return grade.person.name or grade.person.id


def _students(grades: Sequence[Grade], addresses: Sequence[str]) -> str:
    rows = [
        (
            link(address, _name(grade)),
            escaped(grade.person.id),
            escaped(grade.person.section),
            "".join(_small_badge(mark) for mark in grade.marks),
            str(grade.late_days or ""),
            f"{number_text(grade.final)} / {number_text(grade.possible)}"
            + (" ?" if grade.needs_human else ""),
        )
        for grade, address in zip(grades, addresses, strict=True)
    ]
    header = ("学生", "学号", "班级", "各题", "迟交天数", "总分")
    found = table(header, rows, ("short", "short", "", "", "number", "number"))
    return f"<h2>学生</h2>{found}" if rows else ""


def _small_badge(mark: Mark) -> str:
    """The symbol alone, which shows its exercise and word under the mouse."""
    word = WORDS[mark.result.status]
    title = escaped(f"{mark.result.exercise}：{word.chinese}")
    style = f'class="status mark" style="color:{word.colour}"'
    return f'<span {style} title="{title}">{word.symbol}</span>'


def _facts(batch: Batch) -> str:
    """How it was graded: what could not be kept apart, the seed, the command, the symbols."""
    legend = " ".join(badge(status) for status in Status)
    isolation = bullets(batch.isolation.missing) or "<p>这台机器能隔离的都隔离了。</p>"
    parts = [
        f'<h2>符号</h2><p class="legend">{legend}</p>',
        f"<h2>隔离</h2>{isolation}",
        f"<h2>怎样重做</h2><p>种子：{escaped(batch.seed) or '–'}</p>",
        source_block(batch.command) if batch.command else "",
        f'<p class="sub">novelkit {escaped(batch.version)}</p>' if batch.version else "",
    ]
    return "\n".join(filter(None, parts))
