"""The measurements of training run on a toy, and what they say follows from what they timed."""

import argparse
import importlib
import json
import math
import sys
from pathlib import Path

import pytest
import torch

from novelkit.environment import Compute
from novelkit.model import gpt2
from novelkit.training import TrainConfig
from novelkit.training.data import TrainingData
from novelkit.training.muon import Muon

sys.path.insert(0, str(Path(__file__).resolve().parent / "benchmarks"))

import recipe
import recipe_candidates
import recipe_plot
import training_contenders
import training_speed
from recipe_trials import Recipe, Setting, Trial

TOY = {"n_layer": 1, "n_head": 1, "n_embd": 16, "n_ctx": 16}
SIZES = ["--n_layer", "1", "--n_embd", "16", "--n_ctx", "16", "--blocks", "4"]


@pytest.fixture
def setting(data_folder):
    compute = Compute("cpu", "float32", False, "test")
    return Setting(TrainingData.read(data_folder), compute, TOY, blocks=4)


def run(module, monkeypatch, capsys, *arguments):
    threads = torch.get_num_threads()
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments)])
    try:
        module.main()
    finally:
        torch.set_num_threads(threads)
    return [line.split(" | ") for line in capsys.readouterr().out.splitlines() if "|" in line]


def test_speed_compares_three_loops_and_the_defaults(data_folder, monkeypatch, capsys):
    pytest.importorskip("accelerate")
    options = ["--only", "speed", "--shapes", "toy", "--turns", 1, "--steps", 2, "--threads", 1]
    rows = run(training_speed, monkeypatch, capsys, "--data", data_folder, *options)[2:]
    assert [row[2].split(":")[0] for row in rows] == [
        *["Trainer", "novelkit", "bare loop"] * 2,
        "Trainer",
        "novelkit",
    ]
    assert all(int(row[3].replace(",", "")) > 0 for row in rows)
    assert all(row[5].startswith("1.00 ") for row in rows if row[2].startswith("Trainer"))


def test_the_ratio_is_that_of_turns_that_followed_one_another(data_folder):
    data = TrainingData.read(data_folder)
    shape = training_contenders.SHAPES["toy"]
    ours = training_contenders.Contender("ours", "ours", shape, "float32", 0.0)
    seconds = {"Trainer": [2.0, 4.0, 9.0], "ours": [1.0, 1.0, 3.0]}
    row = training_speed.speed_row("title", ours, seconds, {"float32": 1e9}, data)
    assert row.endswith("| 3.00 (2.00–4.00) |")
    assert f"| {shape.tokens / 1.0:,.0f} |" in row


@pytest.mark.parametrize("kind", ["ours", "trainer", "bare"])
def test_a_turn_times_the_steps_that_were_asked_for(kind, data_folder):
    if kind == "trainer":
        pytest.importorskip("accelerate")
    shape = training_contenders.SHAPES["toy"]
    who = training_contenders.Contender(kind, kind, shape, "float32", 0.1)
    times = who.turn(TrainingData.read(data_folder), "cpu", 3)
    # The first step is the start of the first interval.
    assert len(times.ends) == 4
    assert all(seconds > 0 for seconds in times.medians())


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux only")
def test_memory_and_start_up_are_those_of_a_process_of_its_own(data_folder):
    shape = training_contenders.SHAPES["toy"]
    who = training_contenders.Contender("ours", "ours", shape, "float32", 0.0)
    options = argparse.Namespace(threads=1, steps=2)
    assert 0 <= training_speed.measure_memory(who, data_folder, "cpu", options) < 200e6
    assert 0.5 < training_speed.measure_startup(who, data_folder, "cpu", options) < 300


