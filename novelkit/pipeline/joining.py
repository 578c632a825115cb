"""Chapters that lie in a file each, put together as the one book that they are.

Web novels come as a folder or ZIP of 001.txt, 002.txt and so on. As books of their own each of them
would be cut into training and held-out paragraphs; joined, whole chapters are held out. Files are
joined where they are small, follow one another in one folder, and their headings (the first line,
or the name) are numbered on. A shelf of whole novels, each of which begins with chapter one, stays
as it is. Does not cover: e-books, and a second volume that counts from one again.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from novelkit import encoding
from novelkit.cleaning.headings import parse_heading
from novelkit.download.books import RawBook
from novelkit.errors import InputError
from novelkit.pipeline.reading import Origin, Task

# A long chapter of a classical novel is 40 KB.
LARGEST_CHAPTER_BYTES = 128 * 2**10
# Two may be two volumes of something else.
FEWEST_FILES = 3
# Downloads lack a chapter here and there.
WIDEST_STEP = 5


@dataclass(frozen=True)
class _Chapter:
    """A file that may be one chapter of a book."""

    task: Task
    text: str
    number: int
    encoding: str
    damage: int


def join_chapters(tasks: Iterable[Task]) -> Iterator[Task]:
    """The tasks in order, with each run of files that are the chapters of one book as one task."""
    run: list[_Chapter] = []
    for task in tasks:
        chapter = _read_chapter(task)
        if run and not (chapter and _follows(chapter, run[-1])):
            yield from _join(run)
            run = []
        if chapter:
            run.append(chapter)
        else:
            yield task
    yield from _join(run)


def _follows(chapter: _Chapter, last: _Chapter) -> bool:
    """Whether it is of the same folder, and its number the next, or nearly so."""
    return (
        _folder(chapter.task) == _folder(last.task)
        and 0 < chapter.number - last.number <= WIDEST_STEP
    )


def _folder(task: Task) -> tuple[PurePath, str]:
    """The folder of the disk, and that within an archive."""
    return PurePath(task.path).parent, str(PurePosixPath(task.raw.name).parent)


def _read_chapter(task: Task) -> _Chapter | None:
    """A small text file under a numbered heading of its own; nothing where it is not that."""
    raw = task.raw
    if len(raw.content) > LARGEST_CHAPTER_BYTES or raw.container not in ("", "zip"):
        return None
    try:
        detection = encoding.detect(raw.content)
        text = encoding.decode(raw.content, detection)
    except InputError:
        return None
    if detection.mojibake:
        return None
    name = PurePosixPath(raw.name).stem
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    heading = parse_heading(first)
    if not heading and (heading := parse_heading(name)):
        text = f"{name}\n\n{text}"
    if not heading or heading.number is None:
        return None
    return _Chapter(task, text, heading.number, detection.encoding, detection.damage)


def _join(run: list[_Chapter]) -> Iterator[Task]:
    """One task of many chapters; a few files stay what they were."""
    if len(run) < FEWEST_FILES:
        yield from (chapter.task for chapter in run)
        return
    first = run[0].task
    digest = hashlib.sha256()
    for chapter in run:
        digest.update(chapter.task.raw.content)
    inside = PurePosixPath(first.raw.name).parent
    # The folder in the archive, or the archive; for plain files the folder of the disk.
    folder = inside.name.removesuffix(".zip") or Path(first.path).resolve().parent.name
    title = folder or PurePosixPath(first.raw.name).stem
    yield Task(
        RawBook(
            f"{title}.txt",
            "\n\n".join(chapter.text for chapter in run).encode("utf-8"),
            "/".join(filter(None, (first.raw.container, "folder"))),
            title,
        ),
        first.path,
        any(chapter.task.required for chapter in run),
        Origin(
            files=len(run),
            sha256=digest.hexdigest(),
            encoding=Counter(chapter.encoding for chapter in run).most_common(1)[0][0],
            damage=sum(chapter.damage for chapter in run),
        ),
    )
