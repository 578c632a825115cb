"""The exercises of notebook 02: mojibake undone, a codec chosen, a safe cut, a switch found."""

from collections.abc import Sequence
from random import Random

from novelkit.exercises import Case, Exercise

# ---- mojibake undone

WAY_BACK = "读错是：字节 → 用 wrong 解码。倒着走就是：先 encode(wrong) 拿回字节，再 decode(true)。"
LOST = "� 是读的时候打不开的字节留下的记号，原来的字节已经丢了：有它就返回 None。"
OTHER_WAY = "wrong 写不出这些字，说明它不是这样读错的：返回 None，而不是报错。"
STILL_BROKEN = (
    "拿回的字节按 true 解不开，说明不是这样读错的：返回 None，别用 errors='ignore' 硬来。"
)


def undo_mojibake(shown: str, wrong: str, true: str) -> str | None:
    """The text whose bytes in `true` were read as `wrong`; None where that cannot be undone."""
    if "\ufffd" in shown:
        return None
    try:
        return shown.encode(wrong).decode(true)
    except UnicodeError:
        return None


def _shown(text: str, true: str, wrong: str, hint: str) -> Case:
    shown = text.encode(true).decode(wrong, errors="replace")
    arguments = (shown, wrong, true)
    return Case(arguments, undo_mojibake(*arguments), hint=LOST if "\ufffd" in shown else hint)


UNDO_PUBLIC = (
    _shown("你好", "utf-8", "cp1252", WAY_BACK),
    _shown("你好", "utf-8", "gb18030", WAY_BACK),
    _shown("孤城", "gb18030", "latin-1", WAY_BACK),
    _shown("缺字", "gb18030", "utf-8", LOST),
    Case(("缺字", "latin-1", "utf-8"), None, hint=OTHER_WAY),
    Case(("café", "latin-1", "utf-8"), None, hint=STILL_BROKEN),
)
MISREADINGS = (
    ("utf-8", "cp1252"),
    ("utf-8", "latin-1"),
    ("utf-8", "gb18030"),
    ("gb18030", "latin-1"),
    ("gb18030", "cp1252"),
    ("gb18030", "utf-8"),
)


def hidden_undo_cases(random: Random) -> Sequence[Case]:
    """Every misreading of random hanzi, texts that were never misread, and Western words."""
    cases = []
    for _ in range(random.randint(2, 3)):
        cases += [_shown(_hanzi(random), *pair, WAY_BACK) for pair in MISREADINGS]
        right = (_hanzi(random), random.choice(["latin-1", "cp1252"]), "utf-8")
        word = "".join(random.choices("abcdefg", k=4)) + random.choice("éàüñ")
        western = (word, random.choice(["latin-1", "cp1252"]), "utf-8")
        cases.append(Case(right, undo_mojibake(*right), hint=OTHER_WAY))
        cases.append(Case(western, undo_mojibake(*western), hint=STILL_BROKEN))
    random.shuffle(cases)
    return cases


LEADS, TRAILS = range(0xB0, 0xD7), range(0xA1, 0xFF)


def _hanzi(random: Random, least: int = 2, most: int = 8) -> str:
    """Hanzi of level 1 of GB 2312 (without its last row, which is not full)."""
    count = random.randint(least, most)
    raw = bytes(random.choice(row) for _ in range(count) for row in (LEADS, TRAILS))
    return raw.decode("gb2312")


# ---- a codec chosen

STRICT = "解码要严格（不写 errors）：解不开的编码直接跳过。用 'ignore' 会让错的编码也混进来。"
SHARE = "比的是占比：常用字的个数 ÷ 读出来的字符数。只比个数，读出的字多的编码会占便宜。"
FIRST_OF_EQUALS = "占比一样，取排在前面的：要“大于”才换，不是“大于或等于”。"
ALL_ZERO = "占比都是 0（比如没有汉字，或者一个字节也没有）：取第一个解得开的，不是 None。"
NONE_FITS = "一个都解不开，返回 None。"


def choose_codec(data: list[int], codecs: list[str], common: str) -> str | None:
    """The codec that reads everything and yields the largest share of `common` characters."""
    best, best_share = None, -1.0
    for codec in codecs:
        try:
            text = bytes(data).decode(codec)
        except UnicodeDecodeError:
            continue
        share = sum(character in common for character in text) / len(text) if text else 0.0
        if share > best_share:
            best, best_share = codec, share
    return best


def _chosen(data: bytes, codecs: Sequence[str], common: str, hint: str) -> Case:
    arguments = (list(data), list(codecs), common)
    return Case(arguments, choose_codec(*arguments), hint=hint)


