"""What the encoding benchmark asks of every detector: one record a case, plain data.

Covers the cases of the matrix, the rows beside it, the files of a folder of finds, and speed.
"""

import contextlib
import csv
import random
import signal
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from encoding_cases import (
    BIG5_FAMILY,
    ENCODINGS,
    LENGTH_NAMES,
    Case,
    is_answered,
    is_mended,
    is_right,
    make_case,
    make_clean,
    make_whole,
    read,
)
from encoding_foreign import binary_rows, script_rows
from encoding_mojibake import lossy_rows, mojibake_rows, partial_rows, scar_rows
from encoding_rivals import Rival, readings
from encoding_rows import Row, layout_rows, mixed_rows
from encoding_texts import GENRES, Library

from novelkit.encoding import Detection, decode, detect, repair
from novelkit.errors import InputError

OURS = "novelkit"
HANG_SECONDS = 20  # a detector that takes longer for one case counts as wrong
# Slow rivals get one in so many of the files above this size.
SLOW_BYTES, SLOW_SHARE = 16 * 1024, 12
SPEED_LENGTHS = (1024, 16 * 1024, 2 * 1024 * 1024)
_FOR_RIVALS = ("layout", "mixed", "script")
_PIECE = 4  # characters compared together for the share of a text that came out


@contextlib.contextmanager
def _limited(seconds: int) -> Iterator[None]:
    """Raise TimeoutError after so long, where the system has an alarm (not on Windows)."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def ask_ours(data: bytes) -> tuple[Detection | None, str | None, float]:
    """(the answer, the text it leads to, seconds of `detect`); None where refused or hung."""
    start = time.perf_counter()
    try:
        with _limited(HANG_SECONDS):
            found = detect(data)
            seconds = time.perf_counter() - start
            return found, decode(data, found), seconds
    except (InputError, TimeoutError):
        return None, None, time.perf_counter() - start


# --- the matrix -----------------------------------------------------------------------------


def judge_case(case: Case, rivals: list[Rival], number: int = 0) -> dict:
    """One record: what every detector answered, and whether it was right."""
    found, text, seconds = ask_ours(case.data)
    record: dict = {
        "id": case.id,
        "encoding": case.encoding,
        "length": case.length,
        "damage": case.damage,
        "script": case.script,
        "genre": case.genre,
        "right": {OURS: is_answered(case, text)},
        "mended": is_mended(case, text),
        "answer": {OURS: found.encoding if found else None},
        "confidence": found.confidence if found else None,
        "segments": len(found.segments) if found else 0,
        "mojibake": found.mojibake if found else None,
        "seconds": {OURS: seconds},
    }
    for rival in rivals:
        if rival.slow and len(case.data) > SLOW_BYTES and number % SLOW_SHARE:
            continue
        name, seconds = rival.answer(case.data)
        record["answer"][rival.name] = name
        record["seconds"][rival.name] = seconds
        texts = readings(case.data, name)
        record["right"][rival.name] = any(is_answered(case, text) for text in texts)
    return record


def run_matrix(
    library: Library,
    ids: Iterable[str],
    seed: int,
    rivals: list[Rival],
    progress: Callable[[int], None],
) -> list[dict]:
    """The records of all cases, of the matrix or whole books, in order."""
    records = []
    for number, case_id in enumerate(ids):
        make = make_whole if case_id.startswith("whole/") else make_case
        records.append(judge_case(make(library, case_id, seed), rivals, number))
        progress(number + 1)
    return records


# --- rows beside the matrix -----------------------------------------------------------------

ROWS: dict[str, Callable[[Library, int, int], Iterator[Row]]] = {
    "layout": layout_rows,
    "mixed": mixed_rows,
    "mojibake": mojibake_rows,
    "lossy": lossy_rows,
    "partial": partial_rows,
    "scar": scar_rows,
    "binary": binary_rows,
    "script": script_rows,
}


def make_row(library: Library, row_id: str, repeats: int, seed: int) -> Row:
    """The row of that name."""
    for row in ROWS[row_id.split("/")[0]](library, repeats, seed):
        if row.id == row_id:
            return row
    raise KeyError(row_id)


def share_kept(truth: str, text: str) -> float:
    """How much of the truth stands in the text: pieces of four characters, each counted once."""
    pieces, other = (
        Counter(whole[start : start + _PIECE] for start in range(max(1, len(whole) - _PIECE + 1)))
        for whole in (truth, text)
    )
    return (pieces & other).total() / pieces.total()


def judge_row(row: Row, rivals: list[Rival]) -> dict:
    """One record: the plain text, the repaired text, and what the answer claims."""
    found, text, _ = ask_ours(row.data)
    record: dict = {
        "id": row.id,
        "group": row.group,
        "kind": row.kind,
        "length": row.length,
        "refused": found is None,
        "answer": {OURS: found.encoding if found else None},
        "confidence": found.confidence if found else None,
        "segments": len(found.segments) if found else 0,
        "recognised": bool(found and found.mojibake),
        "mentioned": bool(found and row.kind in "".join(found.evidence)),
    }
    truths = (row.truth,) if row.truth is not None else ()
    record["right"] = {OURS: is_right(text, truths)}
    record["share"] = {OURS: share_kept(row.truth or "", text or "")}
    if text is not None and row.group in ("mojibake", "lossy", "partial", "scar"):
        repaired = repair(text).text
        record["repaired"] = is_right(repaired, truths)
        record["repaired_share"] = share_kept(row.truth or "", repaired)
    for rival in rivals if row.group in _FOR_RIVALS else ():
        name, _ = rival.answer(row.data)
        texts = readings(row.data, name)
        record["answer"][rival.name] = name
        record["right"][rival.name] = any(is_right(text, truths) for text in texts)
        shares = [share_kept(row.truth or "", text) for text in texts]
        record["share"][rival.name] = max(shares, default=0.0)
    return record


# --- files as found -------------------------------------------------------------------------


def _truths_of_file(data: bytes, codec: str) -> tuple[str, ...]:
    """The text of the codec that the list names; other Big5 variants that read every byte too."""
    others = BIG5_FAMILY if codec in BIG5_FAMILY else ()
    found = [read(data, codec)]
    for other in others:
        try:
            found.append(data.decode(other))
        except UnicodeDecodeError:
            continue
    return tuple(found)


def run_dirty(folder: Path, rivals: list[Rival]) -> list[dict]:
    """One record for each file that MANIFEST.tsv names a Python codec for."""
    with (folder / "MANIFEST.tsv").open(encoding="utf-8", newline="") as manifest:
        entries = list(csv.DictReader(manifest, delimiter="\t", quoting=csv.QUOTE_NONE))
    records = []
    for entry in entries:
        codec = entry["python_codec"]
        if codec == "-":
            continue
        data = (folder / entry["file"]).read_bytes()
        codec = {"gbk": "gb18030", "gb2312": "gb18030"}.get(codec, codec)
        case = Case(entry["file"], data, _truths_of_file(data, codec), codec, len(data), "", "", "")
        records.append(judge_case(case, rivals))
    return records


# --- speed ----------------------------------------------------------------------------------


def run_speed(
    library: Library,
    rivals: list[Rival],
    seed: int,
    repeats: int,
    per_encoding: int = 1,
    encodings: Iterable[str] = tuple(ENCODINGS),
) -> list[dict]:
    """MB/s of each detector on the same clean texts: the median of `repeats` passes.

    A pass asks all detectors, one after the other, so that other work of the machine slows all.
    Slow detectors take part in one pass, with a few of the longer texts.
    """
    ours = Rival(OURS, lambda data: (None, _seconds_to_answer(data)))
    with_text = Rival(f"{OURS}, detect and decode", lambda data: (None, _seconds_to_text(data)))
    records = []
    for length in SPEED_LENGTHS:
        texts = [
            _speed_text(library, name, length, f"{seed}/speed/{name}/{length}/{number}")
            for name in encodings
            for number in range(per_encoding)
        ]
        speeds: dict[str, list[float]] = {}
        for number in range(repeats + 1):
            for rival in (ours, with_text, *rivals):
                few = rival.slow and length > SLOW_BYTES
                if not (rival.slow and number > 1):
                    speed = _megabytes_per_second(rival, texts[::6] if few else texts)
                    speeds.setdefault(rival.name, []).append(speed)
        # The first pass only warms up.
        records += [_speed_record(name, length, passes[1:]) for name, passes in speeds.items()]
    return records


def _megabytes_per_second(rival: Rival, texts: list[bytes]) -> float:
    return sum(map(len, texts)) / sum(rival.answer(text)[1] for text in texts) / 1e6


def _speed_record(name: str, length: int, speeds: list[float]) -> dict:
    return {
        "detector": name,
        "length": LENGTH_NAMES[length],
        "megabytes_per_second": statistics.median(speeds),
        "slowest": min(speeds),
        "fastest": max(speeds),
    }


def _speed_text(library: Library, name: str, length: int, seed: str) -> bytes:
    rng = random.Random(seed)
    encoding = ENCODINGS[name]
    script, genre = rng.choice(encoding.scripts), rng.choice(GENRES)
    return make_clean(library, encoding, length, script, genre, rng)


def _seconds_to_answer(data: bytes) -> float:
    """Seconds of one `detect`."""
    start = time.perf_counter()
    detect(data)
    return time.perf_counter() - start


def _seconds_to_text(data: bytes) -> float:
    start = time.perf_counter()
    decode(data, detect(data))
    return time.perf_counter() - start
