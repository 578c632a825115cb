"""Similar answers: disguised copies are found, honest ones are not, and nothing breaks it."""

import csv
import io
import os
import subprocess
import sys
from itertools import combinations

import pytest
from grading_class import exercises, result
from grading_variants import COPIES, HONEST, ORIGINAL, TEMPLATE

from novelkit.grading.records import Status
from novelkit.grading.similarity import (
    FEWEST,
    THRESHOLD,
    compare_answers,
    fingerprints,
    similar_answers,
)
from novelkit.grading.similarity_page import similarity_page, write_similarity
from novelkit.grading.syntax import syntax_tokens

EVERYONE = {**HONEST, **{f"copy {name}": source for name, source in COPIES.items()}}
OBVIOUS = """
def name_cause(signs):
    found = []
    for sign, low, high, cause in RULES:
        value = signs.get(sign)
        if value is not None and low <= value < high:
            found.append(cause)
    if len(found) == 0:
        return "healthy"
    if len(found) == 1:
        return found[0]
    return "unknown"
"""


@pytest.mark.parametrize("source", [*HONEST.values(), *COPIES.values()])
def test_the_variants_are_answers(source):
    found = {}
    exec(source, found)
    steps, losses = [0, 10, 20, 30, 40, 50], [5.0, 9.9, 4.8, None, 4.6, 4.55]
    # Slopes per 100 steps of the ten pairs: the fifth and the sixth are -2.5 and -1.25.
    assert found["robust_trend"](steps, losses, 10) == pytest.approx(-1.0, abs=1e-9)
    with pytest.raises(ValueError):
        found["robust_trend"]([1, 2], [3.0, None], 1)


def test_honest_answers_are_no_pairs():
    found = compare_answers(HONEST, TEMPLATE)
    assert found.pairs == ()
    assert len(found.judged) == len(HONEST) == 12


def test_each_disguised_copy_is_paired_with_its_original_and_with_nobody_honest():
    pairs = similar_answers(EVERYONE, TEMPLATE)
    names = {frozenset((pair.first, pair.second)) for pair in pairs}
    assert {frozenset((ORIGINAL, f"copy {name}")) for name in COPIES} <= names
    honest = set(HONEST) - {ORIGINAL}
    assert not any(pair & honest for pair in names)
    assert pairs == sorted(pairs, key=lambda pair: -pair.similarity)


def test_the_threshold_lies_far_above_honest_answers_and_below_copies():
    given = fingerprints(TEMPLATE)
    prints = {name: fingerprints(source) - given for name, source in EVERYONE.items()}

    def share(first, second):
        smaller = min(len(prints[first]), len(prints[second]))
        return len(prints[first] & prints[second]) / smaller

    assert max(share(*pair) for pair in combinations(HONEST, 2)) <= 0.2 < THRESHOLD
    assert min(share(ORIGINAL, f"copy {name}") for name in COPIES) > THRESHOLD
    assert min(map(len, prints.values())) > 2 * FEWEST


def test_a_copy_with_other_names_comments_and_annotations_is_the_same_program():
    assert fingerprints(COPIES["renamed"]) == fingerprints(HONEST[ORIGINAL])
    one = syntax_tokens("def f(a, b=1):\n    c = a + b\n    return sorted(c)\n")
    other = syntax_tokens(
        'import os\ndef g(x: int, y: int = 2) -> int:\n    """Doc."""\n    # why\n'
        "    z: int = x + y\n"
        "    return sorted(\n        z,\n    )\n"
    )
    assert one == other


@pytest.mark.parametrize(
    "one, other, same",
    [
        ("x += 1", "x = x + 1", True),
        ("a = b > c", "a = c < b", True),
        ("x = 'a'", "x = 'b'", True),
        ("x = 1", "x = 1.0", False),
        ("x = True", "x = False", False),
        ("x = sum(y)", "x = max(y)", False),
        ("x = y.sort()", "x = y.copy()", False),
        ("for a in b:\n    c()\nd()", "for a in b:\n    c()\n    d()", False),
        ("x: int\ny = 1", "y = 1", True),
        ("def sum(a):\n    return sum(a)", "def total(a):\n    return total(a)", True),
    ],
)
def test_what_counts_as_the_same(one, other, same):
    assert (syntax_tokens(one) == syntax_tokens(other)) is same


