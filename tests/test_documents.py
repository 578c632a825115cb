"""EPUB and Word files: the text in order, headings apart, nothing lost without being counted."""

import io
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from helpers_books import CONTAINER, epub, make_zip, page
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.download.archives import MIB
from novelkit.download.books import read_books
from novelkit.errors import InputError

pytest.importorskip("bs4")
pytest.importorskip("lxml")

SHARED = Path(__file__).resolve().parents[2] / "shared"
BOMB = (
    '<!DOCTYPE x [<!ENTITY a "哈哈哈哈哈哈哈哈哈哈">'
    + "".join(
        f'<!ENTITY {name} "{f"&{before};" * 10}">'
        for before, name in zip("abcdefghi", "bcdefghij", strict=True)
    )
    + '<!ENTITY file SYSTEM "file:///etc/hostname">]>'
)

DUOKAN = (
    '<p>甲<a class="duokan-footnote" href="#f"><img alt="注" src="n.png"/></a></p>'
    '<ol class="duokan-footnote-content"><li class="duokan-footnote-item">注文</li></ol>'
)


@pytest.fixture
def read(tmp_path):
    """Reads the bytes of a file with the given suffix as one book; returns (text, book)."""

    def one(content, suffix=".epub", **options):
        path = tmp_path / f"书{suffix}"
        path.write_bytes(content)
        (book,) = read_books(path, **options)
        return book.content.decode("utf-8"), book

    return one


def body_text(read, body, **options):
    return read(epub({"1.xhtml": page(body)}, **options))[0]


# EPUB: pages


def test_pages_come_in_the_order_of_the_spine(read):
    pages = {
        "b.xhtml": page("<h1>第二章</h1><p>乙</p>"),
        "a.xhtml": page("<h1>第一章</h1><p>甲</p>"),
    }
    text, book = read(epub(pages, spine=["a.xhtml", "b.xhtml"]))
    assert text == "第一章\n\n甲\n\n第二章\n\n乙\n"
    assert (book.title, book.author, book.container, book.omitted) == ("渡口", "某甲", "epub", {})


def test_navigation_cover_and_pages_outside_the_order_are_left_out_and_counted(read):
    pages = {
        "cover.xhtml": page("<p>封面字</p>"),
        "toc.xhtml": page("<p>目录字样</p>"),
        "1.xhtml": page("<p>正文</p>"),
        "extra.xhtml": page("<p>附录文字</p>"),
    }
    nav = page('<nav epub:type="toc"><ol><li><a href="1.xhtml">第一章</a></li></ol></nav>')
    guide = '<reference type="cover" href="cover.xhtml"/><reference type="toc" href="toc.xhtml"/>'
    book = epub(pages, nav=nav, guide=guide, linear=["extra.xhtml"])
    text, book = read(book)
    assert text == "第一章\n\n正文\n"
    assert book.omitted["auxiliary"] == 4 and book.omitted["contents"] >= 7


@pytest.mark.parametrize("kind", ["toc", "cover"])
def test_a_page_that_calls_itself_contents_is_left_out(read, kind):
    pages = {
        "0.xhtml": page(f'<body><section epub:type="{kind}"><p>目录</p></section></body>'),
        "1.xhtml": page("<p>正文</p>"),
    }
    assert read(epub(pages))[0] == "正文\n"


def test_an_undeclared_page_of_links_is_contents_but_a_linked_chapter_is_not(read):
    links = "".join(f'<p><a href="{n}.xhtml">第{n}章</a></p>' for n in range(1, 9))
    pages = {"0.xhtml": page(links), "1.xhtml": page('<a id="c1"><p>正文从这里开始。</p>' * 9)}
    text, book = read(epub(pages))
    assert text == "正文从这里开始。\n" * 9
    assert book.omitted == {"contents": 24}


def test_a_page_that_the_contents_call_contents_is_left_out(read):
    pages = {"0.xhtml": page("第一回<br/>第二回"), "1.xhtml": page("<p>正文</p>")}
    text, book = read(epub(pages, labels=[("0.xhtml", "目錄"), ("1.xhtml", "第一回")]))
    assert text == "第一回\n\n正文\n"


