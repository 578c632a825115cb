"""What a person sees while a run goes on: the bar, the estimate, the live plot, the model card."""

import io
import json
import re
import time

import pytest
import torch
from matplotlib.figure import Figure

from novelkit.layouts import read_header
from novelkit.plots.live import LiveLoss
from novelkit.training import Budget, TrainConfig, TrainingBar, read_history, train, without_clock

torch.set_num_threads(1)
CONFIG = TrainConfig(seed=1, batch_size=4, evaluate_every=5, patience=0, checkpoint_steps=5)


@pytest.fixture(scope="module")
def run(data_folder, model_size, cpu, tmp_path_factory):
    """A run that was told all that can be told, and what it told."""
    told: dict[str, list] = {"steps": [], "scores": [], "notices": []}
    result = train(
        data_folder,
        tmp_path_factory.mktemp("progress") / "run",
        model_size,
        CONFIG,
        Budget(12),
        compute=cpu,
        on_step=lambda record, last: told["steps"].append((record, last)),
        on_score=lambda done, total: told["scores"].append((done, total)),
        on_notice=told["notices"].append,
        sample=lambda model: f"样本{model.training}",
    )
    return result, told


def test_every_step_is_told_with_the_last_one(run):
    result, told = run
    assert [(record["step"], last) for record, last in told["steps"]] == [
        (step, 12) for step in range(1, 13)
    ]
    assert [record for record, _ in told["steps"]] == read_history(result.run)
    done, totals = zip(*told["scores"], strict=True)
    assert list(done) == sorted(done) and set(totals) == {done[-1]}


def test_what_a_run_needs_is_said_before_it_starts(run, model_size):
    result, told = run
    text = "".join(told["notices"])
    ledger = json.loads((result.run / "run.json").read_text(encoding="utf-8"))
    assert f"{ledger['model']['parameters']:,} 个参数" in text
    assert "试算一步约" in text and "还要训练 12 步" in text
    assert all("\n" not in line for line in told["notices"])


def test_the_estimate_by_the_clock_counts_steps(data_folder, model_size, cpu, tmp_path):
    notices: list[str] = []
    budget = Budget(minutes=0.02)
    train(data_folder, tmp_path, model_size, CONFIG, budget, compute=cpu, on_notice=notices.append)
    assert any("0.02 分钟约能训练" in line for line in notices)


def test_a_sample_stands_where_it_was_evaluated(run):
    result, _ = run
    history = read_history(result.run)
    assert [record["step"] for record in history if "sample" in record] == [5, 10, 12]
    assert history[4]["sample"] == "样本False"


def test_the_card_says_what_the_model_is_made_of(run, data_folder):
    result, _ = run
    card = (result.model / "README.md").read_text(encoding="utf-8")
    header = read_header(data_folder / "data.json", "novelkit-data")
    assert card.startswith("---\nlanguage: zh\n")
    for part in ("《渡口》", "learning_rate", "muon", header["tokenizer"], "## 损失", "xz"):
        assert part in card
    assert f"{result.scores.test_bits_per_character:.3f}" in card
    last = read_history(result.run)[-1]
    assert f"| 12 | {last['loss']:.3f} | {last['validation_loss']:.3f} |" in card
    # Every table is one: a line as wide as its head.
    rows = [line.count(" | ") for line in card.splitlines() if line.startswith("|")]
    assert rows and min(rows) >= 1


# The bar


def record(step: int, **more) -> dict:
    return {"step": step, "loss": 5.4321, "tokens_per_second": 1234, **more}


def test_the_bar_shows_loss_validation_and_speed():
    stream = io.StringIO()
    with TrainingBar(stream, mininterval=0, ncols=120) as bar:
        bar.on_step(record(1), 10)
        bar.on_step(record(2, validation_loss=6.5), 10)
        bar.on_notice("换成小块")
        bar.on_score(3, 8)
    text = stream.getvalue()
    for part in ("2/10", "损失=5.432", "验证=6.500", "词元／秒=1,234", "换成小块", "3/8"):
        assert part in text


