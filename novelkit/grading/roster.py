"""Who is in the course, and which submission is whose.

The columns are found by name, so that exports work as they are: a plain `id,name,email` (or 学号,
姓名, 邮箱), Moodle's participants or grading worksheet, Canvas' gradebook. A submission is matched
only where nothing speaks for a second person; the rest is left to a human.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from novelkit.errors import InputError
from novelkit.grading.sheets import Row, column, read_table, same_text

# Canvas' "ID" is its own number, and "SIS User ID" that of the school; elsewhere "id" is the only.
CANVAS = ("sis user id", "sis login id")
ID = ("sis user id", "id number", "id号", "学号", "student id", "student number", "id")
LOGIN = ("sis login id", "username", "login", "login id", "用户名", "登录名")
EMAIL = ("email address", "email", "e-mail", "e-mail address", "邮箱", "电子邮件", "电子邮件地址")
NAME = ("full name", "name", "姓名", "全名", "student")
FIRST, LAST = ("first name", "名", "名字"), ("last name", "surname", "姓", "姓氏")
SECTION = ("section", "group", "班级", "小组")
IDENTIFIER = ("identifier", "编号", "标识符")
# Shorter ones stand in file names for other reasons ("lab_12").
SHORTEST_CONTAINED = 4


@dataclass(frozen=True)
class Person:
    """One student. `id` is the school's `number`, else the login, the e-mail or the name.

    `other_ids` are the numbers that Moodle and Canvas put into the names of downloaded files,
    `canvas_id` is the one that Canvas' import needs, `other_names` are further orders of the name.
    """

    id: str
    name: str = ""
    number: str = ""
    email: str = ""
    login: str = ""
    section: str = ""
    canvas_id: str = ""
    other_ids: tuple[str, ...] = ()
    other_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Matches:
    """Submission -> id of its person; several submissions of one person; those of nobody."""

    persons: Mapping[str, str] = field(default_factory=dict)
    several: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    nobody: tuple[str, ...] = ()


def read_roster(path: Path) -> dict[str, Person]:
    """The persons of a roster by id, in its order.

    Raises InputError without a column that identifies, and where two persons share an id.
    """
    rows = read_table(path)
    roster: dict[str, Person] = {}
    for row in rows:
        person = _person(row)
        if person is None:
            continue
        if roster.setdefault(person.id, person) != person:
            raise InputError(f"{path} 里有两个人的学号都是 {person.id}：请改正后再评分。")
    if not roster:
        raise InputError(
            f"{path} 里没有一个学生：要有 id,name,email（学号、姓名、邮箱）三列，"
            "或 Moodle、Canvas 导出的表。"
        )
    return roster


def _person(row: Row) -> Person | None:
    """The person of a row; None for rows that hold none (Canvas has three kinds of them)."""
    canvas = any(name in row for name in CANVAS)
    canvas_id = row.get("id", "") if canvas else ""
    number = column(row, [name for name in ID if not (canvas and name == "id")])
    first, last = column(row, FIRST), column(row, LAST)
    name = column(row, NAME) or _joined(first, last)
    # The row of maximal points, that of posting policies, and the test student of every course.
    if same_text(name) in ("points possible", "student, test") or not (number or name):
        return None
    login, email = column(row, LOGIN), column(row, EMAIL)
    digits = re.findall(r"\d+", column(row, IDENTIFIER))
    return Person(
        id=number or login or email or name,
        name=name,
        number=number,
        email=email,
        login=login,
        section=column(row, SECTION),
        canvas_id=canvas_id,
        other_ids=tuple(filter(None, (canvas_id, *digits[:1]))),
        other_names=tuple(_orders(name, first, last)),
    )


def _joined(first: str, last: str) -> str:
    """A full name: the family name first and no blank for Chinese, else last."""
    if re.search("[\u4e00-\u9fff]", first + last):
        return last + first
    return f"{first} {last}".strip()


def _orders(name: str, first: str, last: str) -> Iterable[str]:
    """Other ways to write the name; Canvas writes "Last, First"."""
    if "," in name:
        last, _, first = (part.strip() for part in name.partition(","))
    if first and last:
        yield f"{first} {last}"
        yield f"{last} {first}"


def match_students(
    students: Iterable[str],
    roster: Mapping[str, Person],
    files: Mapping[str, Sequence[str]] | None = None,
) -> Matches:
    """Whose submission each one is; `files` are names of files, asked where the name says nothing.

    Two submissions that match one person are matched to nobody: which one counts is not known.
    """
    found: dict[str, str | None] = {}
    for student in sorted(set(students)):
        person = find_person(student, roster)
        if person is None and files and not _evidence(student, roster):
            ids = {find_person(Path(name).stem, roster) for name in files.get(student, ())} - {None}
            person = ids.pop() if len(ids) == 1 else None
        found[student] = person
    owned: dict[str, list[str]] = {}
    for student, person in found.items():
        if person is not None:
            owned.setdefault(person, []).append(student)
    return Matches(
        {students[0]: person for person, students in owned.items() if len(students) == 1},
        {person: tuple(students) for person, students in owned.items() if len(students) > 1},
        tuple(student for student, person in found.items() if person is None),
    )


def find_person(text: str, roster: Mapping[str, Person]) -> str | None:
    """The id of the one person that `text` names, None for nobody, several or a contradiction.

    Every kind of evidence has to agree: "20231234_张三" is nobody where 20231234 is 李四.
    """
    kinds = _evidence(text, roster)
    persons = set.intersection(*kinds) if kinds else set()
    return persons.pop() if len(persons) == 1 else None


def _evidence(text: str, roster: Mapping[str, Person]) -> list[set[str]]:
    """The persons that `text` may mean by an id and by a name; kinds without any are left out."""
    wanted = same_text(text)
    by_id = {
        key
        for key, person in roster.items()
        if any(_names(wanted, same_text(mark)) for mark in _marks(person))
    }
    by_name = {
        key
        for key, person in roster.items()
        if any(
            _letters(wanted) == _letters(name) or _stands_in(name, wanted)
            for name in map(same_text, (person.name, *person.other_names))
            if name
        )
    }
    return [persons for persons in (by_id, by_name) if persons]


def _marks(person: Person) -> Iterable[str]:
    return filter(None, (person.id, person.login, person.email, *person.other_ids))


def _names(wanted: str, mark: str) -> bool:
    return wanted == mark or (len(mark) >= SHORTEST_CONTAINED and _stands_in(mark, wanted))


def _stands_in(part: str, text: str) -> bool:
    """Whether `part` stands in `text` as a word: no letter or digit of its own script around it."""
    if part not in text:
        return False
    # A Chinese name may follow digits directly (20231234张三), but not another Chinese character.
    chinese = "\u4e00-\u9fff"
    before = f"(?<![{chinese}])" if re.match(f"[{chinese}]", part) else "(?<![0-9a-z])"
    after = f"(?![{chinese}])" if re.search(f"[{chinese}]$", part) else "(?![0-9a-z])"
    return re.search(before + re.escape(part) + after, text) is not None


def _letters(text: str) -> str:
    return "".join(char for char in text if char.isalnum())
