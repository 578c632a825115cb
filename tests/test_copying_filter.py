"""The n-gram filter: nothing of the guaranteed length is missed, chance hits are as rare as said,
the file is small, whole or refused, and the same everywhere."""

import hashlib
import json
import random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from novelkit.copying import FILTER_FILE, NgramFilter, find_copies
from novelkit.copying import filter as filter_module
from novelkit.errors import InputError


def novel_text(characters, seed):
    """Text whose windows of 13 characters are all different."""
    rng = random.Random(seed)
    return "".join(chr(0x4E00 + min(int(rng.expovariate(0.003)), 4000)) for _ in range(characters))


TRAINING = novel_text(5000, 1)


def plain_chains(text, training, n, step):
    """Start, end and hits of runs of windows `step` apart that stand at multiples of `step`."""
    kept = {training[at : at + n] for at in range(0, len(training) - n + 1, step)}
    hits = {at for at in range(len(text) - n + 1) if text[at : at + n] in kept}
    chains = set()
    for at in hits:
        if at - step not in hits:
            last = at
            while last + step in hits:
                last += step
            chains.add((at, last + n, (last - at) // step + 1))
    return {
        chain
        for chain in chains
        if not any(
            other != chain
            and other[0] <= chain[0]
            and chain[1] <= other[1]
            and (other[0], other[1]) != (chain[0], chain[1])
            for other in chains
        )
    }


small = st.text("ab", max_size=60) | st.text("abc", max_size=60)


@settings(deadline=None, max_examples=300)
@given(small, small, st.integers(1, 6), st.integers(1, 7))
def test_spans_are_those_of_a_plain_search(text, training, n, step):
    report = NgramFilter.build(training, n, step).copied(text)
    expected = plain_chains(text, training, n, step)
    found = {(span.start, span.end, span.hits) for span in report.spans}
    assert found == expected
    covered = {place for start, end, _ in expected for place in range(start, end)}
    assert report.copied_characters == len(covered)
    assert report.share == (len(covered) / len(text) if text else 0.0)
    lengths = [span.end - span.start for span in report.spans]
    assert lengths == sorted(lengths, reverse=True)


@settings(deadline=None, max_examples=300)
@given(small, small, st.integers(1, 6), st.integers(1, 7))
@example("b" * 7, "a" + "b" * 7, 2, 5)
def test_no_shared_passage_of_the_guaranteed_length_is_missed(text, training, n, step):
    found = NgramFilter.build(training, n, step)
    report = found.copied(text)
    longest = find_copies(text, training, at_least=1).longest
    length = len(longest.text) if longest else 0
    assert length <= report.at_most
    if length >= found.certain_from:
        assert report.longest.end - report.longest.start >= length - 2 * (step - 1)
    # What it reports as one window does stand there.
    for span in report.spans:
        assert text[span.start : span.start + n] in training
        assert text[span.end - n : span.end] in training


@pytest.mark.parametrize("length", [23, 24, 40, 300])
def test_every_passage_of_23_characters_is_noticed_at_every_place(length):
    found = NgramFilter.build(TRAINING)
    assert found.certain_from == 23
    for start in (*range(30), *range(4970 - length, 5001 - length)):
        text = novel_text(50, 2) + TRAINING[start : start + length] + novel_text(50, 3)
        report = found.copied(text)
        assert len(report.spans) == 1
        assert 50 <= report.longest.start <= 60
        assert 50 + length - 10 <= report.longest.end <= 50 + length
        assert report.at_most >= length


def test_shorter_passages_are_noticed_in_the_documented_share_of_cases():
    found = NgramFilter.build(TRAINING)
    for length in range(11, 24):
        starts = range(100, 100 + 11 * 20)
        noticed = sum(bool(found.copied(TRAINING[at : at + length]).spans) for at in starts)
        assert noticed == 20 * min(11, max(0, length - 12))


def test_without_hits_the_bound_is_one_below_the_guarantee():
    report = NgramFilter.build(TRAINING).copied(novel_text(500, 4))
    assert (report.spans, report.share, report.longest, report.at_most) == ((), 0.0, None, 22)
    assert NgramFilter.build(TRAINING).copied("短").at_most == 1


def test_chance_hits_are_as_frequent_as_stated_and_chains_of_them_by_powers():
    """With one byte a remainder they are frequent enough to be counted."""
    found = NgramFilter.build(novel_text(20_000, 5), remainder_bytes=1)
    text = novel_text(150_000, 6)
    report, rate = found.copied(text), found.false_positive_rate
    assert 4 / 256 <= rate <= 8 / 256
    hits = sum(span.hits for span in report.spans)
    assert report.false_alarms == pytest.approx(len(text) * rate, rel=1e-3)
    assert hits == pytest.approx(report.false_alarms, abs=4 * report.false_alarms**0.5)
    # A run of two begins where one does not precede; spans that lie in others were left out.
    longer = sum(span.hits >= 2 for span in report.spans)
    expected = len(text) * rate**2
    assert longer == pytest.approx(expected, abs=4 * expected**0.5)
    assert max(span.hits for span in report.spans) <= 5


def test_with_the_usual_size_chance_hits_are_below_one_in_a_thousand_texts():
    found = NgramFilter.build(TRAINING)
    assert found.copied(novel_text(1000, 7)).false_alarms < 1e-3
    for characters in (1, 100, 13_000, 200_000):
        assert NgramFilter.build(novel_text(characters, 8)).false_positive_rate <= 8 / 2**24


@settings(deadline=None, max_examples=100)
@given(st.text("ab雪", max_size=80), st.integers(1, 5), st.integers(1, 6), st.integers(1, 30))
def test_pieces_of_a_file_make_the_same_filter(tmp_path_factory, training, n, step, piece):
    path = tmp_path_factory.mktemp("training") / "train.txt"
    path.write_bytes(training.encode("utf-8"))
    expected = NgramFilter.build(training, n, step)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filter_module, "PIECE", piece)
        found = NgramFilter.build(path, n, step)
        report = found.copied(training + "aab雪")
    assert np.array_equal(found.fingerprints, expected.fingerprints)
    assert np.array_equal(found.fingerprints, np.unique(found.fingerprints))
    assert found.characters == expected.characters == len(training)
    assert report == expected.copied(training + "aab雪")


@pytest.mark.parametrize("training", ["", "短", "😀\ud800𠮷" * 10])
def test_texts_of_any_kind(training):
    report = NgramFilter.build(training).copied("前" + training + "后")
    assert bool(report.spans) == (len(training) >= 13)
    assert NgramFilter.build(training).copied("").share == 0


@pytest.mark.parametrize("arguments", [{"n": 0}, {"step": 0}, {"remainder_bytes": 4}])
def test_settings_that_cannot_be_are_refused(arguments):
    with pytest.raises(ValueError):
        NgramFilter.build(TRAINING, **arguments)


# ---- the file


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model" / FILTER_FILE
    NgramFilter.build(TRAINING).save(path)
    return path


@pytest.mark.parametrize("characters", [0, 12, 13, 100, 5000])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_it_comes_back_from_its_file_as_it_was(tmp_path, characters, size):
    found = NgramFilter.build(TRAINING[:characters], remainder_bytes=size)
    found.save(tmp_path / FILTER_FILE)
    back = NgramFilter.load(tmp_path / FILTER_FILE)
    assert np.array_equal(back.fingerprints, found.fingerprints)
    assert back.fingerprints.dtype == np.uint64
    assert {**vars(back), "fingerprints": 0} == {**vars(found), "fingerprints": 0}
    text = TRAINING[40:90] + novel_text(30, 9)
    assert back.copied(text) == found.copied(text)


def test_the_file_is_small_and_holds_no_text(saved):
    size = saved.stat().st_size
    # A fingerprint is three bytes and a share of a bucket's count; then the header.
    assert size < 3.25 * 5000 / 11 + 2500
    content = saved.read_bytes()
    for start in range(0, 4998):
        for encoding in ("utf-8", "utf-16-le", "utf-32-le"):
            assert TRAINING[start : start + 2].encode(encoding) not in content


def test_the_file_is_the_same_everywhere(saved):
    """Old filters must stay readable: hash, sampling and layout are part of the format."""
    first = saved.read_bytes()
    NgramFilter.build(TRAINING).save(saved)
    assert saved.read_bytes() == first
    text = "".join(chr(0x4E00 + number * number % 7919) for number in range(500))
    digest = hashlib.sha256(NgramFilter.build(text).fingerprints.astype("<u8").tobytes())
    assert digest.hexdigest().startswith("3fcd8e1e42a055a49375c0a316e03e72")


def test_numpy_opens_the_file_without_pickle(saved):
    with np.load(saved, allow_pickle=False) as file:
        assert set(file) == {"header", "counts", "remainders"}
        header, counts, remainders = (
            json.loads(str(file["header"])),
            file["counts"],
            file["remainders"],
        )
    assert (header["format"], header["version"]) == ("novelkit-copy-filter", 1)
    assert (header["n"], header["step"], header["characters"]) == (13, 11, 5000)
    assert counts.sum() == len(remainders) == len(range(0, 5000 - 12, 11))
    assert (counts.dtype, remainders.dtype) == (np.uint8, np.uint8)


def test_a_missing_file_says_what_is_missing(tmp_path):
    with pytest.raises(InputError, match="没有抄写过滤器"):
        NgramFilter.load(tmp_path / FILTER_FILE)


def rewritten(path, change):
    """The file with its header changed and all else kept."""
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(str(arrays["header"]))
    change(header)
    np.savez(path, **{**arrays, "header": np.array(json.dumps(header))})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "版本是 2"),
        ({"format": "else"}, "不是完整的"),
        ({"n": 12}, "sha256"),
        ({"step": 10}, "sha256"),
        ({"sha256": "0"}, "sha256"),
    ],
)
def test_a_file_of_another_version_or_with_changed_settings_is_refused(saved, change, message):
    rewritten(saved, lambda header: header)
    assert NgramFilter.load(saved).n == 13
    rewritten(saved, lambda header: header.update(change))
    with pytest.raises(InputError, match=message):
        NgramFilter.load(saved)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_damaged_file_is_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damage") / FILTER_FILE
    NgramFilter.build(TRAINING[:400]).save(path)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(bytes(content))
    try:
        found = NgramFilter.load(path)
    except InputError:
        return
    # What is not noticed may change nothing: a date in the archive, say.
    assert np.array_equal(found.fingerprints, NgramFilter.build(TRAINING[:400]).fingerprints)
    assert (found.n, found.step, found.characters) == (13, 11, 400)


@pytest.mark.parametrize("content", [{"weight": np.zeros(3)}, {"header": np.array("[1]")}])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    np.savez(tmp_path / FILTER_FILE, **content)
    with pytest.raises(InputError, match="不是完整的"):
        NgramFilter.load(tmp_path / FILTER_FILE)


def test_a_pickle_is_never_opened(tmp_path):
    np.savez(tmp_path / FILTER_FILE, header=np.array([{"format": "novelkit-copy-filter"}]))
    with pytest.raises(InputError, match="pickle"):
        NgramFilter.load(tmp_path / FILTER_FILE)


def test_a_file_that_cannot_be_written_leaves_the_old_one(saved, monkeypatch):
    before = saved.read_bytes()

    def fail(file, **arrays):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError):
        NgramFilter.build(TRAINING[:500]).save(saved)
    monkeypatch.undo()
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [FILTER_FILE]
