"""How well stage 03 cleans: advertisements, equality with the corpus, good lines lost, speed.

    python tests/benchmarks/cleaning.py --invented            # invented advertisements, no files
    python tests/benchmarks/cleaning.py --corpus ../shared/corpus --false-positives
    python tests/benchmarks/cleaning.py --corpus ../shared/corpus --dirty ../shared/dirty --sites
    python tests/benchmarks/cleaning.py --corpus ... --dirty ... --equality [--file s01] [--worst]
    python tests/benchmarks/cleaning.py --corpus ... --dirty ... --speed
    python tests/benchmarks/cleaning.py --dirty ../shared/dirty --page s13

Tables go to standard output as Markdown, progress to standard error. What is measured is written
in `cleaning_equality` and `cleaning_sites`. One process.
"""

import argparse
import csv
import re
import statistics
import sys
import tarfile
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from cleaning_equality import Pair, differences, pair_chapters
from cleaning_sites import FIRST_SCORES, INVENTED, MARKERS, NARRATED

from novelkit.cleaning import RULES, advertisements, clean, split_chapters
from novelkit.cleaning.edits import Edits
from novelkit.encoding import decode

ENOUGH = 0.995
# The file of the dirty folder → the book of the corpus that it holds, or a part of it.
BOOKS = {
    "s01": "二十年目睹之怪现状",
    "s02": "三侠五义",
    "s14": "儒林外史",
    "s15": "三国演义",
    "s16": "西游记",
    "s17": "红楼梦",
    "s18": "水浒传",
    "s19": "西游记",
    "s20": "西游记",
    "s21": "警世通言",
    "s22": "红楼梦",
    "s24": "儒林外史",
    "s25": "野草",
    "s26": "初刻拍案惊奇",
    "s28": "西游记",
    "s29": "水浒传",
    "s30": "缀网劳蛛",
    "s31": "彷徨",
    "s32": "野草",
}
SIMPLIFIED = [name for name, rule in RULES.items() if rule.default or name == "simplify"]
STORY = "那天的雪下到半夜才停，他把灯挑亮了一点，坐下来接着写第{}封信。"


@cache
def read_corpus(folder: Path) -> dict[str, str]:
    """Book name → text, from `novels.tar.xz`."""
    with tarfile.open(folder / "novels.tar.xz") as archive:
        return {
            Path(member.name).stem: file.read().decode("utf-8")
            for member in archive
            if member.name.endswith(".txt") and (file := archive.extractfile(member))
        }


def read_dirty(folder: Path, only: str = "") -> Iterator[tuple[str, str]]:
    """(sNN, raw text) of every file that the manifest lists."""
    with (folder / "MANIFEST.tsv").open(encoding="utf-8", newline="") as file:
        names = [row["file"] for row in csv.DictReader(file, delimiter="\t", quoting=3)]
    for name in names:
        if not name.startswith(only):
            continue
        path = folder / name
        if path.suffix == ".epub":
            from novelkit.download.books import read_books

            yield name[:3], "".join(decode(book.content) for book in read_books(path))
        else:
            yield name[:3], decode(path.read_bytes())


def table(header: str, rows: list[str]) -> None:
    print(header)
    print(re.sub(r"[^|]+", "---", header))
    print("\n".join(rows), flush=True)


# --- advertisements -----------------------------------------------------------------------------


def is_dropped(line: str, times: int) -> bool:
    """Whether `line` leaves a story in which it stands `times` times, and nothing else does."""
    story = [STORY.format(number) for number in range(120)]
    dirty = list(story)
    for time_ in range(times):
        dirty.insert(100 - 10 * time_, line)
    text = "\n".join(dirty)
    for name in ("advertisements", "page_numbers"):
        text = RULES[name].apply(text)
    return text == "\n".join(story)


def measure_invented(_: argparse.Namespace) -> None:
    rows = []
    for name, lines in INVENTED.items():
        once, often = (sum(is_dropped(line, times) for line in lines) for times in (1, 8))
        first, then = FIRST_SCORES[name]
        rows.append(f"| {name} | {len(lines)} | {first} | {then} | {once} | {often} |")
    table("| group | lines | before | first met | today, once | today, 8 times |", rows)
    lost = [line for line in NARRATED if is_dropped(line, 1)]
    print(f"\nNarrated lines with the words of sites: {len(NARRATED)}, dropped: {len(lost)}", *lost)


