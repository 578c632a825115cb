"""Reading books out of files, folders, archives and documents."""

import gzip
import io
import os
import stat
import struct
import sys
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest
from helpers_books import assemble_zip, make_zip, zip_of_raw_names
from hypothesis import example, given, settings
from hypothesis import strategies as st

from novelkit.download.archives import MIB
from novelkit.download.books import list_books, read_books
from novelkit.download.documents import Line, lay_out
from novelkit.download.member_names import (
    decode_names,
    local_name,
    natural_key,
    safe_member_name,
)
from novelkit.errors import InputError

SHARED = Path(__file__).resolve().parents[2] / "shared"
TEXT = "第一回　渡口\n　　天亮以前，渡口上只有一盏灯还亮着。\n".encode("gb18030")


@pytest.fixture
def make(tmp_path):
    """Writes a file of the given bytes and returns its path."""

    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return write


def names(path, **options):
    return [book.name for book in read_books(path, **options)]


def only(path, **options):
    (book,) = read_books(path, **options)
    return book


def refusal(path, **options):
    with pytest.raises(InputError) as caught:
        list(read_books(path, **options))
    message = str(caught.value)
    assert "\n" not in message
    return message


# Files and folders


@pytest.mark.parametrize("name", ["书.txt", "书.md", "书.HTML", "书.htm", "书.xhtml", "没有后缀"])
def test_text_files_are_passed_on_byte_for_byte(make, name):
    content = b"\xef\xbb\xbf<html><body>\r\n" + TEXT + bytes(range(256))
    book = only(make(name, content))
    assert (book.name, book.content, book.container) == (name, content, "")


def test_an_empty_file_is_refused(make):
    assert "空文件" in refusal(make("书.txt", b""))


def test_a_missing_path_is_named(tmp_path):
    assert "没有这本.txt" in refusal(tmp_path / "没有这本.txt")


def test_where_nothing_can_be_read_what_was_there_is_named(tmp_path):
    for name in ("红楼梦.pdf", "a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / name).write_bytes(b"?")
    with pytest.raises(InputError, match=r"红楼梦.pdf（PDF 里只有版面.*等 4 个文件"):
        list(read_books(tmp_path))


def test_a_bad_book_among_good_ones_is_left_out_if_somebody_is_told(tmp_path):
    members = {"1.txt": b"x", "2.epub": b"?", "3.txt": b"z"}
    (tmp_path / "a.zip").write_bytes(make_zip(members))
    (tmp_path / "b.docx").write_bytes(b"?")
    (tmp_path / "c.txt").write_bytes(b"y")
    told = []
    books = read_books(tmp_path, skipped=lambda name, reason: told.append((name, reason)))
    assert [book.content for book in books] == [b"x", b"z", b"y"]
    assert [name.rpartition("/")[2] for name, _ in told] == ["2.epub", "b.docx"]
    assert all("zip" in reason for _, reason in told)
    with pytest.raises(InputError, match=r"2\.epub"):
        list(read_books(tmp_path))


def test_a_bad_book_alone_is_refused_even_if_somebody_is_told(make):
    with pytest.raises(InputError, match="不是完整的 zip"):
        list(read_books(make("a.epub", b"?"), skipped=lambda name, reason: None))


def test_a_folder_without_books_is_refused(make):
    assert "没有能读的书" in refusal(make("夹/图.png", b"x").parent)


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("书.pdf", b"%PDF-1.4", "PDF"),
        ("书.doc", b"x", ".docx"),
        ("书.mobi", b"x", "EPUB"),
        ("书.rar", b"x", "解压"),
        ("书.tar", b"x", "解压"),
        ("无后缀", b"Rar!\x1a\x07\x01\x00", "解压"),
    ],
)
def test_formats_that_are_not_read_say_what_to_do(make, name, content, word):
    assert word in refusal(make(name, content))


def test_a_zip_without_its_suffix_is_recognised(make):
    assert names(make("下载", make_zip({"a.txt": "a"}))) == ["下载/a.txt"]


def test_a_folder_is_read_in_the_order_of_its_chapters(make, tmp_path):
    files = ["第10章.txt", "第2章.txt", "第1章.txt", "卷二/第一章.txt", "卷十/第一章.txt"]
    for name in [*files, ".hidden.txt", ".git/x.txt", "~$书.docx", "图.png", "__MACOSX/y.txt"]:
        make(f"书架/{name}", b"text")
    seen = []
    read = names(tmp_path / "书架", skipped=lambda name, reason: seen.append((name, reason)))
    order = ["卷二/第一章.txt", "卷十/第一章.txt", "第1章.txt", "第2章.txt", "第10章.txt"]
    assert sorted(read) == sorted(f"书架/{name}" for name in files)
    assert [name for name in read if "卷" not in name] == [f"书架/{n}" for n in order[2:]]
    assert read.index("书架/卷二/第一章.txt") < read.index("书架/卷十/第一章.txt")
    assert seen == [("书架/图.png", "不是书的格式（.png）")]