def test_a_resumed_bar_begins_where_the_run_is():
    stream = io.StringIO()
    with TrainingBar(stream, mininterval=0, ncols=120) as bar:
        bar.on_step(record(51), 100)
    assert "51/100" in stream.getvalue()


def test_the_speed_of_a_resumed_bar_is_that_of_its_own_steps():
    stream = io.StringIO()
    with TrainingBar(stream, mininterval=0, ncols=120) as bar:
        for step in range(5001, 5006):
            time.sleep(0.05)
            bar.on_step(record(step), 9000)
    speeds = [float(found) for found in re.findall(r"([0-9.]+)步/s", stream.getvalue())]
    # The 5,000 steps of earlier sessions took this one no time.
    assert speeds and max(speeds) < 100


def test_a_bar_without_an_end_counts():
    stream = io.StringIO()
    with TrainingBar(stream, mininterval=0, ncols=120) as bar:
        bar.on_step(record(1), None)
        bar.on_step(record(2), None)
    assert "2步" in stream.getvalue()


# The live plot


def test_the_figure_is_drawn_again_and_at_last_with_every_step(run, data_folder):
    result, _ = run
    header = read_header(data_folder / "data.json", "novelkit-data")
    figures: list[Figure] = []
    with LiveLoss(header, every=3600, show=figures.append) as live:
        for one in read_history(result.run):
            live.on_step(one, 12)
        assert len(figures) == 1  # the first step at once, then not for an hour
    assert len(figures) == 2
    points = figures[-1].axes[0].lines[0].get_xdata()
    assert list(points) == list(range(1, 13))


def test_drawing_takes_a_small_share_of_the_time(run, data_folder, monkeypatch):
    result, _ = run
    header = read_header(data_folder / "data.json", "novelkit-data")
    clock = [0.0]
    monkeypatch.setattr("novelkit.plots.live.time.monotonic", lambda: clock[0])
    drawn: list[float] = []

    def show(figure):
        drawn.append(clock[0])
        clock[0] += 1.0  # a slow machine

    live = LiveLoss(header, every=2, show=show)
    for one in read_history(result.run) * 20:
        clock[0] += 0.5
        live.on_step(one, 12)
    gaps = [later - earlier for earlier, later in zip(drawn, drawn[1:], strict=False)]
    assert len(drawn) >= 3 and min(gaps) >= 20


def test_steps_done_again_replace_those_that_were_lost(run, data_folder):
    result, _ = run
    header = read_header(data_folder / "data.json", "novelkit-data")
    earlier = read_history(result.run)
    live = LiveLoss(header, earlier, show=lambda figure: None)
    live.on_step({**earlier[7], "session": 2}, 12)
    assert [one["step"] for one in live.history] == list(range(1, 9))
    assert live.history[-1]["session"] == 2


def test_nothing_is_drawn_before_the_first_step(data_folder):
    header = read_header(data_folder / "data.json", "novelkit-data")
    with LiveLoss(header, show=lambda figure: pytest.fail("drawn")) as live:
        assert live.history == []


def test_a_notebook_shows_one_picture_and_updates_it(run, data_folder, monkeypatch):
    import IPython.display

    result, _ = run
    shown, updated = [], []

    class Handle:
        def update(self, image):
            updated.append(image)

    def display(image, display_id):
        shown.append(image)
        return Handle()

    monkeypatch.setattr(IPython.display, "display", display)
    header = read_header(data_folder / "data.json", "novelkit-data")
    with LiveLoss(header, every=3600) as live:
        for one in read_history(result.run):
            live.on_step(one, 12)
    assert (len(shown), len(updated)) == (1, 1)
    assert shown[0].data.startswith(b"\x89PNG")


def test_listening_changes_nothing(run, data_folder, model_size, cpu, tmp_path):
    result, _ = run
    alone = train(data_folder, tmp_path, model_size, CONFIG, Budget(12), compute=cpu)
    heard = without_clock(read_history(result.run))
    for record in heard:
        record.pop("sample", None)
    assert without_clock(read_history(alone.run)) == heard
