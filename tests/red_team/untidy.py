"""Honest submissions as students really hand them in; each earns all of its points."""

import io
import zipfile
from collections.abc import Sequence
from typing import Any

from red_team.attempts import (
    BITS,
    CAUSE,
    RIGHT_BITS,
    RIGHT_CAUSE,
    RIGHT_SWING,
    SWING,
    Attempt,
    answer_notebook,
    as_bytes,
    cell,
    honest,
    notebook,
    write_files,
)

TABLE, FUNCTION = RIGHT_CAUSE.split("\n\n\n")
TEMPLATE = 'def name_cause(signs):\n    return "healthy"  # 改这里\n'


def cells(student: str, chinese: str, english: str, *found: Any, **metadata: Any) -> Attempt:
    """A notebook of these cells; plain text is an untagged code cell."""
    listed = [cell(one) if isinstance(one, str) else one for one in found]
    content = as_bytes(notebook(listed, **metadata))
    return honest(
        student, chinese, english, write_files({f"{student}/07_diagnosis.ipynb": content})
    )


def program(student: str, chinese: str, english: str, content: bytes, *more: str) -> Attempt:
    return honest(student, chinese, english, write_files({f"{student}/answers.py": content}), *more)


def _colab() -> Attempt:
    answer = cell(RIGHT_CAUSE, CAUSE)
    answer["metadata"] |= {"id": "aBcD", "colab": {"base_uri": "https://localhost"}}
    answer["source"] = RIGHT_CAUSE.splitlines(keepends=True)
    colab = {"provenance": [], "gpuType": "T4"}
    return cells("colab", "Colab 存的", "saved by Colab", answer, colab=colab, accelerator="GPU")


def _jupyter() -> Attempt:
    answer = {**cell(RIGHT_CAUSE.splitlines(keepends=True), CAUSE), "id": "1a2b"}  # type: ignore
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return cells("jupyter", "Jupyter 存的", "saved by Jupyter", answer, kernelspec=kernel)


