"""What the tests of cleaning share: clean prose without repetitions, and ways to make it dirty."""

from pathlib import Path

from novelkit.cleaning import RULES

DIRTY = Path(__file__).resolve().parent.parent.parent / "shared" / "dirty"
NUMERALS = "一二三四五六七八九十"

PROSE = (
    "天还没有亮，他就起来把院子里的雪扫了一遍，又到井边挑了两担水，这才坐下来吃早饭。",
    "“你怎么又回来了？”她站在门口，手里还拿着那盏灯。",
    "老人不说话，只是看着河对面的山。看了很长时间，他才把烟袋收起来，慢慢地往回走，走到桥头又停下了。",
    "这条街从前是卖布的，后来布店一家一家都关了门，只剩下拐角上的一家茶馆，每天早上还冒着热气。",
    "“不去。”他说。",
    "孩子们在树下面跑来跑去，谁也没有注意到天黑了，直到有一家的母亲站在巷口，拉长了声音喊他们的名字。",
)


def numeral(number: int) -> str:
    """1 to 99 in Chinese."""
    tens, ones = divmod(number, 10)
    head = "" if not tens else "十" if tens == 1 else NUMERALS[tens - 1] + "十"
    return head + (NUMERALS[ones - 1] if ones else "")


def pages(count: int, shortest: int = 0) -> list[str]:
    """Paragraphs in the manner of PROSE of which none is like another."""
    kinds = [line for line in PROSE if len(line) >= shortest]
    names = "甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥"
    return [
        f"{names[n // 20 % 22]}{names[n % 20]}年{kinds[n % len(kinds)].lstrip('“')}"
        if not kinds[n % len(kinds)].startswith("“")
        else f"{kinds[n % len(kinds)]}{names[n // 20 % 22]}{names[n % 20]}年的冬天就这样过去了。"
        for n in range(count)
    ]


def book(chapters: int = 4) -> str:
    """A clean text in the layout that cleaning yields."""
    lines = pages(10 * chapters)
    return "\n\n".join(
        f"第{numeral(i + 1)}章　雪后的第{numeral(i + 1)}天\n\n"
        + "\n".join(lines[10 * i : 10 * (i + 1)])
        for i in range(chapters)
    )


def wrap(text: str, width: int, indent: str = "", gap: str = "\n") -> str:
    """Lines of at most `width` characters, as a fixed-width page has them."""
    lines = []
    for paragraph in text.split("\n"):
        rest = indent + paragraph if paragraph and not paragraph.startswith("第") else paragraph
        while len(rest) > width:
            lines.append(rest[:width])
            rest = rest[width:]
        lines.append(rest)
    return gap.join(lines)


def apply(name: str, text: str) -> str:
    """One rule alone."""
    return RULES[name].apply(text)
