"""Stage 03, advertisements: what sites write goes, what a narrator may write stays."""

import pytest
from helpers_cleaning import DIRTY, PROSE, apply, book, pages

from novelkit.cleaning import clean
from novelkit.encoding import decode


@pytest.mark.parametrize(
    "line",
    [
        "更多精彩小说请访问 www.example.com",
        "本书下载自ｗｗｗ．ｅｘａｍｐｌｅ．ｃｏｍ",
        "（更多好看的小说，尽在 w w w . example . net）",
        "www。example。com 首发",
        "手机用户请到ｍ．ｅｘａｍｐｌｅ．ｃｏｍ阅读。",
        "更新时间:2007-11-16 7:55:51 本章字数:4804",
        "    本章字数：7529",
        "仅供读者预览，请在下载后24小时内删除，不得用作商业用途",
        "如有问题请发邮件到 someone@example.com",
    ],
)
def test_advertisements_go(line):
    dirty = f"{PROSE[0]}\n{line}\n{PROSE[2]}"
    assert apply("advertisements", dirty) == f"{PROSE[0]}\n{PROSE[2]}"


@pytest.mark.parametrize(
    "line",
    [
        "“你上 www.example.com 看看。”她说。",
        "他把手机放下，又看了一会儿小说，才去睡。",
        "更多的人站在雪里，谁也不说话。",
        "这本书是从旧货摊上买来的，版权页已经没有了。",
        "信上的更新他一个字也没有读懂。",
    ],
)
def test_story_lines_stay(line):
    text = "\n".join([*PROSE * 6, line, *PROSE * 6])
    assert apply("advertisements", text) == text


NARRATED = (
    "她在手机看书，不理人。",
    "小说来自生活，他常说。",
    "老师说24小时之内把照片删除。",
    "车站的广播响了：本站开往北京的列车免费提供热水。",
    "他把邮箱写在纸上：lihua@mail.com，让我有空写信。",
    "请购买正版软件，老师说。",
    "把这家店收藏起来，她说。",
    "本文来自一位老读者，编辑在信的开头写道。",
    "手机阅读伤眼睛，医生这样告诉她。",
    "门口的牌子上写着：收藏本站台纪念票，请到窗口。",
    "更多的小说还压在箱子底下，请他下载到新电脑里的只有这一部。",
    "他的公司叫sina.com，租在四楼。",
    "电子书是她自己制作的，封面上画着一只猫。",
    "墙上的通知说，版权归作者所有，稿费另付。",
    "仅供预览，经理说着把图纸卷了起来。",
    "那时候人们把互联网叫做WWW，听起来像风声。",
    "他在浏览器里输入www.example.com，按下回车，什么也没有。",
)


def test_what_a_narrator_may_write_stays_in_a_chapter():
    body = "\n".join("\n".join([*PROSE, line]) for line in NARRATED)
    text = f"第一章　雪夜\n\n{body}\n\n第二章　渡口\n\n{body.splitlines()[0]}"
    text = text.replace("\n", "\n\n")
    assert apply("advertisements", text) == text


@pytest.mark.parametrize("line", NARRATED)
def test_what_a_narrator_may_write_stays_in_the_smallest_file(line):
    text = f"{PROSE[0]}\n{line}\n{PROSE[2]}"
    assert apply("advertisements", text) == text


def test_what_a_narrator_may_write_stays_in_a_row():
    text = "\n".join(NARRATED)
    assert apply("advertisements", text) == text


def test_a_doubtful_phrase_counts_with_a_second_one_or_repeated():
    story = [f"{line}{n}" for n in range(20) for line in PROSE]
    once = "\n".join([*story[:60], "手机阅读更方便", *story[60:]])
    assert apply("advertisements", once) == once
    for advertisement, times in (("手机阅读，请收藏本站", 1), ("手机阅读更方便", 3)):
        dirty = list(story)
        for time in range(times):
            dirty.insert(40 + 10 * time, advertisement)
        assert apply("advertisements", "\n".join(dirty)) == "\n".join(story)


def test_a_doubtful_phrase_counts_beside_another_at_a_file_end():
    story = "\n".join(f"{line}{n}" for n in range(20) for line in PROSE)
    block = "手机阅读更方便\n\n请购买正版图书！"
    assert apply("advertisements", f"{block}\n{story}").strip() == story
    assert apply("advertisements", f"{story}\n{block}").strip() == story


def test_story_beside_an_advertisement_stays():
    story = "第一章　免费的午餐\n学习使人忘记时间。\n他在灯下阅读那封信"
    assert apply("advertisements", f"本书来自www.example.com\n{story}") == story


def test_a_short_sentence_of_the_story_survives_the_address_after_it():
    assert apply("advertisements", "他没有回头。www.example.com") == "他没有回头。"


def test_an_advertisement_at_the_end_of_a_paragraph_takes_only_its_sentence():
    assert apply("advertisements", PROSE[2] + "本站www.example.com") == PROSE[2]


