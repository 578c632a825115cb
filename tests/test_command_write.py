"""The command `write`: where its prompt comes from, every setting, candidates, records, SIGINT."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers_command import assert_one_line, read, result, run
from helpers_text import raw_book, save_tiny_model

from novelkit.copying import FILTER_FILE, NgramFilter, find_copies
from novelkit.sampling import SamplingConfig, preset_config
from novelkit.tokenizing import CharTokenizer

ROOT = Path(__file__).resolve().parents[1]
TOKENIZER = CharTokenizer.train(raw_book(3))
PROMPT = "天还没有亮，"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(TOKENIZER, tmp_path_factory.mktemp("书 架") / "模 型")


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "train.txt"
    path.write_text(raw_book(3), encoding="utf-8")
    return path


def settings_of(record):
    """The settings with which a record was written."""
    (action,) = [item for item in read(record)["actions"] if item["kind"] == "continue"]
    return SamplingConfig(**action["settings"])


# ---- where the prompt comes from


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("ends", ["", "\n", "\r\n", "\n\n"])
def test_the_prompt_may_stand_in_a_file(model, tmp_path, encoding, ends):
    path = tmp_path / "开 头.txt"
    path.write_bytes(f"老人不说话。{ends[:1]}{PROMPT}{ends}".encode(encoding))
    text = f"老人不说话。{ends[:1]}{PROMPT}".replace("\r", "\n")
    expected = result("write", model, "--prompt", text, "--length", 9)
    assert result("write", model, "--prompt-file", path, "--length", 9)["text"] == expected["text"]


def typed(monkeypatch, content, encoding="utf-8"):
    """What comes from a pipe."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding=encoding))


def test_the_prompt_may_come_from_a_pipe(model, monkeypatch):
    expected = result("write", model, "--prompt", PROMPT, "--length", 9)
    typed(monkeypatch, f"{PROMPT}\n".encode())
    found = result("write", model, "--prompt-file", "-", "--length", 9)
    assert found["text"] == expected["text"]


@pytest.mark.parametrize("content", ["bom", "gbk"])
def test_a_pipe_is_read_as_a_file_is(model, monkeypatch, content):
    if content == "bom":
        typed(monkeypatch, PROMPT.encode("utf-8-sig"))
        code, out, err = run("write", model, "--prompt-file", "-", "--length", 5)
        assert out.startswith(PROMPT)
    else:
        typed(monkeypatch, PROMPT.encode("gb18030"))
        assert_one_line(*run("write", model, "--prompt-file", "-"), "UTF-8")


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
def test_a_file_in_another_encoding_is_refused(model, tmp_path, encoding):
    path = tmp_path / "开 头.txt"
    path.write_bytes(PROMPT.encode(encoding))
    assert_one_line(*run("write", model, "--prompt-file", path), "开 头.txt 不是 UTF-8 文本")


def test_a_prompt_file_that_is_none_is_refused(model, tmp_path):
    assert_one_line(*run("write", model, "--prompt-file", tmp_path / "没有"), "没有找到")
    assert_one_line(*run("write", model, "--prompt-file", tmp_path), "文件夹")
    (tmp_path / "空").write_text("\n", encoding="utf-8")
    assert_one_line(*run("write", model, "--prompt-file", tmp_path / "空"), "没有字")


def test_without_a_prompt_it_says_how_to_give_one(model):
    assert_one_line(*run("write", model), "--prompt")
    arguments = ("write", model, "--prompt", "天", "--prompt-file", "x")
    assert_one_line(*run(*arguments), "不能和 --prompt 一起用")


# ---- settings


SETTINGS = [
    ("--temperature", "0.5"),
    ("--top-k", "7"),
    ("--top-p", "0.7"),
    ("--newline-top-p", "0.5"),
    ("--min-p", "0.05"),
    ("--typical-p", "0.9"),
    ("--repetition-penalty", "1.2"),
    ("--presence-penalty", "-0.5"),
    ("--frequency-penalty", "0.3"),
    ("--penalty-window", "64"),
    ("--no-repeat-ngram", "3"),
    ("--dry-multiplier", "0.8"),
    ("--dry-base", "1.5"),
    ("--dry-allowed-length", "3"),
    ("--dry-breakers", "，。"),
    ("--length", "7"),
    ("--seed", "11"),
    ("--stop-at", "sentence"),
]


@pytest.mark.parametrize(("option", "value"), SETTINGS)
def test_every_setting_reaches_the_sampler(model, tmp_path, option, value):
    record = tmp_path / "记录.json"
    given = [f"{option}={value}"]
    if option != "--length":
        given += ["--length", 5]
    result("write", model, "--prompt", PROMPT, *given, "--record", record)
    name = option[2:].replace("-", "_")
    kind = type(getattr(SamplingConfig(), name))
    found = settings_of(record)
    assert getattr(found, name) == kind(value) != getattr(preset_config("balanced"), name)
    # And no other setting is changed by it.
    others = {} if option == "--length" else {"length": 5}
    assert found == preset_config("balanced", **{name: kind(value), **others})