def test_a_book_all_outside_the_reading_order_is_read(read):
    assert read(epub({"1.xhtml": page("<p>正文</p>")}, linear=["1.xhtml"]))[0] == "正文\n"


def test_paths_are_percent_encoded_relative_and_of_any_case(read):
    pages = {"Text/%E7%AC%AC1.xhtml": page("<p>正文</p>")}
    content = epub(pages)
    renamed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(renamed, "w") as new:
        for name in old.namelist():
            target = "OEBPS/text/第1.xhtml" if "%E7" in name else name
            new.writestr(target, old.read(name))
    assert read(renamed.getvalue())[0] == "正文\n"


# EPUB: headings


def test_a_page_without_heading_gets_its_label_from_the_ncx(read):
    pages = {"1.xhtml": page("<p>甲</p>"), "2.xhtml": page("<p>乙</p>")}
    text, _ = read(epub(pages, labels=[("1.xhtml", "第一回 山"), ("2.xhtml#top", "第二回 水")]))
    assert text == "第一回 山\n\n甲\n\n第二回 水\n\n乙\n"


def test_a_line_that_repeats_the_label_becomes_the_heading(read):
    pages = {"1.xhtml": page("<h3>书名</h3><p>第一回　山</p><p>甲</p>")}
    text, _ = read(epub(pages, labels=[("1.xhtml", "第一回 山")]))
    assert text == "书名\n\n第一回　山\n\n甲\n"


def test_several_labels_in_one_page_stand_at_their_anchors(read):
    body = '<p id="a">甲</p><p>甲二</p><div id="b"><p>第二章</p><p>乙</p></div><p id="c">丙</p>'
    labels = [("1.xhtml#a", "第一章"), ("1.xhtml#b", "第二章"), ("1.xhtml#c", "第三章")]
    text = body_text(read, body, labels=labels)
    assert text == "第一章\n\n甲\n甲二\n\n第二章\n\n乙\n\n第三章\n\n丙\n"


def test_the_title_of_a_page_is_a_heading_only_where_it_is_its_own(read):
    pages = {
        "1.xhtml": page("<p>甲</p>", title="第一章"),
        "2.xhtml": page("<p>乙</p>", title="渡口"),
        "3.xhtml": page("<p>丙</p>", title="第一章"),
        "4.xhtml": page("<p>丁</p>", title="part0004"),
    }
    assert read(epub(pages))[0] == "第一章\n\n甲\n\n乙\n\n丙\n\n丁\n"


def test_a_heading_over_two_lines_is_one_title(read):
    assert body_text(read, "<h2>第一回<br/>山与水</h2><p>甲</p>") == "第一回　山与水\n\n甲\n"


# EPUB: the text of a page


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<p>甲<br/>乙<br>丙</p>", "甲\n乙\n丙\n"),
        ("<p>　　缩进留着</p>", "　　缩进留着\n"),
        ("<p>他说\n    走罢。</p>", "他说走罢。\n"),
        ("<p>he\n   said</p>", "he said\n"),
        ("<p>甲 <b>乙</b> 丙</p>", "甲 乙 丙\n"),
        ("<p>甲</p>\n\n<p>&nbsp;</p><p/><p>乙</p>", "甲\n乙\n"),
        ("<p>甲</p><hr/><p>乙</p>", "甲\n\n乙\n"),
        ("<p>&ldquo;A&amp;B&rdquo;&#x3002;&hellip;&mdash;</p>", "“A&B”。…—\n"),
        ("<pre>一\n二</pre>", "一\n二\n"),
        ("<p>甲<!-- 不见 --><script>x</script><style>y</style></p>", "甲\n"),
        ("<p>甲<![CDATA[<乙>]]></p>", "甲<乙>\n"),
        ("<table><tr><td>甲</td><td>乙</td></tr><tr><td>丙</td></tr></table>", "甲　乙\n丙\n"),
        ("<div>甲<p>乙</p>丙</div>", "甲\n乙\n丙\n"),
        ("<p>甲<b><i>乙</p><p>丙", "甲乙\n丙\n"),
        ("<p>𠮷😀</p>", "𠮷😀\n"),
        ("甲<a id='x'/>乙<title/>", "甲乙\n"),
    ],
)
def test_the_text_of_a_page(read, body, text):
    assert body_text(read, body) == text


