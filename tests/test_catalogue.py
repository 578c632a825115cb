"""The catalogue: its file, searches in every spelling, and what `download` makes of a title."""

import csv
import json
import re
import time
import unicodedata
from pathlib import Path

import pytest
from helpers_assets import script
from helpers_server import Plan, serving
from hypothesis import given
from hypothesis import strategies as st

from novelkit.__main__ import main
from novelkit.cli import download as command
from novelkit.download import (
    RECORD_SUFFIX,
    catalogue,
    download,
    download_folder,
    load_catalogue,
    search,
    session,
)
from novelkit.download.catalogue import BUNDLED, Book, by_id, fold, similar
from novelkit.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "assets" / "catalogue"
FACTS = ROOT.parent / "shared" / "gutenberg_zh.tsv"
BOOK = "第一回　甄士隱夢幻識通靈\r\n".encode() * 2000


def ids(query):
    return [book.id for book in search(query)]


# ---- the file


def test_every_book_has_an_id_a_title_and_a_script():
    books = load_catalogue()
    assert len(books) > 100
    numbers = [book.id for book in books]
    assert numbers == sorted(set(numbers)) and numbers[0] > 0
    for book in books:
        assert book.title == unicodedata.normalize("NFC", book.title).strip()
        assert book.title and book.title_simplified and book.title_traditional
        assert book.script in command.SCRIPTS
        assert re.fullmatch(r"((about|after) )?\d{4}|", book.author_death)
        assert bool(book.author_death) == bool(book.author_death_source)
        assert not re.search("[()]|active", book.author + book.author_latin)
        assert all(note in command.NOTES for note in book.note.split("; ") if note)


def test_the_forms_of_a_name_are_one_name():
    for book in load_catalogue():
        assert fold(book.title) == fold(book.title_simplified) == fold(book.title_traditional)
        assert fold(book.author) == fold(book.author_simplified) == fold(book.author_traditional)


def test_folding_twice_changes_nothing():
    variants = catalogue._variants(FOLDER)
    assert len(variants) > 100
    assert not set(map(ord, variants.values())) & variants.keys()


def test_the_files_are_what_the_script_makes(tmp_path):
    pytest.importorskip("opencc")
    if not FACTS.is_file():
        pytest.skip("needs ../shared/gutenberg_zh.tsv")
    script("catalogue/make_catalogue.py").main(FACTS, tmp_path)
    made, kept = tmp_path / catalogue.BOOKS_FILE, FOLDER / catalogue.BOOKS_FILE
    assert made.read_bytes() == kept.read_bytes()
    variants = catalogue.VARIANTS_FILE
    assert (tmp_path / variants).read_bytes() == (FOLDER / variants).read_bytes()


def test_every_fact_is_in_the_catalogue():
    if not FACTS.is_file():
        pytest.skip("needs ../shared/gutenberg_zh.tsv")
    with FACTS.open(encoding="utf-8", newline="") as file:
        facts = {int(row["id"]): row["title"] for row in csv.DictReader(file, delimiter="\t")}
    assert {book.id: book.title for book in load_catalogue()} == facts


def test_the_addresses_follow_project_gutenbergs_pattern():
    book = by_id(24264)
    assert book.url == "https://www.gutenberg.org/cache/epub/24264/pg24264.txt"
    assert book.page == "https://www.gutenberg.org/ebooks/24264"
    assert book.mirrors and all(
        re.fullmatch(r"https://[a-z.]+/cache/epub/24264/pg24264\.txt", url) for url in book.mirrors
    )
    assert not any("www.gutenberg.org" in url for url in book.mirrors)


def test_the_rights_name_what_is_known():
    assert "1763" in by_id(24264).licence and "美国" in by_id(24264).licence
    assert "不详" in by_id(25202).licence
    readme = (ROOT / "assets" / "novel" / "README.md").read_text(encoding="utf-8")
    assert "CC0" in BUNDLED.licence and "CC0" in readme


def test_parts_are_told_from_whole_books():
    assert (by_id(4572).part, by_id(4580).part) == ("1-10", "")


def test_the_bundled_novel_is_there_under_its_title():
    title = (ROOT / "assets" / "novel" / "TITLE.txt").read_text(encoding="utf-8").strip()
    assert BUNDLED.title == title and BUNDLED.file.is_file()


# ---- searching


