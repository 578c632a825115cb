"""The encoding benchmark's own cases: made from a seed, judged by an independent truth.

Then the targets themselves, on our own texts: 99.9 % of what has 256 bytes or more, all clean text.
"""

import csv
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

BENCHMARKS = Path(__file__).resolve().parent / "benchmarks"
SHARED = Path(__file__).resolve().parents[2] / "shared"
sys.path.insert(0, str(BENCHMARKS))

import encoding_frequencies  # noqa: E402
import encoding_measures as measures  # noqa: E402
import encoding_report as report  # noqa: E402
from encoding_cases import (  # noqa: E402
    DAMAGES,
    ENCODINGS,
    FULL_REPEATS,
    LENGTHS,
    case_ids,
    is_answered,
    is_mended,
    is_right,
    make_case,
    make_whole,
    true_codecs,
    whole_ids,
)
from encoding_foreign import BINARY, binary_rows  # noqa: E402
from encoding_mojibake import mojibake_rows  # noqa: E402
from encoding_rivals import other_python, readings  # noqa: E402
from encoding_rows import mixed_rows  # noqa: E402
from encoding_texts import GENRES, half_of, load_library, to_traditional  # noqa: E402

from novelkit.encoding import frequencies  # noqa: E402

SEED = 7
# Per length; the long ones are the benchmark's own business.
REPEATS = dict(zip(LENGTHS, (0.3, 1, 1, 0.15, 0, 0), strict=True))


@pytest.fixture(scope="module")
def library():
    return load_library()


@pytest.fixture(scope="module")
def records(library):
    """What novelkit makes of about a thousand cases."""
    return measures.run_matrix(library, case_ids(REPEATS), SEED, [], lambda done: None)


@pytest.fixture(scope="module")
def misread_rows(library):
    return list(mojibake_rows(library, 1, SEED))


# --- the cases ------------------------------------------------------------------------------


def test_a_full_run_has_every_combination_under_its_own_name():
    ids = list(case_ids(FULL_REPEATS))
    assert len(ids) == len(set(ids))
    met = {tuple(case_id.split("/")[:2]) for case_id in ids}
    assert len(met) == len(ENCODINGS) * len(LENGTHS)
    assert {case_id.split("/")[2] for case_id in ids} == set(DAMAGES)


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_name_and_a_seed_fix_the_bytes(library, name):
    case_id = f"{name}/1KB/random1%/{ENCODINGS[name].scripts[0]}/modern/0"
    again = make_case(load_library(), case_id, SEED)
    assert make_case(library, case_id, SEED) == again
    assert make_case(library, case_id, SEED + 1).data != again.data


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("genre", GENRES)
def test_clean_bytes_read_as_the_text_of_the_books(library, name, genre):
    encoding = ENCODINGS[name]
    case = make_case(library, f"{name}/256B/clean/{encoding.scripts[0]}/{genre}/0", SEED)
    # HZ may close its last mark behind the limit.
    assert 200 < len(case.data) <= 256 + 2
    text = case.truths[0]
    assert case.data == encoding.mark + text.encode(encoding.codec)
    if encoding.scripts[0] == "simplified" and not encoding.extra:
        written = text.replace("―", "—").replace("・", "·")
        # The text may go on from the end of one book to the next.
        assert written in "".join(library.books[genre] * 2)
    assert not encoding.extra or set(encoding.extra) & set(text)


def test_whole_books_are_whole(library):
    ids = list(whole_ids(library))
    books = len(library.books["classical"]) + len(library.books["modern"])
    assert len(ids) == len(set(ids)) == books * len(ENCODINGS)
    case = make_whole(library, "whole/gb2312/modern/3", SEED)
    assert case.truths == (library.books["modern"][3],)
    assert case.data.decode("gb18030") == library.books["modern"][3]


