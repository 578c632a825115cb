"""Students with names that paths, tables and pages trip over, and names that two claim."""

from novelkit.grading.names import clean_name
from novelkit.grading.records import Status
from red_team.attempts import (
    CAUSE,
    EXERCISES,
    Attempt,
    Deserved,
    answer_notebook,
    attempt,
    full,
    write_files,
)

CONFLICT = Deserved((Status.NOT_GRADABLE,))


def named(folder: str, chinese: str, english: str) -> Attempt:
    """A right answer in a folder of that name: it counts, under the name as it can be printed."""
    write = write_files({f"{folder}/07_diagnosis.ipynb": answer_notebook()})
    return attempt(
        clean_name(folder),
        chinese,
        english,
        write,
        {CAUSE: full(CAUSE)},
        "A name is only printed; the answer is right.",
    )


def claimed(student: str, chinese: str, english: str, *names: str) -> Attempt:
    """Two submissions of one student: neither is graded, and the instructor is told."""
    write = write_files({name: answer_notebook() for name in names})
    deserved = dict.fromkeys(EXERCISES, CONFLICT)
    why = "Nobody but the instructor can tell whose it is."
    return attempt(student, chinese, english, write, deserved, why)


ATTEMPTS: list[Attempt] = [
    named("a..\\..\\escape", "名字里有 ..\\", "a name with ..\\ in it"),
    named("dots. ..", "名字以点和空格结尾", "a name that ends in dots and spaces"),
    named("line\nbreak\r\n", "名字里有换行", "line breaks in the name"),
    named("right\u202eto\u200bleft", "名字里有反向书写和零宽字符", "marks of direction"),
    named("<script>alert(1)<", "名字是 HTML", "HTML in the name"),
    named('=HYPERLINK("x")', "名字是表格公式", "a formula of spreadsheets"),
    named("@SUM(1+1)*cmd|", "名字是另一种表格公式", "another formula"),
    named("很长" * 40, "很长的名字", "a very long name"),
    named("CON", "Windows 的设备名", "a device's name on Windows"),
    named("caf\u0065\u0301", "分解形式的 Unicode", "decomposed Unicode"),
    claimed(
        "Case",
        "只差大小写的两个文件夹",
        "two folders that differ in case only",
        "Case/07_diagnosis.ipynb",
        "case/07_diagnosis.ipynb",
    ),
    claimed(
        "twice",
        "同一个学生的文件夹和压缩包",
        "a folder and a file that claim one name",
        "twice/07_diagnosis.ipynb",
        "twice_07_diagnosis.ipynb",
    ),
]