@pytest.mark.parametrize(
    ("body", "text", "omitted"),
    [
        ("<ruby>漢<rp>(</rp><rt>hàn</rt><rp>)</rp>字<rt>zì</rt></ruby>。", "漢字。\n", {"ruby": 5}),
        ('<p>甲<a epub:type="noteref" href="#n">[12]</a></p>', "甲\n", {"note_marks": 4}),
        ('<p>甲<sup><a href="x.xhtml#n">①</a></sup>乙</p>', "甲乙\n", {"note_marks": 1}),
        ('<p>甲<a href="#n"><sup>1</sup></a></p>', "甲\n", {"note_marks": 1}),
        ("<p>x<sup>2</sup></p>", "x2\n", {}),
        ('<p>甲<a href="#n">乙</a></p>', "甲乙\n", {}),
        ('<p>甲</p><aside epub:type="footnote"><p>注文</p></aside>', "甲\n", {"notes": 2}),
        (DUOKAN, "甲\n", {"images": 1, "notes": 2}),
        ('<p>甲<img alt="图" src="a.png"/></p>', "甲\n", {"images": 1}),
    ],
)
def test_what_is_not_running_text_is_left_out_and_counted(read, body, text, omitted):
    read_text, book = read(epub({"1.xhtml": page(body)}))
    assert (read_text, book.omitted) == (text, omitted)


@pytest.mark.parametrize(
    ("declared", "codec"),
    [("gb2312", "gb18030"), ("big5", "big5"), ("utf-16", "utf-16"), ("UTF-8", "utf-8-sig")],
)
def test_the_declared_encoding_of_a_page_is_used(read, declared, codec):
    source = (
        f'<?xml version="1.0" encoding="{declared}"?><html><body><p>渡口上有人</p></body></html>'
    )
    assert read(epub({"1.xhtml": source.encode(codec)}))[0] == "渡口上有人\n"