@pytest.mark.parametrize(
    "query",
    ["红楼梦", "紅樓夢", "紅楼夢", "《红楼梦》", " 红 楼 梦 ", "24264", "pg24264", "PG24264"]
    + ["石头记", "曹雪芹", "Cao Xueqin", "cao, xueqin", "xueqin cao", "CAOXUEQIN", "红楼 曹雪芹"],
)
def test_every_spelling_finds_the_book_first(query):
    assert ids(query)[0] == 24264


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("水浒传", 23863),
        ("水滸傳", 23863),
        ("明月臺", 23843),
        ("明月台", 23843),
        ("西遊記", 23962),
        ("西游记", 23962),
        ("阿q正传", 25332),
        ("阿Ｑ正傳", 25332),
        ("彷徨", 24042),
        ("三国演义", 23950),
        ("二刻拍案惊奇", 24162),
        ("Lu Sheng", 24154),
        ("Lü, Sheng", 24154),
        ("wu chengen", 23962),
        ("缺字", 0),
    ],
)
def test_variants_of_characters_and_letters_are_one(query, number):
    assert ids(query)[0] == number


def test_exact_comes_before_prefix_before_contains():
    assert ids("红楼梦") == [24264, 25202]
    assert ids("狂人日记") == [25297, 25423]
    found = [book.title for book in search("平")]
    inside = [title.startswith("平") for title in found]
    assert True in inside and False in inside and inside == sorted(inside, reverse=True)


def test_words_that_are_one_name_come_before_words_from_two():
    found = search("Li Yu")
    assert [book.author for book in found[:2]] == ["李渔", "李渔"] and len(found) > 2


def test_a_whole_book_comes_before_its_parts():
    found = ids("粉妆楼")
    assert found[:2] == [4580, 26871] and found[2:] == list(range(4572, 4580))


def test_an_author_has_all_books():
    found = search("鲁迅")
    assert len(found) == 7 and {book.author for book in found} == {"鲁迅"}
    assert search("魯迅") == search("Lu Xun") == found


@pytest.mark.parametrize("query", ["", " ", "...", "《》", "甲乙丙丁", "红楼 吴承恩", "0", "pg0"])
def test_what_finds_nothing_in_titles(query):
    assert all(query == "0" and book.part for book in search(query))


@given(st.text(max_size=20))
def test_no_query_is_too_strange(query):
    assert all(isinstance(book, Book) for book in [*search(query), *similar(query)])


@pytest.mark.parametrize(("query", "title"), [("儒林外传", "儒林外史"), ("西遊紀", "西遊記")])
def test_a_slip_is_met_by_what_is_close(query, title):
    assert search(query) == [] and similar(query)[0].title == title


def test_a_search_is_quick():
    search("红楼梦")
    began = time.perf_counter()
    for _ in range(20):
        search("红楼梦")
    assert (time.perf_counter() - began) / 20 < 0.05


# ---- download by title