@given(st.binary(min_size=64, max_size=4000), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_each_damage_does_what_it_is_called(data, seed):
    damaged = {name: damage(data, random.Random(seed)) for name, damage in DAMAGES.items()}
    assert damaged["clean"] == data
    assert damaged["cut"] == data[:-1]
    for name, share in (("random0.1%", 0.001), ("random1%", 0.01)):
        changed = sum(a != b for a, b in zip(damaged[name], data, strict=True))
        assert changed == max(1, round(len(data) * share))
    cuts = range(len(data))
    assert any(damaged["deleted"] == data[:cut] + data[cut + 1 :] for cut in cuts)
    assert len(damaged["zeros"]) == len(data)
    assert b"\0" * 16 in damaged["zeros"]


def test_the_halves_share_no_book_and_lose_none():
    halves = [set(load_library(half=half).names) for half in ("tune", "report")]
    assert not halves[0] & halves[1]
    assert halves[0] | halves[1] == set(load_library().names)
    assert all(half_of(name) == "tune" for name in halves[0])
    assert all(load_library(half=half).books[genre] for half in ("tune", "report")
               for genre in GENRES)  # fmt: skip


def test_traditional_text_is_traditional_with_and_without_opencc(monkeypatch):
    assert to_traditional("这个时候", corner_quotes=False) == "這個時候"
    monkeypatch.setattr("encoding_texts._opencc", lambda profile: None)
    assert to_traditional("“这个时候”", corner_quotes=True) == "「這個時候」"


# --- what counts as right -------------------------------------------------------------------


def test_a_run_of_replacement_marks_counts_as_one():
    assert is_right("一\ufffd\ufffd二", ("一\ufffd二",))
    assert not is_right("一二", ("一\ufffd二",))
    assert not is_right("一\ufffd三", ("一\ufffd二",))
    assert not is_right(None, ("",))


def _text_of(case, start, stop, instead):
    return case.original[:start] + instead + case.original[stop:]


@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be+bom", "utf-32-le", "utf-32-be"])
def test_a_mended_step_is_right_but_for_a_few_characters(library, name):
    case = make_case(library, f"{name}/1KB/deleted/simplified/modern/0", SEED)
    assert is_answered(case, case.truths[0]) and not is_mended(case, case.truths[0])
    assert is_mended(case, _text_of(case, 50, 51, "\ufffd"))
    assert is_mended(case, _text_of(case, 50, 53, "䀀䁀\ufffd"))
    assert not is_mended(case, _text_of(case, 50, 59, "\ufffd"))
    assert not is_answered(case, _text_of(case, 50, 51, "\ufffd" * 9))
    twice = _text_of(case, 50, 51, "\ufffd")
    assert not is_answered(case, twice[:90] + "\ufffd" + twice[91:])
    assert not is_answered(case, None)


@pytest.mark.parametrize("case_id", ["utf-16-le/1KB/zeros", "utf-32-le/1KB/cut", "gbk/1KB/deleted"])
def test_elsewhere_only_the_plain_decode_is_right(library, case_id):
    case = make_case(library, f"{case_id}/simplified/modern/0", SEED)
    assert is_answered(case, case.truths[0])
    assert not is_answered(case, case.original)


def test_big5_variants_are_equal_only_where_they_read_the_same_text():
    assert set(true_codecs("渡口上有一盞燈。".encode("big5"), "big5")) == {
        "big5", "cp950", "big5hkscs"
    }  # fmt: skip
    assert true_codecs("佢哋喺渡口".encode("big5hkscs"), "big5hkscs") == ("big5hkscs",)
    assert "big5" not in true_codecs("這裏".encode("cp950"), "cp950")
    assert true_codecs("渡口".encode("gb18030"), "gb18030") == ("gb18030",)


def test_answers_of_others_are_read_generously():
    data = "镕基㐂".encode("gb18030")
    assert readings(data, "GB2312") == ["镕基㐂"]
    assert "這裏" in readings("這裏".encode("cp950"), "Big5")
    assert readings("\ufeff字".encode("utf-8"), "UTF-8-SIG") == ["字"]
    assert readings(data, None) == []
    assert readings(data, "no-such-codec") == []


def test_the_share_of_a_text_counts_each_piece_once():
    assert measures.share_kept("天亮以前，渡口", "天亮以前，渡口") == 1
    assert measures.share_kept("天亮以前，渡口", "没有一样东西") == 0
    assert measures.share_kept("天亮以前" * 2, "天亮以前") == pytest.approx(1 / 5)


def test_the_calibration_table_counts_what_was_right_in_each_bin():
    rows = [
        {"confidence": confidence, "right": {"ours": right}, "mojibake": None}
        for confidence, right in ((0.4, False), (0.97, True), (0.97, False), (1.0, True))
    ]
    table = report.calibration_table(rows, "ours")
    assert "| 0 to 0.5 | 1 | 0.4000 | 0.00 |" in table
    assert "| 0.95 to 0.99 | 2 | 0.9700 | 50.00 |" in table
    assert "| 0.999 to 1 | 1 | 1.0000 | 100 |" in table


# --- rows of their own ----------------------------------------------------------------------


def test_mojibake_rows_can_be_undone_by_hand(misread_rows):
    assert len({row.kind for row in misread_rows}) >= 10
    for row in misread_rows:
        true, *wrongs = row.kind.split(" → ")
        if set(wrongs) == {"latin-1"}:
            text = row.data.decode("utf-8")
            for _ in wrongs[1:]:
                text = text.encode("latin-1").decode("utf-8")
            assert text.encode("latin-1").decode(true) == row.truth
        elif wrongs in (["gb18030"], ["big5hkscs"]):
            assert row.data.decode("utf-8").encode(wrongs[0]).decode(true) == row.truth


def test_mixed_rows_are_the_parts_one_after_the_other(library):
    names = {"gbk": "gb18030"}
    for row in mixed_rows(library, 1, SEED):
        data, text = row.data, row.truth
        for part in row.kind.split(" + "):
            codec = names.get(part, part)
            # Each part ends with a newline; find which one by what is left to read.
            ends = (end for end in range(1, len(text) + 1) if text[end - 1] == "\n")
            end = max(end for end in ends if data.startswith(text[:end].encode(codec, "ignore")))
            data, text = data[len(text[:end].encode(codec, "ignore")) :], text[end:]
        assert (data, text) == (b"", "")


def test_binary_rows_have_their_length_and_kind(library):
    rows = list(binary_rows(library, 1, SEED))
    assert {row.kind for row in rows} == set(BINARY)
    assert all(0.5 * row.length <= len(row.data) <= row.length for row in rows)
    assert all(row.truth is None for row in rows)


# --- the command ----------------------------------------------------------------------------


def _run(*arguments):
    command = [sys.executable, "-X", "utf8", str(BENCHMARKS / "encoding.py"), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(BENCHMARKS.parents[1])}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, encoding="utf-8", check=True
    )