def test_a_page_without_declaration_in_gbk_is_read_and_rubbish_is_counted(read):
    assert read(epub({"1.xhtml": "<p>渡口上有人</p>".encode("gbk")}))[0] == "渡口上有人\n"
    text, book = read(epub({"1.xhtml": b"<p>ok \xff\xfe\x80</p>"}))
    assert text == "ok \ufffd\ufffd\ufffd\n" and book.omitted == {"undecodable": 3}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", ["<!--", "<![CDATA[", "<?", "</a ", "<a ", '<sup><a href="#x">1'])
def test_a_page_of_marks_that_never_end_takes_linear_time(piece):
    from novelkit.download.xhtml import read_page

    # 30,000 comments alone take Python's parser ten seconds.
    count = 2_000 if "sup" in piece else 30_000
    marks = read_page((piece * count + "<p>最后一段文字还在这里。</p>").encode())
    assert marks.lines[-1].text == "最后一段文字还在这里。"


def test_comments_and_instructions_with_tags_inside_are_dropped(read):
    body = "<p>甲<!-- <p>不见</p> > --><?php echo '>' ?>乙 3 < 5 a<b</p>"
    assert body_text(read, body) == "甲' ?>乙 3 < 5 a<b\n"


def test_a_page_nested_beyond_the_limit_of_recursion(read):
    assert body_text(read, "<div>" * 20_000 + "深" + "</div>" * 20_000) == "深\n"


@settings(max_examples=60, deadline=None)
@given(
    paragraphs=st.lists(
        st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc", "Cf", "Z")), min_size=1),
        min_size=1,
        max_size=6,
    )
)
def test_no_character_of_a_paragraph_is_lost(paragraphs):
    from xml.sax.saxutils import escape

    from novelkit.download.xhtml import read_page

    source = page("".join(f"<p>{escape(text)}</p>" for text in paragraphs))
    assert [line.text for line in read_page(source.encode()).lines] == paragraphs


# EPUB: what is refused


def test_drm_is_refused_and_scrambled_fonts_are_not(read):
    def encryption(algorithm):
        return {
            "META-INF/encryption.xml": '<encryption xmlns:enc="http://www.w3.org/2001/04/xmlenc#">'
            f'<enc:EncryptedData><enc:EncryptionMethod Algorithm="{algorithm}"/>'
            "</enc:EncryptedData></encryption>"
        }

    pages = {"1.xhtml": page("<p>正文</p>")}
    fonts = encryption("http://www.idpf.org/2008/embedding")
    assert read(epub(pages, **fonts))[0] == "正文\n"
    with pytest.raises(InputError, match="DRM"):
        read(epub(pages, **encryption("http://www.w3.org/2001/04/xmlenc#aes128-cbc")))


@pytest.mark.parametrize(
    "members",
    [
        {"a.txt": "x"},
        {"META-INF/container.xml": ""},
        {"META-INF/container.xml": "<a/>"},
        {"META-INF/container.xml": CONTAINER},
        {"META-INF/container.xml": CONTAINER, "OEBPS/content.opf": "<package/>"},
        {"META-INF/container.xml": CONTAINER, "OEBPS/content.opf": "not xml at all"},
    ],
)
def test_an_incomplete_epub_is_refused_in_one_line(read, members):
    with pytest.raises(InputError) as caught:
        read(make_zip(members))
    assert "书.epub" in str(caught.value) and "\n" not in str(caught.value)


def test_a_page_that_is_missing_is_named(read):
    content = epub({"1.xhtml": page("<p>甲</p>"), "2.xhtml": page("<p>乙</p>")})
    kept = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(kept, "w") as new:
        for name in old.namelist():
            if not name.endswith("2.xhtml"):
                new.writestr(name, old.read(name))
    with pytest.raises(InputError, match=r"2\.xhtml"):
        read(kept.getvalue())


def test_an_epub_of_pictures_is_refused(read):
    with pytest.raises(InputError, match="没有文字"):
        read(epub({"1.xhtml": page('<img src="1.jpg"/>')}))


def test_entities_of_a_page_are_neither_expanded_nor_fetched(read):
    text, _ = read(epub({"1.xhtml": BOMB + page("<p>甲&j;&file;乙</p>")}))
    # bs4 drops the semicolon of what it does not know.
    assert text == "甲&j&file乙\n"


def with_package(content, change):
    """An EPUB whose package document went through `change`."""
    with zipfile.ZipFile(io.BytesIO(content)) as old:
        members = {name: old.read(name).decode("utf-8") for name in old.namelist()}
    return make_zip(members | {"OEBPS/content.opf": change(members["OEBPS/content.opf"])})


def test_a_package_that_fetches_a_file_gets_nothing(read, tmp_path):
    (tmp_path / "secret.txt").write_text("秘密", encoding="utf-8")
    doctype = f'<!DOCTYPE p [<!ENTITY f SYSTEM "{(tmp_path / "secret.txt").as_uri()}">]>'
    content = epub({"1.xhtml": page("<p>甲</p>")})
    text, book = read(with_package(content, lambda opf: doctype + opf.replace("渡口", "渡&f;口")))
    assert "秘密" not in text + book.title and book.title.startswith("渡")


def test_a_package_that_expands_without_end_is_refused(read):
    content = epub({"1.xhtml": page("<p>甲</p>")})
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"content\.opf"):
            read(with_package(content, lambda opf: BOMB + opf.replace("渡口", "渡&j;口")))
        assert tracemalloc.get_traced_memory()[1] < 20 * MIB
    finally:
        tracemalloc.stop()


def test_a_package_with_a_bare_ampersand_is_mended_and_a_torn_one_refused(read):
    content = epub({"1.xhtml": page("<p>甲</p>"), "2.xhtml": page("<p>乙</p>")})
    mended = with_package(content, lambda opf: opf.replace("渡口", "渡 & 口&nbsp;"))
    assert read(mended)[0] == "甲\n\n乙\n"
    for end in ('<itemref idref="i1"', "</spine>", "</package>"):
        torn = with_package(content, lambda opf, end=end: opf[: opf.index(end)])
        with pytest.raises(InputError, match=r"content\.opf"):
            read(torn)


def test_a_page_of_the_spine_that_the_manifest_lacks_is_counted(read):
    content = epub({"1.xhtml": page("<p>甲</p>"), "2.xhtml": page("<p>乙</p>")})
    text, book = read(with_package(content, lambda opf: opf.replace('idref="i1"', 'idref="x"')))
    assert (text, book.omitted) == ("甲\n", {"missing": 1})


def test_the_pages_of_a_book_share_its_limit(read):
    pages = {f"{n}.xhtml": page(f"<p>{chr(0x4E00 + n) * 40_000}</p>") for n in range(12)}
    assert read(epub(pages))[0]
    with pytest.raises(InputError, match="上限"):
        read(epub(pages), maximum_bytes=MIB)


def test_a_page_of_too_many_tags_is_refused(read):
    filler = "".join(f"<b{n}>" for n in range(500_001))
    with pytest.raises(InputError, match="标签"):
        read(epub({"1.xhtml": page(filler)}))


@settings(max_examples=80, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=5),
    member=st.sampled_from(["META-INF/container.xml", "OEBPS/content.opf", "OEBPS/1.xhtml"]),
)
def test_a_damaged_epub_is_read_or_refused(tmp_path_factory, changes, member):
    with zipfile.ZipFile(io.BytesIO(epub({"1.xhtml": page("<h1>一</h1><p>正文</p>")}))) as old:
        members = {name: old.read(name) for name in old.namelist()}
    content = bytearray(members[member])
    for place, value in changes:
        content[place % len(content)] = value
    path = tmp_path_factory.getbasetemp() / "damaged.epub"
    path.write_bytes(make_zip(members | {member: bytes(content)}))
    try:
        assert all(isinstance(book.content, bytes) for book in read_books(path))
    except InputError as error:
        assert "\n" not in str(error)