@pytest.fixture
def shelf(monkeypatch, tmp_path):
    """A local server in the place of Project Gutenberg's mirrors and its main site."""
    monkeypatch.setattr(session, "BACKOFF_SECONDS", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(BOOK) as server:
        places = [server.url + f"/{name}/pg{{id}}.txt" for name in ("one", "two", "main")]
        monkeypatch.setattr(catalogue, "MIRRORS", tuple(places[:2]))
        monkeypatch.setattr(catalogue, "MAIN_SITE", places[2])
        yield server


def requested(server):
    return [path for path, _ in server.requests]


@pytest.mark.parametrize("what", ["红楼梦", "紅樓夢", "石头记", "24264", "pg24264", 24264])
def test_a_title_or_number_is_fetched_from_a_mirror(shelf, tmp_path, what):
    got = download(what, tmp_path)
    assert got.path == tmp_path / "紅樓夢.txt" and got.path.read_bytes() == BOOK
    assert requested(shelf) == ["/one/pg24264.txt"]
    assert (got.title, got.author, got.id) == ("紅樓夢", "曹雪芹", 24264)
    record = json.loads((tmp_path / ("紅樓夢.txt" + RECORD_SUFFIX)).read_text(encoding="utf-8"))
    assert record["licence"] == got.licence and "1763" in got.licence
    assert record["source"] == got.source == shelf.url + "/main/pg24264.txt"
    assert record["mirror"] == got.mirror == shelf.url + "/one/pg24264.txt"
    assert {"title", "author", "id"} <= record.keys()


def test_mirrors_of_the_user_come_first_and_the_main_site_last(shelf, tmp_path):
    shelf.plan = Plan(b"no", status=404)
    with pytest.raises(InputError, match="4 个地址都没有"):
        download("红楼梦", tmp_path, mirrors=[shelf.url + "/mine.txt"])
    places = ["/mine.txt", "/one/pg24264.txt", "/two/pg24264.txt", "/main/pg24264.txt"]
    assert requested(shelf) == places


def test_a_book_that_is_there_is_not_fetched_again(shelf, tmp_path):
    first = download("红楼梦", tmp_path)
    again = download(24264, tmp_path)
    assert again.reused and (again.path, again.sha256) == (first.path, first.sha256)
    assert len(shelf.requests) == 1
    assert download("红楼梦", tmp_path, name="b.txt").path.name == "b.txt"
    assert download("红楼梦", tmp_path, name="b.txt").reused and len(shelf.requests) == 2


@pytest.mark.parametrize("change", ["book", "record", "gone"])
def test_a_book_that_changed_on_disk_is_fetched_anew(shelf, tmp_path, change):
    first = download("红楼梦", tmp_path).path
    record = first.with_name(first.name + RECORD_SUFFIX)
    if change == "gone":
        first.unlink()
    else:
        (first if change == "book" else record).write_bytes(b"changed")
    again = download("红楼梦", tmp_path)
    assert again.path.read_bytes() == BOOK and len(shelf.requests) == 2
    assert change != "book" or first.read_bytes() == b"changed"


def test_two_ids_of_one_title_get_two_names(shelf, tmp_path):
    names = [download(number, tmp_path).path.name for number in (23838, 23842)]
    assert names == ["楊家將 pg23838.txt", "楊家將 pg23842.txt"]


def test_a_number_outside_of_the_catalogue_is_fetched_if_meant(shelf, tmp_path):
    assert download("pg1342", tmp_path).path.name == "pg1342.txt"
    assert download(1342, tmp_path).reused
    with pytest.raises(InputError, match="写成 pg1984"):
        download("1984", tmp_path)


def test_a_local_file_comes_before_a_title(shelf, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("红楼梦", "24264"):
        Path(name).write_text("自己的书", encoding="utf-8")
        got = download(name, tmp_path / "out")
        assert got.path.read_text(encoding="utf-8") == "自己的书" and got.id is None
    assert shelf.requests == []


def test_the_bundled_novel_needs_no_network(shelf, tmp_path):
    got = download("缺字", tmp_path)
    assert got.path.name == "缺字.txt" and "CC0" in got.licence and got.id is None
    assert got.path.read_bytes() == (ROOT / "assets/novel/raw.txt").read_bytes()
    assert shelf.requests == []


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("官场现形记", "3 本《官場現形記》：pg24138、pg24139、pg54756"),
        ("粉妝", "是不是想找：pg4580《粉妝樓》"),
        ("鲁迅", "是作者，书目里有 7 本：pg24042《徬徨》"),
        ("Lu Xun", "是作者，书目里有 7 本"),
        ("儒林外传", "是不是想找：pg24032《儒林外史》"),
        ("甲乙丙丁", "没有这个文件，书目里也没有这本书"),
        ("甲" * 9000, "没有这个文件|不能用作路径"),
        ("pg0", "没有"),
        (0, "编号是正整数"),
        (-5, "编号是正整数"),
        ("nowhere.txt", "没有这个文件：nowhere.txt"),
        ("红楼梦.txt", "没有这个文件：红楼梦.txt"),
        ("\0", "没有"),
    ],
)
def test_what_is_not_one_book_is_explained(shelf, tmp_path, what, said):
    with pytest.raises(InputError, match=said) as caught:
        download(what, tmp_path / "out")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    assert shelf.requests == [] and not (tmp_path / "out").exists()


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """An installed package: no assets beside it."""
    monkeypatch.setattr(catalogue, "ASSETS", tmp_path / "nowhere")


def test_without_assets_the_missing_file_is_named(bare, shelf, tmp_path):
    for call in (load_catalogue, lambda: search("红楼梦"), lambda: download("红楼梦", tmp_path)):
        with pytest.raises(InputError, match="没有书目文件.*克隆仓库"):
            call()
    with pytest.raises(InputError, match="没有自带的小说.*克隆仓库"):
        download("缺字", tmp_path)


def test_without_assets_a_number_still_works(bare, shelf, tmp_path):
    assert download("pg24264", tmp_path).path.name == "pg24264.txt"
    assert download(24265, tmp_path).path.name == "pg24265.txt"


# ---- folders


def test_a_folder_is_copied_book_by_book(tmp_path):
    folder, out = tmp_path / "shelf", tmp_path / "out"
    (folder / "上").mkdir(parents=True)
    (folder / "甲.txt").write_text("甲", encoding="utf-8")
    (folder / "上" / "乙.md").write_text("乙", encoding="utf-8")
    (folder / "picture.png").write_bytes(b"png")
    (folder / ".hidden.txt").write_text("x", encoding="utf-8")
    calls = []
    found = download_folder(folder, out, progress=lambda *call: calls.append(call))
    assert sorted(got.path.relative_to(out).as_posix() for got in found) == ["上/乙.md", "甲.txt"]
    assert calls == [(1, 2), (2, 2)]
    assert len([path for path in out.rglob("*") if path.is_file()]) == 4
    assert all(got.reused for got in download_folder(folder, out))


