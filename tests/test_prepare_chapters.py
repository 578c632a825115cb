"""A book of which each chapter is a file: joined where that is sure, and nothing else is."""

import random
import zipfile

import pytest
from helpers_command import shelf_texts
from helpers_text import chapter, raw_book

from novelkit.cleaning import read_jsonl
from novelkit.pipeline import Settings, prepare
from novelkit.pipeline.joining import join_chapters
from novelkit.pipeline.reading import Task, read_novel

ENCODINGS = ("utf-8", "gb18030", "utf-16")


def write_chapters(folder, names="{:03d}.txt", numbers=range(1, 13), heading=True):
    """A chapter a file, in turn in three encodings."""
    folder.mkdir()
    for number in numbers:
        text = chapter(number).text if heading else "\n".join(chapter(number).paragraphs)
        content = text.encode(ENCODINGS[number % 3])
        (folder / names.format(number)).write_bytes(content)
    return folder


def texts(data):
    """The three texts of a DATA folder, from chapter to chapter; less its titles."""
    parts = [(data / f"{name}.txt").read_text(encoding="utf-8") for name in ("train", "test")]
    return [part.split("\n", 1)[1] for part in parts]


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_of_chapters_is_one_book(tmp_path, packed):
    folder = write_chapters(tmp_path / "雪后")
    whole = tmp_path / "whole.txt"
    whole.write_text(raw_book(), encoding="utf-8")
    if packed:
        with zipfile.ZipFile(tmp_path / "下载.zip", "w") as archive:
            for file in sorted(folder.iterdir()):
                archive.write(file, f"雪后/{file.name}")
    header = prepare([tmp_path / "下载.zip" if packed else folder], tmp_path / "joined")
    prepare([whole], tmp_path / "one")
    (described,) = header["novels"]
    assert (described["title"], described["chapters"]) == ("雪后", 12)
    assert described["source"]["files"] == 12 and "folder" in described["source"]["container"]
    assert [header["splits"][name]["chapters"] for name in header["splits"]] == [10, 1, 1]
    assert texts(tmp_path / "joined") == texts(tmp_path / "one")


def test_the_name_of_a_file_is_its_heading_where_it_has_none(tmp_path):
    folder = write_chapters(tmp_path / "雪后", "第{0}章 出门{0}日.txt", heading=False)
    prepare([folder], tmp_path / "data")
    (file,) = (tmp_path / "data" / "novels").glob("*.jsonl")
    titles = [part.title for part in read_jsonl(file).chapters]
    assert [title.split("章")[0] for title in titles] == [f"第{number}" for number in range(1, 13)]
    assert [title[-1] for title in titles] == ["日"] * 12


def test_a_missing_chapter_does_not_part_the_book(tmp_path):
    folder = write_chapters(tmp_path / "雪后", numbers=[1, 2, 3, 5, 6, 9, 10, 11])
    (described,) = prepare([folder], tmp_path / "data")["novels"]
    assert described["chapters"] == 8


def test_whole_novels_of_a_folder_stay_books_of_their_own(tmp_path):
    folder = tmp_path / "shelf"
    folder.mkdir()
    for number, (_, content) in enumerate(shelf_texts(), start=1):
        (folder / f"{number:03d}.txt").write_bytes(content)
    novels = prepare([folder], tmp_path / "data")["novels"]
    assert len(novels) == 6 and not any("files" in novel["source"] for novel in novels)


def test_chapters_in_several_folders_are_several_books(tmp_path):
    parent = tmp_path / "shelf"
    parent.mkdir()
    write_chapters(parent / "a", numbers=range(1, 13))
    write_chapters(parent / "b", numbers=range(13, 25))
    novels = prepare([parent], tmp_path / "data", Settings(processes=1))["novels"]
    assert [(novel["title"], novel["chapters"]) for novel in novels] == [("a", 12), ("b", 12)]


def raw_task(name, text, encoding="utf-8"):
    from novelkit.download.books import RawBook

    return Task(RawBook(name, text.encode(encoding)), f"books/{name}", required=False)


def test_two_files_and_files_out_of_order_are_left_as_they_are():
    tasks = [raw_task(f"{n}.txt", chapter(n).text) for n in (1, 2, 2, 1, 8, 15)]
    assert list(join_chapters(tasks)) == tasks


def test_what_comes_between_keeps_its_place():
    others = [raw_task("readme.txt", "没有标题的说明。\n"), raw_task("x.txt", raw_book())]
    chapters = [raw_task(f"{n}.txt", chapter(n).text) for n in (1, 2, 3)]
    found = list(join_chapters([others[0], *chapters, others[1]]))
    assert found[0] == others[0] and found[2] == others[1] and found[1].origin.files == 3


def test_damage_and_the_encoding_of_the_files_are_told():
    tasks = [raw_task(f"{n}.txt", chapter(n, 30).text, "gb18030") for n in (1, 2, 3)]
    content = bytearray(tasks[1].raw.content)
    place = random.Random(1).randrange(100, 200)
    content[place : place + 1] = b"\xff"
    broken = raw_task("2.txt", "")
    broken.raw.__dict__["content"] = bytes(content)
    (joined,) = join_chapters([tasks[0], broken, tasks[2]])
    source = read_novel(joined).novel.source
    assert source["encoding"] == "gb18030" and source["damage"] >= 1
    assert len(source["sha256"]) == 64