def test_search_sorts_by_loss_and_does_nothing_twice(data_folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "search.jsonl"
    names = ["trainer", "muon", "muon+batch8"]
    options = ["--names", *names, "--steps", 4, *SIZES, "--dtype", "float32", "--out", out]
    first = run(recipe, monkeypatch, capsys, "search", data_folder, *options)[2:]
    losses = [float(row[2]) for row in first]
    assert losses == sorted(losses) and len(first) == 3
    # Equal tokens: half the batch, twice the steps.
    assert {row[0]: row[1] for row in first} == {
        "| trainer": "4",
        "| muon": "4",
        "| muon+batch8": "8",
    }
    monkeypatch.setattr(recipe, "_run", lambda *_: pytest.fail("it is in the file"))
    assert run(recipe, monkeypatch, capsys, "search", data_folder, *options)[2:] == first


def test_confirm_says_when_ours_reaches_the_peer_and_plot_draws_it(
    data_folder, tmp_path, monkeypatch, capsys
):
    out, png = tmp_path / "confirm.jsonl", tmp_path / "curves.png"
    options = ["--seconds", 0.5, "--shares", 0.5, 1, "--final-blocks", 8, *SIZES]
    options += ["--others", "trainer", "nanogpt-plain"]
    options += ["--dtype", "float32", "--out", out]
    rows = run(recipe, monkeypatch, capsys, "confirm", data_folder, *options)[2:]
    found = [(row[0].strip("| "), row[1]) for row in rows]
    assert found == [
        ("nanogpt", "1"),
        ("nanogpt-plain", "1"),
        ("novelkit", "0.5"),
        ("novelkit", "1"),
        ("trainer", "1"),
    ]
    results = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    for result in results:
        # A run may pass its end by the step that it is in, or by what the clock misjudged.
        assert result["seconds"] >= 0.35 * result["share"]
        moments = [seconds for _, seconds, _ in result["curve"]]
        assert moments == sorted(moments)
    run(recipe, monkeypatch, capsys, "plot", data_folder, "--runs", out, "--out", png)
    assert png.read_bytes().startswith(b"\x89PNG")


def test_a_rate_of_a_peer_is_named_in_the_picture():
    curve = [[1, 1.0, 5.0], [2, 60.0, 4.0]]
    results = [
        {"recipe": recipe_name, "share": share, "curve": curve}
        for recipe_name, share in (("nanogpt-lr0.002", 1.0), ("novelkit", 0.5), ("muon", 1.0))
    ]
    axes = recipe_plot.plot_curves(results, {"uniform": 6.0}, 1.0).axes[0]
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names[0] == "muon" and "0.002" in names[1] and "50%" in names[2]


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ([4.0, 3.0], "at most 0.25"),
        ([6.0, 4.0], "0.354"),  # halfway in doublings of the time
        ([7.0, 6.0], "more than 0.5"),
    ],
)
def test_the_share_is_read_off_between_runs(losses, said):
    results = [{"recipe": "peer", "share": 1.0, "loss": 5.0}]
    results += [
        {"recipe": "ours", "share": share, "loss": loss}
        for share, loss in zip((0.25, 0.5), losses, strict=True)
    ]
    assert recipe.share_to_reach(results, "peer", "ours") == said


def test_ablation_compares_with_the_whole_recipe(data_folder, tmp_path, monkeypatch, capsys):
    few = dict(list(recipe_candidates.ablations(TrainConfig()).items())[:3])
    monkeypatch.setattr(recipe, "ablations", lambda _: few)
    options = ["--steps", 4, "--seeds", 0, 1, *SIZES, "--dtype", "float32"]
    rows = run(
        recipe, monkeypatch, capsys, "ablation", data_folder, *options, "--out", tmp_path / "a"
    )[2:]
    assert [row[0].strip("| ") for row in rows] == list(few)
    assert rows[0][2:] == ["+0.000", "0.000 |"] and rows[1][2] != "+0.000"


@pytest.mark.parametrize("recipe_name", ["novelkit", "muon", "muon+ema"])
def test_a_branch_goes_on_as_the_run_that_it_left(recipe_name, setting):
    """Up to the cooldown the runs of different lengths are one run."""
    trunk = Trial(recipe_candidates.RECIPES[recipe_name], setting, seed=0)
    trunk.advance(steps=3)
    branch = trunk.branch(seconds=1e9)
    trunk.advance(steps=5)
    branch.advance(steps=5)
    assert trunk.measure() == branch.measure()


def test_the_plain_muon_is_the_library_s(setting):
    trial = Trial(Recipe("muon", learning_rate=0.01), setting, seed=0, steps=40)
    named = dict(trial.model.named_parameters())
    hidden = [item for name, item in named.items() if name.startswith("blocks") and item.dim() == 2]
    copies = [torch.nn.Parameter(item.detach().clone()) for item in hidden]
    library = Muon(copies, lr=0.01 * 1 / 4, weight_decay=0.1)
    trial.advance(steps=1)
    for item, copied in zip(hidden, copies, strict=True):
        copied.grad = trial.optimizers[0].state[item]["buffer"] / 0.05
    library.step()
    for item, copied in zip(hidden, copies, strict=True):
        torch.testing.assert_close(item.detach(), copied.detach(), rtol=1e-3, atol=1e-5)


def test_plain_kernels_compute_the_same_and_only_in_their_own_recipe(setting, monkeypatch):
    calls = []
    mix = gpt2.mix
    monkeypatch.setattr(
        gpt2, "mix", lambda *inputs, **named: calls.append(1) or mix(*inputs, **named)
    )
    found = []
    for name in ("nanogpt", "nanogpt-plain"):
        trial = Trial(recipe_candidates.RECIPES[name], setting, seed=0, steps=20)
        trial.advance(steps=3)
        found.append((trial.model.token_embedding.weight.detach().clone(), len(calls)))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-3, atol=1e-5)
    assert 0 < found[0][1] == found[1][1]


def test_the_cosine_warms_up_and_ends_at_a_tenth(setting):
    trial = Trial(recipe_candidates.NANOGPT, setting, seed=0, steps=100)
    shares = []
    for trial.step in range(100):
        shares.append(trial._share())
    assert shares[0] < shares[2] < shares[4] and max(shares) == pytest.approx(1, abs=0.01)
    assert shares[-1] == pytest.approx(0.1, abs=0.01)
    assert all(math.isfinite(share) and share > 0 for share in shares)


def test_every_benchmark_says_how_to_call_it():
    for name in ("recipe", "training_speed"):
        assert f"tests/benchmarks/{name}.py" in importlib.import_module(name).__doc__
