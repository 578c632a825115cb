"""Stage 04: blocks that score every token once, and their arrays on disk."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novelkit.errors import InputError
from novelkit.tokenizing import IGNORED, Blocks, read_tokens, write_tokens

# ---- blocks


@st.composite
def blocks(draw):
    context = draw(st.integers(1, 40))
    length = draw(st.integers(context + 1, 6 * context + 3))
    return Blocks(np.arange(length), context, draw(st.integers(0, context - 1)))


@given(blocks())
def test_every_target_is_scored_exactly_once(cut):
    inputs, targets = cut.batch(range(len(cut)))
    scored = targets != IGNORED
    assert sorted(targets[scored].tolist()) == list(range(1, len(cut.tokens)))
    # Aligned by one, and each row is a full window of the text: no padding anywhere.
    assert (targets[scored] == inputs[scored] + 1).all()
    assert (np.diff(inputs, axis=1) == 1).all()
    assert inputs.min() >= 0 and inputs.max() < len(cut.tokens) - 1
    assert inputs.shape == targets.shape == (len(cut), cut.context)
    assert scored.any(axis=1).all()


@given(blocks(), st.randoms(use_true_random=False))
def test_a_block_is_the_same_in_any_batch(cut, random):
    chosen = [random.randrange(len(cut)) for _ in range(4)]
    together = cut.batch(chosen)
    for row, index in enumerate(chosen):
        alone = cut.batch([index])
        assert (together[0][row] == alone[0]).all() and (together[1][row] == alone[1]).all()


@pytest.mark.parametrize("length", [0, 1, 8])
def test_tokens_that_fill_no_block_are_refused(length):
    with pytest.raises(InputError, match="n_ctx"):
        Blocks(np.arange(length), 8)


@pytest.mark.parametrize("index", [-1, 3])
def test_a_block_that_does_not_exist_is_an_index_error(index):
    with pytest.raises(IndexError):
        Blocks(np.arange(25), 8).batch([index])


@pytest.mark.parametrize("offset", [-1, 8])
def test_an_offset_outside_of_the_context_is_refused(offset):
    with pytest.raises(ValueError):
        Blocks(np.arange(25), 8, offset)


# ---- arrays on disk


def test_arrays_come_back_mapped_with_their_hash(tmp_path):
    path = tmp_path / "train.npy"
    digest = write_tokens(path, np.arange(70_000, dtype=np.uint32))
    read = read_tokens(path)
    assert isinstance(read, np.memmap) and read[-1] == 69_999
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [file.name for file in tmp_path.iterdir()] == ["train.npy"]


@pytest.mark.parametrize("cut", [0, 3, 60, 200])
def test_a_damaged_array_is_refused_in_one_line(tmp_path, cut):
    path = tmp_path / "train.npy"
    write_tokens(path, np.arange(1000, dtype=np.uint16))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match="novelkit prepare") as caught:
        read_tokens(path)
    assert "\n" not in str(caught.value)


def test_a_missing_array_is_refused(tmp_path):
    with pytest.raises(InputError, match="没有找到"):
        read_tokens(tmp_path / "train.npy")


def test_an_array_that_cannot_be_written_leaves_the_old_one_alone(tmp_path, monkeypatch):
    path = tmp_path / "train.npy"
    write_tokens(path, np.arange(5, dtype=np.uint16))

    def full(file, *arguments, **options):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError):
        write_tokens(path, np.arange(9, dtype=np.uint16))
    assert len(read_tokens(path)) == 5
    assert [file.name for file in tmp_path.iterdir()] == ["train.npy"]
