"""How often novelkit reads a file's encoding right, beside other detectors on the same bytes.

    python tests/benchmarks/encoding.py --quick
    python tests/benchmarks/encoding.py --corpus ../shared/corpus --dirty ../shared/dirty
    python tests/benchmarks/encoding.py --case big5/1KB/cut/traditional/modern/3
    python tests/benchmarks/encoding.py --large

The tables go to standard output as Markdown, failures and progress to standard error, everything
to `--out` as JSON. What counts as right is written in `encoding_cases`, how the answers of others
are read in `encoding_rivals`. A case is made again by its name with the same `--seed`, `--half` and
`--corpus`. One process.
"""

import argparse
import datetime
import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import encoding_report as report
from encoding_cases import (
    ENCODINGS,
    FULL_REPEATS,
    QUICK_REPEATS,
    case_ids,
    is_mended,
    is_right,
    make_case,
    make_whole,
    whole_ids,
)
from encoding_large import run_large
from encoding_measures import (
    OURS,
    ROWS,
    ask_ours,
    judge_row,
    make_row,
    run_dirty,
    run_matrix,
    run_speed,
)
from encoding_rivals import Rival, installed_rivals, other_python
from encoding_texts import Library, load_library

from novelkit.encoding import repair

ROW_REPEATS = {False: 12, True: 3}  # quick?
WHOLE_STEP = {False: 1, True: 12}
LARGE_ENCODINGS = ["utf-8", "gb18030+4", "utf-16-le"]


def show_case(library: Library, options: argparse.Namespace) -> None:
    """Print all about one case of the matrix or one row, to see why it fails."""
    truths: tuple[str, ...]
    mended = False
    first = options.case.split("/")[0]
    if first in ENCODINGS or first == "whole":
        make = make_whole if first == "whole" else make_case
        case = make(library, options.case, options.seed)
        data, truths = case.data, case.truths
    else:
        row = make_row(library, options.case, ROW_REPEATS[False], options.seed)
        data, truths = row.data, (row.truth or "",)
    found, text, _ = ask_ours(data)
    if first in ENCODINGS:
        mended = is_mended(case, text)
    print(f"{options.case}  seed {options.seed}  {len(data)} bytes")
    print("bytes ", data[:64].hex(" "))
    print("truth ", repr(truths[0][:200]))
    print("answer", "refused" if text is None else repr(text[:200]))
    if found and text is not None:
        print("right:", is_right(text, truths), " mended:", mended, end="  ")
        print("repaired:", is_right(repair(text).text, truths))
        print(report.difference(truths[0], text))
        print(found.encoding, found.confidence, found.mojibake, *found.evidence, sep="\n  ")
        print(*found.segments[:10], sep="\n  ")
    if options.save:
        options.save.write_bytes(data)


def _progress(total: int) -> Callable[[int], None]:
    start = time.perf_counter()

    def show(done: int) -> None:
        if done % 500 == 0 or done == total:
            passed = time.perf_counter() - start
            print(f"{done}/{total} cases, {passed:.0f} s", file=sys.stderr, flush=True)

    return show


def measure(library: Library, options: argparse.Namespace, rivals: list[Rival]) -> dict:
    """Everything that the options ask for, as plain data."""
    names = [OURS, *(rival.name for rival in rivals)]
    repeats = QUICK_REPEATS if options.quick else FULL_REPEATS
    ids = list(case_ids(repeats))
    result: dict = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, Python {platform.python_version()}, one process",
        "seed": options.seed,
        "half": options.half,
        "corpus": bool(options.corpus),
        "books": len(library.names),
        "detectors": names,
    }
    start = time.perf_counter()
    result["matrix"] = run_matrix(library, ids, options.seed, rivals, _progress(len(ids)))
    whole = list(whole_ids(library, WHOLE_STEP[options.quick]))
    result["whole"] = run_matrix(library, whole, options.seed, rivals, _progress(len(whole)))
    fast = [rival for rival in rivals if not rival.slow]
    result["rows"] = [
        judge_row(row, fast)
        for make in ROWS.values()
        for row in make(library, ROW_REPEATS[options.quick], options.seed)
    ]
    print(f"{len(result['rows'])} rows of their own", file=sys.stderr)
    result["failures"] = report.failures(result["matrix"] + result["whole"], result["rows"], OURS)
    if options.dirty:
        result["dirty"] = run_dirty(options.dirty, rivals)
    encodings = ("utf-8", "gbk", "big5", "utf-16-le") if options.quick else tuple(ENCODINGS)
    passes = 3 if options.quick else 5
    result["speed"] = run_speed(library, rivals, options.seed, passes, 2, encodings)
    result["seconds"] = round(time.perf_counter() - start, 1)
    return result


def show(result: dict) -> None:
    """The tables to standard output, what failed to standard error."""
    names = result["detectors"]
    print(report.header(result))
    print("## The matrix\n")
    print(report.accuracy_tables(result["matrix"], names))
    print(report.calibration_table(result["matrix"], OURS))
    print("## Whole books, undamaged\n")
    print(report.whole_table(result["whole"], names))
    print("## Rows of their own\n")
    print(report.row_tables(result["rows"], names))
    if "dirty" in result:
        print("## Files as found\n")
        print(report.dirty_table(result["dirty"], names))
    print("## Speed of detection, MB/s on clean texts\n")
    print(report.speed_table(result["speed"]))
    print("Time of a call on the matrix:\n")
    print(report.time_table(result["matrix"], names))
    print(report.failure_lines(result["failures"]), file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="a quarter of the cases, few of 2 MB")
    parser.add_argument("--corpus", type=Path, help="folder with novels.tar.xz")
    parser.add_argument("--dirty", type=Path, help="folder with MANIFEST.tsv and files as found")
    parser.add_argument("--half", choices=("tune", "report", "all"), default="all")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    parser.add_argument("--rivals", nargs="*", help="packages to compare with; none: only ours")
    parser.add_argument("--python-with-chardet-5", type=Path, metavar="PYTHON")
    parser.add_argument("--case", help="show one case of the matrix or one row, by its name")
    parser.add_argument("--save", type=Path, help="with --case: write its bytes to this file")
    parser.add_argument("--large", action="store_true", help="only the check of a large file")
    parser.add_argument("--large-megabytes", type=int, default=1000)
    return parser


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    library = load_library(options.corpus, options.half)
    if options.case:
        show_case(library, options)
        return 0
    if options.large:
        records = run_large(library, LARGE_ENCODINGS, options.large_megabytes)
        print(report.large_table(records))
        return int(any("error" in record for record in records))
    rivals = installed_rivals(options.rivals)
    if options.python_with_chardet_5:
        rivals.append(other_python(options.python_with_chardet_5))
    result = measure(library, options, rivals)
    show(result)
    if options.out:
        text = json.dumps(result, ensure_ascii=False)
        options.out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