def test_a_book_inside_a_zip(tmp_path):
    path = tmp_path / "合集.zip"
    path.write_bytes(make_zip({"渡口.epub": epub({"1.xhtml": page("<p>正文</p>")})}))
    (book,) = read_books(path)
    assert (book.name, book.container) == ("合集.zip/渡口.epub", "zip/epub")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real files are not here")
def test_a_real_epub_of_70_chapters_comes_in_order():
    path = next((SHARED / "dirty").glob("s29_*.epub"))
    (book,) = read_books(path)
    lines = book.content.decode("utf-8").split("\n")
    headings = [
        line
        for before, line, after in zip(lines, lines[1:], lines[2:], strict=False)
        if not before and line and not after
    ]
    digits = "一二三四五六七八九"
    tens = ["", "十", *(f"{digit}十" for digit in digits[1:6])]
    numbers = [ten + digit for ten in tens for digit in ["", *digits]][1:] + ["七十"]
    assert headings[0].startswith("楔子")
    assert [line.partition("　")[0] for line in headings[1:]] == [f"第{n}回" for n in numbers]
    assert (book.title, book.author) == ("水滸傳", "施耐庵")
    assert len(book.content.decode("utf-8")) > 500_000


# Word

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def word(build):
    """The bytes of a Word document that `build` has filled."""
    docx = pytest.importorskip("docx")
    document = docx.Document()
    build(document)
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def paragraph(document, xml):
    """Append a paragraph whose content is this XML."""
    from docx.oxml import parse_xml

    element = parse_xml(f'<w:p xmlns:w="{W}">{xml}</w:p>')
    document.element.body.insert(len(document.element.body) - 1, element)


