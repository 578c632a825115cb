"""Traditional to simplified characters by OpenCC: off by default, for it changes the author's own.

Needs the package `opencc` (the C++ wheel; `opencc-python-reimplemented` installs a package of the
same name, converts about thirty times slower, and must not stand beside it). The conversion is
phrase by phrase (t2s); it keeps 著 where one would write 着 today, and cannot mend a text that
somebody converted wrongly before.
"""

from collections.abc import Callable

import numpy as np

from novelkit.cleaning.edits import EXAMPLES, Edits
from novelkit.errors import InputError

_MISSING = (
    "没有安装 OpenCC，繁体转简体这条规则用不了：请运行 pip install opencc 再试，"
    "或者不选 simplify（它默认就是关着的）。"
)
_BROKEN = (
    "装着的 opencc 不能用，多半是 OpenCC 和 opencc-python-reimplemented 同时装了，两个包同名："
    "请运行 pip uninstall -y opencc opencc-python-reimplemented，再 pip install opencc。"
)


def simplify(text: str, edits: Edits) -> str:
    """Every traditional character in its simplified form; a change is one character."""
    converted = _converter()(text)
    if converted != text:
        _count(text, converted, edits)
    return converted


def _converter() -> Callable[[str], str]:
    try:
        from opencc import OpenCC
    except ImportError as error:
        raise InputError(_MISSING) from error
    try:
        return OpenCC("t2s").convert
    except Exception as error:  # a mixed installation fails in ways of its own
        raise InputError(_BROKEN) from error


def _count(text: str, converted: str, edits: Edits) -> None:
    if len(text) != len(converted):
        # Only foreign configurations change the length; then lines are what can be compared.
        for line, other in zip(text.split("\n"), converted.split("\n"), strict=False):
            if line != other:
                edits.add(line, other)
        return
    before, after = (
        np.frombuffer(value.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        for value in (text, converted)
    )
    places = np.flatnonzero(before != after)
    edits.count += len(places)
    for place in places[:EXAMPLES].tolist():
        edits.show_within(text, place, place + 1, converted[place])
