"""A folder of submissions, in any mix of files, folders and archives, as one list of students.

No link is followed, nothing but ordinary files is opened, nothing is written or executed. What is
left out is named in a submission's `problems`. Does not cover: who a student is (names are taken
as they are), .rar, .7z and .tar.
"""

import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from novelkit.errors import InputError
from novelkit.grading.archives import (
    MOST_MEMBERS,
    Budget,
    is_skipped,
    limit_of,
    read_archive,
    too_large,
    too_many,
)
from novelkit.grading.cells import KEPT_WHOLE, Unreadable, without_outputs
from novelkit.grading.names import (
    Claim,
    Kind,
    claim_of_file,
    claim_of_folder,
    clean_name,
    same_student_key,
    shown_path,
)
from novelkit.grading.records import Submission, SubmittedFile

MOST_PROBLEMS = 50
# Bytes of one student's files without the outputs of large ones.
MOST_KEPT = 256 << 20
DEEPEST_FOLDER = 20
_PACKED = (".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")
_SUBMITTED = (".ipynb", ".py", ".zip", *_PACKED)


def read_submissions(folder: Path, notebooks: Iterable[str] = ()) -> list[Submission]:
    """The submissions of all students in `folder`, sorted by student; [] where it has none.

    `notebooks` are the course's notebooks without ending ("07_diagnosis"): they are no part of a
    student's name. Students are cleaned names (see `clean_name`), unique on every file system.
    Large notebooks come without their outputs (`without_outputs`). Raises InputError when `folder`
    cannot be read.
    """
    names = tuple(notebooks)
    groups: defaultdict[str, list[tuple[Claim, os.DirEntry[str]]]] = defaultdict(list)
    for entry in _entries(Path(folder)):
        if claim := _claim(entry, names):
            groups[same_student_key(claim.student)].append((claim, entry))
    found = [_submission(claims, names) for claims in groups.values()]
    return sorted(found, key=lambda submission: submission.student)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (OSError, ValueError) as error:
        raise InputError(
            f"作业文件夹 {folder} 读不出来（{type(error).__name__}）：请给出放着学生作业的文件夹。"
        ) from error


def _claim(entry: os.DirEntry[str], notebooks: tuple[str, ...]) -> Claim | None:
    """Who hands in the entry; None for what is no submission (a list of grades, a hidden file)."""
    if is_skipped(entry.name):
        return None
    if entry.name.lower().endswith(_SUBMITTED) and not entry.is_dir(follow_symlinks=False):
        return claim_of_file(entry.name, notebooks)
    if entry.is_dir(follow_symlinks=False) or entry.is_symlink():
        return claim_of_folder(entry.name)
    return None


def _submission(
    claims: list[tuple[Claim, os.DirEntry[str]]], notebooks: tuple[str, ...]
) -> Submission:
    """What one student handed in, or the conflict of those who share a name."""
    # A folder or an archive is a whole submission: two of them are two claimants.
    claimants = {
        (claim.student, claim.kind, entry.name if claim.kind in _WHOLE else "")
        for claim, entry in claims
    }
    student = min(clean_name(claim.student) for claim, _ in claims)
    if len(claimants) > 1:
        names = "、".join(sorted(shown_path(entry.name) for _, entry in claims))
        return Submission(
            student,
            conflict=f"{len(claims)} 份作业的学生名都是 {student}：{names}。"
            "请改名，或者只留一份，再评分。",
        )
    return _collected(student, _read_claims(student, [entry for _, entry in claims], notebooks))


_WHOLE = (Kind.FOLDER, Kind.ARCHIVE)


def _read_claims(
    student: str, entries: list[os.DirEntry[str]], notebooks: tuple[str, ...]
) -> Iterator[SubmittedFile | str]:
    if student.casefold() in {notebook.casefold() for notebook in notebooks}:
        yield f"文件名 {student} 里没有学生的名字，就用文件名作学生名：请把名字加在前面。"
    budget = Budget()
    for entry in entries:
        yield from _read_entry(Path(entry.path), shown_path(entry.name), budget)