def test_disclaimer_blocks_at_both_ends_go():
    block = (
        "-------------------\n更多TXT电子书下载,请访问:http://www.example.com\n"
        "版权声明：本站所有电子书本着交流学习的目的\n均由网友提供并更新，\n"
        "仅供读者研究学习，不得用作商业用途，\n如侵犯了您的版权,请通过Email或电话告知\n"
        "-------------------\n"
    )
    novel, _ = clean(block + book() + "\n" + block)
    assert novel.text == book()


@pytest.mark.parametrize(
    "line",
    [
        "天才一秒记住本站地址：https://www.example.com/最快更新！无广告！",
        "本章未完，请点击下一页继续阅读！",
        "请记住本书首发域名：example。com。手机版阅读网址：m。example。com",
        "ps：求推荐票，求收藏，各位书友的支持就是某某最大的动力！",
        "（未完待续。如果您喜欢这部作品，欢迎您来某点（example.com）投推荐票、月票。）",
        "ｗｗ。ｅｘａｍｐｌｅ。ｃｏｍ 小◇说◇网 首☆发",
        "www●example●c○m",
        "上一章　　返回目录　　下一章",
        "（本章完）",
        "未完待续……",
        "某某中文网首发，更新最快，转载请注明出处。",
        "書友群號：123456789，歡迎加入",
        "扫描二维码，关注微信公众号“某某”，回复书名继续阅读",
        "章节错误，点此举报（免注册），请耐心等待。",
        "w w w 点 e x a m p l e 点 c o m",
        "【推荐阅读】：《长夜》《归途》《雪国旧事》",
        "您当前的位置：首页 > 武侠 > 雪夜 > 第十二章",
        "感谢书友“山中客”打赏的100起点币，感谢“北风”投出的月票！",
        "小提示：按回车[Enter]键返回书目，按←键返回上一页。",
    ],
)
def test_lines_in_the_manner_of_many_sites_go(line):
    story = pages(40)
    dirty = "\n".join([*story[:20], line, *story[20:]])
    assert apply("advertisements", dirty) == "\n".join(story)


MODERN = (
    "他在网上搜了一夜，百度搜索也没有告诉他那个地址在哪里。",
    "孩子是她最大的动力，她这样告诉自己，然后继续往前走。",
    "他关注了一个公众号，每天早上读一段旧诗。",
    "店门口贴着二维码，扫码点菜，没有人抬头。",
    "那天夜里敲过三更，街上一个人也没有。",
    "上一章写到他离开渡口，这一章他又回来了。",
    "编辑回信说，文章首发在本地的小报上。",
    "这本小说没有写完，最后一页上只有四个字：未完待续。",
    "感谢命运，他想，感谢这场大雪。",
    "“广告都是骗人的。”父亲把报纸翻了过去。",
    "登录、注册、找回密码，他试了一下午。",
)


@pytest.mark.parametrize("line", MODERN)
def test_modern_words_in_a_story_stay(line):
    story = pages(40)
    text = "\n".join([*story[:20], line, *story[20:]])
    assert apply("advertisements", text) == text


def test_an_address_inside_of_a_sentence_goes_without_it():
    for address in (
        "ｗωｗ某Xiaoshuo書com网",
        "（ｗｗｗ．ｅｘａｍｐｌｅ．ｃｏｍ）",
        "wwｗ。example。com",
    ):
        for start, end in (("", ""), ("“", "”")):
            line = f"{start}{PROSE[2]}她看了信，泪盈满脸{address}，一夜没有睡。{end}"
            assert apply("advertisements", line) == line.replace(address, ""), address


def test_a_bracketed_site_inside_of_a_sentence_goes_without_it():
    for note in ("（某*书*网^.^整*理*提*供）", "【看最新章节请到某某小说网】"):
        line = f"{PROSE[2]}她看了信{note}，一夜没有睡。{PROSE[5]}"
        assert apply("advertisements", line) == line.replace(note, "")
    aside = f"{PROSE[2]}她看了信（是从小说里撕下来的一页），一夜没有睡。{PROSE[5]}"
    assert apply("advertisements", aside) == aside


def test_a_site_line_that_comes_back_through_the_whole_book_goes():
    story = pages(120)
    dirty = list(story)
    for place in range(100, 0, -15):
        dirty.insert(place, "免费阅读 书架 字号")
    assert apply("advertisements", "\n".join(dirty)) == "\n".join(story)


def test_a_refrain_of_the_story_stays():
    refrain = "欲知后事如何，且听下回分解。"
    text = "\n".join(line for page in pages(60) for line in (page, refrain))
    assert apply("advertisements", text) == text


@pytest.mark.skipif(not DIRTY.is_dir(), reason="the folder of downloaded files is not here")
def test_nothing_of_a_real_site_is_left():
    for key, marks in {
        "s20": ("xstt5", "TXT"),
        "s21": ("isuu",),
        "s30": ("ww", "xt", "nett"),
    }.items():
        file = next(DIRTY.glob(f"{key}_*"))
        text = apply("advertisements", decode(file.read_bytes()))
        assert not [mark for mark in marks if mark in text], key
