"""Logs of other trainers: each format gives exactly the records that a curve is read from."""

import csv
import io
import json
import math
import shutil
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novelkit import layouts
from novelkit.diagnosis.curve import Curve
from novelkit.diagnosis.merging import to_records
from novelkit.diagnosis.reading import read_log
from novelkit.errors import InputError

# What transformers 5.23 wrote: logged every 2 steps, evaluated every 3, and once more at the end.
LOG_HISTORY = [
    {"epoch": 1.0, "grad_norm": 0.95, "learning_rate": 8e-4, "loss": 2.616, "step": 2},
    {"epoch": 1.5, "eval_loss": 2.603, "eval_runtime": 0.0077, "step": 3},
    {"epoch": 2.0, "grad_norm": 0.77, "learning_rate": 5e-4, "loss": 2.604, "step": 4},
    {"epoch": 3.0, "grad_norm": 0.76, "learning_rate": 1e-4, "loss": 2.601, "step": 6},
    {"epoch": 3.0, "eval_loss": 2.597, "eval_runtime": 0.0036, "step": 6},
    {"epoch": 3.0, "step": 6, "total_flos": 1e6, "train_loss": 2.607, "train_runtime": 0.2},
    {"epoch": 3.0, "eval_loss": 2.603, "eval_runtime": 0.0037, "step": 6},
]
TRAINER_RECORDS = [
    {
        "step": 2,
        "loss": 2.616,
        "validation_loss": 2.603,
        "learning_rate": 8e-4,
        "gradient_norm": 0.95,
        "epoch": 1,
    },
    {"step": 4, "loss": 2.604, "learning_rate": 5e-4, "gradient_norm": 0.77, "epoch": 2},
    {
        "step": 6,
        "loss": 2.601,
        "validation_loss": 2.597,
        "learning_rate": 1e-4,
        "gradient_norm": 0.76,
        "epoch": 3,
    },
]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def records_of(tmp_path, text, name="log.csv"):
    records, data = read_log(write(tmp_path / name, text))
    assert data == {}
    return records


def losses(*values):
    return [{"step": step, "loss": loss} for step, loss in enumerate(values, 1)]


def refused(path):
    """The message of a refusal, which is one line of Chinese."""
    with pytest.raises(InputError) as caught:
        read_log(path)
    message = str(caught.value)
    assert "\n" not in message and "：" in message and message.endswith("。")
    return message