CHOOSE_PUBLIC = (
    _chosen("我在这里".encode("gb18030"), ["utf-8", "gb18030", "big5"], "我在这里不是", STRICT),
    _chosen("我在這裡".encode("big5"), ["gb18030", "big5"], "我在這裡不是", SHARE),
    # One common character in each reading: of two characters, and of three.
    _chosen("你好".encode(), ["gb18030", "utf-8"], "你浣", SHARE),
    _chosen(b"GPT-2", ["utf-8", "gb18030"], "我的", ALL_ZERO),
    _chosen(b"", ["big5", "utf-8"], "我的", ALL_ZERO),
    _chosen(b"\xff\xff", ["utf-8", "gb18030", "big5"], "我的", NONE_FITS),
)


def hidden_choose_cases(random: Random) -> Sequence[Case]:
    """Texts in each codec with a list of common characters, ties, and bytes that nothing reads."""
    cases = []
    for _ in range(random.randint(3, 4)):
        codecs = random.sample(["utf-8", "gb18030", "big5"], 3)
        cases += [
            *_with_list(random, codecs),
            _ignored(random),
            _more_but_thinner(random),
            _chosen(b"", codecs, _hanzi(random), ALL_ZERO),
            _chosen(bytes(random.choices(range(0x20, 0x7F), k=9)), codecs, "的一", ALL_ZERO),
            _chosen(_hanzi(random).encode("gb18030") + b"\xff", codecs, "的一", NONE_FITS),
        ]
    random.shuffle(cases)
    return cases


def _with_list(random: Random, codecs: list[str]) -> list[Case]:
    """A text of random hanzi most of which are in the list, in UTF-8 and in GB 18030."""
    text = _hanzi(random, 8, 20)
    common = "".join(random.sample(text, 6)) + _hanzi(random)
    orders = (codecs, codecs[::-1])
    found = []
    for codec, order in zip(("utf-8", "gb18030"), orders, strict=True):
        hint = FIRST_OF_EQUALS if codec == order[0] else SHARE
        found.append(_chosen(text.encode(codec), order, common, hint))
    return found


def _ignored(random: Random) -> Case:
    """GB 18030, damaged, so that only `latin-1` reads it; with errors ignored GB 18030 would."""
    text = _hanzi(random)
    return _chosen(text.encode("gb18030") + b"\xff", ["gb18030", "latin-1"], text, STRICT)


def _more_but_thinner(random: Random) -> Case:
    """UTF-8 read as GB 18030 has half as many characters again, and here more of the list."""
    while True:
        text = _hanzi(random, 4, 8)
        misread = text.encode("utf-8").decode("gb18030", "replace")
        if "\ufffd" not in misread:
            known = len(text) // 2
            common = text[:known] + misread[:known]
            return _chosen(text.encode("utf-8"), ["gb18030", "utf-8"], common, SHARE)


# ---- a cut between two characters

BACK = "续字节是 128 到 191（二进制 10 开头）。切口后面的那个字节 data[limit] 若是续字节，往前退。"
WHOLE = "limit 不小于长度时不用切：返回 len(data)。小心 data[limit] 越界。"
ALREADY = "切口正好在两个字符之间，就不要退。"
WIDTHS = "字符有 1 到 4 个字节：不能按 3 的倍数算。"


def cut_utf8(data: list[int], limit: int) -> int:
    """The largest n <= limit such that data[:n] ends with a whole character (data: UTF-8)."""
    if limit >= len(data):
        return len(data)
    while limit > 0 and 128 <= data[limit] < 192:
        limit -= 1
    return limit


def _cut(text: str, limit: int, hint: str) -> Case:
    arguments = (list(text.encode("utf-8")), limit)
    return Case(arguments, cut_utf8(*arguments), hint=hint)


CUT_PUBLIC = (
    _cut("缺字", 3, ALREADY),
    _cut("缺字", 5, BACK),
    _cut("缺字", 1, BACK),
    _cut("缺字", 6, WHOLE),
    _cut("缺字", 100, WHOLE),
    _cut("a缺b字", 5, ALREADY),
    _cut("é缺😀", 8, WIDTHS),
    _cut("", 0, WHOLE),
)


def hidden_cut_cases(random: Random) -> Sequence[Case]:
    """Characters of one to four bytes, cut at every distance from a border."""
    cases = []
    for _ in range(random.randint(12, 16)):
        pieces = [_hanzi(random, 1, 1), random.choice("abc\n"), random.choice("éß"), "😀"]
        text = "".join(random.choices(pieces, weights=(5, 2, 1, 1), k=random.randint(3, 12)))
        size = len(text.encode("utf-8"))
        limit = random.choice([random.randrange(size), random.randrange(size), size + 3])
        hint = WHOLE if limit > size else BACK
        cases.append(_cut(text, limit, hint))
    # One of each width, cut behind its first byte and behind its last.
    for wide in (_hanzi(random, 1, 1), "é", "😀"):
        before = _hanzi(random, 1, 3)
        start, end = len(before.encode("utf-8")), len((before + wide).encode("utf-8"))
        cases += [_cut(before + wide + "a", start + 1, WIDTHS), _cut(before + wide, end, WHOLE)]
        cases.append(_cut(before + wide + "a", end, ALREADY))
    random.shuffle(cases)
    return cases