NOTEBOOKS = [
    _colab(),
    _jupyter(),
    cells(
        "cells-added",
        "前后加了许多格",
        "cells added around the answer",
        "x = 1\nprint(x)",
        cell("## 我的想法", kind="markdown"),
        cell(RIGHT_CAUSE, CAUSE),
        "print(name_cause({}))",
        "x = x + 1",
    ),
    cells(
        "split-in-the-middle",
        "函数被拆到两格",
        "the function is split over two cells",
        cell(RIGHT_CAUSE[: RIGHT_CAUSE.index("    if not found")], CAUSE),
        RIGHT_CAUSE[RIGHT_CAUSE.index("    if not found") :],
    ),
    cells(
        "reordered",
        "先用后定义",
        "the answer stands before its table",
        cell(FUNCTION, CAUSE),
        TABLE,
    ),
    cells(
        "duplicated",
        "答题格复制了一份，原来的没动",
        "the answer in a copy of the cell, the template still above it",
        cell(TEMPLATE, CAUSE),
        cell(RIGHT_CAUSE, CAUSE),
    ),
    cells("only-the-answer", "别的格都删了", "all else deleted", cell(RIGHT_CAUSE, CAUSE)),
    cells(
        "retyped-to-markdown",
        "答题格变成了 markdown",
        "the answer cell became text",
        cell(RIGHT_CAUSE, CAUSE, kind="markdown"),
    ),
    cells(
        "retyped-to-raw",
        "答题格变成了 raw",
        "the answer cell became raw",
        cell(RIGHT_CAUSE, CAUSE, kind="raw"),
    ),
    cells(
        "renamed-function",
        "函数名写错了一点",
        "the function's name is misspelled",
        cell(RIGHT_CAUSE.replace("name_cause", "name_causes"), CAUSE),
    ),
    cells("tags-lost", "标签丢了", "tags lost", RIGHT_CAUSE),
    cells(
        "magics",
        "带 !pip、%matplotlib、%%time、?",
        "lines of IPython",
        "!pip install -q novelkit\n%matplotlib inline\nimport random",
        cell("%%time\n" + RIGHT_CAUSE + "\n!ls\nname_cause?\n%timeit name_cause({})", CAUSE),
    ),
    cells(
        "heavy-setup",
        "安装、Colab、训练、控件、死循环都在别的格里",
        "installing, Colab, training, widgets and endless loops in other cells",
        "import novelkit\nfrom google.colab import drive\ndrive.mount('/content/drive')",
        "import torch\nmodel = torch.nn.Linear(9, 9)\nfor step in range(10**9):\n    model(0)",
        "import ipywidgets\nbutton = ipywidgets.Button()\nname = input('名字？')\nexit()",
        cell(RIGHT_CAUSE, CAUSE),
        "import time\nwhile True:\n    time.sleep(1)",
        "import os\nos._exit(0)",
    ),
    cells(
        "helpers-elsewhere",
        "辅助函数在别的格",
        "helpers and constants in other cells",
        "LIMIT = 5.0",
        TABLE.replace("5.0, float", "LIMIT, float"),
        "def fires(value, low, high):\n    return value is not None and low <= value < high",
        cell(
            FUNCTION.replace(
                "value is not None and low <= value < high", "fires(value, low, high)"
            ),
            CAUSE,
        ),
    ),
    cells(
        "lambda",
        "写成 lambda",
        "written as lambdas",
        TABLE,
        "fired = lambda s: [w for n, a, b, w in RULES if s.get(n) is not None and a <= s[n] < b]",
        cell(
            "pick = lambda f: 'unknown' if len(f) > 1 else f[0] if f else 'healthy'\n"
            "name_cause = lambda signs: pick(fired(signs))",
            CAUSE,
        ),
    ),
    cells(
        "decorated",
        "带装饰器和缓存",
        "decorators, one with a cache",
        "from functools import lru_cache, wraps",
        "def logged(f):\n    @wraps(f)\n    def inner(*a):\n        return f(*a)\n    return inner",
        TABLE + "\n@lru_cache(maxsize=None)\ndef table():\n    return tuple(RULES)",
        cell("@logged\n" + FUNCTION.replace("in RULES", "in table()"), CAUSE),
    ),
    cells(
        "annotated",
        "带类型注解",
        "annotations of names that are imported elsewhere",
        "from __future__ import annotations\nfrom typing import Dict, Optional",
        TABLE,
        cell(FUNCTION.replace("(signs)", "(signs: Dict[str, Optional[float]]) -> str"), CAUSE),
    ),
    cells(
        "class-helper",
        "用了一个类",
        "a class does the work",
        TABLE + "\nclass Doctor:\n    rules = RULES\n    def __init__(self, signs):\n"
        "        self.signs = signs\n    def fired(self):\n        return [w for n, a, b, w in "
        "self.rules if self.signs.get(n) is not None and a <= self.signs[n] < b]",
        cell(
            "def name_cause(signs):\n    f = Doctor(signs).fired()\n"
            "    return 'unknown' if len(f) > 1 else f[0] if f else 'healthy'",
            CAUSE,
        ),
    ),
    cells(
        "star-import",
        "from math import *",
        "a star import",
        "from math import *",
        TABLE.replace('float("inf")', "inf"),
        cell(FUNCTION, CAUSE),
    ),
    cells(
        "prints",
        "函数里打印很多",
        "prints much inside of the function",
        cell(
            RIGHT_CAUSE.replace(
                "    found = []",
                "    found = []\n    print('调试', signs)\n    print('x' * 100000)",
            ),
            CAUSE,
        ),
    ),
    cells(
        "windows-lines",
        "Windows 换行",
        "line ends of Windows",
        cell(RIGHT_CAUSE.replace("\n", "\r\n"), CAUSE),
    ),
    cells(
        "tabs", "用制表符缩进", "indented by tabs", cell(RIGHT_CAUSE.replace("    ", "\t"), CAUSE)
    ),
    cells(
        "mutable-global",
        "全局变量记数",
        "a global that counts",
        "count = 0",
        cell(
            RIGHT_CAUSE.replace(
                "    found = []", "    global count\n    count += 1\n    found = []"
            ),
            CAUSE,
        ),
    ),
    cells(
        "broken-neighbour-cell",
        "别的格有语法错误",
        "syntax errors in other cells",
        "print('没写完",
        cell(RIGHT_CAUSE, CAUSE),
        "def unfinished(:\n    pass",
    ),
]