def test_a_folder_within_which_the_copies_stand(tmp_path):
    (tmp_path / "a.txt").write_text("a", encoding="utf-8")
    out = tmp_path / "out"
    assert len(download_folder(tmp_path, out)) == len(download_folder(tmp_path, out)) == 1
    (got,) = download_folder(out, out)
    assert got.reused and sorted(path.name for path in out.iterdir()) == [
        "a.txt",
        "a.txt" + RECORD_SUFFIX,
    ]


def test_an_empty_book_stops_a_folder_before_anything_is_copied(tmp_path):
    folder = tmp_path / "shelf"
    folder.mkdir()
    (folder / "a.txt").write_text("a", encoding="utf-8")
    (folder / "b.txt").touch()
    with pytest.raises(InputError, match="b.txt 是空文件"):
        download_folder(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


# ---- the command


@pytest.fixture
def run(capsys):
    """Runs `novelkit download`: (exit code, stdout, stderr)."""

    def call(*arguments):
        capsys.readouterr()
        code = main(["download", *map(str, arguments)])
        return code, *capsys.readouterr()

    return call


def test_the_command_shows_what_it_finds(run):
    code, out, err = run("--search", "红楼梦")
    lines = out.splitlines()
    assert (code, err) == (0, "") and len(lines) == 4
    assert "pg24264" in lines[1] and "紅樓夢" in lines[1] and "曹雪芹" in lines[1]
    assert "繁夹简" in lines[1] and "pg25202" in lines[2]


def test_the_columns_stand_below_each_other(run):
    lines = run("--search")[1].splitlines()
    assert len(lines) == len(load_catalogue()) + 2
    for word in ("书名", "作者"):
        place = command._width(lines[0].split(word)[0])
        for line in lines[1:-1]:
            cells, width = "", 0
            for char in line:
                if width >= place:
                    break
                cells, width = cells + char, width + command._width(char)
            assert width == place and cells.endswith("  ")


def test_the_command_gives_its_findings_as_json(run):
    code, out, err = run("红楼梦", "--search", "--json")
    books = json.loads(out)["books"]
    assert code == 0 and [book["id"] for book in books] == [24264, 25202]
    assert {"title", "author", "url", "mirrors", "licence", "part"} <= books[0].keys()
    assert "pg24264" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--search", "甲乙丙丁"), "书目里也没有"),
        (("--search", "儒林外传"), "是不是想找：pg24032"),
        ((), "缺少 WHAT"),
        (("官场现形记",), "pg24138"),
        (("",), "没有给出"),
    ],
)
def test_the_command_explains_what_it_cannot_do(run, tmp_path, arguments, said):
    code, out, err = run(*arguments, "--out", tmp_path / "out")
    assert (code, out) == (2, "") and said in err and len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_the_command_fetches_a_title(run, shelf, tmp_path):
    shelf.plans["/one/pg24264.txt"] = Plan(b"no", status=404)
    code, out, err = run("红楼梦", "--out", tmp_path, "--name", "梦.txt", "--json")
    result = json.loads(out)
    assert code == 0 and result["path"] == str(tmp_path / "梦.txt") and result["id"] == 24264
    assert "已保存" in err and "来自镜像" in err and "1763" in err


def test_the_command_goes_on_and_says_so(run, shelf, tmp_path):
    shelf.plan.drops = [40_960]
    code, out, _ = run(shelf.url + "/a.txt", "--out", tmp_path)
    assert code == 0 and "接着上次断开的地方下载：从第 40,960 字节起" in out


def test_the_command_copies_a_folder(run, tmp_path):
    folder = tmp_path / "shelf"
    folder.mkdir()
    (folder / "甲.txt").write_text("甲", encoding="utf-8")
    code, out, _ = run(folder, "--out", tmp_path / "out", "--json", "--licence", "自己写的")
    (file,) = json.loads(out)["files"]
    assert code == 0 and file["licence"] == "自己写的" and Path(file["path"]).is_file()
    assert run(folder, "--out", tmp_path / "x", "--name", "b.txt")[0] == 2


def test_the_command_takes_mirrors(run, shelf, tmp_path):
    shelf.plans["/a.txt"] = Plan(b"no", status=404)
    mirrors = ("--mirror", shelf.url + "/a.txt", "--mirror", shelf.url + "/b.txt")
    code, out, _ = run(shelf.url + "/a.txt", *mirrors, "--out", tmp_path)
    assert code == 0 and f"来自镜像 {shelf.url}/b.txt" in out