def _collected(student: str, found: Iterator[SubmittedFile | str]) -> Submission:
    files, problems, kept = [], [], 0
    # One at a time, so that no two files with all their outputs are in memory.
    for one in found:
        if isinstance(one, str):
            problems.append(one)
            continue
        try:
            file = without_outputs(one)
        except Unreadable as error:
            problems.append(str(error))
            # The beginning is as unreadable, and says that something was handed in.
            file = replace(one, content=one.content[:KEPT_WHOLE])
        kept += len(file.content)
        if kept > MOST_KEPT:
            problems.append(f"{file.name}：整份作业的代码太大，没有读：请只交要评分的 notebook。")
        else:
            files.append(file)
    if not files:
        problems.append("没有交上可以评分的 .ipynb 或 .py 文件。")
    if len(problems) > MOST_PROBLEMS:
        rest = len(problems) - MOST_PROBLEMS
        problems = [*problems[:MOST_PROBLEMS], f"另外还有 {rest} 处类似的问题。"]
    return Submission(student, tuple(files), tuple(problems))


# ---- the entries of one student


def _read_entry(path: Path, shown: str, budget: Budget) -> Iterator[SubmittedFile | str]:
    """A top-level entry: a file by its own name, what is in a folder by its path in it."""
    try:
        kind = os.lstat(path).st_mode
    except (OSError, ValueError):
        yield f"{shown} 读不出来：请检查文件的权限。"
        return
    if stat.S_ISDIR(kind):
        yield from _read_folder(path, "", budget)
    else:
        yield from _read_file(path, kind, shown, budget)


def _read_folder(
    folder: Path, inside: str, budget: Budget, depth: int = 1
) -> Iterator[SubmittedFile | str]:
    if depth > DEEPEST_FOLDER:
        yield f"{inside} 的文件夹套了太多层，没有读：请把 notebook 放在外层。"
        return
    try:
        names = sorted(path.name for path in folder.iterdir())
    except (OSError, ValueError):
        yield f"{inside or '文件夹'} 读不出来：请检查文件夹的权限。"
        return
    if len(names) > MOST_MEMBERS:
        yield f"{inside or '文件夹'} 里超过 {MOST_MEMBERS} 项，后面的没有读。"
    for name in names[:MOST_MEMBERS]:
        if is_skipped(name):
            continue
        if budget.files <= 0:
            yield too_many(inside or "文件夹")
            return
        shown = shown_path(f"{inside}/{name}")
        yield from _read_inside(folder / name, shown, budget, depth)


def _read_inside(
    path: Path, shown: str, budget: Budget, depth: int
) -> Iterator[SubmittedFile | str]:
    try:
        kind = os.lstat(path).st_mode
    except (OSError, ValueError):
        yield f"{shown} 读不出来：请检查文件的权限。"
        return
    if stat.S_ISDIR(kind):
        yield from _read_folder(path, shown, budget, depth + 1)
    else:
        yield from _read_file(path, kind, shown, budget)


def _read_file(path: Path, kind: int, shown: str, budget: Budget) -> Iterator[SubmittedFile | str]:
    if stat.S_ISLNK(kind):
        yield f"{shown} 是符号链接，没有读：请交文件本身。"
        return
    if path.name.lower().endswith(_PACKED):
        yield f"{shown} 是不支持的压缩格式，没有读：请打包成 .zip，或者直接交 .ipynb。"
        return
    limit = limit_of(path.name)
    if limit is None:
        return
    if not stat.S_ISREG(kind):
        yield f"{shown} 不是普通文件，没有读：请交文件本身。"
        return
    found = _content(path, limit, shown)
    if isinstance(found, str):
        yield found
    elif path.name.lower().endswith(".zip"):
        yield from read_archive(shown, found.content, found.modified, budget)
    else:
        budget.files -= 1
        yield found


def _content(path: Path, limit: int, shown: str) -> SubmittedFile | str:
    """An ordinary file of at most `limit` bytes, or the line that says why not."""
    try:
        # Not blocking, and asked again once open: what was a file may have become a pipe.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        handle = os.open(path, flags | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                return f"{shown} 不是普通文件，没有读：请交文件本身。"
            # The size is that of now; no more is read should the file grow.
            content = file.read(limit + 1) if facts.st_size <= limit else None
    except (OSError, ValueError, MemoryError):
        return f"{shown} 读不出来：请检查文件的权限。"
    if content is None or len(content) > limit:
        return too_large(shown, limit)
    return SubmittedFile(shown, content, facts.st_mtime)