def test_listing_has_no_file_twice_and_leaves_out_the_excluded_folder(make, tmp_path):
    first, second = make("夹/乙.txt", b"b"), make("夹/甲.epub", b"a")
    make("夹/data/novel.txt", b"ours")
    listed = list_books([second, tmp_path / "夹", first], exclude=tmp_path / "夹" / "data")
    assert listed == [second, first]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_in_a_circle_end_and_links_to_files_are_listed_once(make, tmp_path):
    book = make("夹/书.txt", b"text")
    (tmp_path / "夹" / "again").symlink_to(tmp_path / "夹", target_is_directory=True)
    (tmp_path / "夹" / "同.txt").symlink_to(book)
    (tmp_path / "夹" / "broken.txt").symlink_to(tmp_path / "gone")
    (tmp_path / "夹" / "self.txt").symlink_to(tmp_path / "夹" / "self.txt")
    assert len(list_books([tmp_path / "夹"])) == 1


def test_an_unreadable_file_is_named(make, monkeypatch):
    path = make("书.txt", b"text")

    def refuse(self, *_, **__):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    assert "书.txt" in refusal(path) and "权限" in refusal(path)


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")
def test_a_local_name_of_gbk_bytes_becomes_readable(tmp_path):
    raw = os.fsencode(tmp_path) + b"/" + "红楼梦.txt".encode("gbk")
    Path(os.fsdecode(raw)).write_bytes(b"text")
    assert names(tmp_path) == [f"{tmp_path.name}/红楼梦.txt"]


def test_a_book_above_the_limit_is_refused_before_it_is_read(make):
    assert "上限" in refusal(make("书.txt", bytes(2 * MIB)), maximum_bytes=MIB)


# Names


@pytest.mark.parametrize("title", ["红楼梦", "三国演义", "水浒传", "骆驼祥子", "平凡的世界", "雪"])
def test_names_in_gbk_without_a_flag_are_readable(make, title):
    path = make("合集.zip", zip_of_raw_names([f"{title}.txt".encode("gbk")]))
    assert names(path) == [f"合集.zip/{title}.txt"]


@pytest.mark.parametrize("title", ["紅樓夢", "三國演義", "水滸傳", "楊太真外傳", "儒林外史"])
def test_names_in_big5_without_a_flag_are_readable(make, title):
    path = make("合集.zip", zip_of_raw_names([f"{title}.txt".encode("big5")]))
    assert names(path) == [f"合集.zip/{title}.txt"]


def test_names_in_utf8_without_a_flag_are_readable(make):
    path = make("合集.zip", zip_of_raw_names(["红楼梦.txt".encode(), "紅樓夢.txt".encode()]))
    assert sorted(names(path)) == ["合集.zip/紅樓夢.txt", "合集.zip/红楼梦.txt"]


def test_western_names_stay_code_page_437():
    assert decode_names(["Müller café.txt".encode("cp437")]) == ["Müller café.txt"]
    assert local_name("Größe Señor.txt") == "Größe Señor.txt"


def test_a_backslash_inside_a_big5_character_is_no_folder(make):
    # 功 is A5 5C: its second byte is a backslash.
    assert b"\\" in "功".encode("big5")
    path = make("a.zip", zip_of_raw_names(["成功之路與許多功課.txt".encode("big5")]))
    assert names(path) == ["a.zip/成功之路與許多功課.txt"]


def test_the_unicode_path_field_is_believed_if_it_belongs_to_the_name(make):
    def archive(crc):
        info = zipfile.ZipInfo("hlm.txt")
        data = b"\x01" + struct.pack("<I", crc) + "红楼梦.txt".encode()
        info.extra = struct.pack("<HH", 0x7075, len(data)) + data
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as file:
            file.writestr(info, b"text")
        return buffer.getvalue()

    assert names(make("a.zip", archive(zlib.crc32(b"hlm.txt")))) == ["a.zip/红楼梦.txt"]
    assert names(make("b.zip", archive(0))) == ["b.zip/hlm.txt"]


@pytest.mark.parametrize("codec", ["cp437", "latin-1"])
def test_a_local_name_unpacked_with_the_wrong_codec_is_repaired(codec):
    shown = "红楼梦.txt".encode("gbk").decode(codec)
    assert local_name(shown) == "红楼梦.txt"


