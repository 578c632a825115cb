"""Stage 06, the parts: batches, a step, the schedule, optimizers, settings, the history."""

import gzip
import json
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit.__main__ import main
from novelkit.environment import Compute
from novelkit.errors import InputError
from novelkit.model import GPT2, ModelConfig
from novelkit.tokenizing.blocks import IGNORED
from novelkit.training import Budget, TrainConfig, opening, read_history, without_clock
from novelkit.training.batches import Batch, BatchStream
from novelkit.training.config import SCHEDULES
from novelkit.training.data import TrainingData, evaluate
from novelkit.training.history import HistoryWriter
from novelkit.training.ledger import Ledger
from novelkit.training.optimizers import build_optimizers
from novelkit.training.schedule import Cycle, learning_rate
from novelkit.training.step import Learner

torch.set_num_threads(1)
CPU = Compute("cpu", "float32", False, "测试用")
SIZE = ModelConfig(vocab_size=50, n_ctx=16, n_layer=2, n_head=2, n_embd=16, dropout=0.0)


# Batches


def positions(batch: Batch) -> list[int]:
    """Where the targets of a batch stand, for tokens that are their own positions."""
    return batch.targets[batch.targets != IGNORED].tolist()


streams = st.tuples(
    st.integers(2, 12).flatmap(  # context; at least one token more
        lambda context: st.tuples(st.integers(context + 1, 150), st.just(context))
    ),
    st.integers(1, 40),  # batch size, up to several epochs
    st.integers(0, 2**32 - 1),  # seed
)


