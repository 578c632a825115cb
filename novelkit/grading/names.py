"""Who handed in a file: the student's name in what people and learning platforms call files.

Does not cover: what is inside the files (`submissions`, `cells`).
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

LONGEST_NAME = 120  # bytes of UTF-8; a file system takes 255, and reports add a suffix
UNNAMED = "_"
# What a path, a shell or Windows gives a meaning of its own.
_UNSAFE = re.compile(r'[\\/:*?"<>|]')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")
# What Colab, Jupyter, browsers, Windows and macOS add to a copy.
_COPY_MARKS = (
    re.compile(r"(?i)^copy of (.+)$"),
    re.compile(r"^副本 (.+)$"),
    re.compile(r"^[“\"](.+)[”\"] ?的副本$"),
    re.compile(r"(?i)^(.+?) ?(?:的副本|- ?副本| 副本|-copy\d*|- copy| copy(?: \d+)?)$"),
    re.compile(r"^(.+?) ?[(（]\d+[)）]$"),
    re.compile(r"(?i)^(.+)\.(?:ipynb|py)$"),
)
# Canvas: lastnamefirst_LATE_12345_67890_original.ipynb, the numbers are the user and the file.
# So many digits that the number of a notebook ("张三_2023_05_model") is none of them.
_CANVAS = re.compile(r"^(?P<who>[^_]+)_(?:LATE_)?(?P<user>\d{3,})_\d{4,}_(?P<rest>.+)$")
# Moodle: "Full Name_1234567_assignsubmission_file", a folder or the start of a file's name.
_MOODLE = re.compile(
    r"^(?P<who>.+_\d+)_assignsubmission_(?:file|onlinetext)(?:_(?P<rest>.*))?$", re.DOTALL
)
_SEPARATORS = " -_.+~·—–"


class Kind(StrEnum):
    """What hands in under a name. Two kinds under one name are two people, or a mistake."""

    FILE = "file"  # one or more files with the student's name in theirs
    FOLDER = "folder"
    ARCHIVE = "archive"
    PLATFORM = "platform"  # the learning platform vouches for the name: its parts go together


@dataclass(frozen=True)
class Claim:
    """A top-level entry hands in for `student` (as written, not cleaned)."""

    student: str
    kind: Kind


def clean_name(name: str) -> str:
    """A student's name as one that a report can print and a file can have.

    In Unicode's NFC; invisible characters (marks of direction, zero width) are dropped, and what
    no file name may hold (separators, controls, lone surrogates) becomes "_". No leading dot, no
    dot or space at the end, none of Windows' device names. Above 120 bytes of UTF-8 the end is
    replaced by a digest of the whole, so that two long names stay two. Never empty.
    """
    seen = "".join(map(_printable, unicodedata.normalize("NFC", name)))
    seen = _UNSAFE.sub("_", seen).strip(" ").rstrip(". ")
    if seen.startswith(".") or _RESERVED.match(seen):
        seen = "_" + seen.lstrip(".")
    raw = seen.encode("utf-8")
    if len(raw) > LONGEST_NAME:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        seen = raw[: LONGEST_NAME - 13].decode("utf-8", "ignore") + "-" + digest
    return seen or UNNAMED


def _printable(character: str) -> str:
    if unicodedata.category(character) == "Cf":
        return ""
    return character if character.isprintable() else "_"


def shown_path(path: str) -> str:
    """A path inside a submission as it can be printed: each part cleaned, the last 4 of them."""
    parts = [clean_name(part) for part in path.split("/") if part]
    return "/".join(parts if len(parts) <= 4 else ["…", *parts[-4:]]) or UNNAMED


def same_student_key(name: str) -> str:
    """Equal for names whose files would be one file on some file system."""
    return unicodedata.normalize("NFC", clean_name(name).casefold())


def claim_of_folder(name: str) -> Claim:
    """Whose a top-level folder is: Moodle's name and number, else the folder's name."""
    moodle = _MOODLE.match(name)
    return Claim(moodle["who"], Kind.PLATFORM) if moodle else Claim(name, Kind.FOLDER)


def claim_of_file(name: str, notebooks: Iterable[str]) -> Claim:
    """Whose a top-level .ipynb, .py or .zip file is.

    Moodle's "Full Name_1234567", Canvas' "lastnamefirst_12345", else the stem without copy marks
    and without the name of a course notebook at either end.
    """
    for pattern, parts in ((_MOODLE, ("who",)), (_CANVAS, ("who", "user"))):
        if found := pattern.match(name):
            return Claim("_".join(found[part] for part in parts), Kind.PLATFORM)
    kind = Kind.ARCHIVE if name.lower().endswith(".zip") else Kind.FILE
    return Claim(_without_notebook(PurePosixPath(name).stem, tuple(notebooks)), kind)


def _without_notebook(stem: str, notebooks: tuple[str, ...]) -> str:
    before = None
    while stem != before:
        before = stem
        stem = _without_copy_marks(stem)
        for notebook in notebooks:
            stem = _cut(stem, notebook)
    return stem


def _without_copy_marks(stem: str) -> str:
    for mark in _COPY_MARKS:
        if found := mark.match(stem):
            stem = found[1]
    return stem


def _cut(stem: str, notebook: str) -> str:
    """The stem without the notebook's name; as it is where nothing or no border would be left."""
    lower, wanted = stem.casefold(), notebook.casefold()
    if len(lower) != len(stem) or not wanted:
        return stem
    if lower.endswith(wanted) and _is_border(stem[: -len(wanted)][-1:]):
        return stem[: -len(wanted)].rstrip(_SEPARATORS) or stem
    if lower.startswith(wanted) and _is_border(stem[len(wanted) :][:1]):
        return stem[len(wanted) :].lstrip(_SEPARATORS) or stem
    return stem


def _is_border(character: str) -> bool:
    # "张三07_diagnosis" ends in the notebook's name; "2023123407_diagnosis" cannot be told.
    return not (character.isascii() and character.isalnum())
