"""What measures a model on books kept out, how a header steers it, and whether it recites."""

import math
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from helpers_text import novel

from novelkit.__main__ import main
from novelkit.model import ModelConfig, load_model
from novelkit.tokenizing import Header, load_tokenizer
from novelkit.training import Budget, TrainConfig, train

sys.path.insert(0, str(Path(__file__).resolve().parent / "benchmarks"))

import fine_tuning
import kept_out
import recitation
import steering
import writing_speed


@pytest.fixture(scope="module")
def folders(cpu, tmp_path_factory):
    """Two books to learn from, each with its own phrase, and one kept out that has both."""
    folder = tmp_path_factory.mktemp("books")
    for title, phrases in (
        ("雪后", ["雪落无声"]),
        ("河边", ["河水向东"]),
        ("山上", ["雪落无声", "河水向东"]),
    ):
        text = "".join(
            line.replace("。", f"，{phrases[number % len(phrases)]}，{title}。")
            for number, line in enumerate(novel(12, 8, title).text.splitlines(keepends=True))
        )
        (folder / f"{title}.txt").write_text(text, encoding="utf-8")
    table = folder / "books.tsv"
    table.write_text(
        "title\tstyle\tnames\tuse\n雪后\t雪文\t老人、母亲\t\n河边\t河文\t\t\n山上\t山文\t\ttest\n",
        encoding="utf-8",
    )
    data, run = folder / "data", folder / "run"
    arguments = ["prepare", str(folder), "--out", str(data), "--books", str(table), "--headers"]
    assert main(arguments) == 0
    size = ModelConfig(len(load_tokenizer(data)), 128, 1, 2, 48, 0.0)
    config = TrainConfig(batch_size=8, evaluate_every=50)
    train(data, run, size, config, Budget(max_steps=150), compute=cpu)
    return data, run / "model"


def printed(module, monkeypatch, capsys, *arguments):
    """The rows of the table that a script prints, and the lines after it."""
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments)])
    module.main()
    lines = capsys.readouterr().out.splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    return {row[0]: row[1:] for row in rows}, [line for line in lines if line[:1] not in "|"]


def test_every_kind_of_model_is_measured_on_the_same_books(folders, monkeypatch, capsys, tmp_path):
    pytest.importorskip("pyppmd")
    data, model = folders
    cache = tmp_path / "baselines.json"
    options = ("--baselines", "--cache", cache, "--dynamic")
    rows, said = printed(kept_out, monkeypatch, capsys, model, data, *options)
    assert rows.pop("bits per character") == ["山上", "mean"]
    bits = {name: float(values[0]) for name, values in rows.items()}
    # Of more context less is left to pay; a text that repeats itself is learned while it is read.
    assert bits["unigram"] > bits["trigram"] > bits["5-gram"] > 0
    assert bits["model, learning"] < bits["model"] < bits["unigram"]
    assert bits["PPMd, learning"] < bits["5-gram"]
    below = float(said[-1].split("is ")[1].split(" bits")[0])
    assert below == pytest.approx(bits["5-gram"] - bits["model"], abs=0.0011)
    # Of other texts the file's figures are no measure.
    shorter, _ = printed(kept_out, monkeypatch, capsys, model, data, *options[:3], "--limit", 900)
    assert shorter["5-gram"] != rows["5-gram"]
    # The second time the counts come from the file.
    monkeypatch.setattr(kept_out, "ngram_losses", lambda *arguments, **options: 1 / 0)
    again, _ = printed(kept_out, monkeypatch, capsys, model, data, *options[:3], "--limit", 900)
    assert again["5-gram"] == shorter["5-gram"]


def test_a_model_that_learns_nothing_scores_like_the_static_one(folders):
    data, folder = folders
    (book,) = kept_out.kept_out_books(data)
    text = book.text[:1500]
    learning = kept_out.dynamic_bits(folder, text, rate=0.0)
    static = kept_out.static_bits(load_model(folder), load_tokenizer(folder), text, stride=2)
    # Their windows begin at other places.
    assert learning == pytest.approx(static, rel=0.02)


class Knowing:
    """Pays one bit a token behind the header of the passage's book, three behind another's."""

    def __init__(self, tokenizer):
        self.config, self._tokenizer = SimpleNamespace(n_ctx=512), tokenizer

    def eval(self):
        return self

    def token_losses(self, ids, targets):
        text = self._tokenizer.decode(ids[0].tolist())
        own = "雪文" if "雪落无声" in text else "河文"
        bits = 2 if "风格" not in text else 1 if f"风格：{own}" in text else 3
        return torch.full(ids.shape, bits * math.log(2))


def test_a_passage_is_scored_behind_its_own_and_another_header(folders, monkeypatch, capsys):
    data, model = folders
    opened = SimpleNamespace(model=Knowing(load_tokenizer(model)))
    monkeypatch.setattr(steering, "open_model", lambda folder: opened)
    rows, _ = printed(steering, monkeypatch, capsys, model, data)
    del rows["style"]
    # A book that is kept out whole has no validation chapters.
    assert set(rows) == {"雪文", "河文"}
    for count, none, own, other, gain in rows.values():
        assert int(count) > 0
        # Nearly one character a token.
        assert [float(bits) for bits in (none, own, other)] == pytest.approx([2, 1, 3], rel=0.05)
        assert float(gain) == pytest.approx(float(own) - float(none), abs=0.0011)