def test_lists_and_switches_reach_the_sampler(model, tmp_path):
    record = tmp_path / "记录.json"
    options = ["--ban", "老人", "雪", "--no-close-pairs", "--rare-characters", "--length", 5]
    found = result("write", model, "--prompt", PROMPT, *options, "--record", record)
    config = settings_of(record)
    assert config.banned_phrases == ("老人", "雪")
    assert (config.close_pairs, config.rare_characters) == (False, True)
    assert "雪" not in found["text"]


@pytest.mark.parametrize("name", ["steady", "balanced", "bold", "model", "greedy"])
def test_a_preset_may_be_chosen_and_changed(model, tmp_path, name):
    record = tmp_path / "记录.json"
    options = ["--preset", name, "--length", 4, "--min-p", "0.01"]
    result("write", model, "--prompt", PROMPT, *options, "--record", record)
    assert settings_of(record) == preset_config(name, length=4, min_p=0.01)


def test_a_preset_that_does_not_exist_is_refused(model):
    found = run("write", model, "--prompt", "天", "--preset", "wild")
    assert_one_line(*found, "preset 是 wild.*steady、balanced、bold、model、greedy")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--stop-at", "word"), "stop_at 是 word"),
        (("--no-copy", "5"), "no_copy 是 5"),
        (("--ban", ""), "banned_phrases"),
        (("--candidates", "0"), "是 0.*1 到 64"),
        (("--candidates", "65"), "是 65.*1 到 64"),
        (("--precision", "fp16"), "没有 'fp16'"),
        (("--min-p", "2"), "min_p 是 2"),
        (("--dry-base", "0.5"), "dry_base 是 0.5"),
        (("--no-copy", "13"), "no_copy 是 13.*训练文本"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_wrong_setting_is_refused_before_anything_is_written(model, tmp_path, options, says):
    record = tmp_path / "记录.json"
    code, out, err = run("write", model, "--prompt", "天", *options, "--record", record)
    assert_one_line(code, out, err, says)
    assert out == "" and not record.exists()


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8", "auto"])
def test_every_precision_writes(model, precision):
    options = ("--prompt", PROMPT, "--length", 12, "--precision", precision)
    found = result("write", model, *options)
    assert len(found["text"]) == 12
    assert found["precision"] in ({precision} if precision != "auto" else {"fp32", "int8"})


def test_what_the_training_text_says_is_not_copied(model, training):
    options = ("--prompt", PROMPT, "--length", 40, "--training-text", training, "--no-copy", 10)
    found = result("write", model, *options)
    assert find_copies(found["text"], training, at_least=11).share == 0
    missing = ("--training-text", training.with_name("没有.txt"), "--no-copy", 10)
    assert_one_line(*run("write", model, "--prompt", PROMPT, *missing), "没有找到")


def test_a_training_text_in_another_encoding_is_refused(model, tmp_path):
    path = tmp_path / "train.txt"
    path.write_bytes(raw_book(3).encode("gb18030"))
    options = ("--prompt", PROMPT, "--training-text", path, "--no-copy", 10)
    assert_one_line(*run("write", model, *options), "UTF-8")


def test_memory_and_note_are_what_the_model_reads(model, tmp_path):
    record = tmp_path / "记录.json"
    guide = ("--memory", "老人住在河对面。", "--note", "天黑了。")
    options = ("--prompt", PROMPT, "--length", 20)
    found = result("write", model, *options, *guide, "--record", record)
    (action,) = [item for item in read(record)["actions"] if item["kind"] == "continue"]
    assert action["guide"] == {"memory": "老人住在河对面。", "note": "天黑了。"}
    assert len(found["text"]) == 20 and found["text"] != result("write", model, *options)["text"]
    # The context has 32 tokens.
    assert_one_line(*run("write", model, *options, "--memory", "雪" * 17), "备忘 18 个词元.*一半")


def test_a_header_is_refused_where_the_model_never_saw_one(model):
    found = run("write", model, "--prompt", PROMPT, "--author", "鲁迅")
    assert_one_line(*found, "没有用题头训练过")


# ---- candidates


def test_candidates_are_told_with_their_measures(model):
    options = ("--prompt", PROMPT, "--length", 30)
    found = result("write", model, *options, "--candidates", 3)
    assert len(found["candidates"]) == 3 and found["text"] == found["candidates"][0]["text"]
    assert found["tokens"] == sum(item["tokens"] for item in found["candidates"])
    for number, item in enumerate(found["candidates"]):
        assert set(item) == {
            "text",
            "tokens",
            "mean_log_probability",
            "repeated_share",
            "copied_share",
        }
        assert item["mean_log_probability"] < 0 <= item["repeated_share"] <= 1
        assert item["copied_share"] is None
        assert result("write", model, *options, "--seed", number)["text"] == item["text"]


def test_the_copied_share_is_told_where_the_model_has_a_filter(tmp_path):
    folder = save_tiny_model(TOKENIZER, tmp_path / "model")
    NgramFilter.build(raw_book(3)).save(folder / FILTER_FILE)
    found = result("write", folder, "--prompt", PROMPT, "--length", 20)
    assert 0 <= found["candidates"][0]["copied_share"] <= 1


def test_a_person_sees_every_candidate_once(model):
    options = ("write", model, "--prompt", PROMPT, "--length", 9, "--candidates", 2)
    code, out, err = run(*options)
    texts = [item["text"] for item in result(*options)["candidates"]]
    assert code == 0 and err == ""
    told = [f"---- 第 {number} 份\n{text}" for number, text in enumerate(texts, 1)]
    assert out.strip() == "\n".join(told)


# ---- records


@pytest.mark.parametrize("candidates", [1, 3])
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_record_can_be_replayed(model, tmp_path, candidates, precision):
    record = tmp_path / "新 夹" / "记录.json"
    options = ("--length", 15, "--candidates", candidates, "--precision", precision)
    found = result("write", model, "--prompt", PROMPT, *options, "--record", record)
    assert read(record)["text"] == PROMPT + (found["text"] if candidates == 1 else "")
    before = record.read_bytes()
    again = result("write", model, "--replay", record)
    assert again["same"] and again["difference"] is None and again["tokens"] == found["tokens"]
    assert record.read_bytes() == before
    code, out, err = run("write", model, "--replay", record)
    assert code == 0 and f"1 次续写、{found['tokens']} 个词元，与记录一个不差" in out


@pytest.mark.parametrize(("candidate", "position"), [(0, 0), (1, 4)])
def test_a_token_that_was_changed_is_named(model, tmp_path, candidate, position):
    record = tmp_path / "记录.json"
    options = ("--prompt", PROMPT, "--length", 9, "--candidates", 2)
    result("write", model, *options, "--record", record)
    content = read(record)
    tokens = content["actions"][1]["candidates"][candidate]["tokens"]
    was = tokens[position]
    tokens[position] = 0
    record.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    code, out, err = run("write", model, "--replay", record)
    assert code == 1 and err == ""
    place = f"第 1 个动作、第 {candidate + 1} 份、第 {position + 1} 个词元不同"
    assert f"{place}：记录是 0，这次是 {was}" in out
    code, out, err = run("write", model, "--replay", record, "--json")
    assert code == 1 and json.loads(out)["difference"] == {
        "action": 1,
        "candidate": candidate,
        "position": position,
        "recorded": 0,
        "written": was,
    }


def test_a_record_that_is_none_or_of_another_model_is_refused(model, tmp_path):
    path = tmp_path / "记录.json"
    assert_one_line(*run("write", model, "--replay", path), "没有找到")
    path.write_text("{}", encoding="utf-8")
    assert_one_line(*run("write", model, "--replay", path), "不是续写记录")
    result("write", model, "--prompt", PROMPT, "--length", 3, "--record", path)
    other = save_tiny_model(TOKENIZER, tmp_path / "别的", n_ctx=16)
    assert_one_line(*run("write", other, "--replay", path), "记录是用模型 模 型 写的")
    assert_one_line(*run("write", model, "--replay", path, "--prompt", "天"), "一起用")


def test_a_record_is_told_where_it_lies(model, tmp_path):
    record = tmp_path / "记录.json"
    options = ("--prompt", PROMPT, "--length", 5, "--record", record)
    assert f"记录：{record}" in run("write", model, *options)[1]


# ---- an interruption


@pytest.mark.skipif(os.name == "nt", reason="signals work otherwise there")
def test_an_interrupted_text_is_kept(model, tmp_path):
    record = tmp_path / "记录.json"
    # The most probable tokens of this model go round for ever; drawn ones end soon.
    options = ("--prompt", PROMPT, "--length", 10**6, "--record", record, "--preset", "greedy")
    process = subprocess.Popen(
        [sys.executable, "-m", "novelkit", "write", model, *map(str, options), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        # A job in the background of a shell ignores the signal, and so would this one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        # Warnings of libraries would stand before the text.
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONIOENCODING": "utf-8",
            "PYTHONWARNDEFAULTENCODING": "",
        },
    )
    try:
        seen = b""
        # With --json the text itself goes to stderr as it is written.
        while len(seen.decode("utf-8", "ignore")) < len(PROMPT) + 10:
            new = process.stderr.read1(64)
            assert new, seen.decode("utf-8", "replace")
            seen += new
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130 and b"Traceback" not in stderr
    text = json.loads(stdout)["text"]
    assert len(text) >= 10 and (seen + stderr).decode("utf-8").startswith(PROMPT + text)
    assert read(record)["text"] == PROMPT + text
    (action,) = [item for item in read(record)["actions"] if item["kind"] == "continue"]
    assert action["candidates"][0]["stopped"] is True
    assert result("write", model, "--replay", record)["same"]
