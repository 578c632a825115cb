"""The matters of a real term: rosters, weights, lateness, overrides, and grades made of them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from grading_class import exercises, result

from novelkit.errors import InputError
from novelkit.grading.overrides import OVERRIDES_FILE
from novelkit.grading.records import Status, Submission, SubmittedFile
from novelkit.grading.roster import find_person, match_students
from novelkit.grading.term import (
    LatePolicy,
    Override,
    Person,
    Term,
    final_grades,
    read_due,
    read_overrides,
    read_roster,
    read_submitted,
    read_weights,
    term_problems,
    with_submissions,
)
from novelkit.grading.weights import weigh

PLAIN = "id,name,email\n20231234,张三,zhang@x.edu\n20231235,李四,li@x.edu\n"
MOODLE = (
    "Identifier,Full name,First name,Last name,ID number,Email address,Status\n"
    "Participant 88123,张三,三,张,20231234,zhang@x.edu,Submitted\n"
    "Participant 88124,Ada Lovelace,Ada,Lovelace,20231236,ada@x.edu,\n"
)
CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Homework (331)\n"
    "    Points Possible,,,,,10\n"
    '"Lovelace, Ada",45871,20231236,ada7,一班,9\n'
    '"Student, Test",45999,,a1b2c3,一班,\n'
    "张三,45872,20231234,zhang3,二班,8\n"
)
ROSTER = {
    "20231234": Person("20231234", "张三", "20231234", "zhang@x.edu", "zhang3"),
    "20231235": Person("20231235", "李四", "20231235", "li@x.edu"),
}


def written(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


# ---- rosters


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le"])
def test_a_roster_is_read_in_every_usual_encoding(tmp_path, encoding):
    roster = read_roster(written(tmp_path / "r.csv", PLAIN, encoding))
    assert {key: person.name for key, person in roster.items()} == {
        "20231234": "张三",
        "20231235": "李四",
    }
    assert roster["20231235"].email == "li@x.edu"


def test_headers_may_be_chinese_upper_case_and_divided_by_tabs(tmp_path):
    chinese = read_roster(written(tmp_path / "a.csv", "姓名,学号,邮箱\n张三,20231234,z@x.edu\n"))
    english = read_roster(
        written(tmp_path / "b.csv", "NAME\tId\tE-Mail\n张三\t20231234\tz@x.edu\n")
    )
    assert chinese == english
    assert chinese["20231234"] == Person("20231234", "张三", "20231234", "z@x.edu")


def test_a_moodle_export_gives_the_number_the_participant_and_both_names(tmp_path):
    roster = read_roster(written(tmp_path / "r.csv", MOODLE, "utf-8-sig"))
    assert list(roster) == ["20231234", "20231236"]
    assert roster["20231234"].other_ids == ("88123",)
    assert find_person("张三_88123_assignsubmission_file", roster) == "20231234"
    assert find_person("Lovelace Ada", roster) == "20231236"


def test_moodle_names_in_two_columns_are_joined_in_the_order_of_their_script(tmp_path):
    text = "First name,Surname,ID number\n三,张,1001\nAda,Lovelace,1002\n"
    roster = read_roster(written(tmp_path / "r.csv", text))
    assert [person.name for person in roster.values()] == ["张三", "Ada Lovelace"]


def test_a_canvas_export_gives_students_but_no_maxima_and_no_test_student(tmp_path):
    roster = read_roster(written(tmp_path / "r.csv", CANVAS))
    assert list(roster) == ["20231236", "20231234"]
    assert roster["20231236"].canvas_id == "45871"
    assert roster["20231236"].section == "一班"
    # Canvas names a downloaded file by the name run together, its own number, and one of the file.
    assert find_person("lovelaceada_45871_993211_homework", roster) == "20231236"
    assert find_person("Ada Lovelace", roster) == "20231236"


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("", "没有表头"),
        ("id,name\n", "没有一个学生"),
        ("colour\nred\n", "没有一个学生"),
        ("id,name\n1,张三\n1,李四\n", "两个人的学号都是 1"),
    ],
)
def test_a_roster_that_identifies_nobody_or_two_is_refused(tmp_path, text, complaint):
    with pytest.raises(InputError, match=complaint):
        read_roster(written(tmp_path / "r.csv", text))


def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path):
    (tmp_path / "r.csv").write_bytes(b"id,name\n\xff\x81\xff,\x80\x80\n")
    with pytest.raises(InputError, match="不是 UTF-8"):
        read_roster(tmp_path / "r.csv")
    with pytest.raises(InputError, match="打不开"):
        read_roster(tmp_path / "none.csv")


# ---- whose a submission is


@pytest.mark.parametrize(
    "text",
    [
        "20231234",
        "２０２３１２３４",
        "20231234_张三",
        "20231234张三",
        "张三-20231234-作业7",
        "zhang3",
        "ZHANG@x.edu",
        "张三",
        "lab7_张三",
    ],
)
def test_a_person_is_found_by_number_login_address_or_name(text):
    assert find_person(text, ROSTER) == "20231234"


@pytest.mark.parametrize(
    "text",
    ["120231234", "张三丰", "王五", "20231234_李四", "20231234_20231235", "", "张三和李四"],
)
def test_another_number_a_longer_name_and_contradictions_are_nobody(text):
    assert find_person(text, ROSTER) is None


def test_of_two_with_one_name_only_a_number_decides():
    roster = {**ROSTER, "20239999": Person("20239999", "张三", "20239999")}
    assert find_person("张三", roster) is None
    assert find_person("张三_20239999", roster) == "20239999"


def test_names_of_files_help_where_the_submission_says_nothing():
    files = {"upload-1": ("20231235_hw.ipynb",), "upload-2": ("a.py", "b.py")}
    matches = match_students(["upload-1", "upload-2"], ROSTER, files)
    assert matches.persons == {"upload-1": "20231235"}
    assert matches.nobody == ("upload-2",)


def test_two_submissions_of_one_person_are_neither_taken():
    matches = match_students(["20231234", "张三", "李四"], ROSTER)
    assert matches.persons == {"李四": "20231235"}
    assert matches.several == {"20231234": ("20231234", "张三")}


def test_a_short_number_inside_a_name_is_no_evidence():
    roster = {"12": Person("12", "甲乙", "12")}
    assert find_person("12", roster) == "12"
    assert find_person("lab_12", roster) is None


# ---- weights


def test_weights_of_notebooks_are_shared_by_points_and_the_rest_keeps_its_points(tmp_path):
    path = written(tmp_path / "w.csv", "exercise or notebook,weight\n07_diagnosis,26\n")
    weights = weigh(exercises(), read_weights(path))
    assert weights == pytest.approx({"07-robust-trend": 12, "07-name-swing": 14, "03-merge": 4})


def test_an_exercise_of_its_own_weight_takes_no_part_in_its_notebooks():
    weights = weigh(exercises(), {"07_diagnosis": 10, "07-robust-trend": 1, "03-merge": 0})
    assert weights == {"07-robust-trend": 1, "07-name-swing": 10, "03-merge": 0}


@pytest.mark.parametrize("row", ["07_diagnosis,-1", "07_diagnosis,nan", ",3", "07_diagnosis,viel"])
def test_weights_that_are_none_are_refused(tmp_path, row):
    with pytest.raises(InputError, match="第 2 行"):
        read_weights(written(tmp_path / "w.csv", f"exercise,weight\n{row}\n"))


def test_a_weight_for_an_unknown_name_is_refused_with_a_suggestion():
    with pytest.raises(InputError, match="07-robust-trend"):
        weigh(exercises(), {"07-robust-trends": 3})


# ---- lateness

DUE = datetime(2026, 3, 1, 23, 59, 59, tzinfo=timezone(timedelta(hours=8)))
DAY = 86_400


@pytest.mark.parametrize(
    "seconds, days",
    [(-1, 0), (0, 0), (0.9, 0), (1, 1), (DAY, 1), (DAY + 1, 2), (7 * DAY, 7), (-30 * DAY, 0)],
)
def test_a_day_begins_one_second_after_the_border(seconds, days):
    assert LatePolicy(DUE).late_days(DUE.timestamp() + seconds) == days


def test_grace_moves_every_border():
    policy = LatePolicy(DUE, grace_hours=2)
    late = [policy.late_days(DUE.timestamp() + s) for s in (7200, 7201, DAY + 7200, DAY + 7201)]
    assert late == [0, 1, 1, 2]


def test_free_days_come_first_then_a_share_a_day_up_to_the_most():
    policy = LatePolicy(DUE, free_days=2, per_day=0.1, most=0.3)
    assert [policy.penalty(days) for days in (0, 2, 3, 4, 5, 6, 60)] == [
        0,
        0,
        0.1,
        0.2,
        0.3,
        0.3,
        0.3,
    ]


def test_the_same_moment_in_another_offset_is_the_same_lateness():
    other = DUE.astimezone(timezone(timedelta(hours=-5)))
    submitted = DUE.timestamp() + 1
    assert LatePolicy(DUE).late_days(submitted) == LatePolicy(other).late_days(submitted) == 1


@pytest.mark.parametrize("text", ["2026-03-01T23:59:59", "morgen", "2026-03-01", ""])
def test_a_due_time_needs_an_offset(text):
    with pytest.raises(InputError, match=r"\+08:00"):
        read_due(text)


def test_a_due_time_is_read_with_its_offset():
    assert read_due("2026-03-01T15:59:59Z") == read_due(" 2026-03-01T23:59:59+08:00 ") == DUE


@pytest.mark.parametrize(
    "wrong", [{"per_day": 2}, {"most": -0.1}, {"free_days": -1}, {"grace_hours": float("nan")}]
)
def test_a_policy_out_of_range_is_refused(wrong):
    with pytest.raises(InputError):
        LatePolicy(DUE, **wrong)


def test_times_are_read_the_last_counts_and_a_naive_one_is_in_the_zone_of_the_due_time(tmp_path):
    text = (
        "student,submitted\n张三,2026-03-01T20:00:00\n张三,2026-03-02 00:00:00\n"
        "李四,2026-03-01T12:00:00Z\n王五,\n"
    )
    times = read_submitted(written(tmp_path / "t.csv", text), DUE.tzinfo)
    assert times == {
        "张三": DUE.timestamp() + 1,
        "李四": datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp(),
    }


def test_a_time_that_cannot_be_read_is_refused_with_its_line(tmp_path):
    path = written(tmp_path / "t.csv", "student,submitted\n张三,gestern\n")
    with pytest.raises(InputError, match="第 2 行"):
        read_submitted(path, DUE.tzinfo)
    with pytest.raises(InputError, match="第 2 行"):
        read_submitted(written(tmp_path / "n.csv", "student,submitted\n张三,2026-03-01T20:00\n"))


# ---- overrides


def test_a_file_of_overrides_is_created_once_and_never_touched_again(tmp_path):
    assert read_overrides(tmp_path) == ()
    path = tmp_path / OVERRIDES_FILE
    assert path.read_text(encoding="utf-8-sig") == "student,exercise,points,comment\n"
    path.write_text(path.read_text(encoding="utf-8") + "张三,*,,很好\n", encoding="utf-8")
    before = path.read_bytes()
    assert read_overrides(tmp_path) == (Override("张三", "*", None, "很好", 2),)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "row", ["张三,07-robust-trend,-1,", "张三,*,nan,", "张三,*,five,", ",*,1,"]
)
def test_an_override_that_cannot_be_meant_is_refused_with_its_line(tmp_path, row):
    (tmp_path / OVERRIDES_FILE).write_text(
        f"student,exercise,points,comment\n{row}\n", encoding="utf-8"
    )
    with pytest.raises(InputError, match="第 2 行"):
        read_overrides(tmp_path)


# ---- grades


def grade_of(found, person):
    (grade,) = [one for one in found if one.person.id == person]
    return grade


def test_without_anything_a_grade_is_the_sum_of_points():
    results = [
        result("乙", "07-robust-trend"),
        result("乙", "07-name-swing", Status.PARTIAL, points=3.5),
        result("甲", "03-merge", Status.FAILED),
    ]
    grades = final_grades(results, exercises(), Term())
    assert [grade.person.id for grade in grades] == ["乙", "甲"]
    first, second = grades
    assert (first.raw, first.possible, first.final, first.late_days) == (9.5, 17, 9.5, 0)
    assert first.percent == pytest.approx(100 * 9.5 / 17)
    # The exercise of which there is no result counts as not answered.
    assert first.counts["missing"] == 1 and first.counts["passed"] == 1
    assert second.final == 0 and not second.needs_human
    assert grades == final_grades(results[::-1], exercises(), Term())


def test_students_who_handed_nothing_in_appear_and_strangers_are_not_dropped():
    results = [result("李四"), result("王五")]
    grades = final_grades(results, exercises(), Term(roster=ROSTER))
    assert [grade.person.id for grade in grades] == ["20231234", "20231235", "王五"]
    absent = grades[0]
    assert {mark.result.status for mark in absent.marks} == {Status.MISSING}
    assert (absent.final, absent.possible, absent.submission) == (0, 17, "")
    assert not absent.needs_human
    assert grades[2].needs_human and not grades[2].on_roster and grades[2].final == 6
    assert any("王五" in line for line in term_problems(results, exercises(), Term(roster=ROSTER)))


def test_two_submissions_of_one_person_wait_for_a_human_instead_of_counting_as_nothing():
    results = [result("20231234"), result("张三")]
    grades = final_grades(results, exercises(), Term(roster=ROSTER))
    person = next(grade for grade in grades if grade.on_roster)
    assert {mark.result.status for mark in person.marks} == {Status.NOT_GRADABLE}
    assert person.possible == 0 and person.percent is None and person.needs_human
    assert sum(not grade.on_roster for grade in grades) == 2


def test_what_cannot_be_graded_counts_neither_for_nor_against():
    results = [result("甲"), result("甲", "07-name-swing", Status.NOT_GRADABLE)]
    (grade,) = final_grades(results, exercises(), Term())
    assert (grade.raw, grade.possible) == (6, 10)
    assert grade.needs_human and "07-name-swing" in grade.reasons[0]
    decided = Term(overrides=(Override("甲", "07-name-swing", 5, "看过了", 2),))
    (grade,) = final_grades(results, exercises(), decided)
    assert (grade.raw, grade.possible, grade.needs_human) == (11, 17, False)


def test_overrides_replace_points_before_weights_and_the_whole_after_lateness():
    late = LatePolicy(DUE, per_day=0.5)
    term = Term(
        weights={"07-robust-trend": 60, "07-name-swing": 0, "03-merge": 0},
        late=late,
        modified={"甲": DUE.timestamp() + 1},
        overrides=(Override("甲", "07-robust-trend", 3, "半对", 2),),
    )
    results = [result("甲", status=Status.FAILED)]
    (grade,) = final_grades(results, exercises(), term)
    assert (grade.raw, grade.possible, grade.penalty, grade.final) == (30, 60, 0.5, 15)
    assert grade.marks[0].overridden and grade.marks[0].comment == "半对"
    whole = Term(late=late, modified=term.modified, overrides=(Override("甲", "*", 13, "定了", 2),))
    (grade,) = final_grades(results, exercises(), whole)
    assert (grade.final, grade.comments, grade.late_days) == (13, ("定了",), 1)


def test_overrides_and_times_find_a_person_by_any_of_their_names():
    term = Term(
        roster=ROSTER,
        late=LatePolicy(DUE),
        submitted={"zhang@x.edu": DUE.timestamp() + 1},
        modified={"张三_作业": DUE.timestamp() - 99},
        overrides=(
            Override("20231234", "03-merge", 4, "", 2),
            Override("张三_作业", "*", None, "好", 3),
        ),
    )
    grade = grade_of(final_grades([result("张三_作业")], exercises(), term), "20231234")
    assert grade.late_days == 1 and grade.raw == 10 and grade.final == 9
    assert grade.comments == ("好",)
    assert term_problems([result("张三_作业")], exercises(), term) == []


def test_lines_without_effect_are_reported():
    term = Term(
        overrides=(
            Override("王五", "*", 1, "", 2),
            Override("甲", "07-nothing", 1, "", 3),
            Override("甲", "03-merge", 9, "", 4),
            Override("甲", "03-merge", 2, "", 5),
        ),
        submitted={"赵六": 0.0},
    )
    lines = term_problems([result("甲")], exercises(), term)
    said = [
        ("2 行", "王五"),
        ("3 行", "07-nothing"),
        ("4 行", "满分"),
        ("5 行", "两次"),
        ("时间表", "赵六"),
    ]
    assert len(lines) == len(said)
    for line, words in zip(lines, said, strict=True):
        assert all(word in line for word in words)
    (grade,) = final_grades([result("甲")], exercises(), term)
    assert grade.marks[2].points == 2


def test_a_line_for_nobody_changes_no_grade_not_even_that_of_a_nameless_submission():
    term = Term(overrides=(Override("王五", "*", 1, "x", 2),), late=LatePolicy(DUE))
    (grade,) = final_grades([result("")], exercises(), term)
    assert (grade.final, grade.comments) == (6, ())


def test_a_submission_tells_its_time_its_problems_and_its_conflict():
    file = SubmittedFile("a.py", b"", DUE.timestamp() + DAY + 1)
    submissions = [
        Submission("甲", (file,), ("压缩包里有一个坏文件。",)),
        Submission("乙", conflict="同名的两份提交。"),
    ]
    term = with_submissions(Term(late=LatePolicy(DUE)), submissions)
    late, twice = sorted(
        final_grades([result("甲")], exercises(), term), key=lambda grade: -grade.late_days
    )
    assert late.late_days == 2 and late.penalty == 0.2
    assert late.problems == ("压缩包里有一个坏文件。",)
    assert twice.reasons == ("同名的两份提交。",) and twice.possible == 0


def test_an_unknown_time_costs_nothing_and_is_said():
    (grade,) = final_grades([result("甲")], exercises(), Term(late=LatePolicy(DUE)))
    assert grade.penalty == 0 and grade.final == grade.raw
    assert any("提交时间" in line for line in grade.problems)