def test_names_escaped_by_info_zip_are_repaired():
    assert local_name("#U7ea2#U697c#U68a6.txt") == "红楼梦.txt"


@given(st.text(max_size=40))
@example("../../etc/passwd")
@example("C:\\Windows\\书.txt")
@example("/abs/书.txt")
@example("a/../../b")
@example("con.txt")
def test_a_member_name_never_leaves_its_folder(name):
    safe = safe_member_name(name)
    parts = safe.split("/")
    assert safe and not safe.startswith("/") and "\\" not in safe and ":" not in safe
    assert not {"", ".", ".."} & set(parts)
    assert all(ord(char) >= 32 for char in safe)


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_any_bytes_are_some_name(raw_names):
    assert len(decode_names(raw_names)) == len(raw_names)


@given(st.text(max_size=30))
def test_a_correct_chinese_name_is_left_alone(name):
    clean = "".join(char for char in f"书{name}" if ord(char) < 0xD800).replace("#U", "")
    assert local_name(clean) == clean


@given(st.lists(st.text(alphabet="第章回一二十百零09上下（）./a书", max_size=9), max_size=8))
def test_the_natural_order_is_total(some):
    backwards = some[::-1]
    assert sorted(backwards, key=natural_key) == sorted(some, key=natural_key)


@given(st.integers(1, 9999), st.integers(1, 9999), st.sampled_from(["{}", "第{}章", "卷{} 山"]))
def test_numbers_are_ordered_by_value(one, other, pattern):
    keys = [natural_key(f"{pattern.format(number)}.txt") for number in (one, other)]
    assert (keys[0] < keys[1]) == (one < other)


def test_chinese_numerals_are_ordered_by_value():
    order = [
        "第一回",
        "第二回",
        "第九回",
        "第十回",
        "第十一回",
        "第二十回",
        "第一百回",
        "第一百零二回",
    ]
    assert sorted(sorted(order), key=natural_key) == order != sorted(order)
    parts = ["书（上）.txt", "书（中）.txt", "书（下）.txt"]
    assert sorted(sorted(parts), key=natural_key) == parts != sorted(parts)


# ZIP


def test_members_come_in_order_and_one_level_of_nesting_is_opened(make):
    innermost = make_zip({"深.txt": "3"})
    inner = make_zip({"里.txt": "2", "最里.zip": innermost})
    outer = make_zip({"第10章.txt": "b", "第2章.txt": "a", "内.zip": inner, "图.png": "x"})
    seen = []
    read = list(read_books(make("外.zip", outer), skipped=lambda *note: seen.append(note)))
    assert [(book.name, book.content, book.container) for book in read] == [
        ("外.zip/内.zip/里.txt", b"2", "zip/zip"),
        ("外.zip/第2章.txt", b"a", "zip"),
        ("外.zip/第10章.txt", b"b", "zip"),
    ]
    assert sorted(name for name, _ in seen) == ["外.zip/内.zip/最里.zip", "外.zip/图.png"]


def test_rubbish_of_macos_hidden_files_and_links_are_not_books(make):
    link = stat.S_IFLNK << 16
    entries = [
        (b"__MACOSX/._book.txt", b"x", 0, None, 0),
        (b".hidden.txt", b"x", 0, None, 0),
        (b"link.txt", b"/etc/passwd", 0, None, link),
        (b"folder.txt/", b"", 0, None, 0),
        (b"windows.txt\\", b"", 0, None, 0),
        (b"book.txt", b"text", 0, None, 0),
    ]
    assert names(make("a.zip", assemble_zip(entries))) == ["a.zip/book.txt"]


def test_paths_that_escape_are_only_names(make, tmp_path):
    entries = [
        (raw, b"x", 0, None, 0)
        for raw in (b"../../up.txt", b"/abs.txt", b"C:\\win\\w.txt", b"..\\b.txt")
    ]
    before = sorted(tmp_path.parent.rglob("*"))
    path = make("a.zip", assemble_zip(entries))
    assert sorted(names(path)) == [
        "a.zip/abs.txt",
        "a.zip/b.txt",
        "a.zip/up.txt",
        "a.zip/win/w.txt",
    ]
    assert sorted(tmp_path.parent.rglob("*")) == sorted([*before, path])


def test_a_password_is_named(make):
    content = assemble_zip([("红楼梦.txt".encode("gbk"), b"x" * 20, 1, None, 0)])
    message = refusal(make("锁.zip", content))
    assert "有密码" in message and "红楼梦.txt" in message


