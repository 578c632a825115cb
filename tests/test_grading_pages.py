"""Pages for students and for the instructor: what they show, what they hide, what cannot break."""

import base64
import re
import string
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from grading_class import BATCH, CODE, cases, class_of, exercises, result
from hypothesis import example, given, settings
from hypothesis import strategies as st

from novelkit.grading.class_page import class_page, difficulties
from novelkit.grading.markup import POLICY, document, escaped, file_names
from novelkit.grading.pages import student_page, write_pages
from novelkit.grading.records import CaseResult, Isolation, Status, Submission
from novelkit.grading.sheets import clean
from novelkit.grading.term import (
    LatePolicy,
    Override,
    Term,
    final_grades,
    read_due,
    with_submissions,
)
from novelkit.grading.words import WORDS

ANY_TEXT = st.text(st.characters(codec=None), max_size=40)
MARKUP = st.sampled_from(
    ["<script>alert(1)</script>", "</code></pre><img src=x onerror=x>", "<!--", "&lt;", "]]>"]
)
HOSTILE = st.one_of(ANY_TEXT, MARKUP, st.tuples(MARKUP, ANY_TEXT).map("".join))
OURS = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "div", "span"),
    *("b", "i", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "pre", "code", "a", "img"),
}


class Page(HTMLParser):
    """The tags of a page, its text, that of each element of a kind, and its attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], []
        self.inside: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in ("meta", "img"):
            self.open.append(tag)
            self.inside.setdefault(tag, []).append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
        for tag in set(self.open):
            self.inside[tag][-1] += data

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")

    @property
    def text(self):
        return "".join(self.words)


def grade(*results, term=None):
    (found,) = final_grades(results, exercises(), term or Term())
    return found


def page_of(*results, term=None):
    return Page(student_page(grade(*results, term=term), exercises()))


def class_of_grades(results=None, term=None, batch=BATCH):
    grades = final_grades(class_of(8) if results is None else results, exercises(), term or Term())
    addresses = [f"students/{number}.html" for number in range(len(grades))]
    return grades, Page(class_page(grades, exercises(), batch, addresses))


# ---- a student's page


def test_a_student_sees_totals_cases_code_and_comments():
    term = Term(
        late=LatePolicy(read_due("2026-03-01T23:59:59+08:00"), per_day=0.25),
        submitted={"张三": read_due("2026-03-02T12:00:00+08:00").timestamp()},
        overrides=(Override("张三", "07-robust-trend", 4, "边界没处理", 2),),
    )
    found = result(
        "张三", status=Status.PARTIAL, points=3, cases=cases(), notes=("在第 5 格。",), source=CODE
    )
    page = page_of(found, term=term)
    assert page.inside["h1"] == ["张三"]
    for words in ("3 / 17", "1 天", "−25%", "不怕尖峰的趋势", "◐部分通过", "4 / 6（教师改）"):
        assert words in page.text
    for words in ("在第 5 格。", "边界没处理", "f(2)", "3.5", "4.25", "一个尖峰不该改变它。"):
        assert words in page.text
    assert page.inside["code"] == [CODE]


@pytest.mark.parametrize("status", list(Status))
def test_every_status_has_a_word_a_symbol_and_a_colour(status):
    word = WORDS[status]
    html = student_page(grade(result("甲", status=status)), exercises())
    assert word.symbol + word.chinese in Page(html).text
    assert f"color:{word.colour}" in html


def test_no_two_statuses_look_the_same():
    assert len({word.symbol for word in WORDS.values()}) == len(Status) == len(WORDS)
    assert len({word.chinese for word in WORDS.values()}) == len(Status)


def test_of_a_hidden_case_only_its_end_and_its_hint_are_shown():
    secret = CaseResult(True, 1, "wrong", "f(SECRET)", "SECRET", "SECRET", "想想空的输入。")
    passed = CaseResult(True, 2, "passed", hint="UNSEEN")
    page = page_of(result("甲", status=Status.PARTIAL, points=1, cases=(secret, passed)))
    assert "SECRET" not in page.text and "UNSEEN" not in page.text
    assert "隐藏用例：通过 1 / 2" in page.text
    assert "✗ 答案不对" in page.text and "想想空的输入。" in page.text


def test_a_student_sees_neither_seed_nor_command(tmp_path):
    grades = final_grades(class_of(1), exercises(), Term())
    write_pages(tmp_path, grades, exercises(), BATCH)
    (path,) = (tmp_path / "students").iterdir()
    assert BATCH.seed not in path.read_text(encoding="utf-8")
    assert BATCH.seed in (tmp_path / "class.html").read_text(encoding="utf-8")


def test_what_waits_for_a_human_is_said_and_not_counted():
    page = page_of(result("甲", status=Status.NOT_GRADABLE))
    assert "待人工评定" in page.text and "待定 / 6" in page.text and "0 / 11" in page.text


def test_a_weighted_exercise_shows_what_it_adds():
    plain, weighted = (
        page_of(result("甲")),
        page_of(result("甲"), term=Term(weights={"03-merge": 9})),
    )
    assert "计入总分" not in plain.text
    assert "计入总分" in weighted.text and "0 / 9" in weighted.text


@settings(deadline=None)
@given(HOSTILE.filter(str.strip), HOSTILE, HOSTILE, HOSTILE)
@example("<b>x</b>", "</pre><script>", '" onmouseover="x', "\ud800\x00\u202e&amp;")
def test_nothing_of_a_student_becomes_markup_and_nothing_is_lost(name, source, got, note):
    case = CaseResult(False, 1, "wrong", got, got, got, note)
    found = result(
        name, status=Status.FAILED, cases=(case,), notes=(note,), hints=(note,), source=source
    )
    html = student_page(grade(found), exercises())
    html.encode("utf-8")
    page = Page(html)
    assert set(page.tags) <= OURS
    assert not {name for _, name, _ in page.attributes} - {
        "lang", "charset", "http-equiv", "content", "name", "class", "style", "id", "href", "title",
    }  # fmt: skip
    assert page.inside["h1"] == [clean(name)]
    assert page.inside.get("code", []) == ([clean(source)] if source else [])
    cells = page.inside["td"]
    assert cells.count(clean(got)) >= 3 or not got
    assert clean(note) in page.inside["li"]


@settings(deadline=None, max_examples=8)
@given(HOSTILE.filter(str.strip), HOSTILE)
def test_the_class_page_survives_hostile_names_and_facts(name, fact):
    batch = replace(BATCH, command=fact, problems=(fact,), isolation=Isolation(missing=(fact,)))
    html = class_page(
        final_grades([result(name)], {"07-robust-trend": exercises()["07-robust-trend"]}, Term()),
        {"07-robust-trend": exercises()["07-robust-trend"]},
        batch,
        ["students/x.html"],
    )
    html.encode("utf-8")
    page = Page(html)
    assert set(page.tags) <= OURS
    assert clean(name) in page.inside["a"]
    assert page.inside["li"].count(clean(fact)) == 2


# ---- what no page may do


def test_pages_load_nothing_and_run_nothing(tmp_path):
    write_pages(tmp_path, final_grades(class_of(3), exercises(), Term()), exercises(), BATCH)
    paths = [*tmp_path.rglob("*.html")]
    assert len(paths) == 4
    for path in paths:
        page = Page(path.read_text(encoding="utf-8"))
        assert ("meta", "content", POLICY) in page.attributes
        assert "script" not in page.tags and "link" not in page.tags
        for _, name, value in page.attributes:
            assert not name.startswith("on")
            assert name != "src" or value.startswith("data:image/svg+xml;base64,")
            assert name != "href" or re.fullmatch(r"#[\w-]+|students/[^/:]+\.html", value)


def test_links_lead_to_the_pages_that_were_written(tmp_path):
    results = [result(name) for name in ("甲 乙", "a#b?c", "..", "CON", "x" * 300, "Ann", "ann")]
    write_pages(tmp_path, final_grades(results, exercises(), Term()), exercises(), BATCH)
    page = Page((tmp_path / "class.html").read_text(encoding="utf-8"))
    links = {value for tag, name, value in page.attributes if name == "href"}
    assert len(links) == 7
    assert {(tmp_path / unquote(link)).is_file() for link in links} == {True}
    assert len([*tmp_path.rglob("*.html")]) == 8


@given(st.lists(ANY_TEXT, max_size=8))
@example(["a", "A", "a-2", "a"])
@example(["nul", "../../etc/passwd", "", ".", "con.html"])
def test_names_of_files_are_safe_and_different(names):
    found = file_names(names)
    assert len({name.casefold() for name in found}) == len(names)
    for name in found:
        assert 0 < len(name.encode("utf-8")) < 250 and name == clean(name)
        assert not set(name) & set(string.whitespace + '/\\:*?"<>|\0')
        assert not name.startswith(".") and name.casefold() not in ("con", "nul", "con.html")


def test_the_same_grades_give_the_same_bytes(tmp_path):
    for folder, results in (("a", class_of(5)), ("b", class_of(5)[::-1])):
        write_pages(
            tmp_path / folder, final_grades(results, exercises(), Term()), exercises(), BATCH
        )
    for path in (tmp_path / "a").rglob("*.html"):
        other = tmp_path / "b" / path.relative_to(tmp_path / "a")
        assert path.read_bytes() == other.read_bytes()


def test_a_title_is_text():
    page = Page(document("</title><script>", "<p>x</p>"))
    assert page.inside["title"] == ["</title><script>"]
    assert "script" not in page.tags
    assert escaped("<'\"&>") == "&lt;&#x27;&quot;&amp;&gt;"


# ---- the instructor's page


def test_the_class_page_counts_every_status():
    results = [result("甲"), result("乙"), result("丙", status=Status.TIMEOUT)]
    grades, page = class_of_grades(results)
    cells = [row for row in page.inside["tr"] if "07-robust-trend" in row]
    assert cells == ["不怕尖峰的趋势 07-robust-trend21·67%"]
    assert "✓\n通过" in page.inside["th"] and "◔\n超时" in page.inside["th"]
    assert "!\n运行出错" not in page.inside["th"]


def test_difficulty_is_the_mean_share_with_the_hardest_first():
    results = [
        result("甲"),
        result("乙", status=Status.PARTIAL, points=3),
        result("甲", "07-name-swing", Status.PARTIAL, points=1.75),
        result("乙", "07-name-swing", Status.NOT_GRADABLE),
        result("甲", "03-merge", Status.NOT_GRADABLE),
        result("乙", "03-merge", Status.NOT_GRADABLE),
    ]
    grades = final_grades(results, exercises(), Term())
    found = difficulties(grades, exercises())
    assert list(found.items()) == [
        ("07-name-swing", 0.25),
        ("07-robust-trend", 0.75),
        ("03-merge", None),
    ]


def test_what_needs_a_human_stands_on_the_class_page():
    results = [result("甲", status=Status.NOT_GRADABLE), result("乙")]
    conflict = Submission("丙", conflict="同名的两份提交。")
    _, page = class_of_grades(
        results,
        with_submissions(Term(), [conflict]),
        replace(BATCH, problems=("提交 丁 在名单里找不到。",)),
    )
    for words in ("需要你处理", "同名的两份提交。", "07-robust-trend", "提交 丁 在名单里找不到。"):
        assert words in page.text
    for words in (*BATCH.isolation.missing, BATCH.seed, BATCH.command):
        assert words in page.text


def test_without_trouble_nothing_asks_for_a_human():
    _, page = class_of_grades([result("甲")])
    assert "需要你处理" not in page.text


def test_figures_are_pictures_and_lateness_has_one_only_where_someone_was_late():
    due = read_due("2026-03-01T23:59:59+08:00")
    late = Term(late=LatePolicy(due), submitted={"甲": due.timestamp() + 1}, modified={"乙": 0.0})
    results = [result("甲"), result("乙")]
    counts = [
        len([1 for tag, name, _ in page.attributes if (tag, name) == ("img", "src")])
        for page in (class_of_grades(results)[1], class_of_grades(results, late)[1])
    ]
    assert counts == [3, 4]
    _, page = class_of_grades(results)
    source = next(value for _, name, value in page.attributes if name == "src")
    assert b"<svg" in base64.b64decode(source.partition(",")[2])


def test_a_class_without_students_has_a_page():
    _, page = class_of_grades([])
    assert "全班成绩" in page.text and "img" not in page.tags