def run(text, tag="t"):
    return f"<w:r><w:{tag}>{text}</w:{tag}></w:r>"


def test_paragraphs_headings_and_tables_in_order(read):
    def build(document):
        document.core_properties.title, document.core_properties.author = "渡口", "某甲"
        document.add_heading("第一章\n山", 1)
        document.add_paragraph("　　甲")
        document.add_paragraph("")
        table = document.add_table(1, 2)
        table.cell(0, 0).text, table.cell(0, 1).text = "左", "右"
        document.add_paragraph("乙一\n乙二")
        document.add_heading("第二章", 2)
        document.add_paragraph("丙")
        document.sections[0].header.paragraphs[0].text = "页眉"

    text, book = read(word(build), ".docx")
    assert text == "第一章　山\n\n　　甲\n左\n右\n乙一\n乙二\n\n第二章\n\n丙\n"
    assert (book.title, book.author, book.container) == ("渡口", "某甲", "docx")


def test_insertions_stay_and_deletions_are_counted(read):
    def build(document):
        paragraph(
            document,
            run("甲")
            + f'<w:ins w:id="1" w:author="x">{run("加")}</w:ins>'
            + f'<w:del w:id="2" w:author="x">{run("删去", "delText")}</w:del>'
            + run("乙"),
        )

    text, book = read(word(build), ".docx")
    assert (text, book.omitted) == ("甲加乙\n", {"deleted": 2})


def test_content_controls_ruby_and_breaks(read):
    def build(document):
        ruby = f"<w:ruby><w:rt>{run('hàn')}</w:rt><w:rubyBase>{run('漢')}</w:rubyBase></w:ruby>"
        control = f"<w:sdt><w:sdtContent>{run('控件')}</w:sdtContent></w:sdt>"
        link = f"<w:hyperlink>{run('链接')}</w:hyperlink>"
        paragraph(
            document, f"{control}{link}<w:r>{ruby}<w:br w:type='page'/><w:br/></w:r>{run('乙')}"
        )

    text, book = read(word(build), ".docx")
    assert (text, book.omitted) == ("控件链接漢\n乙\n", {"ruby": 3})


def test_a_heading_by_outline_level_and_a_table_of_contents(read):
    def build(document):
        from docx.enum.style import WD_STYLE_TYPE

        document.styles.add_style("toc 1", WD_STYLE_TYPE.PARAGRAPH)
        document.add_paragraph("第一章 3", style="toc 1")
        paragraph(document, f'<w:pPr><w:outlineLvl w:val="0"/></w:pPr>{run("第一章")}')
        document.add_paragraph("正文")

    text, book = read(word(build), ".docx")
    assert (text, book.omitted) == ("第一章\n\n正文\n", {"contents": 4})


def numbered(document, levels):
    """Give the document a list 77 with these levels (pattern, format, linked style)."""
    from docx.oxml import parse_xml

    inner = "".join(
        f'<w:lvl w:ilvl="{i}"><w:start w:val="1"/><w:numFmt w:val="{kind}"/>'
        f'<w:pStyle w:val="{style}"/><w:lvlText w:val="{pattern}"/></w:lvl>'
        for i, (pattern, kind, style) in enumerate(levels)
    )
    root = document.part.numbering_part.element
    for xml in (
        f'<w:abstractNum xmlns:w="{W}" w:abstractNumId="77">{inner}</w:abstractNum>',
        f'<w:num xmlns:w="{W}" w:numId="77"><w:abstractNumId w:val="77"/></w:num>',
    ):
        root.append(parse_xml(xml))


NUMBER = '<w:numPr xmlns:w="{W}">{level}<w:numId w:val="77"/></w:numPr>'


