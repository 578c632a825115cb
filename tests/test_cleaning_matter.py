"""Stage 03, matter that is not the book: Project Gutenberg's texts and page numbers."""

import pytest
from helpers_cleaning import PROSE, apply, numeral, pages


def test_gutenberg_header_and_footer():
    text = (
        "The Project Gutenberg EBook of X\n\n*** START OF THIS PROJECT GUTENBERG EBOOK X ***\n"
        f"Produced by Nobody\n\n{PROSE[0]}\n\nEnd of the Project Gutenberg EBook of X\nlicence\n"
    )
    assert apply("gutenberg", text).strip() == PROSE[0]
    both = f"*** START OF THE PROJECT GUTENBERG EBOOK X ***\n{PROSE[0]}\n*** END OF THE PROJECT\n"
    assert (
        apply("gutenberg", both.replace("PROJECT\n", "PROJECT GUTENBERG EBOOK X ***\n"))
        == (PROSE[0])
    )


LICENCE = (
    "This eBook is for the use of anyone anywhere at no cost and with\nalmost no restrictions."
)
FIELDS = (
    "Title: 雪夜\n\nAuthor: Nobody\n\nRelease Date: May 1, 2008 [EBook #1]\n\nLanguage: Chinese\n"
)


@pytest.mark.parametrize(
    ("head", "tail"),
    [
        (f"{FIELDS}\n*** START OF THE PROJECT GUTENBERG EBOOK 雪夜 ***\n\n\n\n", ""),
        (
            f"{LICENCE}\n\n***START OF THE PROJECT GUTENBERG EBOOK X***\n\nE-text prepared by\n\n",
            "",
        ),
        (
            "*** START OF THIS PROJECT GUTENBERG EBOOK A\nB ***\n\nProduced by One and\nTwo\n\n",
            "\n\n*** END OF THIS PROJECT GUTENBERG EBOOK X ***\n\n***** This file *****\nlicence",
        ),
        (
            "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*\n\n",
            "\nEnd of The Project Gutenberg Etext of X\n",
        ),
        ("*END THE SMALL PRINT! FOR PUBLIC DOMAIN EBOOKS*Ver.02/11/02*END*\n", ""),
        (f"The Project Gutenberg EBook of X, by Nobody\n\n{LICENCE}\n\n\n{FIELDS}\n\n", ""),
        (
            "",
            "\n\n***START**THE SMALL PRINT!**START***\nlicence\n*END THE SMALL PRINT!*END*\n",
        ),
        ("", "\n\nEnd of Project Gutenberg's X, by Nobody\n"),
        ("", "\n\nEnd of the Project Gutenberg EBook of X, by Nobody\nmore"),
    ],
)
def test_every_form_of_the_gutenberg_frame(head, tail):
    text = "\n".join(PROSE)
    assert apply("gutenberg", head + text + tail).strip() == text


def test_chinese_lines_right_below_a_credit_stay():
    text = "\n".join([*PROSE, "他只认得一个字：A。"])
    head = "*** START OF THE PROJECT GUTENBERG EBOOK X ***\nProduced by One\n"
    assert apply("gutenberg", head + text) == text


def test_a_story_that_speaks_of_gutenberg_stays():
    text = "\n".join([*PROSE, "他在 Gutenberg 的机器前面站了很久。", *pages(6)])
    assert apply("gutenberg", text) == text


@pytest.mark.parametrize("form", ["-{}-", "－{}－", "{}", "· {} ·", "第 {} 页", "第{}页 共 340 页"])
def test_page_numbers_inside_of_sentences_go(form):
    story, dirty = pages(30), []
    for number, line in enumerate(story, start=12):
        dirty += [line[:15], form.format(number), line[15:]]
    cleaned = apply("page_numbers", "\n".join(dirty)).split("\n")
    assert cleaned == [part for line in story for part in (line[:15], line[15:])]