def measure_false_positives(options: argparse.Namespace) -> None:
    """Every line of the corpus that a default rule drops or changes."""
    counts: dict[str, list[int]] = {name: [0, 0] for name in RULES if RULES[name].default}
    characters = 0
    for book, text in read_corpus(options.corpus).items():
        characters += len(text)
        for name in counts:
            edits = Edits()
            after = RULES[name].edit(text, edits)
            counts[name][0] += edits.count
            counts[name][1] += len(text) - len(after)
            if name == "advertisements" and edits.count:
                print(book, edits.examples, file=sys.stderr)
    rows = [f"| {name} | {changes} | {gone} |" for name, (changes, gone) in counts.items()]
    print(f"{characters:,} characters of the corpus\n")
    table("| rule | changes | characters removed |", rows)


def measure_sites(options: argparse.Namespace) -> None:
    """Per file: lines with a site's marks before and after, and lines of the book that went.

    `left without` is what remains where the kinds of marks that no other real file shows are taken
    out of the rule: what it would reach had this site never been seen, and no phrase been known.
    """
    corpus = read_corpus(options.corpus)
    rows = []
    files = {key: raw for key, raw in read_dirty(options.dirty, options.file) if key in MARKERS}
    kinds = {key: _kinds(raw) for key, raw in files.items()}
    for key, raw in files.items():
        others = set().union(*(kinds[other] for other in kinds if other != key))
        marker = re.compile(MARKERS[key])
        novel, _ = clean(raw)
        before = [line for line in raw.splitlines() if marker.search(_fold(line))]
        after = [line for line in novel.text.splitlines() if marker.search(_fold(line))]
        known = re.sub(r"\s", "", corpus[BOOKS[key]])
        lines = RULES["newlines"].apply(raw).split("\n")
        kept = set(RULES["advertisements"].apply("\n".join(lines)).split("\n"))
        gone = [line.strip() for line in lines if line.strip() and line not in kept]
        good = [line for line in gone if len(line) >= 4 and re.sub(r"\s", "", line) in known]
        with unlearned(kinds[key] - others):
            blind = clean(raw)[0].text.splitlines()
        missed = sum(bool(marker.search(_fold(line))) for line in blind)
        cells = [len(before), len(after), missed, len(gone), len(good)]
        only = "、".join(sorted(kinds[key] - others))
        rows.append(f"| {key} | {' | '.join(map(str, cells))} | {only} |")
        for line in after[:5]:
            print(key, "left:", line[:100], file=sys.stderr)
        for line in good[:5]:
            print(key, "lost:", line[:100], file=sys.stderr)
    header = "| file | lines with marks | left | left without | lines dropped | of the book |"
    table(header + " kinds that only this file shows |", rows)


def _kinds(raw: str) -> set[str]:
    """The named groups that match in the lines that the rule drops or changes."""
    lines = RULES["newlines"].apply(raw).split("\n")
    found = set()
    for index in advertisements.advertisement_lines(lines):
        folded = advertisements.fold(lines[index])
        for pattern in (advertisements.ANYWHERE, advertisements.CONDITIONAL):
            found |= {str(match.lastgroup) for match in pattern.finditer(folded)}
    return found


@contextmanager
def unlearned(kinds: set[str]) -> Iterator[None]:
    """The advertisement rule without these kinds of marks."""
    known = advertisements.ANYWHERE, advertisements.CONDITIONAL
    patterns = (_without_groups(pattern.pattern, kinds) for pattern in known)
    advertisements.ANYWHERE, advertisements.CONDITIONAL = map(re.compile, patterns)
    try:
        yield
    finally:
        advertisements.ANYWHERE, advertisements.CONDITIONAL = known


def _fold(line: str) -> str:
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", line).lower())


def _without_groups(pattern: str, names: set[str]) -> str:
    """`pattern` with these named groups matching nothing."""
    for name in names:
        while (start := pattern.find(f"(?P<{name}>")) >= 0:
            end = start + 1
            depth = 1
            while depth:
                step = 2 if pattern[end] == "\\" else 1
                depth += {"(": 1, ")": -1}.get(pattern[end], 0) if step == 1 else 0
                end += step
            pattern = f"{pattern[:start]}(?!){pattern[end:]}"
    return pattern


# --- equality -----------------------------------------------------------------------------------


