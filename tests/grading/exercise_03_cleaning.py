"""The exercises of notebook 03: numerals, a chain of headings, wrapped lines, whole chapters."""

import re
from collections.abc import Sequence
from random import Random

from novelkit.exercises import Case, Exercise, Raises

# ---- a numeral of a heading

DIGITS = "零一二三四五六七八九"
PLACES = "没有十、百、廿、卅的，是一位一位念的：逐字换成数码再拼起来，〇〇七 就是 7。"
TENS = "“十”前面没有数码就是一个十：十二 = 12。廿 = 二十，卅 = 三十，先换掉它们最省事。"
HUNDREDS = "“百”前面没有数码就是一百：百廿 = 120。百位、十位、个位从左到右，各最多出现一次。"
GAP = "百位后面少了十位，要有“零”（或“〇”）：一百零八 = 108。"
DOUBTFUL = "一百八：口语是 180，扫描漏字是 108，说不准就返回 None，不要猜。"
NOT_ONE = "不合规矩的（二十十、十百、一百零、空字符串、别的字）返回 None。"
_POSITIONAL = re.compile("[〇零一二三四五六七八九]+")
_SPOKEN = re.compile(
    "(?:([一二三四五六七八九])?(百))?(?:[零〇]([一二三四五六七八九])"
    "|([一二三四五六七八九])?(十)([一二三四五六七八九])?)?"
)


def heading_number(numeral: str) -> int | None:
    """A numeral of a heading below 1,000, or positional; None where it is none or is doubtful."""
    digit = {character: value for value, character in enumerate(DIGITS)} | {"〇": 0, "": 0}
    if _POSITIONAL.fullmatch(numeral):
        return int("".join(str(digit[character]) for character in numeral))
    match = _SPOKEN.fullmatch(numeral.replace("廿", "二十").replace("卅", "三十"))
    if not numeral or not match:
        return None
    hundred, has_hundred, after_zero, ten, has_ten, one = (part or "" for part in match.groups())
    if after_zero and not has_hundred:
        return None
    total = 100 * (digit[hundred] or 1) if has_hundred else 0
    total += 10 * (digit[ten] or 1) if has_ten else 0
    return total + digit[one] + digit[after_zero]


def _numeral(numeral: str, hint: str) -> Case:
    return Case((numeral,), heading_number(numeral), hint=hint)


NUMERAL_PUBLIC = (
    _numeral("十二", TENS),
    _numeral("廿三", TENS),
    _numeral("三十", TENS),
    _numeral("一百零八", GAP),
    _numeral("一百二十", HUNDREDS),
    _numeral("百廿", HUNDREDS),
    _numeral("〇〇七", PLACES),
    _numeral("一百八", DOUBTFUL),
    _numeral("二十十", NOT_ONE),
    _numeral("", NOT_ONE),
)


def _spell(number: int) -> str:
    """1 to 999 as read aloud."""
    hundreds, tens, ones = number // 100, number // 10 % 10, number % 10
    text = f"{DIGITS[hundreds]}百" if hundreds else ""
    text += f"{DIGITS[tens]}十" if tens else "零" if hundreds and ones else ""
    return text + (DIGITS[ones] if ones else "")


def hidden_numeral_cases(random: Random) -> Sequence[Case]:
    """Every manner of writing a number, and of spoiling one."""
    cases = []
    for _ in range(3):
        small, large = random.randint(1, 9), random.randint(2, 9)
        spoken = _spell(random.randint(100, 999))
        short = random.choice("廿卅") + random.choice(["", DIGITS[small]])
        positional = "".join(random.choices("〇" + DIGITS, k=random.randint(2, 4)))
        spoiled = [
            f"{DIGITS[large]}十十",
            f"十{DIGITS[small]}百",
            f"{DIGITS[large]}百零",
            f"零十{DIGITS[small]}",
            f"{DIGITS[large]}十{DIGITS[small]}{DIGITS[small]}",
            f"第{DIGITS[small]}",
        ]
        cases += [
            _numeral(_spell(random.randint(11, 19)).removeprefix("一"), TENS),
            _numeral(_spell(random.randint(20, 99)), TENS),
            _numeral(short, TENS),
            _numeral(f"{DIGITS[large]}百{random.choice('零〇')}{DIGITS[small]}", GAP),
            _numeral(spoken, HUNDREDS),
            _numeral("百" + short, HUNDREDS),
            _numeral(positional, PLACES),
            _numeral(f"{DIGITS[large]}百{DIGITS[small]}", DOUBTFUL),
            *(_numeral(text, NOT_ONE) for text in random.sample(spoiled, 2)),
        ]
    random.shuffle(cases)
    return cases


# ---- candidates that make a chain

CHAIN = "每一个都要比前一个大 1，从 1 开始；位置越来越靠后。先从前往后走一遍，就知道最长能到几。"
LATEST = "一样长的取最靠后的：目录在前，正文在后。从最后一个往回找，每次取最靠后的那一个。"
NO_CHAIN = "没有 1 就没有头，返回空列表 []。"