def test_one_case_is_shown_by_its_name(tmp_path):
    saved = tmp_path / "case.txt"
    case_id = "gbk/256B/cut/simplified/classical/0"
    shown = _run("--case", case_id, "--save", str(saved)).stdout
    case = make_case(load_library(), case_id, 20)
    assert saved.read_bytes() == case.data
    assert case_id in shown
    assert "gb18030" in shown


def test_the_chardet_of_another_interpreter_answers_like_the_one_here():
    chardet = pytest.importorskip("chardet")
    data = "天亮以前，渡口上只有一盏灯还亮着。".encode("gb18030") * 4
    rival = other_python(Path(sys.executable))
    name, seconds = rival.answer(data)
    assert rival.name == f"chardet {chardet.__version__}"
    assert name == chardet.detect(data)["encoding"]
    assert seconds > 0


@pytest.mark.slow
def test_the_quick_run_writes_everything_down(tmp_path):
    out = tmp_path / "result.json"
    done = _run("--quick", "--rivals", "--out", str(out))
    result = json.loads(out.read_text(encoding="utf-8"))
    assert "| **256 B and more** |" in done.stdout
    assert {"seed", "date", "half", "matrix", "rows", "speed"} <= set(result)
    assert {record["group"] for record in result["rows"]} == set(measures.ROWS)


# --- the targets ----------------------------------------------------------------------------


def _wrong(records):
    return [record["id"] for record in records if not record["right"][measures.OURS]]


def test_999_of_1000_are_right_from_256_bytes_on(records):
    long = [record for record in records if record["length"] >= 256]
    assert len(long) > 1000
    wrong = _wrong(long)
    assert len(wrong) <= len(long) / 1000, wrong


def test_all_clean_text_of_256_bytes_or_more_is_right(records):
    clean = [r for r in records if r["length"] >= 256 and r["damage"] == "clean"]
    assert len(clean) > 150
    assert _wrong(clean) == []


def test_a_step_is_only_mended_where_a_byte_was_lost(records):
    long = [record for record in records if record["length"] >= 256]
    wide = [r for r in long if r["encoding"].startswith(("utf-16", "utf-32"))]
    lost = [r for r in wide if r["damage"] == "deleted"]
    assert sum(r["mended"] for r in lost) > 0.9 * len(lost) > 50
    assert not any(r["mended"] for r in wide if r["damage"] != "deleted")
    assert _wrong([r for r in wide if r["damage"] != "deleted"]) == []


def test_no_book_of_the_report_was_counted_for_the_ranking_of_hanzi():
    books = re.findall("《(.+?)》", frequencies.__doc__)
    assert len(books) > 10
    assert {half_of(book) for book in books} == {"tune"}


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "corpus").is_dir(), reason="the books are not here")
def test_the_ranking_of_hanzi_is_what_is_counted(capsys):
    for package in ("jieba", "opencc"):
        pytest.importorskip(package)
    assert encoding_frequencies.main([str(SHARED / "corpus"), "--check"]) == 0


def test_no_good_text_is_called_mojibake(records):
    assert [r["id"] for r in records if r["damage"] == "clean" and r["mojibake"]] == []


def test_all_binary_data_is_refused(library):
    rows = [measures.judge_row(row, []) for row in binary_rows(library, 2, SEED)]
    assert [row["id"] for row in rows if not row["refused"]] == []


def test_all_reversible_mojibake_is_recognised_and_repaired(misread_rows):
    rows = [measures.judge_row(row, []) for row in misread_rows]
    assert [row["id"] for row in rows if not row["recognised"]] == []
    assert [row["id"] for row in rows if not row["repaired"]] == []


@pytest.mark.skipif(not (SHARED / "dirty").is_dir(), reason="the files as found are not here")
def test_all_files_as_found_are_right():
    records = measures.run_dirty(SHARED / "dirty", [])
    with (SHARED / "dirty" / "MANIFEST.tsv").open(encoding="utf-8", newline="") as manifest:
        entries = list(csv.DictReader(manifest, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert len(records) == sum(entry["python_codec"] != "-" for entry in entries)
    assert _wrong(records) == []