def lines(*rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


# RUN folders


LEDGER = {
    "format": "novelkit-run",
    "version": 1,
    "config": {},
    "model": {},
    "data": {
        "anchors": dict.fromkeys(
            ("uniform", "unigram", "bigram", "trigram", "fivegram", "xz"), 5.0
        ),
        "tokens_per_character": {"train": 0.7, "validation": 0.8, "test": 0.9},
    },
    "decisions": [],
    "sessions": [],
}
HISTORY = [{"step": 1, "loss": 3.0, "tokens": 64, "session": 1}, {"step": 2, "loss": 2.5}]


def test_a_run_folder_gives_its_history_and_the_data_of_its_ledger(tmp_path):
    layouts.write_json(tmp_path / "run.json", LEDGER)
    write(tmp_path / "history.jsonl", lines(*HISTORY))
    for given_path in (tmp_path, str(tmp_path), tmp_path / "run.json", tmp_path / "history.jsonl"):
        assert read_log(given_path) == (HISTORY, LEDGER["data"])


def test_a_history_alone_has_no_data(tmp_path):
    write(tmp_path / "history.jsonl", lines(*HISTORY))
    assert read_log(tmp_path) == (HISTORY, {})


@pytest.mark.parametrize("text", ["", '{"step": 1, "seconds": 2}\n'])
def test_a_run_without_a_step_is_refused(tmp_path, text):
    write(tmp_path / "history.jsonl", text)
    assert "还没有一步训练" in refused(tmp_path)


def test_a_damaged_ledger_is_refused(tmp_path):
    write(tmp_path / "run.json", '{"format"')
    write(tmp_path / "history.jsonl", lines(*HISTORY))
    assert "不是完整的 JSON" in refused(tmp_path)


# transformers' Trainer


def save_state(folder, history, step=6):
    return write(
        folder / "trainer_state.json",
        json.dumps({"global_step": step, "log_history": history}, indent=2),
    )


def test_a_trainer_log_gives_one_record_for_each_training_entry(tmp_path):
    path = save_state(tmp_path / "out", LOG_HISTORY)
    renamed = write(tmp_path / "mine.json", path.read_text(encoding="utf-8"))
    bare = write(tmp_path / "bare.json", json.dumps(LOG_HISTORY))
    for given_path in (path, path.parent, renamed, bare):
        assert read_log(given_path) == (TRAINER_RECORDS, {})


def test_a_trainer_log_that_pandas_wrote_gives_the_same(tmp_path):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(LOG_HISTORY)
    assert records_of(tmp_path, table.to_csv()) == TRAINER_RECORDS
    rows = table.to_json(orient="records", lines=True)
    assert records_of(tmp_path, rows, "log.jsonl") == TRAINER_RECORDS


def test_a_losing_end_that_pandas_wrote_is_no_number(tmp_path):
    text = "step,loss,lr\n1,3.5,0.1\n2,,0.1\n3,,0.1\n"
    assert [record["loss"] for record in records_of(tmp_path, text)] == [3.5, None, None]


def test_learning_rates_on_lines_of_their_own_are_no_lost_losses(tmp_path):
    text = "step,loss,lr\n1,,0.1\n2,3.5,0.1\n3,,0.1\n4,3.0,0.1\n5,,0.1\n"
    assert records_of(tmp_path, text) == [
        {"step": 2, "loss": 3.5, "learning_rate": 0.1},
        {"step": 4, "loss": 3.0, "learning_rate": 0.1},
    ]


def test_nan_becomes_none_and_zero_stays(tmp_path):
    text = (
        '{"log_history": [{"step": 1, "loss": NaN, "grad_norm": Infinity}, '
        '{"step": 2, "loss": 0.0, "grad_norm": 1e999, "learning_rate": 1},'
        '{"step": 2, "eval_loss": NaN}]}'
    )
    assert records_of(tmp_path, text, "trainer_state.json") == [
        {"step": 1, "loss": None, "gradient_norm": None},
        {
            "step": 2,
            "loss": 0.0,
            "validation_loss": None,
            "learning_rate": 1.0,
            "gradient_norm": None,
        },
    ]


def test_evaluations_go_to_their_step_or_the_nearest_before(tmp_path):
    history = [
        {"step": 0, "eval_loss": 9.0},
        {"step": 10, "loss": 4.0},
        {"step": 12, "eval_loss": 3.9},
        {"step": 18, "eval_loss": 3.8},
        {"step": 20, "eval_loss": 3.7},
        {"step": 20, "loss": 3.5},
        {"step": 25, "eval_loss": 3.6},
    ]
    records, _ = read_log(save_state(tmp_path, history))
    assert records == [
        {"step": 10, "loss": 4.0, "validation_loss": 3.9},
        {"step": 20, "loss": 3.5, "validation_loss": 3.7},
    ]


def checkpoints(tmp_path, *steps):
    for step in steps:
        save_state(tmp_path / f"checkpoint-{step}", [{"step": step, "loss": 1.0}], step)
    return tmp_path


def test_the_highest_checkpoint_is_read_by_number(tmp_path):
    checkpoints(tmp_path, 9, 100, 20)
    (tmp_path / "checkpoint-best").mkdir()
    assert read_log(tmp_path)[0] == [{"step": 100, "loss": 1.0}]
    assert read_log(tmp_path / "checkpoint-20")[0] == [{"step": 20, "loss": 1.0}]


@pytest.mark.parametrize("torn", ["", '{"log_history": [', '{"global_step": 9}', "[1]"])
def test_a_torn_checkpoint_falls_back_to_the_one_before(tmp_path, torn):
    checkpoints(tmp_path, 9, 20)
    write(tmp_path / "checkpoint-100" / "trainer_state.json", torn)
    (tmp_path / "checkpoint-200").mkdir()
    assert read_log(tmp_path)[0] == [{"step": 20, "loss": 1.0}]
    for step in (9, 20):
        shutil.rmtree(tmp_path / f"checkpoint-{step}")
    assert "都不完整" in refused(tmp_path)


@pytest.mark.parametrize(("own", "read"), [(50, 50), (100, 101), (150, 150)])
def test_the_state_that_went_furthest_counts(tmp_path, own, read):
    """The file in the output folder is of the end, unless training went on after it."""
    save_state(tmp_path, [{"step": read, "loss": 2.0}], own)
    checkpoints(tmp_path, 20, 100)
    expected = {"step": 100, "loss": 1.0} if own < 100 else {"step": read, "loss": 2.0}
    assert read_log(tmp_path)[0] == [expected]


def test_a_trainer_that_logged_no_step_is_told_to(tmp_path):
    path = save_state(tmp_path, LOG_HISTORY[4:])
    assert "没有训练损失" in refused(path) and "logging_steps" in refused(path)
    assert "一行记录都没有" in refused(save_state(tmp_path, []))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The output folder of a real Trainer after 6 steps of a tiny GPT-2."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("output")
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=20,
        n_positions=8,
        n_embd=8,
        n_layer=1,
        n_head=1,
        bos_token_id=0,
        eos_token_id=0,
    )
    blocks = [{"input_ids": ids, "labels": ids} for ids in torch.randint(20, (8, 8))]
    arguments = transformers.TrainingArguments(
        folder,
        max_steps=6,
        per_device_train_batch_size=4,
        logging_steps=2,
        eval_strategy="steps",
        eval_steps=3,
        save_steps=3,
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
    )
    model = transformers.GPT2LMHeadModel(config)
    trainer = transformers.Trainer(model, arguments, train_dataset=blocks, eval_dataset=blocks)
    trainer.train()
    return folder, trainer.state.log_history


