"""The part of `scores.py` on copied text: `find_copies` in 40 MB, and the filter of such a text.

Run with a case, a text and a training text, it measures that one search and prints JSON: each
search has a process of its own, so that its peak memory is its own.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scores_books import Book, note, read_bundled, table, timed

import novelkit
from novelkit.copying import AT_LEAST, FILTER_FILE, NgramFilter, find_copies

LARGE_BYTES = 40_000_000
PASSAGES = 400  # copied ones of each length
LENGTHS = (12, 13, 15, 17, 19, 21, 22, 23, 24, 30, 50, 100)


def write_large(folder: Path, books: list[Book]) -> Path:
    """A training text of 40 MB: the corpus, or characters drawn as the bundled novel has them."""
    path = folder / "train.txt"
    if books:
        text = "".join(book.text for book in books)
    else:
        source = np.array(list(read_bundled().text))
        count = LARGE_BYTES // 3
        text = "".join(source[np.random.default_rng(0).integers(0, len(source), count)])
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def compose(large: str, own: str, copies: int, rng: random.Random) -> str:
    """A continuation of about 1,000 characters with so many copied passages of 40."""
    parts = []
    for _ in range(10):
        if len(parts) < 2 * copies:
            at = rng.randrange(len(large) - 40)
            parts.append(large[at : at + 40])
        at = rng.randrange(len(own) - 60)
        parts.append(own[at : at + 60])
    return "".join(parts)


def peak_memory() -> int | None:
    """Bytes; None but on Linux, where `ru_maxrss` would be that of the process before."""
    try:
        with Path("/proc/self/status").open(encoding="ascii") as status:
            return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) * 1024
    except (OSError, StopIteration):
        return None


def run_case(case: str, text: Path, training: Path) -> None:
    """One search in a process of its own; `string` has the training text in memory before."""
    # To build a filter there is no text to examine.
    examined = "" if case == "filter" else text.read_text(encoding="utf-8")
    source = training.read_text(encoding="utf-8") if case == "string" else training
    before = peak_memory()
    if case == "filter":
        built, seconds = timed(lambda: NgramFilter.build(source))
        answer = {"fingerprints": len(built.fingerprints)}
    else:
        report, seconds = timed(lambda: find_copies(examined, source))
        answer = {"passages": len(report.passages), "share": report.share}
    peaks = [peak and round(peak / 1e6) for peak in (before, peak_memory())]
    print(json.dumps({**answer, "seconds": seconds, "memory": peaks}))


def in_own_process(case: str, text: Path, training: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, case, str(text), str(training)]
    # Our own library may lie in the working folder and nowhere else.
    environment = os.environ | {"PYTHONPATH": str(Path(novelkit.__file__).parents[1])}
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", check=True, env=environment
    )
    return json.loads(done.stdout)


def measure_copies(folder: Path, training: Path, books: list[Book]) -> None:
    """Seconds and peak memory of `find_copies`, for texts of any length."""
    large, own, rng = training.read_text(encoding="utf-8"), read_bundled().text, random.Random(0)
    texts = {
        "1,000 characters, 10 × 40 copied": compose(large, own, 10, rng),
        "the bundled novel, nothing copied": own,
    }
    if books:
        longest = max(books, key=lambda book: len(book.text))
        texts[f"{longest.title}, all of it copied"] = longest.text
    size = f"{len(large):,} characters, {training.stat().st_size / 1e6:.1f} MB"
    print(f"\n## find_copies in a training text of {size}")
    print("\nMB: peak memory of the process, and what it had before the search.")
    table("text", "training text", "passages", "copied", "s", "MB", "MB before")
    for name, text in texts.items():
        path = folder / "text.txt"
        path.write_text(text, encoding="utf-8", newline="\n")
        for case in ("file", "string"):
            found = in_own_process(case, path, training)
            before, peak = found["memory"]
            print(
                f"| {name} | {case} | {found['passages']} | {found['share']:.1%} "
                f"| {found['seconds']:.2f} | {peak} | {before} |",
                flush=True,
            )


# ---- filter


def measure_filter(folder: Path, training: Path, books: list[Book]) -> None:
    """Size and speed, what is noticed by length, and false alarms on books that were left out."""
    made = in_own_process("filter", training, training)
    built, path = NgramFilter.build(training), folder / FILTER_FILE
    _, saving = timed(lambda: built.save(path))
    loaded, loading = timed(lambda: NgramFilter.load(path))
    size = path.stat().st_size
    print(f"\n## The filter of a training text of {built.characters:,} characters")
    table("what", "figure")
    rows = {
        "file, MB (10^6 bytes)": f"{size / 1e6:.2f}",
        "bytes a character": f"{size / built.characters:.3f}",
        "build, s": f"{made['seconds']:.2f}",
        "build, peak MB of the process": made["memory"][1],
        "save, load, s": f"{saving:.2f}, {loading:.2f}",
        "noticed for certain from, characters": loaded.certain_from,
        "false positives a place": f"{loaded.false_positive_rate:.2e}",
        "false alarms in 1,000 characters": f"{1000 * loaded.false_positive_rate:.1e}",
    }
    for name, figure in rows.items():
        print(f"| {name} | {figure} |")
    measure_detection(loaded, training.read_text(encoding="utf-8"))
    measure_false_alarms(books)


def measure_detection(found: NgramFilter, large: str) -> None:
    """How often a passage copied into our own text is noticed, and how much of it is marked."""
    own, rng = read_bundled().text, random.Random(1)
    print(f"\n### Noticed, of {PASSAGES} copied passages of each length")
    table("characters", "noticed", "expected", "marked of the noticed")
    for length in LENGTHS:
        noticed, marked = 0, 0
        for _ in range(PASSAGES):
            at, place = rng.randrange(len(large) - length), rng.randrange(len(own) - 100)
            before, after = own[place : place + 50], own[place + 50 : place + 100]
            report = found.copied(before + large[at : at + length] + after)
            noticed += bool(report.spans)
            marked += report.copied_characters
        expected = min(1.0, max(0, length - found.n + 1) / found.step)
        share = f"{marked / noticed / length:.0%}" if noticed else "-"
        print(f"| {length} | {noticed / PASSAGES:.1%} | {expected:.1%} | {share} |", flush=True)


def false_hits(found: NgramFilter, text: str, training: str) -> tuple[int, int]:
    """Places that are hits, and those of them whose window the training text has not."""
    passages = find_copies(text, training, AT_LEAST).passages
    shared = np.zeros(len(text) + 1, dtype=bool)
    for passage in passages:
        shared[passage.start : passage.end - AT_LEAST + 1] = True
    hits = {
        span.start + number * found.step
        for span in found.copied(text).spans
        for number in range(span.hits)
    }
    return len(hits), sum(not shared[place] for place in hits)


def measure_false_alarms(books: list[Book]) -> None:
    """Each book of the corpus against the filter of all others."""
    if not books:
        print("\nFalse alarms on books that were left out: only with --corpus.")
        return
    places = hits = false = 0
    expected = 0.0
    for number, book in enumerate(books):
        others = "\n".join(other.text for other in books if other is not book)
        found = NgramFilter.build(others)
        some, wrong = false_hits(found, book.text, others)
        places, hits, false = places + len(book.text), hits + some, false + wrong
        expected += found.copied(book.text).false_alarms
        note(f"{number + 1}/{len(books)} {book.title}: {some} hits, {wrong} false")
    print(f"\n### Each of {len(books)} books against the filter of all others")
    table("what", "figure")
    print(f"| places asked | {places:,} |")
    print(f"| hits that stand in the other books | {hits - false:,} |")
    print(f"| false hits | {false} |")
    print(f"| false hits expected | {expected:.1f} |")
    print(f"| false hits in 1,000 characters | {1000 * false / places:.1e} |", flush=True)


if __name__ == "__main__":
    run_case(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
