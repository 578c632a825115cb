"""The exercises of notebook 01: going on with a broken transfer, judging one, repairing a name."""

from collections.abc import Sequence
from random import Random

from novelkit.exercises import Case, Exercise

# ---- the headers that ask for the rest

COUNT_FROM_0 = "字节从 0 数起：收到 n 个字节，它们是第 0 到 n-1 号，下一个要的正好是第 n 号。"
FROM_THE_START = "一个字节都没收到，就没有“接着”可言：返回空字典 {}。"
WEAK = "W/ 开头的是弱 ETag，只保证“意思差不多”，不保证逐字节相同：不能接，返回 {}。"
NO_ETAG = "没有 ETag 就证明不了还是同一个文件：从头来，返回 {}。"


def resume_headers(received: int, etag: str) -> dict[str, str]:
    """The headers of a request that goes on after `received` bytes (RFC 9110, 13.1.5, 14.2)."""
    if received == 0 or not etag or etag.startswith("W/"):
        return {}
    return {"Range": f"bytes={received}-", "If-Range": etag}


RESUME_PUBLIC = (
    Case((1000, '"a1"'), {"Range": "bytes=1000-", "If-Range": '"a1"'}, hint=COUNT_FROM_0),
    Case((1, '"缺字"'), {"Range": "bytes=1-", "If-Range": '"缺字"'}, hint=COUNT_FROM_0),
    Case((0, '"a1"'), {}, hint=FROM_THE_START),
    Case((1000, ""), {}, hint=NO_ETAG),
    Case((1000, 'W/"a1"'), {}, hint=WEAK),
)


def hidden_resume_cases(random: Random) -> Sequence[Case]:
    """Strong, weak and missing validators, with none, few and many bytes at hand."""
    cases = []
    for _ in range(random.randint(10, 14)):
        mark = f'"{random.getrandbits(48):x}"'
        # A strong one may well contain what a weak one begins with.
        etag = random.choice([mark, mark, f'"W/{mark[1:]}', "W/" + mark, ""])
        received = random.choice([0, random.randint(1, 9), random.randint(10, 10**9)])
        hint = FROM_THE_START if not received else COUNT_FROM_0 if etag else NO_ETAG
        hint = WEAK if received and etag.startswith("W/") else hint
        cases.append(Case((received, etag), resume_headers(received, etag), hint=hint))
    return cases


# ---- is a transfer usable?

STATUS_FIRST = "先看状态码：不是 200，后面是什么都不必看了。"
PAGES = "有的服务器用状态码 200 送一张网页。去掉开头的空白，不分大小写，再比较。"
SHORT = "说好 announced 个字节，只收到 received 个：少了就是断了。"
EMPTY = "一个字节都没有（也没有说会有）：空的。"
UNKNOWN = "announced 是 None：没有说过长度，收到多少都证明不了完整。None 不能和数比较大小。"
COMPLETE = "状态对、不是网页、长度对得上：才能说完整。"
STARTS = (b"<!doctype html", b"<html")


def judge_transfer(
    status: int, announced: int | None, received: int, first_bytes: list[int]
) -> str:
    """What came of a request, in one of six words; the first rule that fits counts."""
    if status != 200:
        return "出错"
    if bytes(first_bytes).lstrip().lower().startswith(STARTS):
        return "网页"
    if announced is not None and received < announced:
        return "断了"
    if received == 0:
        return "空的"
    return "不确定" if announced is None else "完整"


def _judged(status: int, announced: int | None, received: int, head: bytes, hint: str) -> Case:
    arguments = (status, announced, received, list(head))
    return Case(arguments, judge_transfer(*arguments), hint=hint)


BOOK_HEAD = "第一回".encode("gb18030")
JUDGE_PUBLIC = (
    _judged(200, 5000, 5000, BOOK_HEAD, COMPLETE),
    _judged(404, 9, 9, b"not found", STATUS_FIRST),
    _judged(200, 600, 600, b"\r\n <!DOCTYPE html>", PAGES),
    _judged(200, 5000, 3000, BOOK_HEAD, SHORT),
    _judged(200, 5000, 0, b"", SHORT),
    _judged(200, 0, 0, b"", EMPTY),
    _judged(200, None, 3000, BOOK_HEAD, UNKNOWN),
    _judged(200, None, 0, b"", EMPTY),
)


def hidden_judge_cases(random: Random) -> Sequence[Case]:
    """Every rule at least once, also where two of them fit."""
    cases = []
    for _ in range(random.randint(3, 4)):
        size = random.randint(100, 10**7)
        part = random.randint(1, size - 1)
        book = bytes(random.choices(range(0xB0, 0xD8), k=8))
        # A book may begin with an angle bracket and be no page.
        head = random.choice([book, b"<" + book])
        tag = random.choice([b"<html lang=zh>", b"<!doctype HTML>", b"<HTML>", b"<!DOCTYPE html>"])
        page = b" \t\r\n"[: random.randint(0, 4)] + tag
        status = random.choice([204, 206, 301, 403, 404, 410, 429, 500, 503])
        cases += [
            _judged(200, size, size, head, COMPLETE),
            _judged(status, size, size, random.choice([head, page]), STATUS_FIRST),
            _judged(200, random.choice([size, None]), part, page, PAGES),
            _judged(200, size, random.choice([part, size - 1]), head, SHORT),
            _judged(200, None, size, head, UNKNOWN),
            _judged(200, random.choice([0, None]), 0, b"", EMPTY),
        ]
    random.shuffle(cases)
    return cases