@pytest.mark.slow
def test_a_real_trainer_is_read(trained):
    folder, history = trained
    by_kind = {
        kind: [entry for entry in history if kind in entry] for kind in ("loss", "eval_loss")
    }
    assert [entry["step"] for entry in by_kind["eval_loss"]] == [3, 6]
    expected = [
        {
            "step": entry["step"],
            "loss": entry["loss"],
            "learning_rate": entry["learning_rate"],
            "gradient_norm": entry["grad_norm"],
            "epoch": int(entry["epoch"]),
        }
        for entry in by_kind["loss"]
    ]
    expected[0]["validation_loss"] = by_kind["eval_loss"][0]["eval_loss"]
    expected[2]["validation_loss"] = by_kind["eval_loss"][1]["eval_loss"]
    assert read_log(folder) == (expected, {})
    # At step 3 the Trainer saves before it has trained the step of its next line.
    assert read_log(folder / "checkpoint-3")[0] == expected[:1]


# Tables


ALIASES = {
    "step": ["step", "Step", "global_step", "iter", "iteration", "trainer/global_step"],
    "loss": ["loss", "train_loss", "train", "Loss/train", "training_loss", "train/loss", "损失"],
    "validation_loss": [
        "val_loss",
        "valid_loss",
        "validation_loss",
        "eval_loss",
        "eval/loss",
        "val/loss",
        "Val Loss",
    ],
    "learning_rate": ["lr", "LR", "learning_rate", "train/learning_rate", "lr-AdamW"],
    "gradient_norm": ["grad_norm", "gradient_norm", "train/grad_norm"],
    "epoch": ["epoch", "Epoch", "train/epoch"],
}
cells = st.one_of(
    st.floats(-1e6, 1e6).map(repr), st.sampled_from(["", "nan", "NaN", "inf", "-Infinity"])
)


@st.composite
def tables(draw):
    """A table under any names, delimiter and line ends, and the records that it holds."""
    fields = draw(st.permutations(["step", "loss", "validation_loss", "learning_rate", "epoch"]))
    columns = {name: draw(st.sampled_from(ALIASES[name])) for name in fields}
    count = draw(st.integers(1, 12))
    steps = sorted(draw(st.sets(st.integers(0, 10**6), min_size=count, max_size=count)))
    numbers = st.floats(0, 20).map(repr)
    rows = [
        {
            "step": str(step),
            "loss": draw(st.one_of(numbers, st.sampled_from(["nan", "inf"]))),
            "validation_loss": draw(cells),
            "learning_rate": draw(cells),
            "epoch": str(draw(st.integers(0, 9))),
        }
        for step in steps
    ]
    text = io.StringIO()
    writer = csv.writer(
        text,
        delimiter=draw(st.sampled_from(",\t;|")),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        lineterminator=draw(st.sampled_from(["\n", "\r\n"])),
    )
    writer.writerow([columns[name] for name in fields] + ["host", ""])
    for row in rows:
        writer.writerow([row[name] for name in fields] + ["colab", "7"])
    return draw(st.sampled_from(["", "\ufeff"])) + text.getvalue(), [expected(row) for row in rows]