@settings(max_examples=60, deadline=None)
@given(streams)
def test_every_target_is_seen_once_an_epoch_and_none_is_dropped_between_epochs(case):
    (length, context), batch_size, seed = case
    stream = BatchStream(np.arange(length), context, batch_size, seed)
    epochs: list[Counter[int]] = []
    # Sequence by sequence: a batch of one stream is `batch_size` of a stream of ones.
    single = BatchStream(np.arange(length), context, 1, seed)
    for number in range(1, 4 * (2 + length // context)):
        row = single.batch(number)
        epochs += [Counter() for _ in range(row.epoch + 1 - len(epochs))]
        epochs[row.epoch].update(positions(row))
    assert len(epochs) >= 3
    for seen in epochs[:-1]:
        assert seen == Counter(range(1, length))
    rows = [single.batch(number) for number in range(1, 2 * batch_size + 1)]
    for step in (1, 2):
        batch = stream.batch(step)
        expected = rows[(step - 1) * batch_size : step * batch_size]
        together = np.concatenate([row.inputs for row in expected])
        # Rows of one batch are grouped by epoch, which is also their order.
        assert (batch.inputs == together).all()
        assert (batch.targets == np.concatenate([row.targets for row in expected])).all()
        assert (batch.epoch, batch.position) == (expected[0].epoch, expected[0].position)


@settings(max_examples=40, deadline=None)
@given(streams, st.lists(st.integers(1, 60), min_size=1, max_size=12))
def test_a_batch_is_a_pure_function_of_its_step(case, steps):
    (length, context), batch_size, seed = case
    stream = BatchStream(np.arange(length), context, batch_size, seed)
    for step in steps:
        fresh = BatchStream(np.arange(length), context, batch_size, seed).batch(step)
        asked = stream.batch(step)
        assert (asked.inputs == fresh.inputs).all()
        assert (asked.targets == fresh.targets).all()
        assert (asked.epoch, asked.position) == (fresh.epoch, fresh.position)


def test_targets_are_the_tokens_after_the_inputs():
    batch = BatchStream(np.arange(1000), 8, 4, seed=1).batch(3)
    wanted = batch.targets != IGNORED
    assert (batch.targets[wanted] == batch.inputs[wanted] + 1).all()
    assert batch.inputs.shape == batch.targets.shape == (4, 8)
    assert batch.inputs.dtype == batch.targets.dtype == np.int64


def test_seeds_and_epochs_differ_in_order_and_in_cuts():
    def epoch(seed: int, number: int) -> list[list[int]]:
        stream = BatchStream(np.arange(400), 16, 1, seed)
        batches = (stream.batch(step) for step in range(1, 200))
        return [positions(batch) for batch in batches if batch.epoch == number]

    for one, other in (((0, 0), (1, 0)), ((0, 0), (0, 1)), ((0, 1), (0, 2))):
        assert epoch(*one) != epoch(*other)
        assert sorted(epoch(*one)) != sorted(epoch(*other)), "the cuts are the same"


def test_data_shorter_than_a_block_is_refused():
    with pytest.raises(InputError, match="n_ctx"):
        BatchStream(np.arange(16), 16, 1, 0).batch(1)


# A step


def make_learner(compute: Compute = CPU, model: GPT2 | None = None, **changes) -> Learner:
    torch.manual_seed(0)
    return Learner(model or GPT2(SIZE), TrainConfig(batch_size=8, **changes), compute)


def make_batch(rows: int = 8, ignored: bool = True) -> Batch:
    """Random ids; with `ignored`, the rows have from 1 to all of their targets."""
    rng = np.random.default_rng(7)
    inputs, targets = rng.integers(0, SIZE.vocab_size, (2, rows, SIZE.n_ctx))
    if ignored:
        for row in range(rows):
            targets[row, 1 + 2 * row :] = IGNORED
    return Batch(inputs, targets, 0, 0)


def mean_loss(learner: Learner, batch: Batch) -> float:
    """The mean over target tokens, written out without `GPT2.loss`."""
    with torch.no_grad():
        logs = learner.model(torch.from_numpy(batch.inputs)).log_softmax(-1)
    chosen = [
        -logs[row, column, target].item()
        for row, line in enumerate(batch.targets)
        for column, target in enumerate(line)
        if target != IGNORED
    ]
    return sum(chosen) / len(chosen)


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("accumulation", [1, 2, 4, 8])
def test_the_loss_is_the_mean_over_all_targets_of_the_step(accumulation, ignored):
    batch, learner = make_batch(ignored=ignored), make_learner(accumulation=accumulation)
    expected = mean_loss(learner, batch)
    record = learner.update(batch, 1e-3, 1)
    assert math.isclose(record["loss"], expected, rel_tol=1e-5)
    assert record["tokens"] == (batch.targets != IGNORED).sum()
    parts = record.get("micro_batch_losses", [record["loss"]])
    assert len(parts) == accumulation
    if ignored and accumulation > 1:
        # Neither the last micro-batch nor the mean of means: the parts are of unequal length.
        assert not math.isclose(parts[-1], expected, rel_tol=1e-4)
        assert not math.isclose(sum(parts) / len(parts), expected, rel_tol=1e-4)


def captured_gradients(learner: Learner, batch: Batch) -> dict[str, torch.Tensor]:
    """The gradients that the optimizers see in a step."""
    seen: dict[str, torch.Tensor] = {}

    def keep(*_: object) -> None:
        for name, parameter in learner.model.named_parameters():
            seen[name] = parameter.grad.clone()

    learner.optimizers["adamw"].register_step_pre_hook(keep)
    learner.update(batch, 1e-3, 1)
    return seen


@pytest.mark.parametrize("accumulation", [2, 4, 8])
def test_gradients_and_updates_do_not_depend_on_accumulation(accumulation):
    whole, parts = make_learner(), make_learner(accumulation=accumulation)
    expected = captured_gradients(whole, make_batch())
    found = captured_gradients(parts, make_batch())
    for name, gradient in expected.items():
        assert torch.allclose(found[name], gradient, atol=1e-6), name


def test_a_micro_batch_without_any_target_is_harmless():
    batch = make_batch(ignored=False)
    batch.targets[:4] = IGNORED
    learner = make_learner(accumulation=2)
    record = learner.update(batch, 1e-3, 1)
    assert record["micro_batch_losses"][0] == 0
    assert math.isfinite(record["loss"])


def test_gradients_do_not_leak_into_the_next_step():
    learner = make_learner(learning_rate=1e-9, gradient_clip=1e9)
    first = learner.update(make_batch(), 1e-12, 1)["gradient_norm"]
    second = learner.update(make_batch(), 1e-12, 1)["gradient_norm"]
    assert math.isclose(first, second, rel_tol=1e-4)


def scaled(scale: float = 65536.0) -> Compute:
    return Compute("cpu", "float32", True, f"测试用，放大 {scale} 倍")


def test_clipping_acts_on_unscaled_gradients():
    plain = make_learner(gradient_clip=0.01)
    with_scaler = make_learner(scaled(), gradient_clip=0.01)
    assert with_scaler.scaler.get_scale() == 65536
    expected = captured_gradients(plain, make_batch())
    found = captured_gradients(with_scaler, make_batch())
    for name, gradient in expected.items():
        assert torch.allclose(found[name], gradient, atol=1e-7), name
    total = math.sqrt(sum(gradient.square().sum().item() for gradient in found.values()))
    assert math.isclose(total, 0.01, rel_tol=1e-3)


def test_the_logged_norm_is_the_one_before_clipping_without_the_scale():
    record = make_learner(scaled(), gradient_clip=0.01).update(make_batch(), 1e-3, 1)
    plain = make_learner(gradient_clip=1e9).update(make_batch(), 1e-3, 1)
    assert math.isclose(record["gradient_norm"], plain["gradient_norm"], rel_tol=1e-4)
    assert record["clipped"] and not plain["clipped"]
    assert record["scale"] == 65536 and record["skipped"] is False


@pytest.mark.parametrize("value", [math.inf, math.nan])
@pytest.mark.parametrize("name", ["blocks.0.expand.weight", "norm.weight"])
def test_an_overflow_in_one_matrix_skips_the_whole_step(name, value):
    learner = make_learner(scaled())
    learner.update(make_batch(), 1e-3, 1)  # so that momenta would move the weights
    before = {key: tensor.clone() for key, tensor in learner.model.state_dict().items()}
    parameter = dict(learner.model.named_parameters())[name]
    handle = parameter.register_hook(lambda gradient: gradient * value)
    record = learner.update(make_batch(), 1e-3, 1)
    handle.remove()
    after = learner.model.state_dict()
    assert all(torch.equal(after[key], tensor) for key, tensor in before.items())
    assert record["skipped"] is True and record["gradient_norm"] is None
    assert learner.scaler.get_scale() == 65536 / 2
    # The history can hold it, although JSON knows no infinity.
    assert json.loads(json.dumps(record, allow_nan=False))["loss"] == record["loss"]
    assert learner.update(make_batch(), 1e-3, 1)["skipped"] is False


def test_bfloat16_autocast_trains_with_weights_in_float32():
    learner = make_learner(Compute("cpu", "bfloat16", False, "测试用"))
    losses = [learner.update(make_batch(), 3e-3, 1)["loss"] for _ in range(20)]
    assert losses[-1] < losses[0] - 0.3
    assert all(tensor.dtype == torch.float32 for tensor in learner.model.state_dict().values())


# Optimizers


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_every_parameter_is_in_exactly_one_optimizer(kind):
    model = GPT2(SIZE)
    optimizers = build_optimizers(model, TrainConfig(optimizer=kind))
    held = [
        id(parameter)
        for optimizer in optimizers.values()
        for group in optimizer.param_groups
        for parameter in group["params"]
    ]
    assert sorted(held) == sorted(id(parameter) for parameter in model.parameters())
    assert set(optimizers) == ({"adamw", "muon"} if kind == "muon" else {"adamw"})


def test_muon_moves_the_hidden_matrices_only():
    model = GPT2(SIZE)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    muon = build_optimizers(model, TrainConfig())["muon"]
    moved = {names[id(item)] for group in muon.param_groups for item in group["params"]}
    matrices = ("attention.query_key_value", "attention.project", "expand", "contract")
    assert moved == {f"blocks.{layer}.{name}.weight" for layer in (0, 1) for name in matrices}


@pytest.mark.parametrize("optimizer", ["muon", "sgd"])
def test_the_momentum_is_beta1(optimizer):
    groups = build_optimizers(GPT2(SIZE), TrainConfig(optimizer=optimizer, beta1=0.7))
    assert {group["momentum"] for group in groups[optimizer].param_groups} == {0.7}


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_weight_decay_shrinks_matrices_and_nothing_else(kind):
    learner = make_learner(optimizer=kind, weight_decay=0.5)
    with torch.no_grad():
        for parameter in learner.model.parameters():
            parameter.fill_(1.0)
            parameter.grad = torch.zeros_like(parameter)
    for optimizer in learner.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = 0.1
        optimizer.step()
    for name, parameter in learner.model.named_parameters():
        expected = 0.95 if parameter.dim() == 2 else 1.0
        assert torch.allclose(parameter, torch.full_like(parameter, expected)), name


def test_the_learning_rate_reaches_every_group():
    learner = make_learner(adamw_factor=2.0)
    learner.update(make_batch(), 0.0123, 1)
    rates = {
        name: [group["lr"] for group in item.param_groups]
        for name, item in learner.optimizers.items()
    }
    assert rates == {"muon": [0.0123] * 2, "adamw": [2 * 0.0123] * 2}


# The schedule


def rates(cycle: Cycle, config: TrainConfig, last: int) -> list[float]:
    return [learning_rate(step, cycle, config) for step in range(1, last + 1)]


def test_the_schedule_warms_up_holds_and_cools_down():
    config = TrainConfig(learning_rate=1.0, warmup_steps=10, cooldown_share=0.2)
    cycle = Cycle(0).with_end(200, 0.2)
    assert (cycle.cooldown_start, cycle.end) == (160, 200)
    found = rates(cycle, config, 200)
    assert found[:10] == pytest.approx([step / 10 for step in range(1, 11)])
    assert found[10:160] == [1.0] * 150
    assert found[160:] == pytest.approx([1 - k / 41 for k in range(1, 41)])


def test_a_warm_up_takes_a_tenth_of_a_short_cycle_at_most():
    config = TrainConfig(learning_rate=1.0, warmup_steps=1000)
    found = rates(Cycle(0).with_end(50, 0.2), config, 50)
    assert found[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_a_later_cycle_repeats_the_form_from_its_start():
    config = TrainConfig(learning_rate=1.0, warmup_steps=4)
    first, second = Cycle(0).with_end(100, 0.2), Cycle(100).with_end(200, 0.2)
    again = [learning_rate(step, second, config) for step in range(101, 201)]
    assert again == rates(first, config, 100)


def test_cosine_falls_to_a_tenth_and_linear_to_zero():
    settings = {"learning_rate": 1.0, "warmup_steps": 10}
    cycle = Cycle(0).with_end(110, 0.2)
    cosine = rates(cycle, TrainConfig(schedule="cosine", **settings), 110)
    linear = rates(cycle, TrainConfig(schedule="linear", **settings), 110)
    constant = rates(cycle, TrainConfig(schedule="constant", **settings), 110)
    assert cosine[:9] == linear[:9] == constant[:9] == pytest.approx([k / 10 for k in range(1, 10)])
    assert cosine[9] == linear[9] == constant[9] == constant[-1] == 1.0
    expected = [0.1 + 0.45 * (1 + math.cos(math.pi * k / 101)) for k in range(101)]
    assert cosine[9:] == pytest.approx(expected)
    assert linear[9:] == pytest.approx([1 - k / 101 for k in range(101)])


def test_an_open_cycle_holds_until_the_clock_ends_it():
    config = TrainConfig(learning_rate=1.0, warmup_steps=5)
    assert rates(Cycle(0), config, 1000)[5:] == [1.0] * 995
    cycle = Cycle(0).cool_down_after(80, 0.2)
    assert (cycle.cooldown_start, cycle.end) == (80, 100)
    assert rates(cycle, config, 80) == rates(Cycle(0), config, 80)
    assert learning_rate(81, cycle, config) < 1
    # A clock set at step 60 has seen 20 steps in its first 80 %.
    assert Cycle(0).cool_down_after(80, 0.2, since=60).end == 85


@settings(max_examples=200, deadline=None)
@given(
    start=st.integers(0, 500),
    length=st.integers(1, 500),
    share=st.floats(0, 0.99),
    warmup=st.integers(0, 600),
    by_clock=st.booleans(),
    since=st.integers(0, 1000),
    schedule=st.sampled_from(SCHEDULES),
)
def test_no_rate_is_negative_none_above_the_peak_and_the_last_above_zero(
    start, length, share, warmup, by_clock, since, schedule
):
    config = TrainConfig(
        learning_rate=1e-3, warmup_steps=warmup, cooldown_share=share, schedule=schedule
    )
    cycle = Cycle(start)
    if by_clock:
        stop = start + length
        cycle = cycle.cool_down_after(stop, share, min(since, stop))
        assert cycle.cooldown_start == stop < cycle.end
    else:
        cycle = cycle.with_end(start + length, share)
        assert start <= cycle.cooldown_start <= cycle.end == start + length
    # A clock late in a long cycle could ask for thousands of steps: the first and last tell.
    steps = [*range(start + 1, min(cycle.end, start + 1500)), cycle.end]
    found = [learning_rate(step, cycle, config) for step in steps]
    assert all(0 < rate <= config.peak_rate for rate in found)
    assert found == [learning_rate(step, cycle, config) for step in steps]
    falling = [rate for step, rate in zip(steps, found, strict=True) if step > cycle.cooldown_start]
    after_warmup = falling[max(0, warmup) :]
    assert after_warmup == sorted(after_warmup, reverse=True)


# Settings


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": 0},
        {"accumulation": 0},
        {"batch_size": 8, "accumulation": 3},
        {"optimizer": "adam"},
        {"learning_rate": 0.0},
        {"learning_rate": math.nan},
        {"learning_rate": math.inf},
        {"gradient_clip": 0.0},
        {"weight_decay": -0.1},
        {"beta2": 1.0},
        {"cooldown_share": 1.0},
        {"warmup_steps": -1},
        {"evaluate_every": 0},
        {"patience": -1},
        {"seed": -1},
        {"checkpoint_minutes": 0.0},
        {"keep_checkpoints": 0},
    ],
    ids=str,
)
def test_impossible_settings_are_refused_by_name(changes):
    with pytest.raises(InputError) as caught:
        TrainConfig(**changes)
    assert list(changes)[-1] in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "budget", [{"max_steps": 0}, {"minutes": 0}, {"minutes": -1.0}, {"minutes": math.nan}]
)
def test_impossible_budgets_are_refused(budget):
    with pytest.raises(InputError, match=next(iter(budget))):
        Budget(**budget)