# ---- a name out of a ZIP file

TWO_STEPS = (
    "先 encode('cp437') 拿回原来的字节，再 decode：方向别反了。"
    "解码要严格（不写 errors='ignore'），解不开才知道该换下一种编码。"
)
UTF8_FIRST = (
    "macOS 写的是 UTF-8。UTF-8 的规矩严，别的编码很难碰巧合格，所以先试它，不行再试 gb18030。"
)
ALREADY_RIGHT = "名字里有 cp437 写不出来的字，说明它本来就没错：原样返回。"
NOT_CHINESE = "UTF-8 和 gb18030 都解不开，就不是中文名字：原样返回，别用 errors='ignore' 硬来。"


def repair_member_name(shown: str) -> str:
    """Undo a ZIP reader's code page 437 where the bytes are UTF-8 or GB 18030."""
    try:
        raw = shown.encode("cp437")
    except UnicodeEncodeError:
        return shown
    for codec in ("utf-8", "gb18030"):
        try:
            return raw.decode(codec)
        except UnicodeDecodeError:
            continue
    return shown


def _name(text: str, codec: str, hint: str) -> Case:
    shown = text.encode(codec).decode("cp437") if codec else text
    return Case((shown,), repair_member_name(shown), hint=hint)


NAME_PUBLIC = (
    _name("缺字.txt", "gb18030", TWO_STEPS),
    _name("缺字.txt", "utf-8", UTF8_FIRST),
    _name("book-01.txt", "", "纯英文的名字怎么解都不变。"),
    _name("缺字.txt", "", ALREADY_RIGHT),
    _name("café.txt", "", NOT_CHINESE),
)


def hidden_name_cases(random: Random) -> Sequence[Case]:
    """Names of common hanzi (level 1 of GB 2312) in both encodings, right ones, Western ones."""
    cases = []
    for _ in range(random.randint(4, 6)):
        name = f"{_hanzi(random)}{random.randint(1, 120)}.txt"
        western = "".join(random.choices("abcdefg", k=3)) + random.choice("éàü") + ".txt"
        cases += [
            _name(name, "gb18030", TWO_STEPS),
            _name(name, "utf-8", UTF8_FIRST),
            _name(name, "", ALREADY_RIGHT),
            _name(western, "", NOT_CHINESE),
        ]
    random.shuffle(cases)
    return cases


def _hanzi(random: Random) -> str:
    """Two to six hanzi of level 1 of GB 2312 (without its last row, which is not full)."""
    while True:
        count = random.randint(2, 6)
        raw = bytes(random.choice(row) for _ in range(count) for row in (LEADS, TRAILS))
        # Now and then a name is also valid UTF-8, of other letters: no rule could know.
        if raw.decode("utf-8", errors="replace").count("\ufffd"):
            return raw.decode("gb2312")


LEADS, TRAILS = range(0xB0, 0xD7), range(0xA1, 0xFF)

# The library does all this; the exercises are for writing it.
FORBIDDEN = ("novelkit",)
EXERCISES = (
    Exercise(
        name="01-resume-headers",
        notebook="01_download",
        function="resume_headers",
        title="写出续传请求的头",
        points=4,
        public_cases=RESUME_PUBLIC,
        hidden_cases=hidden_resume_cases,
        reference=resume_headers,
        hints=(COUNT_FROM_0, FROM_THE_START, NO_ETAG, WEAK),
        forbidden_imports=FORBIDDEN,
    ),
    Exercise(
        name="01-judge-transfer",
        notebook="01_download",
        function="judge_transfer",
        title="判断一次下载能不能用",
        points=6,
        public_cases=JUDGE_PUBLIC,
        hidden_cases=hidden_judge_cases,
        reference=judge_transfer,
        hints=(STATUS_FIRST, PAGES, SHORT, EMPTY, UNKNOWN, COMPLETE),
        forbidden_imports=FORBIDDEN,
    ),
    Exercise(
        name="01-repair-member-name",
        notebook="01_download",
        function="repair_member_name",
        title="修好压缩包里的乱码文件名",
        points=5,
        public_cases=NAME_PUBLIC,
        hidden_cases=hidden_name_cases,
        reference=repair_member_name,
        hints=(TWO_STEPS, UTF8_FIRST, ALREADY_RIGHT, NOT_CHINESE),
        forbidden_imports=FORBIDDEN,
    ),
)