def expected(row):
    record = {"step": int(row["step"]), "epoch": int(row["epoch"])}
    for name in ("loss", "validation_loss", "learning_rate"):
        if row[name]:
            number = float(row[name])
            record[name] = number if math.isfinite(number) else None
    return record


@settings(deadline=None)
@given(tables())
def test_any_table_comes_back(tmp_path_factory, table):
    text, records = table
    path = write(tmp_path_factory.getbasetemp() / "table.csv", text)
    assert read_log(path) == (records, {})


@pytest.mark.parametrize(
    ("field", "name"), [(field, name) for field, names in ALIASES.items() for name in names]
)
def test_a_column_is_known_by_its_usual_names(tmp_path, field, name):
    columns = {"step": "step", "loss": "loss", field: name}
    text = ",".join(columns.values()) + "\n" + ",".join("3" for _ in columns) + "\n"
    assert records_of(tmp_path, text) == [{"step": 3, "loss": 3, field: 3}]


def test_without_a_step_rows_are_numbered_from_1(tmp_path):
    assert records_of(tmp_path, "loss\n3.5\n3.0\nnan\n2.5") == losses(3.5, 3.0, None, 2.5)


def test_an_evaluation_without_a_step_belongs_to_the_row_before(tmp_path):
    text = "loss,val_loss\n3.5,\n,3.4\n3.0,\n"
    assert records_of(tmp_path, text) == [
        {"step": 1, "loss": 3.5, "validation_loss": 3.4},
        {"step": 2, "loss": 3.0},
    ]


def test_lightning_rows_of_a_step_are_merged(tmp_path):
    """CSVLogger puts what it trained, evaluated and averaged on lines of their own."""
    text = (
        "epoch,lr-AdamW,step,train_loss_epoch,train_loss_step,val_loss\n"
        ",0.001,9,,,\n0,,9,,3.5,\n0,,19,,3.0,\n0,,19,,,3.2\n0,,19,3.25,,\n"
        ",0.0005,29,,,\n1,,29,,2.8,\n1,,39,,,2.9\n"
    )
    assert records_of(tmp_path, text, "metrics.csv") == [
        {"step": 9, "loss": 3.5, "learning_rate": 0.001, "epoch": 0},
        {"step": 19, "loss": 3.0, "validation_loss": 3.2, "epoch": 0},
        {"step": 29, "loss": 2.8, "validation_loss": 2.9, "learning_rate": 0.0005, "epoch": 1},
    ]


def test_a_chart_that_wandb_exported_is_read(tmp_path):
    names = ["train/global_step", "gpt2 - 1 - train/loss", "gpt2 - 1 - train/loss__MIN"]
    text = ",".join(f'"{name}"' for name in names) + '\n"10","3.5","1"\n"20","3.0","1"\n'
    assert records_of(tmp_path, text) == [{"step": 10, "loss": 3.5}, {"step": 20, "loss": 3.0}]


def test_a_restart_goes_back_and_undoes_what_it_repeats(tmp_path):
    text = "step,loss\n10,5\n20,4\n30,3\n40,2\n25,3.5\n35,3.1\n"
    assert records_of(tmp_path, text) == [
        {"step": 10, "loss": 5, "session": 1},
        {"step": 20, "loss": 4, "session": 1},
        {"step": 25, "loss": 3.5, "session": 2},
        {"step": 35, "loss": 3.1, "session": 2},
    ]


def test_a_header_that_a_restart_wrote_again_is_passed_over(tmp_path):
    text = "step,loss\n1,5\n2,4\nstep,loss\n3,3\n"
    assert records_of(tmp_path, text) == losses(5, 4, 3)


