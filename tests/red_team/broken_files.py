"""Files that are no notebook, no text or no program, and archives and links that are traps."""

import io
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from novelkit.grading.records import Status
from red_team.attempts import (
    BITS,
    CAUSE,
    RIGHT_CAUSE,
    Attempt,
    Content,
    Deserved,
    answer_notebook,
    as_bytes,
    attempt,
    cell,
    full,
    notebook,
    write_files,
)

ERROR = Deserved((Status.ERROR,))
MISSING = Deserved((Status.MISSING,))
NOTHING_READ = "Nothing of it can be read; the student is told why."
IN_ALL = (BITS, "07-name-swing", CAUSE)


def file(
    student: str,
    chinese: str,
    english: str,
    files: Mapping[str, Content],
    deserved: Deserved,
    why: str = NOTHING_READ,
    every: bool = True,
) -> Attempt:
    """A folder with these files; `every` says that all exercises end alike."""
    write = write_files({f"{student}/{name}": content for name, content in files.items()})
    wanted = dict.fromkeys(IN_ALL, deserved) if every else {CAUSE: deserved}
    return attempt(student, chinese, english, write, wanted, why)


def one(student: str, chinese: str, english: str, content: Content, *rest: Deserved) -> Attempt:
    return file(student, chinese, english, {"07_diagnosis.ipynb": content}, *(rest or (ERROR,)))


def source(student: str, chinese: str, english: str, text: str, deserved: Deserved) -> Attempt:
    """A notebook whose answer cell holds `text`."""
    content = {"07_diagnosis.ipynb": answer_notebook(CAUSE, text)}
    return file(student, chinese, english, content, deserved, "The cell is no program.", False)


def _with_outputs(megabytes: int) -> bytes:
    answer = cell(RIGHT_CAUSE, CAUSE)
    picture = "iVBORw0KGgo" * (megabytes * 95_000)
    answer["outputs"] = [{"output_type": "display_data", "data": {"image/png": picture}}]
    return as_bytes(notebook([answer]))


def _old_format() -> bytes:
    answer = {"cell_type": "code", "input": RIGHT_CAUSE.splitlines(True), "language": "python"}
    return as_bytes({"nbformat": 3, "metadata": {}, "worksheets": [{"cells": [answer]}]})


def _wrong_types() -> bytes:
    odd = [None, 3, [], {"cell_type": "code", "source": {"a": 1}, "metadata": []}, {"source": 7}]
    return as_bytes({"nbformat": "four", "cells": odd})


READ_AS_NOTHING = [
    one("no-json", "不是 JSON", "no JSON", b"{cells: [}" * 100),
    one("empty-file", "空文件", "an empty file", b""),
    one("truncated", "只传了一半的 notebook", "half a notebook", answer_notebook()[:-200]),
    one("binary", "随机字节", "random bytes", bytes(range(256)) * 500),
    one("deep-json", "套了十万层的 JSON", "JSON nested 100,000 deep", b"[" * 100_000),
    one("long-number", "几十万位的整数", "a number of many digits", b"[" + b"9" * 400_000 + b"]"),
    one("no-cells", "没有单元格", "a list in place of a notebook", b"[1, 2, 3]"),
    one("wrong-types", "类型全错的单元格", "cells of wrong types", _wrong_types(), MISSING),
]

SOURCES = [
    source("nul-in-source", "代码里有 NUL", "NUL bytes in the source", RIGHT_CAUSE + "\0", ERROR),
    source(
        "surrogate-in-source",
        "代码里有单独的代理项",
        "a lone surrogate in the source",
        RIGHT_CAUSE + '\nX = "\ud800"\n',
        ERROR,
    ),
    source(
        "long-source",
        "10 MB 的代码",
        "10 MB of source",
        "def name_cause(signs):\n" + "    x = 1\n" * 1_000_000,
        ERROR,
    ),
    source(
        "nested-source",
        "括号套到解析器受不了",
        "brackets nested until no parser follows",
        "def name_cause(signs):\n    return " + "(" * 20_000 + ")" * 20_000,
        ERROR,
    ),
    source(
        "minus-signs",
        "一万个减号",
        "a chain of operators that overflows trees",
        "def name_cause(signs):\n    return " + "-" * 50_000 + "1",
        ERROR,
    ),
    source(
        "long-sum",
        "几万项的加法和属性链",
        "sums and attributes chained by the ten thousand",
        "def name_cause(signs):\n    return " + "+".join(["1"] * 30_000) + ".a" * 30_000,
        ERROR,
    ),
]

STILL_READ = [
    one("huge-outputs", "100 MB 的输出", "100 MB of outputs", lambda: _with_outputs(100)),
    one("old-format", "nbformat 3", "a notebook of nbformat 3", _old_format()),
    one("byte-order-mark", "带 BOM", "a byte order mark", b"\xef\xbb\xbf" + answer_notebook()),
    one("utf-16", "UTF-16", "UTF-16", answer_notebook().decode().encode("utf-16")),
    one(
        "outputs-of-wrong-types",
        "输出和元数据的类型全错",
        "outputs and metadata of wrong types around a right answer",
        as_bytes(
            {"cells": [{**cell(RIGHT_CAUSE), "outputs": 5, "metadata": ["x"]}], "metadata": 1}
        ),
    ),
]
STILL_READ = [
    attempt(
        found.expected.student,
        found.expected.chinese,
        found.expected.english,
        found.write,
        {CAUSE: full(CAUSE)},
        "The answer in it is right.",
    )
    for found in STILL_READ
]