# Data and evaluation


@torch.no_grad()
def test_evaluation_is_the_mean_over_every_target_without_dropout(data_folder, model_size):
    data = TrainingData.read(data_folder)
    torch.manual_seed(1)
    model = GPT2(model_size).train()
    tokens = np.array(data.tokens("validation")).astype(np.int64)
    found = evaluate(model, tokens)
    assert model.training, "evaluation must leave the mode as it was"
    assert found == evaluate(model, tokens)
    # By hand: cut without overlap, and the last block moved back with what it repeats left out.
    model.eval()
    total, context = 0.0, model_size.n_ctx
    for start in range(0, len(tokens) - 1, context):
        end = min(start + context, len(tokens) - 1)
        first = max(0, end - context)
        logs = model(torch.from_numpy(tokens[None, first:end])).log_softmax(-1)[0]
        total -= sum(logs[at - first, tokens[at + 1]].item() for at in range(start, end))
    assert math.isclose(found, total / (len(tokens) - 1), rel_tol=1e-5)


def test_evaluation_draws_no_random_numbers(data_folder, model_size):
    data, model = TrainingData.read(data_folder), GPT2(model_size)
    before = torch.get_rng_state()
    evaluate(model, data.tokens("validation"), 2)
    assert torch.equal(before, torch.get_rng_state())