def test_numbers_that_word_puts_before_headings_are_text(read):
    def build(document):
        from docx.oxml import parse_xml

        levels = [
            ("第%1卷", "chineseCountingThousand", "Heading1"),
            ("第%2章", "decimal", "Heading2"),
        ]
        numbered(document, levels)
        for name in ("Heading 1", "Heading 2"):
            properties = document.styles[name].element.get_or_add_pPr()
            properties.append(parse_xml(NUMBER.format(W=W, level="")))
        for level, text in [(1, "山"), (2, "甲"), (2, "乙"), (1, "水"), (2, "丙")]:
            document.add_heading(text, level)
            document.add_paragraph("文")

    text, book = read(word(build), ".docx")
    headings = [line for line in text.split("\n") if line not in ("", "文")]
    assert headings == ["第一卷 山", "第1章 甲", "第2章 乙", "第二卷 水", "第1章 丙"]
    assert book.omitted == {}


def test_numbers_of_other_lists_are_counted_and_unknown_formats_leave_the_heading(read):
    def build(document):
        numbered(document, [("%1.", "upperRoman", "x")])
        number = NUMBER.format(W=W, level='<w:ilvl w:val="0"/>')
        for extra in ('<w:outlineLvl w:val="0"/>', ""):
            paragraph(document, f"<w:pPr>{number}{extra}</w:pPr>{run('一条')}")

    text, book = read(word(build), ".docx")
    assert (text, book.omitted) == ("一条\n\n一条\n", {"numbering": 2})


def test_counts_in_hanzi():
    from novelkit.download.word_numbers import hanzi

    shown = {
        1: "一",
        10: "十",
        12: "十二",
        20: "二十",
        103: "一百零三",
        110: "一百一十",
        2010: "二千零一十",
    }
    assert {count: hanzi(count) for count in shown} == shown


@pytest.mark.parametrize("content", [b"not a zip", make_zip({"a.xml": "<a/>"}), b""])
def test_what_is_no_word_document_is_refused(read, content):
    pytest.importorskip("docx")
    with pytest.raises(InputError):
        read(content, ".docx")


def test_an_empty_word_document_is_refused(read):
    with pytest.raises(InputError, match="没有文字"):
        read(word(lambda document: None), ".docx")


def rewritten(content, change):
    """A Word file whose main part went through `change`."""
    with zipfile.ZipFile(io.BytesIO(content)) as old:
        members = {name: old.read(name) for name in old.namelist()}
    main = members["word/document.xml"].decode("utf-8")
    return make_zip(members | {"word/document.xml": change(main)})


def test_entities_in_a_word_document_are_not_expanded(read):
    def change(xml):
        head, rest = xml.split("?>", 1)
        return f"{head}?>{BOMB}{rest.replace('标记', '甲&j;&file;乙')}"

    content = rewritten(word(lambda document: document.add_paragraph("标记")), change)
    try:
        text, _ = read(content, ".docx")
    except InputError:
        return
    assert len(text) < 100


def test_a_word_document_of_zeros_is_refused(read):
    content = rewritten(
        word(lambda document: document.add_paragraph("甲")),
        lambda xml: xml.replace("</w:body>", " " * (20 * MIB) + "</w:body>"),
    )
    with pytest.raises(InputError, match="压缩炸弹"):
        read(content, ".docx")


@settings(max_examples=20, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=5))
def test_a_damaged_word_document_is_read_or_refused(tmp_path_factory, changes):
    def change(xml):
        content = bytearray(xml.encode("utf-8"))
        for place, value in changes:
            content[place % len(content)] = value
        return bytes(content)

    path = tmp_path_factory.getbasetemp() / "damaged.docx"
    path.write_bytes(rewritten(word(lambda document: document.add_paragraph("甲")), change))
    try:
        assert all(isinstance(book.content, bytes) for book in read_books(path))
    except InputError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("module", "suffix", "package"),
    [("docx", ".docx", "python-docx"), ("bs4", ".epub", "beautifulsoup4")],
)
def test_a_missing_library_is_named(read, monkeypatch, module, suffix, package):
    content = (
        word(lambda document: document.add_paragraph("甲"))
        if module == "docx"
        else epub({"1.xhtml": page("<p>正文</p>")})
    )
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(InputError, match=f"pip install {package}"):
        read(content, suffix)