def consistent_headings(numbers: list[int]) -> list[int]:
    """Indexes of the longest chain 1, 2, 3, ... in order, the last one where there are several."""
    longest = 0
    for number in numbers:
        longest += number == longest + 1
    chain: list[int] = []
    wanted = longest
    for index in range(len(numbers) - 1, -1, -1):
        if wanted and numbers[index] == wanted:
            chain.append(index)
            wanted -= 1
    return chain[::-1]


def _chain(numbers: list[int], hint: str) -> Case:
    return Case((numbers,), consistent_headings(numbers), hint=hint)


CHAIN_PUBLIC = (
    _chain([1, 2, 3], CHAIN),
    _chain([1, 2, 12, 3], CHAIN),
    _chain([1, 2, 3, 1, 2, 3], LATEST),
    _chain([1, 2, 12, 3, 1, 4], CHAIN),
    _chain([1, 2, 3, 4, 1, 2, 3, 2, 4], LATEST),
    _chain([1, 2, 4, 5], CHAIN),
    _chain([2, 3], NO_CHAIN),
    _chain([], NO_CHAIN),
)


def hidden_chain_cases(random: Random) -> Sequence[Case]:
    """Books with and without contents, with chapters mentioned in the text, or one missing."""
    cases = []
    for _ in range(random.randint(4, 5)):
        count = random.randint(4, 12)
        body = list(range(1, count + 1))
        mentioned = list(body)
        for _ in range(random.randint(1, 4)):
            mentioned.insert(random.randint(0, len(mentioned)), random.randint(1, count + 9))
        missing = random.randint(2, count)
        cases += [
            _chain(body + body, LATEST),
            _chain(mentioned, CHAIN),
            _chain(body + mentioned, LATEST),
            _chain([number for number in mentioned if number != missing], CHAIN),
            _chain([number for number in mentioned if number != 1], NO_CHAIN),
        ]
    random.shuffle(cases)
    return cases


# ---- wrapped lines with indentation

NEW = "行首有空白（全角空格 \\u3000、半角空格或制表符）的行开始新的一段；其余的行接在上一行后面。"
FIRST = "第一行没有缩进，也是一段的开头：前面没有可接的行。"
STRIP = "接之前去掉每一行两头的空白，空白不是正文。"
BLANK = "空行（只有空白的行）结束一段，本身不是段落；它后面的行开始新的一段。"
LATIN = "接缝两边都是英文字母或数字时，中间补一个半角空格：Page 和 7 不能粘成 Page7。"
_BLANKS = " \u3000\t"


def join_indented(lines: list[str]) -> list[str]:
    """Paragraphs of a hard-wrapped page in which an indentation marks the first line of each."""
    paragraphs: list[str] = []
    opens = True
    for line in lines:
        text = line.strip(_BLANKS)
        if not text:
            opens = True
        elif opens or line[0] in _BLANKS:
            paragraphs.append(text)
            opens = False
        else:
            seam = paragraphs[-1][-1] + text[0]
            paragraphs[-1] += (" " if seam.isascii() and seam.isalnum() else "") + text
    return paragraphs


def _page(lines: list[str], hint: str) -> Case:
    return Case((lines,), join_indented(lines), hint=hint)


PAGE_PUBLIC = (
    _page(["\u3000\u3000放暑假的第二", "天，童雁去上工。", "\u3000\u3000天很热。"], NEW),
    _page(["放暑假的第二", "天。", "    天很热。", "\t没有风。"], FIRST),
    _page(["\u3000\u3000灯亮着，", "  ", "门开着。"], BLANK),
    _page(["\u3000\u3000灯亮\u3000", "着。 "], STRIP),
    _page(["\u3000\u3000他翻到 Page", "7，念了一遍。"], LATIN),
    _page(["", "\u3000"], BLANK),
)
HANZI = "灯门雪河船桥字纸墨钟夜风山路人声窗井雁柳"


def hidden_page_cases(random: Random) -> Sequence[Case]:
    """Pages of invented lines, each of which holds one kind of trouble."""
    cases = []
    for _ in range(random.randint(4, 5)):
        indent = random.choice(["\u3000\u3000", "    ", "\t", "\u3000"])
        lines = []
        for _ in range(random.randint(2, 4)):
            lines += [indent + _line(random), *(_line(random) for _ in range(random.randint(0, 3)))]
        middle = random.randint(1, len(lines))
        blank = random.choice(["", "\u3000", " \t"])
        word = random.choice(["Page", "No", "A4", "cm"])
        cases += [
            _page(lines, NEW),
            _page([_line(random), *lines], FIRST),
            _page([line + random.choice(["", "\u3000", " "]) for line in lines], STRIP),
            _page([*lines[:middle], blank, _line(random), *lines[middle:], blank], BLANK),
            _page([*lines, indent + _line(random) + word, str(random.randint(1, 99))], LATIN),
        ]
    random.shuffle(cases)
    return cases


def _line(random: Random) -> str:
    text = "".join(random.choices(HANZI, k=random.randint(3, 9)))
    return text + random.choice(["", "，", "。"])