def test_what_the_class_shares_is_no_evidence_but_a_rare_copy_is():
    class_ = {f"s{number}": OBVIOUS for number in range(9)}
    found = compare_answers({**class_, "copy": COPIES["renamed"], "own": HONEST[ORIGINAL]})
    assert [(pair.first, pair.second) for pair in found.pairs] == [("copy", "own")]
    assert found.too_common == tuple(sorted(class_))


def test_two_of_the_same_in_a_small_class_are_found():
    found = compare_answers({"a": OBVIOUS, "b": OBVIOUS, "c": HONEST["loops"]})
    assert [(pair.first, pair.second, pair.similarity) for pair in found.pairs] == [("a", "b", 1.0)]


def test_short_empty_and_unreadable_answers_are_counted_not_judged():
    short = "def f(x):\n    return x + 1\n"
    sources = {"a": short, "b": short, "c": "def f(:\n", "d": "x\0y", "e": "  \n", "f": "\ud800"}
    found = compare_answers(sources)
    assert found.pairs == () and found.judged == ()
    assert found.too_short == ("a", "b")
    assert found.unreadable == ("c", "d", "f")


def test_the_template_is_not_evidence():
    with_more = TEMPLATE + OBVIOUS
    assert similar_answers({"a": with_more, "b": with_more}, with_more) == []
    assert compare_answers({"a": with_more, "b": with_more}, with_more).too_short == ("a", "b")


@pytest.mark.parametrize(
    "source",
    ["(" * 5000, "-" * 100_000 + "1", "a+" * 50_000 + "a", "a" + ".b" * 60_000, "x = 1\n" * 90_000],
)
def test_hostile_nesting_and_length_are_unreadable_and_break_nothing(source):
    assert compare_answers({"a": source, "b": OBVIOUS}).unreadable == ("a",)


def test_deep_but_readable_code_is_compared():
    deep = "x = " + "[" * 80 + "]" * 80
    assert syntax_tokens(deep).count("List") == 80


def test_fingerprints_are_the_same_in_every_process():
    program = (
        "import sys; from novelkit.grading.similarity import fingerprints;"
        "print(sorted(fingerprints(sys.argv[1])))"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", program, OBVIOUS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            encoding="utf-8",
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert found == [f"{sorted(fingerprints(OBVIOUS))}\n"] * 2


def class_results():
    names = {f"2023{n:04}": source for n, source in enumerate(EVERYONE.values())}
    found = [result(name, source=source) for name, source in names.items()]
    evil = "</code></pre><script>alert(1)</script>"
    return [
        *found,
        result("=evil()", source=COPIES["split"] + f'\nx = "{evil}"\n'),
        result("空", "07-name-swing", Status.MISSING),
    ]


def test_files_hold_all_pairs_side_by_side_and_no_markup_of_a_student(tmp_path):
    found = write_similarity(tmp_path, class_results(), exercises(), {"07-robust-trend": TEMPLATE})
    pairs = found["07-robust-trend"].pairs
    text = (tmp_path / "similarity.csv").read_bytes().decode("utf-8-sig")
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header == ["exercise", "first", "second", "similarity", "shared", "smaller"]
    assert len(rows) == len(pairs) > 4
    assert any("'=evil()" in row for row in rows)
    html = (tmp_path / "similarity.html").read_text(encoding="utf-8")
    assert "<script" not in html and "&lt;script&gt;" in html
    assert html.count('<div class="beside">') == len(pairs)
    assert "bisect.insort(liste, (eins - zwei)" in html


def test_the_page_says_what_was_not_judged():
    comparisons = {"07-robust-trend": compare_answers({"a": "x = 1", "b": "def"})}
    html = similarity_page(comparisons, {}, exercises())
    # Pairs, judged, too short, too common, unreadable.
    cells = "".join(f'<td class="number">{count}</td>' for count in (0, 0, 1, 0, 1))
    assert cells in html and "不是抄袭的证据" in html