# ---- where the encoding switches

LINE_START = "要的是那一行的起点，不是第一个出错的字节：出错前的几个字节可能碰巧合格。"
NEWLINES = "每一行的长度要把换行符（10）也算进去：split 会把它去掉，位置就少了。"
NO_SWITCH = "每一行都是合格的 UTF-8（纯英文也是），没有换编码：返回 len(data)。"
AT_ONCE = "第一行就不是 UTF-8：返回 0。"


def find_switch(data: list[int]) -> int:
    """Where the first line begins that is no valid UTF-8; len(data) without one."""
    place = 0
    while place < len(data):
        end = data.index(10, place) + 1 if 10 in data[place:] else len(data)
        try:
            bytes(data[place:end]).decode("utf-8")
        except UnicodeDecodeError:
            return place
        place = end
    return len(data)


def _glued(first: Sequence[str], second: Sequence[str], hint: str, end: str = "\n") -> Case:
    data = "".join(line + end for line in first).encode("utf-8")
    data += "".join(line + end for line in second).encode("gb18030")
    return Case((list(data),), find_switch(list(data)), hint=hint)


SWITCH_PUBLIC = (
    _glued(["第一章", "下雨了"], ["第二章", "雨停了"], NEWLINES),
    _glued(["第一章"], ["OK，雨停了"], LINE_START),
    _glued(["第一章", "", "THE END"], ["雨停了"], NEWLINES, "\r\n"),
    _glued(["第一章", "下雨了"], [], NO_SWITCH),
    _glued([], ["第二章"], AT_ONCE),
    Case(([],), 0, hint=NO_SWITCH),
)


def hidden_switch_cases(random: Random) -> Sequence[Case]:
    """Lines of hanzi, English and nothing before and behind the switch, LF and CRLF, or none."""
    cases = []
    for _ in range(random.randint(3, 4)):
        first, second = _lines(random), _lines(random)
        end = random.choice(["\n", "\r\n"])
        english = "".join(random.choices("abcdef ", k=random.randint(1, 9)))
        cases += [
            _glued(first, second, NEWLINES, end),
            _glued([*first, english, ""], [english + _hanzi(random), *second], LINE_START, end),
            _glued(first, [], NO_SWITCH, end),
            _glued([], second, AT_ONCE, end),
        ]
    random.shuffle(cases)
    return cases


def _lines(random: Random) -> list[str]:
    return [_hanzi(random, 2, 12) for _ in range(random.randint(1, 4))]


# The library does all this; the exercises are for writing it.
FORBIDDEN = ("novelkit",)
EXERCISES = (
    Exercise(
        name="02-undo-mojibake",
        notebook="02_encoding",
        function="undo_mojibake",
        title="撤销乱码，还原不了就说还原不了",
        points=5,
        public_cases=UNDO_PUBLIC,
        hidden_cases=hidden_undo_cases,
        reference=undo_mojibake,
        hints=(WAY_BACK, LOST, OTHER_WAY, STILL_BROKEN),
        forbidden_imports=FORBIDDEN,
    ),
    Exercise(
        name="02-choose-codec",
        notebook="02_encoding",
        function="choose_codec",
        title="用常用字选编码",
        points=6,
        public_cases=CHOOSE_PUBLIC,
        hidden_cases=hidden_choose_cases,
        reference=choose_codec,
        hints=(STRICT, SHARE, FIRST_OF_EQUALS, ALL_ZERO, NONE_FITS),
        forbidden_imports=FORBIDDEN,
    ),
    Exercise(
        name="02-cut-utf8",
        notebook="02_encoding",
        function="cut_utf8",
        title="切开 UTF-8 而不切坏字",
        points=4,
        public_cases=CUT_PUBLIC,
        hidden_cases=hidden_cut_cases,
        reference=cut_utf8,
        hints=(BACK, WHOLE, ALREADY, WIDTHS),
        forbidden_imports=FORBIDDEN,
    ),
    Exercise(
        name="02-find-switch",
        notebook="02_encoding",
        function="find_switch",
        title="找到换编码的那一行",
        points=5,
        public_cases=SWITCH_PUBLIC,
        hidden_cases=hidden_switch_cases,
        reference=find_switch,
        hints=(LINE_START, NEWLINES, NO_SWITCH, AT_ONCE),
        forbidden_imports=FORBIDDEN,
    ),
)