def test_bits_per_character_are_nats_per_token_over_ln_2(data_folder):
    data = TrainingData.read(str(data_folder))
    part = data.header["splits"]["validation"]
    expected = 2.0 / math.log(2) * part["tokens"] / part["characters"]
    assert math.isclose(data.bits_per_character("validation", 2.0), expected)


# The history


def write_history(folder, text: str) -> None:
    (folder / "history.jsonl").write_text(text, encoding="utf-8")


def test_a_step_done_again_replaces_what_followed_it(tmp_path):
    lines = [(1, 1), (2, 1), (3, 1), (4, 1), (3, 2), (4, 2), (5, 2), (3, 3)]
    records = [json.dumps({"step": step, "session": session}) for step, session in lines]
    write_history(tmp_path, "\n".join(records) + "\n")
    merged = [(record["step"], record["session"]) for record in read_history(tmp_path)]
    assert merged == [(1, 1), (2, 1), (3, 3)]


@pytest.mark.parametrize("torn", ['{"step": 2, "lo', "{", '{"step": 2}', "\0\0\0", "42", '"\udcff'])
def test_a_torn_line_is_passed_over_and_closed_by_the_next_session(tmp_path, torn):
    raw = torn.encode("utf-8", "surrogateescape")
    (tmp_path / "history.jsonl").write_bytes(b'{"step": 1}\n' + raw)
    assert [record["step"] for record in read_history(tmp_path)][0] == 1
    writer = HistoryWriter(tmp_path)
    writer.append({"step": 2, "loss": 0.5})
    writer.close()
    assert read_history(tmp_path) == [{"step": 1}, {"step": 2, "loss": 0.5}]


