"""The fault-injection harness of the loss doctor: real runs, each with a known fault or none.

    python tests/benchmarks/faults.py make TEXTS --out RUNS --part develop
    python tests/benchmarks/faults.py make TEXTS --out RUNS --part report --shard 0/2
    python tests/benchmarks/faults.py damage TEXTS --out RUNS --part develop
    python tests/benchmarks/faults.py probe TEXTS --out RUNS --part report
    python tests/benchmarks/faults.py report TEXTS --out RUNS --part report --picture MATRIX.png
    python tests/benchmarks/faults.py signs TEXTS --out RUNS --part report
    python tests/benchmarks/faults.py report --part report
    python tests/benchmarks/faults.py fit
    python tests/benchmarks/faults.py record
    python tests/benchmarks/faults.py sample TEXTS --out RUNS --part report --to assets/runs/faults

TEXTS is a folder of novels, NAME.txt each (see `faults_texts.CORPORA`). A run takes some seconds of
one core; what is in RUNS is not made again, so that an interrupted command goes on, and several
machines may share the work by `--shard`. Without RUNS the report is of the signs that are kept in
the repository, which `signs` writes. There are three parts: clues are thought out and their weights
fitted (`fit`) on `develop` and `validate`, whose runs the doctor also compares others with
(`record` writes them into the package); `report` is what it is measured on. `--seeds 1000` makes
other runs of the same kinds, `--corpora g=彷徨,野草` runs of other texts.
"""

import argparse
import json
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path

# Each worker has one core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from faults_fit import print_fit
from faults_record import recorded_runs
from faults_report import CAUSES, LEVELS, Case, print_counts, read_cases, report
from faults_runs import (
    HEALTHY,
    PROBES_FILE,
    TRUTH_FILE,
    Plan,
    all_plans,
    damage,
    is_faulty,
    make_run,
    probe_run,
)
from faults_sample import write_sample
from faults_signs import KEPT, read_kept_signs, write_signs
from faults_texts import CORPORA

from novelkit.diagnosis.neighbours import RECORDED_FILE

# The parts that the rules were set on.
TUNED = ("develop", "validate")


def make(options: argparse.Namespace, plans: list[Plan]) -> None:
    waiting = [plan for plan in plans if not (options.out / plan.name / TRUTH_FILE).exists()]
    _in_turn(options, waiting, make_run)


def _in_turn(
    options: argparse.Namespace, plans: list[Plan], work: Callable[[Plan, Path, Path], None]
) -> None:
    print(f"{len(plans)} to do", flush=True)
    began = time.monotonic()
    failed: dict[str, BaseException] = {}
    with ProcessPoolExecutor(options.workers) as pool:
        given = {pool.submit(work, plan, options.texts, options.out): plan for plan in plans}
        for number, done in enumerate(as_completed(given), start=1):
            if error := done.exception():
                failed[given[done].name] = error
            if number % 20 == 0:
                each = (time.monotonic() - began) / number
                left = each * (len(plans) - number) / 60
                print(f"{number} done, one in {each:.1f} s, {left:.0f} min left", flush=True)
    # At the end: one run that fails must not hide what the others are doing.
    for name, error in failed.items():
        print(f"{name}: {type(error).__name__}: {error}")
    if failed:
        raise SystemExit(f"{len(failed)} of {len(plans)} failed")


def probe_runs(options: argparse.Namespace, plans: list[Plan]) -> None:
    made = [plan for plan in plans if (options.out / plan.name / TRUTH_FILE).exists()]
    if options.again:
        chosen = [plan for plan in made if (options.out / plan.name / PROBES_FILE).exists()]
    else:
        chosen = [plan for plan in made if not (options.out / plan.name / PROBES_FILE).exists()]
    _in_turn(options, chosen, partial(probe_run, only=options.again))


def show_damage(options: argparse.Namespace, plans: list[Plan]) -> None:
    print("| cause | severity | faulty | held_out | misread | other |")
    print("|---|---:|---:|---|---|---|")
    kinds = dict.fromkeys((plan.cause, plan.severity) for plan in plans if plan.cause != HEALTHY)
    for cause, severity in kinds:
        chosen = [p for p in plans if (p.cause, p.severity) == (cause, severity)]
        chosen = [p for p in chosen if (options.out / p.name / TRUTH_FILE).exists()]
        if not chosen:
            continue
        found = [damage(plan, options.out) for plan in chosen]
        faulty = Counter(is_faulty(plan, options.out) for plan in chosen)
        cells = [
            f"{min(values):.2f} to {max(values):.2f}"
            for name in ("held_out", "misread")
            if (values := [item[name] for item in found])
        ]
        rest = {
            name: f"{min(v):.2f} to {max(v):.2f}"
            for name in ("sampler", "setback", "jump", "swing")
            if (v := [item[name] for item in found if name in item])
        }
        others = ", ".join(f"{name} {value}" for name, value in rest.items())
        counts = f"{faulty[True]}/{len(chosen)}"
        print("| " + " | ".join([cause, str(severity), counts, *cells, others]) + " |")


