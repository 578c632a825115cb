"""grades.csv, those for Moodle and Canvas, and grades.json: what other programs read back."""

import csv
import io
import json
import math
from dataclasses import replace

import pytest
from grading_class import BATCH, class_of, exercises, result
from hypothesis import given
from hypothesis import strategies as st

from novelkit.grading.records import Result, Status
from novelkit.grading.sheets import cell, clean, number_text, read_table, write_table
from novelkit.grading.tables import write_tables
from novelkit.grading.term import Override, Person, Term, final_grades

FILES = ("grades.csv", "grades.moodle.csv", "grades.canvas.csv", "grades.json")
ROSTER = {
    "20231000": Person("20231000", "张三", "20231000", "z@x.edu", "zhang3", "一班", "45872"),
    "nobody@x.edu": Person("nobody@x.edu", "=1+1", "", "nobody@x.edu"),
}
# Any text, the halves of surrogate pairs and control characters included.
ANY_TEXT = st.text(st.characters(codec=None), max_size=30)


def write(folder, results, term=None):
    """The tables of these results, as lists of rows of cells."""
    grades = final_grades(results, exercises(), term or Term())
    write_tables(folder, grades, exercises(), BATCH)
    return {name: rows(folder / name) for name in FILES[:3]}


def rows(path):
    content = path.read_bytes()
    # Excel needs the mark to show Chinese.
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_the_plain_table_has_points_statuses_and_totals(tmp_path):
    results = [result("甲"), result("甲", "07-name-swing", Status.PARTIAL, points=3.5)]
    header, row = write(tmp_path, results)["grades.csv"]
    found = dict(zip(header, row, strict=True))
    assert found["id"] == "甲"
    assert (found["07-robust-trend"], found["07-robust-trend:status"]) == ("6", "passed")
    assert (found["07-name-swing"], found["07-name-swing:status"]) == ("3.5", "partial")
    assert (found["03-merge"], found["03-merge:status"]) == ("0", "missing")
    assert (found["raw"], found["possible"], found["final"]) == ("9.5", "17", "9.5")


def test_moodle_gets_its_two_columns_and_then_assignments(tmp_path):
    table = write(tmp_path, [result("20231000")], Term(roster=ROSTER))["grades.moodle.csv"]
    assert table[0][:2] == ["Email address", "ID number"]
    assert all(name.startswith("Assignment: ") for name in table[0][2:])
    assert table[1] == ["z@x.edu", "20231000", "6", "0", "0", "6"]
    # One without a number of the school gets none: an address is no ID number.
    assert table[2][:2] == ["nobody@x.edu", ""]


def test_canvas_gets_its_five_columns_and_the_row_of_maxima(tmp_path):
    term = Term(roster=ROSTER, weights={"07_diagnosis": 26})
    table = write(tmp_path, [result("20231000")], term)["grades.canvas.csv"]
    assert table[0][:5] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    assert table[1] == ["    Points Possible", "", "", "", "", "6", "7", "4", "30"]
    assert table[2] == ["张三", "45872", "20231000", "zhang3", "一班", "6", "0", "0", "12"]
    # A formula in a name is text.
    assert table[3][0] == "'=1+1"


def test_those_who_are_not_on_the_roster_are_in_the_plain_table_only(tmp_path):
    tables = write(tmp_path, [result("陌生人")], Term(roster=ROSTER))
    assert ["陌生人" in str(tables[name]) for name in FILES[:3]] == [True, False, False]
    assert "陌生人" in (tmp_path / "grades.json").read_text(encoding="utf-8")


def test_what_waits_for_a_human_is_an_empty_cell(tmp_path):
    results = [result("20231000", status=Status.NOT_GRADABLE)]
    tables = write(tmp_path, results, Term(roster=ROSTER))
    assert tables["grades.moodle.csv"][1][2:] == ["", "0", "0", ""]
    assert tables["grades.canvas.csv"][2][5:] == ["", "0", "0", ""]
    assert dict(zip(*tables["grades.csv"][:2], strict=True))["07-robust-trend"] == ""


