"""How much sooner our training recipe reaches a validation loss than nanoGPT's does.

    python tests/benchmarks/recipe.py search DATA --names muon nanogpt --steps 200 --out s.jsonl
    python tests/benchmarks/recipe.py confirm DATA --seconds 600 --seeds 0 1 2 --out confirm.jsonl
    python tests/benchmarks/recipe.py plot DATA --runs confirm.jsonl --out recipe.png
    python tests/benchmarks/recipe.py ablation DATA --steps 300 --seeds 0 1 --out ablation.jsonl

DATA is any folder that `novelkit prepare` wrote. All recipes train the model of the tiny preset on
the same batches in the same precision. A run's seconds are CPU seconds of one thread, so that
other work on the machine does not add to them (it still shares the cache, hence the turns of a few
seconds in `confirm`); on a GPU they are the wall's. Evaluation costs no recipe any time. A file of
results is appended to, and what it holds is not run again.
"""

import argparse
import json
import math
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from recipe_candidates import NANOGPT, OURS, RECIPES, ablations
from recipe_trials import Recipe, Setting, Trial

from novelkit.environment import Compute, choose_compute
from novelkit.training.data import TrainingData

TURN = 5.0  # own seconds
POINTS = 12  # of a curve
Results = list[dict[str, Any]]


def search(setting: Setting, options: argparse.Namespace) -> None:
    """Named candidates for a number of steps each, sorted by what they reached."""
    recipes = {name: RECIPES[name] for name in options.names}
    results = run_all(setting, options, recipes, "search")
    print("| recipe | steps | validation, nats/char | spread of seeds | CPU s |")
    print("| --- | ---: | ---: | ---: | ---: |")
    rows = [(name, *_mean(results, name, setting)) for name in recipes]
    for name, mean, spread, found in sorted(rows, key=lambda row: row[1]):
        seconds = statistics.mean(item["seconds"] for item in found)
        print(f"| {name} | {found[0]['steps']} | {mean:.3f} | {spread} | {seconds:.0f} |")


def ablation(setting: Setting, options: argparse.Namespace) -> None:
    """Our recipe less one component at a time; differences are taken seed by seed."""
    recipes = ablations(OURS.library)
    results = run_all(setting, options, recipes, "ablation")
    base = {item["seed"]: item["loss"] for item in results if item["recipe"] == "the recipe"}
    ratio = tokens_per_character(setting)
    print("| without | validation, nats/char | difference | its spread over seeds |")
    print("| --- | ---: | ---: | ---: |")
    for name in recipes:
        mean, _, found = _mean(results, name, setting)
        gaps = [(item["loss"] - base[item["seed"]]) * ratio for item in found]
        print(f"| {name} | {mean:.3f} | {statistics.mean(gaps):+.3f} | {_spread(gaps)} |")


def run_all(
    setting: Setting, options: argparse.Namespace, recipes: dict[str, Recipe], kind: str
) -> Results:
    """A trial for each recipe and seed that the file does not hold yet."""
    results = []
    for seed in options.seeds:
        for name, recipe in recipes.items():
            # Equal tokens: a smaller batch takes more steps.
            steps = options.steps * OURS.batch // recipe.batch
            key = {"kind": kind, "recipe": name, "seed": seed, "limit": options.steps}
            results += remembered(options.out, key, partial(_run, recipe, setting, seed, steps))
    return results


def _run(recipe: Recipe, setting: Setting, seed: int, steps: int) -> Results:
    trial = Trial(recipe, setting, seed, steps=steps)
    for point in range(1, 5):
        trial.advance(steps=math.ceil(steps * point / 4))
        trial.measure()
    return [_result(trial)]


def _result(trial: Trial) -> dict[str, Any]:
    return {
        "loss": trial.curve[-1][2],
        "steps": trial.step,
        "seconds": round(trial.seconds, 2),
        "curve": trial.curve,
    }


def remembered(
    path: Path, key: dict[str, Any], work: Callable[[], Iterable[dict[str, Any]]]
) -> Results:
    """Results of that key from the file, or done now and appended to it."""
    known = [item for item in read(path) if item | key == item]
    if known:
        return known
    done = [key | item for item in work()]
    with path.open("a", encoding="utf-8", newline="\n") as file:
        for item in done:
            file.write(json.dumps(item, ensure_ascii=False) + "\n")
            print(f"{key} {item['loss']:.4f}, {item['seconds']:.0f} s", file=sys.stderr, flush=True)
    return done