def show_report(options: argparse.Namespace, plans: list[Plan]) -> None:
    if options.out is None:
        cases, made, discarded = read_kept_signs(options.part)
        cases = [case for case in cases if case.truth in (options.only or CAUSES)]
    else:
        cases, made, discarded = read_cases(options.out, plans)
        show_probe_seconds(options.out, plans)
    if options.faulty_seeds:
        cases = [
            case
            for case in cases
            if case.truth == HEALTHY or case.plan.seed in options.faulty_seeds
        ]
    if options.healthy_from:
        cases = [
            case
            for case in cases
            if case.truth != HEALTHY or case.plan.seed >= options.healthy_from
        ]
    # The baselines learn from all that the rules know, and from nothing that they are judged on.
    teachers = [case for case in _known() if case.plan.part != options.part]
    print_counts(made, discarded)
    report(cases, teachers, options.picture, options.without, options.level)


def show_probe_seconds(out: Path, plans: list[Plan]) -> None:
    files = [out / plan.name / PROBES_FILE for plan in plans]
    answers = [json.loads(file.read_text(encoding="utf-8")) for file in files if file.exists()]
    if seconds := [answer["cpu_seconds"] for answer in answers]:
        middle, most = statistics.median(seconds), max(seconds)
        print(
            f"probes of {len(seconds)} runs: {middle:.1f} s of a core (median), at most {most:.1f}"
        )


def keep_signs(options: argparse.Namespace, plans: list[Plan]) -> None:
    target = write_signs(options.part, *read_cases(options.out, plans), options.to or KEPT)
    print(f"{target}: {target.stat().st_size / 1024:.0f} kB")


def sample(options: argparse.Namespace, plans: list[Plan]) -> None:
    cases, _, _ = read_cases(options.out, plans)
    write_sample(cases, options.out, options.to, options.each, 2 * options.each)


def record(options: argparse.Namespace, plans: list[Plan]) -> None:
    runs = recorded_runs(_known())
    target = options.to / RECORDED_FILE.name if options.to else RECORDED_FILE
    runs.save(target)
    size = target.stat().st_size / 1024
    print(f"{target}: {len(runs.causes)} runs, {len(runs.names)} signs, {size:.0f} kB")


def fit(options: argparse.Namespace, plans: list[Plan]) -> None:
    print_fit(_known())


def _known() -> list[Case]:
    return [case for part in TUNED for case in read_kept_signs(part)[0]]


# What needs no runs.
FROM_SIGNS = ("report", "fit", "record")
COMMANDS: dict[str, Callable[[argparse.Namespace, list[Plan]], None]] = {
    "make": make,
    "damage": show_damage,
    "probe": probe_runs,
    "report": show_report,
    "signs": keep_signs,
    "sample": sample,
    "fit": fit,
    "record": record,
}


def _corpora(options: argparse.Namespace) -> list[str]:
    """The corpora that were asked for; new ones are made known."""
    known = CORPORA[options.part]
    for name in options.corpora or []:
        title, _, books = name.partition("=")
        if books:
            known[title] = tuple(books.split(","))
    return [name.partition("=")[0] for name in options.corpora or known]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("command", choices=list(COMMANDS))
    parser.add_argument("texts", type=Path, nargs="?")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--part", choices=list(CORPORA), default="develop")
    parser.add_argument(
        "--corpora", nargs="*", help="some of the part's corpora, or NAME=BOOK,BOOK"
    )
    parser.add_argument("--seeds", type=int, default=0, help="added to every seed")
    parser.add_argument("--shard", default="0/1", help="this share of the runs, as 0/2")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--picture", type=Path, help="the confusion matrix as a PNG")
    parser.add_argument("--level", choices=LEVELS, help="of the misses and the picture")
    parser.add_argument("--without", nargs="*", default=(), help="baselines to leave out")
    parser.add_argument(
        "--faulty-seeds", nargs="*", type=int, help="report only these seeds of faulty runs"
    )
    parser.add_argument(
        "--healthy-from", type=int, help="report only healthy runs of this seed and later ones"
    )
    parser.add_argument("--to", type=Path, help="the folder of a sample, or of signs")
    parser.add_argument("--each", type=int, default=3, help="runs of a cause in a sample")
    parser.add_argument("--only", nargs="*", help="some causes")
    parser.add_argument("--again", nargs="*", help="these probes, of runs that were probed before")
    options = parser.parse_args()
    if options.command not in FROM_SIGNS and not (options.texts and options.out):
        parser.error(f"{options.command} needs TEXTS and --out")
    plans = all_plans(options.part, _corpora(options), options.seeds)
    if options.only:
        plans = [plan for plan in plans if plan.cause in options.only]
    number, of = map(int, options.shard.split("/"))
    plans = plans[number::of]
    COMMANDS[options.command](options, plans)


if __name__ == "__main__":
    main()