def test_the_same_results_in_any_order_give_the_same_bytes(tmp_path):
    results = class_of(12)
    write(tmp_path / "a", results)
    write(tmp_path / "b", results[::-1])
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_json_holds_the_results_and_the_facts_of_the_batch(tmp_path):
    results = class_of(3)
    write(tmp_path, results)
    found = json.loads((tmp_path / "grades.json").read_text(encoding="utf-8"))
    assert found["batch"]["seed"] == BATCH.seed
    assert found["batch"]["isolation"]["missing"] == list(BATCH.isolation.missing)
    read = [Result.from_dict(mark["result"]) for one in found["grades"] for mark in one["marks"]]
    assert sorted(read, key=repr) == sorted(results, key=repr)


def test_json_has_no_nan_and_no_half_of_a_surrogate_pair(tmp_path):
    odd = result("甲\ud800", seconds=math.nan, source="\x00\udfff", notes=("\u202e",))
    write(tmp_path, [odd])
    text = (tmp_path / "grades.json").read_text(encoding="utf-8")
    found = json.loads(text, parse_constant=pytest.fail)["grades"][0]["marks"][0]["result"]
    # How long it took would make two gradings of one class differ.
    assert "seconds" not in found
    assert found["source"] == "\ufffd\ufffd" and found["notes"] == ["\ufffd"]


@given(st.lists(st.tuples(ANY_TEXT, ANY_TEXT), min_size=1, max_size=4))
def test_every_table_is_rectangular_and_reads_back_what_was_written(tmp_path_factory, pairs):
    path = tmp_path_factory.mktemp("sheet") / "t.csv"
    write_table(path, ("one", "two"), pairs)
    found = rows(path)
    assert found == [["one", "two"], *([cell(value) for value in pair] for pair in pairs)]
    for value, text in zip((v for pair in pairs for v in pair), sum(found[1:], []), strict=True):
        assert text in (clean(value), "'" + clean(value))


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+x", "-x", "@SUM(1)", "\t=1", "\r=1", "  =1", "-1+cmd|' /C calc'!A0", "＝1", "\n-"],
)
def test_no_cell_of_text_begins_like_a_formula(text):
    assert cell(text) == "'" + clean(text)


@pytest.mark.parametrize(
    "value, text",
    [(-1.5, "-1.5"), ("-1.5", "-1.5"), ("+3e5", "+3e5"), (7, "7"), (None, ""), ("-٣", "'-٣")],
)
def test_numbers_stay_numbers(value, text):
    assert cell(value) == text


def test_numbers_are_short_and_have_no_negative_zero():
    found = [number_text(value) for value in (2.0, 1 / 3, 0.1 + 0.2, -1e-9, 100.0, 2.50)]
    assert found == ["2", "0.3333", "0.3", "0", "100", "2.5"]


def test_a_ragged_row_is_refused_and_leaves_the_old_file(tmp_path):
    write_table(tmp_path / "t.csv", ("a", "b"), [("1", "2")])
    with pytest.raises(ValueError, match="1 cells"):
        write_table(tmp_path / "t.csv", ("a", "b"), [("1",)])
    assert read_table(tmp_path / "t.csv") == [{"a": "1", "b": "2"}]
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_an_override_shows_in_all_of_them(tmp_path):
    term = Term(roster=ROSTER, overrides=(Override("20231000", "*", 16.5, "定了", 2),))
    tables = write(tmp_path, [result("20231000")], term)
    plain = dict(zip(*tables["grades.csv"][:2], strict=True))
    assert (plain["final"], plain["raw"], plain["comment"]) == ("16.5", "6", "定了")
    assert tables["grades.moodle.csv"][1][-1] == tables["grades.canvas.csv"][2][-1] == "16.5"


def test_a_class_without_students_still_has_its_headers(tmp_path):
    tables = write(tmp_path, [])
    assert [len(tables[name]) for name in FILES[:3]] == [1, 1, 2]
    assert tables["grades.canvas.csv"][1][-1] == "17"


def test_only_the_header_holds_a_time(tmp_path):
    grades = final_grades(class_of(2), exercises(), Term())
    write_tables(tmp_path / "a", grades, exercises(), BATCH)
    write_tables(tmp_path / "b", grades, exercises(), replace(BATCH, started="2027-01-01T00:00Z"))
    same = [(tmp_path / "a" / n).read_bytes() == (tmp_path / "b" / n).read_bytes() for n in FILES]
    assert same == [True, True, True, False]