# ---- other files


def _zip(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def several(student: str, chinese: str, english: str, names: Sequence[str]) -> Attempt:
    """The answers to 07 and to 00 under these two names."""
    both = [cell(RIGHT_CAUSE, CAUSE), cell(RIGHT_SWING, SWING)]
    files = dict(zip(names, (as_bytes(notebook(both)), answer_notebook(BITS)), strict=True))
    return honest(student, chinese, english, write_files(files), CAUSE, SWING, BITS)


MARKED = f"# %% [markdown]\n# # 作业\n# %%\n{RIGHT_CAUSE}\n# %% 别的\n{RIGHT_SWING}"
FILES = [
    several(
        "several",
        "一个文件夹里几个 notebook",
        "several notebooks in a folder",
        ("several/07_diagnosis.ipynb", "several/00_start.ipynb"),
    ),
    several(
        "nested",
        "notebook 在子文件夹里，文件改了名",
        "renamed notebooks in subfolders",
        ("nested/作业/第七次/我的作业 (2).ipynb", "nested/作业/旧/Untitled-Copy1.ipynb"),
    ),
    several(
        "loose",
        "不放文件夹，名字写在文件名里",
        "loose files with the student's name",
        ("loose_07_diagnosis.ipynb", "loose-00_start (1).ipynb"),
    ),
    several(
        "李四_1234567",
        "Moodle 的文件夹名",
        "folders as Moodle names them",
        (
            "李四_1234567_assignsubmission_file/07_diagnosis.ipynb",
            "李四_1234567_assignsubmission_file/00_start.ipynb",
        ),
    ),
    several(
        "wangwu_4711",
        "Canvas 的文件名",
        "files as Canvas names them",
        (
            "wangwu_LATE_4711_9001_07_diagnosis.ipynb",
            "wangwu_4711_9002_00_start-1.ipynb",
        ),
    ),
    program("percent-cells", "带 # %% 的 .py", "a .py with # %%", MARKED.encode(), CAUSE, SWING),
    program(
        "gb18030",
        "GB18030 编码的 .py",
        "a .py in GB18030",
        ("# 我的答案\n" + RIGHT_CAUSE).encode("gb18030"),
    ),
    program(
        "main-block",
        "带 if __name__ == '__main__'",
        "a script that waits for input when it is run",
        (RIGHT_BITS + "\nif __name__ == '__main__':\n    print(float(input()))\n").encode(),
        BITS,
    ),
    program(
        "windows-program",
        "Windows 的 .py",
        "a .py of Windows",
        b"\xef\xbb\xbf" + RIGHT_CAUSE.replace("\n", "\r\n").encode(),
    ),
    honest(
        "zipped",
        "打包成 zip，中文文件夹",
        "an archive with a folder inside",
        write_files(
            {
                "zipped.zip": _zip(
                    {
                        "作业/07_diagnosis.ipynb": answer_notebook(),
                        "作业/.ipynb_checkpoints/07_diagnosis-checkpoint.ipynb": b"{}",
                        "__MACOSX/._07_diagnosis.ipynb": b"\0",
                    }
                )
            }
        ),
    ),
]

# Graded alone as well: what stands beside them must not matter.
NEIGHBOURS = [
    several(
        f"honest-{number}",
        "普通的好作业",
        "an ordinary good submission",
        (f"honest-{number}/07_diagnosis.ipynb", f"honest-{number}/00_start.ipynb"),
    )
    for number in (1, 2, 3)
]

ATTEMPTS: list[Attempt] = [*NEIGHBOURS, *NOTEBOOKS, *FILES]
