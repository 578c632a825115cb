"""The recorded runs of the lessons: real, whole, small, and described as they are."""

import gzip
import json
from pathlib import Path

import pytest
from helpers_assets import ASSETS, script
from helpers_command import run as command

from novelkit import layouts
from novelkit.diagnosis import diagnose
from novelkit.training import read_history

FOLDER = ASSETS / "runs"
RUNS = sorted(path.parent for path in FOLDER.glob("*/run.json"))
ABOUT = (FOLDER / "README.md").read_text(encoding="utf-8")


def ledger(run: Path):
    return layouts.read_header(run / layouts.RUN_FILE, "novelkit-run")


def lines(run: Path):
    """Every line as it was written, also of steps that were done again."""
    raw = gzip.decompress((run / layouts.PACKED_HISTORY_FILE).read_bytes()).decode("utf-8")
    return [json.loads(line) for line in raw.splitlines()]


def test_there_is_a_long_one_an_interrupted_and_a_diverged_one_and_they_are_small():
    assert {run.name for run in RUNS} == {"novel-small", "interrupted", "diverged"}
    # The sample of faulty runs has a limit of its own (tests/test_diagnosis_runs.py).
    files = [path for run in RUNS for path in run.rglob("*") if path.is_file()]
    assert 0 < sum(path.stat().st_size for path in files) < 1_000_000
    assert len(read_history(FOLDER / "novel-small")) >= 5_000


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_it_is_whole_and_learned_something(run):
    history = read_history(run)
    assert [record["step"] for record in history] == list(range(1, len(history) + 1))
    told = ledger(run)
    assert told["sessions"][-1]["ended"] == "finished"
    cycles = [item["value"] for item in told["decisions"] if item["kind"] == "cycle"]
    assert cycles[-1]["end"] == len(history)
    evaluated = [each["validation_loss"] for each in history if "validation_loss" in each]
    assert min(evaluated) < evaluated[0] and len(evaluated) >= 20
    assert (evaluated[-1] < evaluated[0]) == (run.name != "diverged")
    # Below counts of single characters, with the anchors that the run measured itself.
    anchors, per = told["data"]["anchors"], told["data"]["tokens_per_character"]
    assert min(evaluated) * per["validation"] < anchors["unigram"] < anchors["uniform"]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_the_commands_read_it_as_any_other_run(run, tmp_path):
    assert diagnose(run).findings
    plot = tmp_path / "loss.png"
    code, out, _ = command("diagnose", run, "--plot", plot, "--json")
    assert code == 0 and json.loads(out)["findings"]
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_the_readme_says_how_it_was_made(run):
    """Command, seed, dates, steps and hardware, as the ledger has them."""
    told, history = ledger(run), read_history(run)
    section = ABOUT.split(f"## {run.name}")[1].split("\n## ")[0]
    assert "```sh\n" in section
    assert f"seed {told['config']['seed']}" in section
    for session in told["sessions"]:
        assert session["started"][:10] in section
        assert session["torch"].split("+")[0] in section
        assert {"cpu": "CPU", "cuda": "GPU"}[session["device"]] in section
    assert f"{len(history):,} steps" in section
    parameters = told["model"]["parameters"]
    assert f"{parameters:,} parameters" in section


def test_the_interrupted_one_went_on_as_if_nothing_had_happened():
    run = FOLDER / "interrupted"
    told = ledger(run)
    assert [each["ended"] for each in told["sessions"]] == [None, "interrupted", "finished"]
    killed, stopped, last = told["sessions"]
    assert killed["resumed_from"] is None
    raw = lines(run)
    first = [each for each in raw if each["session"] == 1]
    lost = [each for each in first if each["step"] > stopped["resumed_from"]]
    assert lost, "the kill cost steps"
    again = {each["step"]: each for each in raw if each["session"] == 2}
    for record in lost:
        # The same numbers to the last digit: the same batch, weights and optimizer.
        for name in ("loss", "gradient_norm", "learning_rate", "position"):
            assert again[record["step"]][name] == record[name], (record["step"], name)
    # After the Ctrl-C nothing was done twice.
    done = max(again)
    assert last["resumed_from"] == done
    assert min(each["step"] for each in raw if each["session"] == 3) == done + 1


def test_the_gradients_of_the_diverged_one_grew_before_its_loss_did():
    history = read_history(FOLDER / "diverged")
    norms = {step: history[step - 1]["gradient_norm"] for step in (3500, 4000, 4500, 5000)}
    section = " ".join(ABOUT.split("## diverged")[1].split("\n## ")[0].split())
    assert norms[3500] < 0.4
    told = f"{norms[4000]:.1f} at step 4,000, {norms[4500]:.1f} at 4,500 and {norms[5000]:.0f} at"
    assert told in section
    losses = [record["loss"] for record in history]
    assert max(losses[3000:4500]) < 5.5 < 6 < min(losses[5000:])


def test_recording_keeps_what_the_run_wrote(tmp_path):
    tool = script("runs/record_run.py")
    history = (
        '{"step": 1, "loss": 5.123456789, "clipped": false, "micro_batch_losses": [1.00000049]}\n'
        '{"step": 2, "lo\n{"step": 2, "loss": 4e-07, "tokens": 16777217}\n'
    )
    run = tmp_path / "run"
    run.mkdir()
    (run / layouts.HISTORY_FILE).write_text(history, encoding="utf-8")
    (run / layouts.RUN_FILE).write_text('{"a": 1}', encoding="utf-8")
    size = tool.record(run, tmp_path / "kept")
    assert size == sum(path.stat().st_size for path in (tmp_path / "kept").iterdir())
    assert read_history(tmp_path / "kept") == [
        {"step": 1, "loss": 5.12346, "clipped": False, "micro_batch_losses": [1.0]},
        {"step": 2, "loss": 4e-07, "tokens": 16777217},
    ]
    assert (tmp_path / "kept" / layouts.RUN_FILE).read_text(encoding="utf-8") == '{"a": 1}'
    packed = tmp_path / "kept" / layouts.PACKED_HISTORY_FILE
    raw = gzip.decompress(packed.read_bytes()).decode("utf-8")
    assert '{"step": 2, "lo\n' in raw, "a torn line is part of what happened"
    assert tool.packed(history.encode("utf-8")) == packed.read_bytes()