@pytest.mark.parametrize("first", [0, 1])
def test_steps_that_begin_anew_in_each_epoch_are_counted_on(tmp_path, first):
    rows = [(epoch, step) for epoch in range(3) for step in range(first, first + 4)]
    text = "epoch,batch,iter,loss\n" + "".join(f"{e},9,{i},{e + i}\n" for e, i in rows)
    found = records_of(tmp_path, text)
    assert [record["step"] for record in found] == list(range(first, first + 12))
    assert [record["loss"] for record in found] == [e + i for e, i in rows]
    assert not any("session" in record for record in found)


def test_the_newest_row_may_stand_first(tmp_path):
    assert records_of(tmp_path, "Step,Loss\n3,3.0\n2,3.5\n1,4.0\n") == losses(4.0, 3.5, 3.0)


def test_a_table_is_parted_as_its_header_is(tmp_path):
    """The sniffer gives up where rows differ in length, and may take a comma of the cells."""
    assert records_of(tmp_path, "step;loss;note\n1;3.5;a,b,c\n2;3.0\n") == losses(3.5, 3.0)
    rows = "".join(f"{step};3.5{';' * (1 + step % 2)}a,b\n" for step in range(1, 31))
    assert records_of(tmp_path, "step;loss;note\n" + rows) == losses(*[3.5] * 30)


def test_a_torn_last_line_is_passed_over(tmp_path):
    assert records_of(tmp_path, "step,loss,lr\n1,3.5,0.1\n2,3.") == [
        {"step": 1, "loss": 3.5, "learning_rate": 0.1}
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "一行记录都没有"),
        ("step,loss\n", "一行记录都没有"),
        ("step,val_loss,lr\n1,3,0.1\n", "没有训练损失，只有 step、val_loss、lr"),
        ("1,3.5\n2,3.0\n", "没有训练损失，只有 1、3.5"),
        ('step,loss\n1,"tensor(3.5, grad_fn=<X>)"\n', "loss 这一列不是数（如 'tensor(3.5"),
        ("step,loss\n1,\n2,\n", "没有训练损失"),
        ("a\0b", "不是 UTF-8 的文本"),
        ('loss,"a' + "b" * 200_000 + "\n1,2", "不是表格"),
        ('{"log_history": [\n  {"loss": 3,\n', "不是完整的 JSON"),
        ('{"log_history": 3}', "不是完整的 JSON"),
    ],
)
def test_what_is_no_log_is_refused(tmp_path, text, says):
    assert says in refused(write(tmp_path / "log.csv", text))


def test_paths_that_hold_no_log_are_refused(tmp_path):
    assert "没有找到" in refused(tmp_path / "none.csv")
    assert "读不了" in refused(tmp_path / ("long" * 100))
    write(tmp_path / "notes.txt", "loss")
    assert "没有认识的训练记录" in refused(tmp_path)


