"""The pairs that `similarity` finds, for the instructor: a page side by side, and a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from novelkit.exercises import Exercise
from novelkit.grading.markup import anchor, document, escaped, link, source_block, table
from novelkit.grading.records import Result
from novelkit.grading.sheets import write_table
from novelkit.grading.similarity import (
    COMMON_COUNT,
    COMMON_SHARE,
    THRESHOLD,
    Comparison,
    Pair,
    compare_answers,
)
from novelkit.layouts import write_text

PAGE_FILE, TABLE_FILE = "similarity.html", "similarity.csv"
HEADER = ("exercise", "first", "second", "similarity", "shared", "smaller")
# Of one exercise; a class that shares one answer has thousands of pairs, which nobody reads.
MOST_SHOWN = 40
EXPLANATION = (
    f"这里列出语法结构相同的部分超过 {THRESHOLD:.0%} 的两份答案。改名、改注释、换行"
    "不影响比较，调换语句影响很小；模板里给的、"
    f"以及 {COMMON_COUNT} 人以上并超过 {COMMON_SHARE:.0%} 的人都写的部分不算。"
    "短的练习往往只有一种写法，所以不判断。相似不是抄袭的证据，只是找两个人谈一谈的理由。"
)

Sources = Mapping[str, Mapping[str, str]]


def answers_of(results: Sequence[Result]) -> dict[str, dict[str, str]]:
    """Exercise -> student -> source, of the results that have one."""
    found: dict[str, dict[str, str]] = {}
    for result in results:
        if result.source.strip():
            found.setdefault(result.exercise, {})[result.student] = result.source
    return found


def write_similarity(
    folder: Path,
    results: Sequence[Result],
    exercises: Mapping[str, Exercise],
    templates: Mapping[str, str],
) -> dict[str, Comparison]:
    """Compare the answers of each exercise and write `similarity.html` and `similarity.csv`.

    `templates` are the answer cells as they were given, by exercise. Both files are written
    atomically; the page shows the most similar pairs, the table has all.
    """
    sources = answers_of(results)
    found = {
        name: compare_answers(sources.get(name, {}), templates.get(name, "")) for name in exercises
    }
    rows = [
        (name, pair.first, pair.second, pair.similarity, pair.shared, pair.smaller)
        for name, comparison in found.items()
        for pair in comparison.pairs
    ]
    write_table(Path(folder) / TABLE_FILE, HEADER, rows)
    write_text(Path(folder) / PAGE_FILE, similarity_page(found, sources, exercises))
    return found


def similarity_page(
    comparisons: Mapping[str, Comparison], sources: Sources, exercises: Mapping[str, Exercise]
) -> str:
    """The page as HTML: what was compared, then the pairs of each exercise."""
    parts = [
        "<h1>相似的答案</h1>",
        f'<p class="sub">{escaped(EXPLANATION)}</p>',
        _summary(comparisons, exercises),
    ]
    for name, comparison in comparisons.items():
        if comparison.pairs:
            parts.append(_exercise(exercises[name], comparison.pairs, sources[name]))
    return document("相似的答案", "\n".join(parts))


def _summary(comparisons: Mapping[str, Comparison], exercises: Mapping[str, Exercise]) -> str:
    rows = [
        (
            link(f"#{anchor(name)}", exercises[name].title)
            if found.pairs
            else escaped(exercises[name].title),
            *(
                str(len(group))
                for group in (
                    found.pairs,
                    found.judged,
                    found.too_short,
                    found.too_common,
                    found.unreadable,
                )
            ),
        )
        for name, found in comparisons.items()
    ]
    header = ("练习", "相似的\n对数", "比较了", "太短\n没比", "都一样\n没比", "读不懂\n没比")
    return "<h2>比较了什么</h2>" + table(header, rows, ("title", *["number"] * 5))


def _exercise(exercise: Exercise, pairs: Sequence[Pair], sources: Mapping[str, str]) -> str:
    head = f'<h2 id="{anchor(exercise.name)}">{escaped(exercise.title)}</h2>'
    rest = len(pairs) - MOST_SHOWN
    more = f'<p class="sub">还有 {rest} 对，见 {TABLE_FILE}。</p>' if rest > 0 else ""
    return head + "\n".join(_pair(pair, sources) for pair in pairs[:MOST_SHOWN]) + more


def _pair(pair: Pair, sources: Mapping[str, str]) -> str:
    sides = "".join(
        f'<div><p class="sub">{escaped(name)}</p>{source_block(sources[name])}</div>'
        for name in (pair.first, pair.second)
    )
    title = f"{pair.similarity:.0%}：{pair.first} 与 {pair.second}"
    shared = f'<span class="code">相同 {pair.shared} / {pair.smaller} 处</span>'
    return f'<h3>{escaped(title)} {shared}</h3><div class="beside">{sides}</div>'