def measure_equality(options: argparse.Namespace) -> None:
    corpus = read_corpus(options.corpus)
    rows = []
    for key, raw in read_dirty(options.dirty, options.file):
        if key not in BOOKS:
            continue
        start = time.perf_counter()
        novel, _ = clean(raw, rules=SIMPLIFIED)
        # The corpus has its own half-width marks: punctuation is made the same on both sides.
        truth = split_chapters(RULES["punctuation"].apply(corpus[BOOKS[key]]))
        pairs = pair_chapters(truth, novel.chapters)
        rows.append(_row(key, pairs, len(novel.chapters)))
        print(f"{key} {time.perf_counter() - start:.0f} s", file=sys.stderr)
        if options.worst:
            show_worst(pairs)
    header = "| file | book | chapters | paired | ≥ 99.5 % | median | worst | hanzi ≥ 99.5 % |"
    table(header + " hanzi median | hanzi worst |", rows)


def _row(key: str, pairs: list[Pair], chapters: int) -> str:
    cells = [key, BOOKS[key], str(chapters), str(len(pairs))]
    for values in ([p.similarity for p in pairs], [p.hanzi for p in pairs]):
        share = sum(value >= ENOUGH for value in values) / max(1, len(values))
        cells += [f"{share:.0%}", f"{statistics.median(values):.2%}", f"{min(values):.2%}"]
    return "| " + " | ".join(cells) + " |"


def show_worst(pairs: list[Pair], chapters: int = 3, shown: int = 12) -> None:
    """The largest differences of the chapters that are least alike."""
    for pair in sorted(pairs, key=lambda pair: pair.hanzi)[:chapters]:
        lengths = f"{len(pair.truth)}/{len(pair.found)}"
        print(f"  {pair.title} {pair.similarity:.2%} {pair.hanzi:.2%} {lengths}", file=sys.stderr)
        found = differences(pair.truth, pair.found)
        largest = sorted(found, key=lambda both: -max(map(len, both)))[:shown]
        for one, other in largest:
            print(f"    {len(one)}:{one[:50]!r} | {len(other)}:{other[:50]!r}", file=sys.stderr)


# --- speed and pages ------------------------------------------------------------------------------


def measure_speed(options: argparse.Namespace) -> None:
    """MB of UTF-8 a second of processor time, raw text to chapters, and the costliest rules."""
    corpus = read_corpus(options.corpus)
    texts = [(name, corpus[name]) for name in ("红楼梦", "水浒传")]
    texts += list(read_dirty(options.dirty, options.file)) if options.dirty else []
    rows = []
    for name, raw in texts:
        size = len(raw.encode("utf-8", "replace")) / 1e6
        seconds: dict[str, float] = {}
        text = raw
        for rule in RULES.values():
            if rule.default:
                start = time.process_time()
                text = rule.edit(text, Edits())
                seconds[rule.name] = time.process_time() - start
        start = time.process_time()
        split_chapters(text)
        seconds["chapters"] = time.process_time() - start
        costly = sorted(seconds, key=seconds.__getitem__, reverse=True)[:3]
        shares = "、".join(f"{rule} {seconds[rule] * 1000:.0f} ms" for rule in costly)
        rows.append(f"| {name} | {size:.1f} | {size / sum(seconds.values()):.1f} | {shares} |")
    table("| text | MB | MB/s | costliest rules |", rows)
    for name in ("near_duplicates", "simplify", "full_width"):
        text = corpus["红楼梦"]
        start = time.process_time()
        RULES[name].apply(text)
        spent = time.process_time() - start
        print(f"{name} (off by default): {len(text.encode()) / 1e6 / spent:.1f} MB/s")


def show_page(options: argparse.Namespace) -> None:
    """The first page of a file as it came and as it is after cleaning."""
    for _, raw in read_dirty(options.dirty, options.page):
        novel, report = clean(raw)
        page = "\n".join(line[:120] for line in raw.splitlines()[:24])
        print(f"```text\n{page}\n```\n\n```text\n{novel.text[:600]}\n```\n")
        rows = [
            f"| {rule.title} | {rule.changes} | {rule.removed_characters} |"
            for rule in report.rules
            if rule.changes
        ]
        table("| 规则 | 改动 | 去掉的字符 |", rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--dirty", type=Path)
    parser.add_argument("--file", default="", help="only this file, as s18")
    parser.add_argument("--page", default="", help="show the first page of this file")
    parser.add_argument("--worst", action="store_true", help="show what differs most")
    jobs = {
        "invented": measure_invented,
        "false_positives": measure_false_positives,
        "sites": measure_sites,
        "equality": measure_equality,
        "speed": measure_speed,
    }
    for name in jobs:
        parser.add_argument("--" + name.replace("_", "-"), action="store_true")
    options = parser.parse_args()
    for name, job in jobs.items():
        if getattr(options, name):
            job(options)
    if options.page:
        show_page(options)


if __name__ == "__main__":
    main()