def test_a_record_is_readable_at_once(tmp_path):
    writer = HistoryWriter(tmp_path)
    writer.append({"step": 1})
    assert read_history(tmp_path) == [{"step": 1}]
    writer.close()


def test_a_folder_without_history_is_refused(tmp_path):
    with pytest.raises(InputError, match="history.jsonl"):
        read_history(tmp_path)


def test_a_packed_history_is_read_as_any_other(tmp_path):
    lines = '{"step": 1}\n{"step": 2, "lo\n{"step": 2, "loss": 0.5}\n'
    packed = tmp_path / "history.jsonl.gz"
    packed.write_bytes(gzip.compress(lines.encode("utf-8")))
    assert read_history(tmp_path) == [{"step": 1}, {"step": 2, "loss": 0.5}]
    # What a run writes itself is newer.
    write_history(tmp_path, '{"step": 7}\n')
    assert read_history(tmp_path) == [{"step": 7}]


@pytest.mark.parametrize("cut", [slice(0, 5), slice(0, -6), slice(1, None)])
def test_a_damaged_packed_history_is_named(tmp_path, cut):
    whole = gzip.compress(b'{"step": 1}\n' * 50)
    (tmp_path / "history.jsonl.gz").write_bytes(whole[cut])
    with pytest.raises(InputError, match=r"history\.jsonl\.gz"):
        read_history(tmp_path)


