"""The named cleaning rules, in the order in which they run: each takes a text and returns a text.

A rule touches one kind of dirt, counts what it changes and keeps examples; each can be switched on
and off by its name. Rules that change what the author wrote (simplified characters, full-width
letters, paragraphs that are only nearly repeated) are off unless they are asked for. What a rule
does is written in the module that it comes from.
"""

from collections.abc import Callable
from dataclasses import dataclass

from novelkit.cleaning.characters import (
    count_damage,
    count_missing,
    drop_controls,
    unify_newlines,
)
from novelkit.cleaning.contents import drop_contents
from novelkit.cleaning.duplicates import drop_duplicate_chapters, drop_duplicate_paragraphs
from novelkit.cleaning.edits import Edits
from novelkit.cleaning.layout import (
    break_single_line,
    drop_blank_lines,
    drop_indentation,
    drop_inner_spaces,
    unwrap_lines,
)
from novelkit.cleaning.markup import drop_tags, unescape_entities
from novelkit.cleaning.matter import (
    drop_advertisements,
    drop_front_matter,
    drop_gutenberg,
    drop_page_numbers,
    drop_separators,
)
from novelkit.cleaning.near_duplicates import drop_near_duplicates
from novelkit.cleaning.punctuation import correct_punctuation, narrow_letters
from novelkit.cleaning.simplify import simplify


@dataclass(frozen=True)
class Rule:
    """A named rule; `title` is its name in Chinese for reports."""

    name: str
    title: str
    edit: Callable[[str, Edits], str]
    default: bool = True

    def apply(self, text: str) -> str:
        """The rule alone, text to text."""
        return self.edit(text, Edits())


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("newlines", "换行统一为 LF", unify_newlines),
        Rule("tags", "HTML 标签", drop_tags),
        Rule("entities", "HTML 实体", unescape_entities),
        Rule("controls", "BOM、零宽字符与控制字符", drop_controls),
        Rule("line_breaks", "没有换行的书断行", break_single_line),
        Rule("gutenberg", "古登堡计划的页眉页脚", drop_gutenberg),
        Rule("advertisements", "网站广告与声明", drop_advertisements),
        Rule("page_numbers", "页码", drop_page_numbers),
        Rule("separators", "分隔线", drop_separators),
        Rule("contents", "目录", drop_contents),
        Rule("front_matter", "书名与作者行", drop_front_matter),
        Rule("unwrap", "硬换行接回段落", unwrap_lines),
        Rule("indentation", "缩进与行尾空格", drop_indentation),
        Rule("spaces", "汉字之间的空格", drop_inner_spaces),
        Rule("full_width", "全角字母与数字改半角", narrow_letters, default=False),
        Rule("punctuation", "半角标点、省略号、破折号与直引号", correct_punctuation),
        Rule("duplicate_chapters", "重复的章节", drop_duplicate_chapters),
        Rule("duplicate_paragraphs", "一字不差的重复段落", drop_duplicate_paragraphs),
        Rule("near_duplicates", "大同小异的重复段落", drop_near_duplicates, default=False),
        Rule("simplify", "繁体转简体", simplify, default=False),
        Rule("blank_lines", "多余的空行", drop_blank_lines),
        Rule("damage", "损坏的字（保留）", count_damage),
        Rule("missing", "缺字 □ 与私用区字符（保留）", count_missing),
    )
}
