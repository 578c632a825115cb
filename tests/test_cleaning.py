"""Stage 03 as a whole: the title, the account of every character, switches, progress, JSONL."""

import json

import pytest
from helpers_cleaning import PROSE, book, wrap
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.cleaning import RULES, Chapter, Novel, clean, read_jsonl, write_jsonl
from novelkit.errors import InputError

DEFAULTS = [name for name, rule in RULES.items() if rule.default]


@pytest.mark.parametrize(
    ("head", "source", "title"),
    [
        ("《雪夜》\n作者：某人\n\n", {}, "雪夜"),
        ("雪夜（清）某人著\n\n", {}, "雪夜"),
        ("[雪夜 / 某人 著 ]\n\n", {}, "雪夜"),
        ("雪夜\n作者：某人\n\n", {"file": "x.txt"}, "雪夜"),
        ("", {"file": "/some/where/雪夜.txt"}, "雪夜"),
        ("", {"file": "《雪夜》全集.txt"}, "雪夜"),
    ],
)
def test_the_title_is_found_and_title_lines_leave_the_text(head, source, title):
    novel, _ = clean(head + book(), source=source)
    assert novel.title == title
    assert novel.text == book()


def test_the_title_given_wins():
    assert clean("《甲》\n" + book(), title="乙")[0].title == "乙"


def test_the_report_accounts_for_every_character():
    dirty = "\ufeff《雪夜》\r\n本书下载自www.example.com\r\n----------\r\n&nbsp;<b>" + wrap(
        book(8), 20, "　　"
    ).replace("\n", "\r\n")
    novel, report = clean(dirty, source={"file": "x.txt", "sha256": "0"})
    assert report.characters_before == len(dirty)
    assert report.characters_after == novel.characters == len(novel.text)
    removed = sum(rule.removed_characters for rule in report.rules)
    assert removed == report.characters_before - report.characters_after
    assert [rule.name for rule in report.rules] == [*DEFAULTS, "chapters"]
    assert report.headings == len(novel.chapters) == 8
    assert novel.source["sha256"] == "0"
    for rule in report.rules:
        assert len(rule.examples) <= 3
        assert bool(rule.examples) == bool(rule.changes) or rule.name == "chapters"
    assert json.loads(json.dumps(report.as_dict(), ensure_ascii=False))["headings"] == 8


@settings(max_examples=60, deadline=None)
@given(
    st.text(
        alphabet=st.sampled_from(
            "一二三第章回卷的人，。“” \u3000\n\r\t<br>&nbsp;-=w.com\ufffd\ufeff"
        ),
        max_size=400,
    )
)
def test_the_account_holds_for_anything(text):
    try:
        novel, report = clean(text)
    except InputError:
        return
    removed = sum(rule.removed_characters for rule in report.rules)
    assert removed == len(text) - len(novel.text)
    again, _ = clean(novel.text)
    assert again.text.count("\ufffd") == novel.text.count("\ufffd") == text.count("\ufffd")


def test_a_substitution_counts_every_change_and_shows_the_first_three():
    _, report = clean("　　" + f"\n　　{PROSE[0]}" * 7, rules=["indentation"])
    rule = report.rules[0]
    assert (rule.changes, len(rule.examples)) == (8, 3)


def test_rules_can_be_switched_off():
    dirty = "　　" + PROSE[0] + "\nwww.example.com\n" + PROSE[2]
    novel, report = clean(dirty, rules=["indentation"])
    assert novel.text == PROSE[0] + "\nwww.example.com\n" + PROSE[2]
    assert [rule.name for rule in report.rules] == ["indentation", "chapters"]
    with pytest.raises(InputError, match="nosuch"):
        clean(dirty, rules=["nosuch"])


def test_nothing_left_is_an_error():
    with pytest.raises(InputError):
        clean(" \n\n　　\nwww.example.com\n")


def test_jsonl_round_trip(tmp_path):
    novel = Novel(
        "雪夜",
        (Chapter("", ("前言",)), Chapter("第一章", ("“甲”\u2028乙", "\ufffd\\n"), "卷一")),
        {"file": "x.txt", "bytes": 3},
    )
    path = tmp_path / "novel.jsonl"
    write_jsonl(novel, path)
    assert read_jsonl(path) == novel
    assert [p.name for p in tmp_path.iterdir()] == ["novel.jsonl"]
    first = json.loads(path.read_text(encoding="utf-8").split("\n")[0])
    assert set(first) == {"novel", "chapter", "title", "volume", "paragraphs", "source"}
    assert first["chapter"] == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [lines[0], lines[1][:-5], lines[2]],
        lambda lines: [lines[0], "[]", lines[2]],
        lambda lines: [lines[0], lines[1].replace('"paragraphs": [', '"paragraphs": [1, ')],
        lambda lines: [lines[0], lines[2]],
        lambda lines: [lines[0], lines[1].replace("雪夜", "别的"), lines[2]],
        lambda lines: [lines[0], "", lines[2]],
    ],
)
def test_a_malformed_line_is_named(tmp_path, damage):
    path = tmp_path / "novel.jsonl"
    write_jsonl(Novel("雪夜", tuple(Chapter(f"第{n}章", ("甲",)) for n in "一二三")), path)
    lines = path.read_text(encoding="utf-8").split("\n")[:3]
    path.write_text("\n".join(damage(lines)) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="第 2 行"):
        read_jsonl(path)


def test_a_missing_or_empty_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError):
        read_jsonl(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(InputError):
        read_jsonl(tmp_path / "empty.jsonl")


@settings(max_examples=60, deadline=None)
@given(
    st.text(
        alphabet=st.sampled_from("一二三第章回的人，。“”\"',.!?:;()…-—　 \n12Ａwcom□\ue003臺灣"),
        max_size=300,
    ),
    st.sets(st.sampled_from([name for name in RULES if name != "simplify"])),
)
def test_the_account_holds_for_every_choice_of_rules(text, rules):
    try:
        novel, report = clean(text, rules=sorted(rules))
    except InputError:
        return
    assert [rule.name for rule in report.rules][:-1] == [name for name in RULES if name in rules]
    removed = sum(rule.removed_characters for rule in report.rules)
    assert removed == report.characters_before - report.characters_after
    assert (report.characters_before, report.characters_after) == (len(text), len(novel.text))


def test_a_rule_that_changed_something_counted_it():
    dirty = "第一章 甲\n" + PROSE[0].replace("，", ",") + "\n他说--好...\n\n\n\n" + PROSE[2] * 2
    _, report = clean(dirty)
    for rule in report.rules[:-1]:
        assert not rule.removed_characters or rule.changes, rule.name


def test_progress_counts_the_rules():
    seen = []
    clean(book(), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, len(DEFAULTS)) for done in range(len(DEFAULTS) + 1)]


def test_a_clean_book_comes_back_as_it_is_and_stays_so():
    novel, report = clean(book(12))
    assert novel.text == book(12)
    assert sum(rule.removed_characters for rule in report.rules) == 0
    assert clean(novel.text)[0].chapters == novel.chapters