def read(path: Path) -> Results:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def confirm(setting: Setting, options: argparse.Namespace) -> None:
    """Our recipe in parts of the time against nanoGPT's in all of it."""
    peer, ours = RECIPES[options.peer], RECIPES[options.ours]
    results = []
    for seed in options.seeds:
        key = {"kind": "confirm", "seed": seed, "limit": options.seconds}
        key |= {"peer": peer.name, "ours": ours.name}
        results += remembered(options.out, key, partial(race, setting, options, seed))
    ratio = tokens_per_character(setting)
    rows = sorted({(item["recipe"], item["share"]) for item in results})
    print(
        "| recipe | share of the time | CPU s | steps | validation, nats/char | spread of seeds |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for recipe, share in rows:
        found = [r for r in results if (r["recipe"], r["share"]) == (recipe, share)]
        losses = [item["loss"] * ratio for item in found]
        cells = [statistics.mean(r[name] for r in found) for name in ("seconds", "steps")]
        print(
            f"| {recipe} | {share:g} | {cells[0]:.0f} | {cells[1]:.0f} |"
            f" {statistics.mean(losses):.3f} | {_spread(losses)} |"
        )
    print()
    for seed in options.seeds:
        of_seed = [item for item in results if item["seed"] == seed]
        for name in sorted({item["recipe"] for item in of_seed} - {ours.name}):
            share = share_to_reach(of_seed, name, ours.name)
            print(f"seed {seed}: ours reaches the end of {name} in {share} of its time")


def race(setting: Setting, options: argparse.Namespace, seed: int) -> Iterator[dict[str, Any]]:
    """All runs of a seed in turns; ours share their stable part and branch to cool down."""
    peer, ours = RECIPES[options.peer], RECIPES[options.ours]
    trunk = Trial(ours, setting, seed)
    runs = {(peer.name, 1.0): Trial(peer, setting, seed, seconds=options.seconds)}
    for name in options.others:
        runs[name, 1.0] = Trial(RECIPES[name], setting, seed, seconds=options.seconds)
    waiting = sorted(options.shares)
    turn = min(TURN, options.seconds / 20)
    while waiting or not all(run.finished for run in runs.values()):
        if waiting:
            until = waiting[0] * options.seconds * (1 - trunk.cooldown)
            _take_turn(trunk, min(until, trunk.seconds + turn), options.seconds)
            if trunk.seconds >= until:
                share = waiting.pop(0)
                runs[ours.name, share] = trunk.branch(share * options.seconds)
        for run in runs.values():
            if not run.finished:
                _take_turn(run, run.seconds + turn, options.seconds)
    for (name, share), run in runs.items():
        run.measure(options.final_blocks)
        yield {"recipe": name, "share": share, **_result(run)}


def _take_turn(trial: Trial, until: float, whole: float) -> None:
    """Train until then, and measure where a point of the curve is due."""
    trial.advance(seconds=until)
    last = trial.curve[-1][1] if trial.curve else 0.0
    if trial.seconds - last >= whole / POINTS:
        trial.measure()


def share_to_reach(results: Results, peer: str, ours: str) -> str:
    """At which share ours is as good as the peer at its end, between the shares that were run."""
    (goal,) = (item["loss"] for item in results if item["recipe"] == peer)
    points = sorted((r["share"], r["loss"]) for r in results if r["recipe"] == ours)
    if points[0][1] <= goal:
        return f"at most {points[0][0]:.3g}"
    for (before, high), (after, low) in zip(points, points[1:], strict=False):
        if low <= goal:
            part = (high - goal) / (high - low)
            # Losses fall by about equal amounts as the time doubles.
            return f"{before * (after / before) ** part:.3g}"
    return f"more than {points[-1][0]:.3g}"


def plot(setting: Setting, options: argparse.Namespace) -> None:
    """The curves of a seed of `confirm` and the corpus's anchors."""
    from recipe_plot import plot_curves

    results = [item for item in read(options.runs) if item["kind"] == "confirm"]
    results = [item for item in results if item["seed"] == results[-1]["seed"]]
    figure = plot_curves(results, setting.data.header["anchors"], tokens_per_character(setting))
    figure.savefig(options.out, dpi=150)
    print(options.out)


def tokens_per_character(setting: Setting) -> float:
    return setting.data.identity["tokens_per_character"]["validation"]


def _mean(results: Results, name: str, setting: Setting) -> tuple[float, str, Results]:
    found = [item for item in results if item["recipe"] == name]
    losses = [item["loss"] * tokens_per_character(setting) for item in found]
    return statistics.mean(losses), _spread(losses), found


def _spread(values: list[float]) -> str:
    """Standard deviation, or a dash for a single seed."""
    return f"{statistics.stdev(values):.3f}" if len(values) > 1 else "—"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, action in COMMANDS.items():
        command = commands.add_parser(name, help=action.__doc__.splitlines()[0])
        command.add_argument("data", type=Path, help="a folder that `novelkit prepare` wrote")
        command.add_argument("--out", type=Path, required=True)
        command.add_argument("--seeds", type=int, nargs="+", default=[0])
        command.add_argument("--blocks", type=int, default=192, help="in an evaluation")
        command.add_argument("--dtype", choices=("float32", "bfloat16"), help="default: measured")
        for size in ("n_layer", "n_embd", "n_ctx"):
            command.add_argument(f"--{size}", type=int, help="instead of the tiny preset's")
    for name in ("search", "ablation"):
        commands.choices[name].add_argument("--steps", type=int, default=200)
    commands.choices["search"].add_argument("--names", nargs="+", choices=RECIPES, required=True)
    confirming = commands.choices["confirm"]
    confirming.add_argument("--seconds", type=float, default=600.0)
    confirming.add_argument("--shares", type=float, nargs="+", default=[0.25, 0.35, 0.5, 1.0])
    confirming.add_argument("--peer", choices=RECIPES, default=NANOGPT.name)
    confirming.add_argument("--ours", choices=RECIPES, default=OURS.name)
    confirming.add_argument("--others", choices=RECIPES, nargs="*", default=[])
    confirming.add_argument("--final-blocks", type=int, default=600)
    commands.choices["plot"].add_argument("--runs", type=Path, required=True)
    return parser.parse_args()


COMMANDS = {"search": search, "confirm": confirm, "plot": plot, "ablation": ablation}


def main() -> None:
    options = parse()
    torch.set_num_threads(1)
    compute = choose_compute(measure=not options.dtype)
    if options.dtype:
        compute = Compute(compute.device, options.dtype, False, "asked for")
    sizes = {name: getattr(options, name) for name in ("n_layer", "n_embd", "n_ctx")}
    sizes = {name: value for name, value in sizes.items() if value}
    setting = Setting(TrainingData.read(options.data), compute, sizes, options.blocks)
    COMMANDS[options.command](setting, options)


if __name__ == "__main__":
    main()