def test_passages_are_behind_the_names_of_the_table(folders):
    passages = steering.held_out_passages(folders[0])
    named = {name for item in passages["雪文"] for name in item.header.names}
    assert named and named <= {"老人", "母亲"}
    assert not any(item.header.names for item in passages["河文"])


def test_every_case_of_a_passage_has_the_same_tokens(folders):
    asked = []

    class Listening(Knowing):
        def token_losses(self, ids, targets):
            asked.append((ids[0].tolist(), targets[0].tolist()))
            return torch.zeros(ids.shape)

    tokenizer = load_tokenizer(folders[1])
    model = Listening(tokenizer)
    model.config.n_ctx = 40
    header = Header("雪后", style="雪文")
    steering.passage_bits(model, tokenizer, [[(None, "天" * 60), (header, "天" * 60)]])
    (plain, _), (told, _) = asked
    assert len(told) <= 40 and told[0] == tokenizer.book and tokenizer.book not in plain
    # Both score as many of the passage.
    assert len(plain) == len(told) - len(tokenizer.encode(header.line)) - 1 + 1


def test_copies_are_counted_in_what_was_written_alone(folders, monkeypatch, capsys, tmp_path):
    data, model = folders
    out = tmp_path / "samples.json"
    options = ("--samples", 3, "--length", 60, "--out", out)
    rows, said = printed(recitation, monkeypatch, capsys, model, data, *options)
    del rows["text"]
    assert set(rows) == {"written", "《山上》"}
    assert int(rows["written"][0]) == 3 * 60 + 2
    # The same sentences with another title in each: what is shared is shorter than a sentence.
    assert 0 < float(rows["《山上》"][1].strip("%")) <= 100
    assert "×" in said[-1]
    assert out.is_file()


def test_openings_are_different_and_from_all_books(folders):
    books = kept_out.kept_out_books(folders[0])
    found = recitation.openings([*books, *books], 8)
    assert len(found) == 8 and len(set(found)) >= 3
    assert all(opening in books[0].text and "\n" not in opening for opening in found)


@pytest.mark.parametrize("module", [kept_out, recitation])
def test_data_without_such_books_says_so(module, data_folder, folders, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["x", str(folders[1]), str(data_folder)])
    with pytest.raises(SystemExit):
        module.main()
    assert "kept out whole" in capsys.readouterr().err


def test_a_start_is_raced_against_nothing_with_equal_time(folders, monkeypatch, capsys, tmp_path):
    book, data, out = tmp_path / "书.txt", tmp_path / "data", tmp_path / "race.png"
    book.write_text(novel(12, 8, "书").text, encoding="utf-8")
    arguments = ["prepare", str(book), "--out", str(data), "--from", str(folders[1])]
    assert main(arguments) == 0
    options = ("--start", folders[1], "--minutes", 0.02, "--turn", 0.4, "--threads", 1)
    threads = torch.get_num_threads()
    try:
        rows, said = printed(fine_tuning, monkeypatch, capsys, data, *options, "--out", out)
    finally:
        torch.set_num_threads(threads)
    del rows["run"]
    assert list(rows) == list(fine_tuning.NAMES)
    assert rows["fine-tuned"][0] == rows["same size"][0] != rows["tiny"][0]
    for _, steps, before, lowest, last in rows.values():
        assert int(steps) >= 1 and float(lowest) <= min(float(before), float(last))
    # It has read books like this one, the others nothing.
    assert float(rows["fine-tuned"][2]) < float(rows["same size"][2])
    assert "ahead at every time" in said[-1]
    assert out.read_bytes().startswith(b"\x89PNG")


def test_the_writing_command_is_timed_as_a_process(folders, monkeypatch, capsys):
    _, model = folders
    options = (model, "--length", 20, "--times", 2)
    rows, _ = printed(writing_speed, monkeypatch, capsys, *options)
    assert rows.pop("measured") == ["median", "least", "most"]
    assert set(rows) == {"seconds to the first text", "characters a second"}
    for values in rows.values():
        middle, least, most = map(float, values)
        assert 0 < least <= middle <= most
    # A model that cannot be read is no fast one.
    with pytest.raises(SystemExit):
        writing_speed.first_text(str(model / "none"), 20, 0)


def test_what_is_written_behind_a_header_is_counted(folders, monkeypatch, capsys):
    data, model = folders
    monkeypatch.setattr(steering, "WRITTEN", 40)
    monkeypatch.setattr(steering, "MARK", "雪")
    monkeypatch.setattr(steering, "OPENING", "天还没有亮，")
    rows, _ = printed(steering, monkeypatch, capsys, model, data, "--written", 3)
    # The second table's rows replace those of the first.
    assert set(rows) == {"style", "雪文", "河文", "no header"}
    passages = {name: float(rows[name][0].rstrip("%")) for name in ("雪文", "河文")}
    assert passages["雪文"] > 2 > passages["河文"]
    assert all(0 <= float(rows[name][-1].rstrip("%")) <= 100 for name in passages)