# ---- whole chapters into three parts

TARGET = "切点选在累计字数最接近应得字数的地方：训练应得 总字数 × 训练份额 ÷ 份额之和。"
SECOND = "第二个切点也从书的开头累计：应得的是训练与验证的份额加在一起。"
TIE = "一样接近时取靠前的切点。用整数比较（两边同乘份额之和），没有小数误差。"
NONE_EMPTY = "三部分每部分至少一章：切点给后面的部分留够章数。"
TOO_FEW = "不到三章分不成三部分：请 raise ValueError。"


def split_counts(lengths: list[int], shares: list[int]) -> list[int]:
    """Chapters in train, validation and test, in the book's order, by characters; none is cut."""
    if len(lengths) < 3:
        raise ValueError("three parts need three chapters")
    ends = [sum(lengths[: count + 1]) for count in range(len(lengths))]
    whole = sum(shares)

    def nearest(share: int, first: int, last: int) -> int:
        wanted = ends[-1] * share
        return min(range(first, last + 1), key=lambda cut: abs(ends[cut - 1] * whole - wanted))

    train = nearest(shares[0], 1, len(lengths) - 2)
    both = nearest(shares[0] + shares[1], train + 1, len(lengths) - 1)
    return [train, both - train, len(lengths) - both]


def _split(lengths: list[int], shares: list[int], hint: str) -> Case:
    few = len(lengths) < 3
    expected = Raises("ValueError") if few else split_counts(lengths, shares)
    return Case((lengths, shares), expected, hint=hint)


SPLIT_PUBLIC = (
    _split([3000] * 12, [10, 1, 1], TARGET),
    _split([1000] * 12, [2, 1, 1], SECOND),
    _split([6000, 1000, 1000, 1000, 1000, 1000, 1000], [2, 1, 1], TARGET),
    _split([2, 1, 1, 2], [5, 3, 4], TIE),
    _split([100, 100, 9000], [10, 1, 1], NONE_EMPTY),
    _split([5000, 5000], [10, 1, 1], TOO_FEW),
)


def hidden_split_cases(random: Random) -> Sequence[Case]:
    """Even and uneven books, the least one, one giant chapter, halves that tie, too few."""
    cases = []
    for _ in range(random.randint(3, 4)):
        shares = random.choice([[10, 1, 1], [8, 1, 1], [6, 2, 2], [98, 1, 1]])
        uneven = [random.randint(200, 9000) for _ in range(random.randint(5, 30))]
        giant = [random.randint(100, 900) for _ in range(random.randint(3, 8))]
        giant[random.choice([0, -1])] = 10**5
        length = 2 * random.randint(50, 2000)
        cases += [
            _split(uneven, shares, TARGET),
            _split([length] * random.randint(6, 40), shares, SECOND),
            _split(giant, shares, NONE_EMPTY),
            _split([length] * 3, shares, NONE_EMPTY),
            # Half of a third chapter: both cuts beside it are as near.
            _split([length, length, length, length, length], [5, 2, 3], TIE),
            _split([length] * random.randint(0, 2), shares, TOO_FEW),
        ]
    random.shuffle(cases)
    return cases


# The library does such things; the exercises are for writing them.
FORBIDDEN = ("novelkit",)
EXERCISES = (
    Exercise(
        name="03-heading-number",
        notebook="03_cleaning",
        function="heading_number",
        title="读出标题里的数字",
        points=6,
        public_cases=NUMERAL_PUBLIC,
        hidden_cases=hidden_numeral_cases,
        reference=heading_number,
        hints=(PLACES, TENS, HUNDREDS, GAP, DOUBTFUL, NOT_ONE),
        forbidden_imports=FORBIDDEN,
    ),
    Exercise(
        name="03-consistent-headings",
        notebook="03_cleaning",
        function="consistent_headings",
        title="在候选标题里挑出连贯的一串",
        points=6,
        public_cases=CHAIN_PUBLIC,
        hidden_cases=hidden_chain_cases,
        reference=consistent_headings,
        hints=(CHAIN, LATEST, NO_CHAIN),
        forbidden_imports=FORBIDDEN,
    ),
    Exercise(
        name="03-join-indented",
        notebook="03_cleaning",
        function="join_indented",
        title="把硬换行接回段落",
        points=5,
        public_cases=PAGE_PUBLIC,
        hidden_cases=hidden_page_cases,
        reference=join_indented,
        hints=(NEW, FIRST, STRIP, BLANK, LATIN),
        forbidden_imports=FORBIDDEN,
    ),
    Exercise(
        name="03-split-counts",
        notebook="03_cleaning",
        function="split_counts",
        title="整章划分训练、验证和测试",
        points=6,
        public_cases=SPLIT_PUBLIC,
        hidden_cases=hidden_split_cases,
        reference=split_counts,
        hints=(TARGET, SECOND, TIE, NONE_EMPTY, TOO_FEW),
        forbidden_imports=FORBIDDEN,
    ),
)