def test_a_file_that_cannot_be_read_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "log.csv", "loss\n1\n")

    def fail(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", fail)
    assert "Permission denied" in refused(path)


# JSON Lines


def test_json_lines_with_a_torn_end_are_read(tmp_path):
    text = lines(
        {"config": {"lr": 1}},
        {"step": 1, "loss": 3.5, "lr": 0.1, "text": "一\u2028二"},
        {"step": 2, "loss": "NaN"},
        {"step": 2, "eval_loss": 3.25},
        {"step": 3, "loss": math.nan},
    )
    assert records_of(tmp_path, text + '{"step": 4, "lo', "log.jsonl") == [
        {"step": 1, "loss": 3.5, "learning_rate": 0.1},
        {"step": 2, "loss": None, "validation_loss": 3.25},
        {"step": 3, "loss": None},
    ]


def test_json_lines_with_a_mark_of_their_order_are_read(tmp_path):
    assert records_of(tmp_path, "\ufeff" + lines({"step": 1, "loss": 3.5})) == losses(3.5)


def test_a_wandb_history_counts_the_steps_of_the_trainer(tmp_path):
    text = lines(
        {"_step": 0, "train/loss": 3.5, "train/global_step": 10, "train/epoch": 0.5},
        {"_step": 1, "eval/loss": 3.4, "train/global_step": 10, "train/epoch": 0.5},
        {"_step": 2, "samples": "他说"},
        {"_step": 3, "train/loss": 3.0, "train/global_step": 20, "train/epoch": 1.0},
        {"_step": 4, "train/train_loss": 3.25, "train/global_step": 20},
    )
    assert records_of(tmp_path, text, "wandb.jsonl") == [
        {"step": 10, "loss": 3.5, "validation_loss": 3.4, "epoch": 0},
        {"step": 20, "loss": 3.0, "epoch": 1},
    ]


def test_only_evaluations_with_a_step_of_the_trainer_do_not_choose_the_column(tmp_path):
    text = lines(
        {"_step": 1, "loss": 3.5}, {"_step": 2, "loss": 3.0}, {"val_loss": 3.2, "global_step": 2}
    )
    assert records_of(tmp_path, text) == [
        {"step": 1, "loss": 3.5},
        {"step": 2, "loss": 3.0, "validation_loss": 3.2},
    ]


def test_sessions_that_a_log_tells_are_kept(tmp_path):
    rows = [{"step": step, "loss": 3.0, "session": 4 + step // 3} for step in range(1, 5)]
    found = records_of(tmp_path, lines(*rows), "own.jsonl")
    assert [record["session"] for record in found] == [1, 1, 2, 2]


# Merging


@st.composite
def sessions(draw):
    """Rows of a run with restarts, and the losses that a reader that keeps all by hand has left."""
    rows, left = [], {}
    begin = 1
    for _ in range(draw(st.integers(1, 4))):
        end = begin + draw(st.integers(1, 6))
        left = {step: value for step, value in left.items() if step < begin}
        for step in range(begin, end):
            loss, evaluated = draw(st.floats(0.1, 9)), draw(st.none() | st.floats(0.1, 9))
            left[step] = {"step": step, "loss": loss}
            rows.append({"step": step, "loss": loss})
            if evaluated is not None:
                rows.append({"step": step, "val_loss": evaluated})
                left[step]["validation_loss"] = evaluated
        begin = draw(st.integers(1, end))
        # Neighbouring lines of one step are one step logged twice.
        begin -= begin == end - 1 and begin > 1
        if begin == end - 1:
            break
    return rows, list(left.values())


@settings(deadline=None)
@given(sessions())
def test_restarts_leave_what_the_last_of_them_trained(case):
    rows, left = case
    found = to_records(rows)
    numbers = [record.pop("session", 1) for record in found]
    assert found == left
    assert numbers == sorted(numbers) and numbers[0] == 1


rows = st.lists(
    st.dictionaries(
        st.sampled_from(["step", "loss", "val_loss", "lr", "epoch", "session", "x"]),
        st.one_of(st.none(), st.integers(-5, 9), st.floats(), st.text(max_size=3), st.just([1])),
    )
)


@settings(deadline=None)
@given(rows)
def test_any_rows_give_records_that_a_curve_takes(rows):
    found = to_records(rows)
    steps = [record["step"] for record in found]
    assert steps == sorted(set(steps)) and all(isinstance(step, int) for step in steps)
    assert all("loss" in record for record in found)
    numbers = [value for record in found for value in record.values() if value is not None]
    assert all(math.isfinite(number) for number in numbers)
    assert len(Curve.of(found, {})) == len(found)


# TensorBoard


def test_without_tensorboard_the_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    for name in [name for name in sys.modules if name.startswith("tensorboard.")]:
        monkeypatch.delitem(sys.modules, name)
    write(tmp_path / "runs" / "events.out.tfevents.1.host.2.0", "")
    assert "pip install tensorboard" in refused(tmp_path)


@pytest.fixture
def write_events():
    """Writes (step, tag, value) into a new event file of a folder, later than those before."""
    pytest.importorskip("tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    def write_all(folder, *events, new_style=False):
        # Writers of the same second would share the file but for their suffix.
        count = len(list(folder.glob("*")))
        with SummaryWriter(folder, filename_suffix=f".{9 - count}") as writer:
            for step, tag, value in events:
                writer.add_scalar(tag, value, step, new_style=new_style)

    return write_all


@pytest.mark.parametrize("new_style", [False, True])
def test_event_files_are_read(tmp_path, write_events, new_style):
    folder = tmp_path / "runs" / "Nov26_host"
    events = [(step, "train/loss", 4 - step / 4) for step in range(12)]
    events[5] = (5, "train/loss", math.nan)
    events += [(5, "eval/loss", 3.5), (11, "train/learning_rate", 0.125), (3, "train/epoch", 1.75)]
    write_events(folder, *events, new_style=new_style)
    expected = [{"step": step, "loss": 4 - step / 4} for step in range(12)]
    expected[5] |= {"loss": None, "validation_loss": 3.5}
    expected[11]["learning_rate"] = 0.125
    expected[3]["epoch"] = 1
    (path,) = folder.iterdir()
    for given_path in (tmp_path, folder, path):
        assert read_log(given_path) == (expected, {})


def test_more_scalars_than_tensorboard_shows_are_all_read(tmp_path, write_events):
    write_events(tmp_path, *[(step, "loss", 1.0) for step in range(12_000)])
    assert len(read_log(tmp_path)[0]) == 12_000


def test_event_files_of_one_folder_are_sessions_in_the_order_of_their_time(tmp_path, write_events):
    write_events(tmp_path, (1, "loss", 4.0), (2, "loss", 3.0), (3, "loss", 2.0), (3, "val_loss", 9))
    write_events(tmp_path, (2, "loss", 3.5), (3, "loss", 2.5))
    # An evaluation after training is no session, and undoes nothing.
    write_events(tmp_path, (3, "val_loss", 2.75))
    assert read_log(tmp_path)[0] == [
        {"step": 1, "loss": 4.0, "session": 1},
        {"step": 2, "loss": 3.5, "session": 2},
        {"step": 3, "loss": 2.5, "validation_loss": 2.75, "session": 2},
    ]


def test_a_restart_within_an_event_file_undoes_what_it_repeats(tmp_path, write_events):
    events = [(1, "loss", 4.0), (2, "loss", 3.0), (3, "loss", 2.0), (3, "val_loss", 9.0)]
    write_events(tmp_path, *events, (2, "loss", 3.5), (3, "loss", 2.5))
    assert read_log(tmp_path)[0] == [
        {"step": 1, "loss": 4.0, "session": 1},
        {"step": 2, "loss": 3.5, "session": 2},
        {"step": 3, "loss": 2.5, "session": 2},
    ]


def test_a_file_that_goes_on_is_another_session(tmp_path, write_events):
    write_events(tmp_path, (1, "loss", 4.0), (2, "loss", 3.0))
    write_events(tmp_path, (3, "loss", 2.5))
    assert [record["session"] for record in read_log(tmp_path)[0]] == [1, 1, 2]


def test_add_scalars_tells_the_splits_by_folders(tmp_path, write_events):
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path / "run") as writer:
        for step in (1, 2):
            writer.add_scalar("lr", 0.5, step)
            writer.add_scalars("Loss", {"train": 4.0 - step, "val": 5.0 - step}, step)
    assert read_log(tmp_path)[0] == [
        {"step": 1, "loss": 3.0, "validation_loss": 4.0, "learning_rate": 0.5},
        {"step": 2, "loss": 2.0, "validation_loss": 3.0, "learning_rate": 0.5},
    ]


def test_folders_of_splits_are_one_run(tmp_path, write_events):
    for name, lift in (("train", 0), ("validation", 1)):
        events = [(step, "epoch_loss", 4.0 - step + lift) for step in (1, 2)]
        write_events(tmp_path / name, *events, new_style=True)
    assert read_log(tmp_path)[0] == [
        {"step": 1, "loss": 3.0, "validation_loss": 4.0},
        {"step": 2, "loss": 2.0, "validation_loss": 3.0},
    ]


def test_several_runs_are_not_mixed(tmp_path, write_events):
    for name in ("first", "second"):
        write_events(tmp_path / name, (1, "loss", 4.0))
    assert "有 2 次训练的记录（如 first、second）" in refused(tmp_path)
    assert read_log(tmp_path / "second")[0] == [{"step": 1, "loss": 4.0}]


def test_event_files_without_a_loss_are_refused(tmp_path, write_events):
    write(tmp_path / "events.out.tfevents.1.empty", "")
    write(tmp_path / "events.out.tfevents.2.garbage", "garbage" * 50)
    assert "一行记录都没有" in refused(tmp_path)
    write_events(tmp_path, (1, "val_loss", 4.0))
    assert "没有训练损失，只有 step、val_loss" in refused(tmp_path)