HONEST_BITS = {"00_start.ipynb": answer_notebook(BITS)}
SHADOWS = file(
    "shadowing-modules",
    "作业里带着 conftest.py、pytest.py、json.py、sitecustomize.py",
    "files with the names of modules that a grader imports",
    dict.fromkeys(
        ("conftest.py", "pytest.py", "json.py", "sitecustomize.py", "usercustomize.py"),
        b"import os\nos._exit(0)\n",
    ),
    MISSING,
    "They are read as programs, and hold no answer.",
)


# ---- archives, links and pipes


def _zip(members: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _bomb() -> bytes:
    """200 MB of spaces in 200 kB, and an archive in an archive in an archive."""
    inner = _zip({"07_diagnosis.ipynb": b" " * (200 << 20)})
    return _zip({"a/07_diagnosis.zip": inner, "b.zip": _zip({"c.zip": _zip({"d.zip": inner})})})


def _many_programs() -> bytes:
    """Programs of which each is small and all together are more than a memory of trees."""
    text = b"a=1\n" * 60_000
    return _zip({f"part{number}.py": text for number in range(300)})


def _many_fences() -> bytes:
    text = "```\nname_cause = 1\n```\n" * 100_000
    return as_bytes(notebook([cell(text, kind="markdown")]))


def _many_cells() -> bytes:
    """Cells that might belong together, behind a long one that each is tried with."""
    long = cell("a = 1\n" * 40_000)
    return as_bytes(notebook([long, *(cell("(") for _ in range(60_000))]))


def _many_names() -> bytes:
    """Each statement needs the ones before it, and there are very many functions."""
    lines = "if a:\n    a = a\n" * 7_000 + "".join(
        f"def f{number}(signs): return a\n" for number in range(2_500)
    )
    return as_bytes(notebook([cell(lines), cell("def name_cause(signs):\n    return a", CAUSE)]))


def _links(folder: Path) -> None:
    """To a neighbour's file, to /etc/passwd and to itself; they must not be followed."""
    own = folder / "links"
    own.mkdir()
    (own / "07_diagnosis.ipynb").symlink_to("../honest-1/07_diagnosis.ipynb")
    (own / "passwd.py").symlink_to("/etc/passwd")
    (own / "zero.ipynb").symlink_to("/dev/zero")
    (own / "again").symlink_to(".")


def _pipe(folder: Path) -> None:
    own = folder / "pipe"
    own.mkdir()
    os.mkfifo(own / "07_diagnosis.ipynb")


def _link_to_folder(folder: Path) -> None:
    (folder / "linked-folder").symlink_to("honest-1")


def trap(
    student: str,
    chinese: str,
    english: str,
    write: Callable[[Path], None],
    deserved: Deserved = MISSING,
    why: str = "What points elsewhere, blocks or swells is not read.",
) -> Attempt:
    return attempt(student, chinese, english, write, {CAUSE: deserved}, why)


def packed(student: str, content: Content) -> Callable[[Path], None]:
    return write_files({f"{student}.zip": content})


ESCAPING_NAMES = {
    "../honest-1/07_diagnosis.ipynb": answer_notebook(),
    "/etc/cron.d/red_team.py": b"x = 1\n",
    "C:\\red_team.py": b"x = 1\n",
}
TRAPS = [
    trap("zip-bomb", "压缩炸弹", "a zip bomb, and zips in zips", packed("zip-bomb", _bomb)),
    trap(
        "zip-escape",
        "压缩包里的路径指向包外",
        "members that point outside",
        packed("zip-escape", _zip(ESCAPING_NAMES)),
    ),
    trap(
        "zip-damaged",
        "损坏的压缩包",
        "a damaged archive",
        packed("zip-damaged", _zip(HONEST_BITS)[:-30]),
    ),
    trap(
        "many-programs",
        "三百个程序，一起解析要几十 GB",
        "300 programs, whose trees take many GB",
        packed("many-programs", _many_programs),
    ),
    trap(
        "many-fences",
        "markdown 里十万个代码块",
        "100,000 code fences in a text cell",
        write_files({"many-fences/07_diagnosis.ipynb": _many_fences}),
    ),
    trap(
        "many-cells",
        "六万个读不通的单元格",
        "60,000 cells that are no programs",
        write_files({"many-cells/07_diagnosis.ipynb": _many_cells}),
    ),
    trap(
        "many-names",
        "几万条互相依赖的语句和几千个函数",
        "statements by the ten thousand that need one another, and thousands of functions",
        write_files({"many-names/07_diagnosis.ipynb": _many_names}),
        Deserved((Status.ERROR, Status.FAILED, Status.MISSING, Status.TIMEOUT)),
    ),
    trap("links", "指向同学作业和 /etc/passwd 的符号链接", "links to others' files", _links),
    trap(
        "linked-folder", "整个文件夹是符号链接", "a link to a neighbour's folder", _link_to_folder
    ),
    trap("pipe", "名叫 notebook 的管道", "a pipe with the name of a notebook", _pipe),
]

ATTEMPTS: list[Attempt] = [*READ_AS_NOTHING, *SOURCES, *STILL_READ, SHADOWS, *TRAPS]
