"""Values and frames that travel between the grader and a worker."""

import json
import math
import socket
import struct
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novelkit.exercises import same_value
from novelkit.grading.worker import frames
from novelkit.grading.worker.values import Array, MalformedError, Other, as_argument, decode, encode

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=()))
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=20,
)


def carried(value):
    """A value after its way through JSON."""
    return decode(json.loads(json.dumps(encode(value), ensure_ascii=True, allow_nan=False)))


@given(PLAIN)
def test_plain_values_come_back_with_their_types(value):
    found = carried(value)
    assert same_value(found, value)
    assert repr(found) == repr(value)


def test_no_number_comes_back_as_one():
    found = carried([math.nan, -math.inf])
    assert math.isnan(found[0]) and found[1] == -math.inf


def test_a_number_of_no_known_name_is_malformed():
    for found in ("zero", ["nan"], None):
        with pytest.raises(MalformedError):
            decode({"float": found})


class Liar(int):
    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0


class Mute:
    def __repr__(self):
        raise RuntimeError("no")


class Text(str):
    pass


@pytest.mark.parametrize(
    "value",
    [Liar(3), Text("a"), {1: 2}, {Text("a"): 1}, {1}, object(), 3 + 4j, range(3), lambda: 0, Liar],
)
def test_what_is_no_plain_value_is_another_thing(value):
    found = carried([value])[0]
    assert type(found) is Other
    assert not same_value(found, value)


def test_an_object_that_cannot_be_shown_is_named():
    assert carried(Mute()) == Other("Mute", "repr: RuntimeError")


def test_a_list_in_itself_ends_somewhere():
    value = []
    value.append(value)
    assert "list" in json.dumps(encode(value))
    assert carried(value)


def test_an_enormous_number_is_no_number():
    assert type(carried(10**20_000)) is Other


def test_arrays_keep_dtype_and_shape():
    numpy = pytest.importorskip("numpy")
    found = carried(numpy.array([[1, 2], [3, 4]], dtype="int32"))
    assert found == Array("numpy", "int32", (2, 2), (1, 2, 3, 4))
    back = as_argument([found])[0]
    assert back.dtype == numpy.int32 and back.tolist() == [[1, 2], [3, 4]]
    assert type(carried(numpy.float64(1.5))) is Other


def test_tensors_keep_dtype_and_shape():
    torch = pytest.importorskip("torch")
    found = carried(torch.tensor([[1.5, math.nan]]))
    assert (found.library, found.dtype, found.shape) == ("torch", "float32", (1, 2))
    assert as_argument(found).shape == (1, 2)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["int", "float", "list", "tuple", "dict", "bytes", "array", "other", "x"]
                ),
                inner,
                max_size=2,
            )
        ),
        max_leaves=15,
    )
)
def test_whatever_a_worker_sends_is_a_value_or_malformed(found):
    try:
        decode(found)
    except MalformedError:
        return
    assert found is None or type(found) in (bool, str, float) or len(found) == 1


def test_a_deep_answer_is_malformed_and_no_crash():
    found = None
    for _ in range(5000):
        found = {"list": [found]}
    with pytest.raises(MalformedError):
        decode(found)


# ---- frames


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_message_arrives_whole(pair):
    message = {"text": "第一回\ud800", "numbers": list(range(50_000))}
    sender = threading.Thread(target=frames.send, args=(pair[0], message))
    sender.start()
    assert frames.receive(pair[1], 1 << 20) == message
    sender.join()


@pytest.mark.parametrize(
    "data", [b"[1]", b"{", b'{"a": NaN}', b"\xff\xfe", b"[" * 100_000, b"", b'"text"']
)
def test_what_is_no_object_is_broken(pair, data):
    pair[0].sendall(struct.pack("!I", len(data)) + data)
    with pytest.raises(frames.BrokenFrameError):
        frames.receive(pair[1], 1 << 20)


def test_a_long_announcement_is_refused_before_it_is_read(pair):
    pair[0].sendall(struct.pack("!I", 1 << 31))
    with pytest.raises(frames.TooLongError):
        frames.receive(pair[1], 1 << 20)


def test_half_a_message_is_waited_for_until_the_deadline(pair):
    import time

    pair[0].sendall(b"\0\0")
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        frames.receive(pair[1], 100, began + 0.2)
    pair[0].close()
    with pytest.raises(frames.BrokenFrameError):
        frames.receive(pair[1], 100, time.monotonic() + 5)


def test_what_came_unasked_is_noticed(pair):
    assert not frames.pending(pair[1])
    pair[0].sendall(b"x")
    assert frames.pending(pair[1])