@pytest.mark.parametrize("form", ["-{}-", "{}", "（{}）"])
def test_numbers_of_sections_stay(form):
    text = "\n".join(f"{form.format(n)}\n{line}" for n, line in enumerate(pages(30), start=1))
    assert apply("page_numbers", text) == text


def test_years_and_scores_alone_on_their_line_stay():
    text = "\n".join(["那一年是", "1911", *PROSE, "比分是", "3", *PROSE, "又过了", "28", *PROSE])
    assert apply("page_numbers", text) == text


@pytest.mark.parametrize("author", ["某人　著", "·某人·", "作者：某人", "（清）某人"])
def test_a_title_block_above_a_story_without_headings_goes(author):
    story = "\n".join(PROSE)
    assert apply("front_matter", f"文集\n\n雪夜\n{author}\n\n{story}").strip() == story


def test_short_first_lines_of_a_story_stay():
    for head in ("雪。\n夜。", "雪\n夜", "“雪！”\n他一面走，一面看著"):
        text = f"{head}\n" + "\n".join(PROSE)
        assert apply("front_matter", text) == text


HEADING = "第一章　雪夜"


@pytest.mark.parametrize("label", ["内容简介：", "书籍介绍:", "【简介】", "作品簡介", "版本："])
def test_a_blurb_goes_with_its_label(label):
    blurb = "　　一个人在雪夜里回到故乡，发现没有人认得他，于是有了这本书。"
    dirty = "\n".join(["雪夜", "作者：某人", "", label, blurb, "", HEADING, "", *PROSE])
    assert apply("front_matter", dirty).strip() == "\n".join([HEADING, "", *PROSE])


def test_prose_without_a_label_stays_before_the_first_heading():
    text = "\n".join([PROSE[0], PROSE[2], "", HEADING, "", *PROSE])
    assert apply("front_matter", text) == text


def test_a_label_does_not_take_the_prose_behind_an_empty_line():
    dirty = "\n".join(["简介：", PROSE[0], PROSE[2], "", PROSE[3], "", HEADING, "", *PROSE])
    assert apply("front_matter", dirty).strip() == "\n".join([PROSE[3], "", HEADING, "", *PROSE])


def test_a_label_inside_the_story_stays():
    text = "\n".join([HEADING, "", *PROSE, "简介：", PROSE[0] + "又", *PROSE])
    assert apply("front_matter", text) == text


def volumes(behind="", before=""):
    parts = []
    for number, volume in enumerate("一二三"):
        parts += [before, "", f"第{volume}部", behind, ""] if number else [f"第{volume}部", ""]
        for chapter in range(3):
            paragraphs = pages(12)[4 * chapter : 4 * chapter + 4]
            parts += [f"第{numeral(3 * number + chapter + 1)}回　雪夜", "", *paragraphs, ""]
    return "\n".join(parts)


def filled(text):
    return [line for line in text.split("\n") if line]


@pytest.mark.parametrize("author", ["（清）某人著", "某人　著", "雪夜\n某人著"])
def test_the_author_behind_the_heading_of_a_volume_goes(author):
    assert filled(apply("front_matter", volumes(author))) == filled(volumes())


def test_the_name_of_a_series_before_the_heading_of_a_volume_goes():
    assert filled(apply("front_matter", volumes(before="某某精华文库"))) == filled(volumes())


@pytest.mark.parametrize("line", [PROSE[0], "雪下了一夜", "他说：“这是我著”"])
def test_other_lines_at_the_heading_of_a_volume_stay(line):
    for text in (volumes(behind=line), volumes(before=line)):
        assert apply("front_matter", text) == text


def test_a_title_page_that_was_set_in_columns_goes():
    dirty = "\n".join(["︽雪夜︾某人", "︽二○一七年版︾", "", HEADING, "", *PROSE])
    assert apply("front_matter", dirty).strip() == "\n".join([HEADING, "", *PROSE])