def test_without_clock_leaves_the_work_and_drops_the_clock():
    record = {"step": 1, "loss": 2.0, "seconds": 0.1, "tokens_per_second": 9, "session": 2}
    assert without_clock([record]) == [{"step": 1, "loss": 2.0}]


def test_configs_compare_by_value():
    config = TrainConfig(seed=3)
    assert TrainConfig(**json.loads(json.dumps(config.as_dict()))) == config
    assert replace(config, seed=4) != config


# Deciding


@pytest.mark.parametrize("minutes", [math.inf, math.nan, 0, -1])
def test_minutes_without_an_end_are_refused(minutes):
    with pytest.raises(InputError, match="minutes"):
        Budget(minutes=minutes)


def test_a_ledger_that_lost_its_settings_is_refused(tmp_path):
    """Compared only by the keys that it still has, it would agree with everything."""
    ledger = Ledger(tmp_path, "run", config={}, model={}, data={})
    with pytest.raises(InputError, match="config.seed"):
        ledger.refuse_other(config=TrainConfig().as_dict())


def test_bfloat16_of_an_a100_is_not_emulated_on_a_t4(tmp_path, monkeypatch):
    a100 = Compute("cuda", "bfloat16", False, "A100")
    t4 = Compute("cuda", "float16", True, "T4")
    ledger = Ledger(tmp_path, "run", config={}, model={}, data={})
    monkeypatch.setattr(opening, "choose_compute", lambda measure=False: a100)
    assert opening.decide_compute(ledger, None, 0) == a100
    monkeypatch.setattr(opening, "choose_compute", lambda measure=False: t4)
    assert opening.decide_compute(ledger, None, 50) == t4
    assert [item["step"] for item in ledger.decisions] == [0, 50]
    # And back on an A100, the choice that stands last in the ledger is obeyed.
    monkeypatch.setattr(opening, "choose_compute", lambda measure=False: a100)
    assert opening.decide_compute(ledger, None, 90) == t4


def test_the_command_takes_the_settings_that_the_diagnosis_speaks_of(data_folder, tmp_path, capsys):
    options = ["--learning-rate", "0.002", "--batch-size", "4", "--weight-decay", "0.3"]
    command = ["train", str(data_folder), "--out", str(tmp_path / "run"), "--max-steps", "2"]
    assert main([*command, *options, "--dropout", "0.25", "--json"]) == 0
    ledger = Ledger.read(tmp_path / "run")
    found = [ledger.config[name] for name in ("learning_rate", "batch_size", "weight_decay")]
    assert found == [0.002, 4, 0.3]
    assert ledger.model["dropout"] == 0.25
    assert "最好的是第 2 步" in capsys.readouterr().err
