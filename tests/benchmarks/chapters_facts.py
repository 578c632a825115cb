"""What is known of the books: the list of chapters that each file must come out with.

The facts on `../shared/corpus` are those of its README; the titles are the heading lines of its
files (a line between empty lines, by its format). The numbers of the other novels are those of
the printed editions, and what the file itself lacks of them is said beside it.
"""

from collections.abc import Iterable


def numbers(last: int, first: int = 1) -> list[str]:
    """["1", "2", …]"""
    return [str(number) for number in range(first, last + 1)]


# Headings in order: numbers as digits, named headings by name. README.md of the corpus.
CORPUS: dict[str, list[str]] = {
    "红楼梦": numbers(120),
    "西游记": [*numbers(100), "附录"],
    "三国演义": numbers(120),
    "水浒传": ["楔子", *numbers(120)],
    "儒林外史": numbers(56),
    "封神演义": numbers(100),
    "镜花缘": numbers(100),
    "官场现形记": numbers(60),
    "二十年目睹之怪现状": numbers(108),
    "三侠五义": numbers(120),
    "东周列国志": numbers(108),
    "隋唐演义": numbers(100),
    "初刻拍案惊奇": numbers(40),
    "二刻拍案惊奇": numbers(39),
    "喻世明言": numbers(40),
    "警世通言": [*numbers(40), "40"],
    "醒世恒言": numbers(40),
    "醒世姻缘传": ["凡例", "弁言", "引起", *numbers(100)],
    "说岳全传": numbers(80),
    "儿女英雄传": ["序", "首回", *numbers(40)],
    "文明小史": ["楔子", *numbers(49), *numbers(60, 51)],
    "新石头记": numbers(40),
    "劫余灰": numbers(16),
    "廿载繁华梦": ["序", *numbers(40)],
    "负曝闲谈": numbers(30),
    "狄公案": numbers(64),
    "十尾龟": numbers(40),
    "南北史演义": numbers(100),
}
# Story collections: the number of headings, whose titles are the heading lines themselves.
STORIES = {"呐喊": 15, "彷徨": 11, "野草": 24, "朝花夕拾": 12, "缀网劳蛛": 8, "空山灵雨": 43}


def _each(lengths: Iterable[int]) -> list[str]:
    return [number for length in lengths for number in numbers(length)]


# file → (book of the corpus with its titles or "", headings, what is particular about the file)
DIRTY: dict[str, tuple[str, list[str], str]] = {
    "s01": ("二十年目睹之怪现状", numbers(108), ""),
    "s02": ("三侠五义", numbers(120), ""),
    "s03": ("", ["弁言", *numbers(12), "敘"], ""),
    "s04": ("", ["序", *numbers(14)], "馮夢龍序"),
    "s05": ("", numbers(4), ""),
    "s06": ("", ["序", *numbers(32)], "第三十二回在文件里重复一遍"),
    "s07": ("", ["序", *numbers(20)], ""),
    "s08": ("", ["序", *_each((3, 1, 3, 3, 4, 3, 6, 2, 4, 2, 4, 3))], "十二楼各自编号"),
    "s09": ("", numbers(100), ""),
    "s10": ("", numbers(18), ""),
    "s11": ("", _each((20, 18)), "前七国、后七国各自编号"),
    "s12": ("", numbers(12), ""),
    "s13": ("", [], "不分章"),
    "s14": ("儒林外史", numbers(55), "五十五回本"),
    "s15": ("三国演义", numbers(120), ""),
    "s16": ("西游记", [*numbers(8), "附录", *numbers(100, 9)], ""),
    "s17": ("红楼梦", numbers(120), ""),
    "s18": ("水浒传", numbers(120), "无楔子"),
    "s19": ("西游记", [*numbers(8), "附录", *numbers(100, 9)], ""),
    "s20": ("西游记", [*numbers(8), "附录", *numbers(100, 9)], ""),
    "s21": ("警世通言", ["序", *numbers(40)], ""),
    "s22": ("红楼梦", numbers(120), ""),
    "s23": ("", numbers(10), "没有换行"),
    "s24": ("儒林外史", ["1", *numbers(56, 12)], "文件缺第 2-11 回；第 21 回重复一遍"),
    "s25": ("野草", [], "24 篇，题目无编号；《好的故事》题下是《影的告别》，算重复"),
    "s26": ("", [], "一卷"),
    "s27": ("", [], "一回"),
    "s28": ("西游记", numbers(100), ""),
    "s29": ("水浒传", ["楔子", *numbers(70)], "七十回本（楔子另计）"),
    "s30": ("", numbers(12, 2), "网站的分页即章"),
    "s31": ("", [], "一篇"),
    "s32": ("", [], "一篇"),
}
# Titles of a novel that the corpus lacks, for the book without newlines.
TITLES = {
    "s23": [
        "訂婚姻掌判代通詞遭離亂荒村攖小極",
        "情脈脈芳心增忐忑亂烘烘驀地散東西",
        "紫竹林無處訪鴻泥八百戶暫時駐芳趾",
        "侍親娘荒店覓茶湯尋夫婿通衢張字帖",
        "驚惡夢旅夜苦縈愁展客衾芳心癡變喜",
        "火熊熊大劫天津衛病懨懨權住濟寧州",
        "巧應對安穩出危途誤因循夫妻遭毒手",
        "論用情正言砭惡俗歸大限慈母撇嬌娃",
        "甘落魄天涯羈蕩子冒嫌疑情女諫頑郎",
        "遁空門惘惘悵情天遭故劍忙忙逃恨海",
    ]
}
# Chapters to which the edition of the file gives another title than that of the corpus: the
# lines of the files were read. 水浒传 in 70 chapters, 西游记 with 陈光蕊 as ninth chapter, 红楼梦
# after the manuscripts.
OTHER_TITLES = {
    "s17": ("5", "9", "41"),
    "s18": ("25",),
    "s22": ("3", "5"),
    "s28": ("9", "10", "11"),
    "s29": ("25",),
}
# Headings of the corpus that the file has not, or has over the text of another one.
LACKING = {"s25": ("好的故事",)}