def test_a_wrong_checksum_names_the_member(make):
    content = bytearray(make_zip({"好.txt": "good", "坏.txt": "bad text"}, zipfile.ZIP_STORED))
    content[content.index(b"bad text")] ^= 1
    path = make("a.zip", bytes(content))
    reader = read_books(path)
    with pytest.raises(InputError, match=r"a\.zip/坏\.txt"):
        list(reader)


@pytest.mark.parametrize("size", [5, 200_000])
def test_a_size_that_lies_is_refused(make, size):
    content = assemble_zip(
        [(b"a.txt", b"x" * 1000, 0, size, 0), (b"b.txt", b"y" * 500, 0, None, 0)]
    )
    assert "a.zip" in refusal(make("a.zip", content))


def test_a_truncated_archive_is_refused(make):
    content = make_zip({f"{number}.txt": os.urandom(500) for number in range(5)})
    assert "zip" in refusal(make("a.zip", content[: len(content) // 2]))


def test_a_web_page_named_zip_is_refused(make):
    assert "zip" in refusal(make("a.zip", b"<html>404</html>"))


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_that_python_has(make, compression):
    content = TEXT * 1000
    assert only(make("a.zip", make_zip({"a.txt": content}, compression))).content == content


@pytest.mark.parametrize("method", [9, 98])
def test_a_compression_that_python_lacks_is_named(make, method):
    changed = bytearray(make_zip({"a.txt": "text"}, zipfile.ZIP_STORED))
    changed[8:10] = struct.pack("<H", method)
    start = changed.index(b"PK\x01\x02")
    changed[start + 10 : start + 12] = struct.pack("<H", method)
    assert f"压缩方法（{method}）" in refusal(make("a.zip", bytes(changed)))


def test_zip64(make):
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w") as archive,
        archive.open("大.txt", "w", force_zip64=True) as file,
    ):
        file.write(TEXT)
    assert only(make("a.zip", buffer.getvalue())).content == TEXT


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_ratio_beyond_text_is_refused(make, compression):
    path = make("a.zip", make_zip({"a.txt": bytes(10 * MIB)}, compression))
    assert path.stat().st_size < MIB
    assert "压缩炸弹" in refusal(path)


def test_a_bomb_inside_an_archive_is_refused(make):
    bomb = make_zip({"a.txt": bytes(10 * MIB)})
    assert "压缩炸弹" in refusal(make("a.zip", make_zip({"b.zip": bomb})))
    assert "压缩炸弹" in refusal(make("b.zip", make_zip({"b.gz": gzip.compress(bytes(10 * MIB))})))


def test_many_archives_in_one_share_a_limit(make):
    inner = make_zip({"a.txt": os.urandom(MIB // 2)})
    path = make("a.zip", make_zip({f"{number}.zip": inner for number in range(4)}))
    assert len(names(path)) == 4
    assert "总共" in refusal(path, maximum_archive_bytes=3 * MIB)


def test_the_declared_total_is_refused_before_anything_is_unpacked(make):
    half_mib = os.urandom(MIB // 4).hex()
    path = make("a.zip", make_zip({f"{number}.txt": half_mib for number in range(4)}))
    assert path.stat().st_size < 3 * MIB // 2
    with pytest.raises(InputError, match="总共"):
        next(read_books(path, maximum_archive_bytes=3 * MIB // 2))


def test_too_many_members_are_refused(make):
    path = make("a.zip", make_zip({f"{number}.txt": "x" for number in range(30)}))
    assert len(names(path)) == 30
    assert "上限 29" in refusal(path, maximum_members=29)


def test_a_directory_too_large_to_read_is_refused(make):
    entries = [(b"%05d.txt" % number + b"x" * 200, b"", 0, None, 0) for number in range(6000)]
    assert "目录" in refusal(make("a.zip", assemble_zip(entries)), maximum_members=10)


def test_members_that_overlap_are_refused(make):
    """Fifield's construction in small: two directory entries for one body."""
    content = bytearray(assemble_zip([(b"a.txt", b"x" * 99, 0, None, 0)] * 2))
    second = content.rindex(b"PK\x01\x02")
    content[second + 42 : second + 46] = struct.pack("<I", 0)
    assert "重叠" in refusal(make("a.zip", bytes(content)))


def test_one_book_is_in_memory_at_a_time(make):
    content = os.urandom(MIB)
    path = make("a.zip", make_zip({f"{number}.txt": content for number in range(14)}))
    tracemalloc.start()
    try:
        assert sum(len(book.content) for book in read_books(path)) == 14 * MIB
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB


# gzip


def gzip_named(name, content):
    buffer = io.BytesIO()
    with gzip.GzipFile(filename=name, mode="wb", fileobj=buffer) as file:
        file.write(content)
    return buffer.getvalue()


def test_gzip_takes_the_name_of_its_header_or_its_own(make):
    book = only(make("下载.gz", gzip_named("book.txt", TEXT)))
    assert (book.name, book.content, book.container) == ("下载.gz/book.txt", TEXT, "gz")
    assert only(make("红楼梦.txt.gz", gzip_named("", TEXT))).name == "红楼梦.txt.gz/红楼梦.txt"


def test_a_gzip_header_with_raw_gbk_and_a_path(make):
    raw = b"../" + "红楼梦.txt".encode("gbk")
    content = bytearray(gzip.compress(TEXT))
    content[3] = 8
    content[10:10] = raw + b"\0"
    assert only(make("a.gz", bytes(content))).name == "a.gz/红楼梦.txt"


def test_concatenated_gzip_members_are_one_book(make):
    assert only(make("a.txt.gz", gzip.compress(b"one\n") + gzip.compress(b"two\n"))).content == (
        b"one\ntwo\n"
    )


@pytest.mark.parametrize("cut", [5, -4, -9, 30])
def test_a_truncated_gzip_is_refused(make, cut):
    assert "gzip" in refusal(make("a.txt.gz", gzip.compress(TEXT * 9)[:cut]))


def test_a_corrupt_gzip_is_refused(make):
    content = bytearray(gzip.compress(TEXT))
    content[-6] ^= 1
    assert "gzip" in refusal(make("a.txt.gz", bytes(content)))


def test_a_gzip_bomb_stops_early(make):
    path = make("a.txt.gz", gzip.compress(bytes(64 * MIB)))
    tracemalloc.start()
    try:
        assert "压缩炸弹" in refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 20 * MIB
    finally:
        tracemalloc.stop()


def test_gzip_stops_at_the_limit(make):
    path = make("a.txt.gz", gzip.compress(os.urandom(3 * MIB)))
    assert "上限 1 MiB" in refusal(path, maximum_bytes=MIB)


def test_a_tar_in_gzip_is_refused(make):
    assert "解压" in refusal(make("a.tar.gz", gzip.compress(b"x" * 512)))


# Any bytes


@settings(max_examples=60, deadline=None)
@given(
    data=st.binary(max_size=300),
    suffix=st.sampled_from([".zip", ".gz", ".epub", ".docx", "", ".txt"]),
    head=st.sampled_from([b"", b"PK\x03\x04", b"\x1f\x8b\x08\x08"]),
)
def test_any_bytes_are_books_or_refused(tmp_path_factory, data, suffix, head):
    read_or_refuse(tmp_path_factory, head + data, suffix)


def read_or_refuse(tmp_path_factory, content, suffix):
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(content)
    try:
        for book in read_books(path):
            assert isinstance(book.content, bytes)
    except InputError as error:
        assert "\n" not in str(error)


SAMPLES = {
    ".zip": make_zip(
        {"a.txt": TEXT, "b.gz": gzip.compress(TEXT), "c.zip": make_zip({"d.txt": "d"})}
    ),
    ".gz": gzip_named("book.txt", TEXT),
    ".lzma.zip": make_zip({"a.txt": TEXT * 5}, zipfile.ZIP_LZMA),
    ".bz2.zip": make_zip({"a.txt": TEXT * 5}, zipfile.ZIP_BZIP2),
}


@settings(max_examples=150, deadline=None)
@given(
    suffix=st.sampled_from(sorted(SAMPLES)),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, 40),
)
def test_damaged_archives_are_read_or_refused(tmp_path_factory, suffix, changes, cut):
    content = bytearray(SAMPLES[suffix])
    for place, value in changes:
        content[place % len(content)] = value
    read_or_refuse(tmp_path_factory, bytes(content[: len(content) - cut]), suffix)


# Layout of documents


@given(
    st.lists(st.builds(Line, st.text(alphabet="字a", max_size=2), st.booleans()), max_size=12),
)
def test_headings_stand_apart_and_every_text_is_kept(lines):
    laid = lay_out(lines).split("\n")
    kept = [line for line in lines if line.text]
    assert [line for line in laid if line] == [line.text for line in kept]
    assert "\n\n\n" not in lay_out(lines)
    place = -1
    for line in kept:
        place = next(i for i in range(place + 1, len(laid)) if laid[i])
        if line.heading:
            assert not laid[place + 1] and (place == 0 or not laid[place - 1])
