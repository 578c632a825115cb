"""Broken transfers go on where they were, and only where that is surely the same file."""

import contextlib
import gzip
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from helpers_server import serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from novelkit.download import RECORD_SUFFIX, download, fetching, resume, session
from novelkit.download.resume import partial_file
from novelkit.errors import InputError, WorkError

# What arrives is kept in bites of this size; the rest of a bite is lost with the line.
BITE = fetching.BITE_BYTES
HALF = 20 * BITE
BOOK = b"".join(b"%07d\n" % number for number in range(40_000))
OTHER = BOOK[::-1]
OLD = {"Last-Modified": "Mon, 05 Jan 2015 08:00:00 GMT"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(session, "BACKOFF_SECONDS", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server():
    with serving(BOOK) as running:
        yield running


@pytest.fixture
def book(server):
    return server.url + "/book.txt"


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


def record_of(got):
    return json.loads((got.path.parent / (got.path.name + RECORD_SUFFIX)).read_text("utf-8"))


def break_off(server, url, out, after, **plan):
    """Let a call fail after `after` bytes; leaves the server in order again."""
    for name, value in plan.items():
        setattr(server.plan, name, value)
    server.plan.drops = [after, *([0] * 20)]
    with pytest.raises(WorkError, match="断了"):
        download(url, out)
    server.plan.drops = []
    server.requests.clear()


# ---- within one call


def test_a_second_attempt_goes_on_from_the_byte_that_was_reached(server, book, tmp_path):
    server.plan.drops = [10 * BITE, 5 * BITE, 3]
    got = download(book, tmp_path)
    assert got.path.read_bytes() == BOOK
    assert server.starts[:3] == [0, 10 * BITE, 15 * BITE]
    # An older urllib3 passes on also what is less than a bite.
    assert server.starts[3:] in ([15 * BITE], [15 * BITE + 3])
    assert server.requests[1][1]["If-Range"] == '"one"'
    assert got.resumed_from == record_of(got)["resumed_from"] == server.starts[-1]
    assert files_in(tmp_path) == ["book.txt", "book.txt" + RECORD_SUFFIX]


@pytest.mark.parametrize("etag", ['"one"', 'W/"one"', ""])
def test_a_line_that_drops_often_arrives_as_long_as_it_brings_something(
    server, book, tmp_path, etag
):
    server.plan.etag = etag
    server.plan.content = content = BOOK * 2
    # At least a bite beyond what is compared without a proof.
    server.plan.drops = [3 * BITE + number for number in range(20)]
    assert download(book, tmp_path).path.read_bytes() == content
    assert len(server.requests) == 21 > session.ATTEMPTS
    assert files_in(tmp_path) == ["book.txt", "book.txt" + RECORD_SUFFIX]


def test_a_line_that_never_stops_dropping_is_given_up(server, book, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "MOST_DROPS", 6)
    server.plan.drops = [BITE] * 50
    with pytest.raises(WorkError, match=f"{6 * BITE:,} 字节留着，再运行一次会接着下载"):
        download(book, tmp_path)
    assert server.starts == [BITE * number for number in range(6)]


def test_a_line_that_brings_nothing_more_is_given_up(server, book, tmp_path):
    server.plan.drops = [BITE, 0, 0, 0, 0, 0, 0]
    with pytest.raises(WorkError, match="断了"):
        download(book, tmp_path)
    assert len(server.requests) == session.ATTEMPTS


def test_without_a_proof_the_last_bytes_are_compared(server, book, tmp_path):
    """The file changes, in length the same, as the line drops: no mixture of two."""
    server.plan.etag = ""
    server.plan.drops = [HALF]

    def change(done, total):
        if done >= HALF - BITE:
            server.plan.content = OTHER[:1] * len(BOOK)

    assert download(book, tmp_path, progress=change).path.read_bytes() == server.plan.content
    assert [start > 0 for start in server.starts] == [False, True, False]


def test_without_a_proof_another_length_starts_again(server, book, tmp_path):
    server.plan.etag, server.plan.drops = "", [HALF]

    def change(done, total):
        server.plan.content = BOOK + b"!"

    assert download(book, tmp_path, progress=change).path.read_bytes() == BOOK + b"!"


def test_progress_goes_on_from_where_it_was(server, book, tmp_path):
    server.plan.drops = [HALF]
    calls = []
    download(book, tmp_path, progress=lambda *call: calls.append(call))
    assert calls == sorted(calls) and calls[-1] == (len(BOOK), len(BOOK))


# ---- in the next call


def test_the_next_call_goes_on(server, book, tmp_path):
    break_off(server, book, tmp_path, HALF)
    assert len(files_in(tmp_path)) == 2 and "book.txt" not in files_in(tmp_path)
    got = download(book, tmp_path)
    assert got.path.read_bytes() == BOOK and server.starts == [HALF]
    assert files_in(tmp_path) == ["book.txt", "book.txt" + RECORD_SUFFIX]


def test_an_interrupted_call_is_gone_on_with(server, book, tmp_path):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(book, tmp_path, progress=interrupt)
    assert download(book, tmp_path).path.read_bytes() == BOOK
    assert server.starts[1] > 0


def test_a_killed_process_is_gone_on_with(server, book, tmp_path):
    server.plan.stall, server.plan.drops = threading.Event(), [200_000]
    code = f"from novelkit.download import download; download({book!r}, {str(tmp_path)!r})"
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        deadline = time.monotonic() + 60
        while not any(path.stat().st_size >= 48 * BITE for path in tmp_path.glob(".*.part")):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
        server.plan.stall.set()
    server.plan.stall = None
    got = download(book, tmp_path)
    assert got.path.read_bytes() == BOOK
    assert got.resumed_from == server.starts[-1] >= 48 * BITE
    assert files_in(tmp_path) == ["book.txt", "book.txt" + RECORD_SUFFIX]


def test_a_file_that_was_complete_as_the_process_died_is_confirmed_by_one_byte(
    server, book, tmp_path
):
    break_off(server, book, tmp_path, HALF)
    (part,) = tmp_path.glob("*.part")
    part.write_bytes(BOOK)
    assert download(book, tmp_path).path.read_bytes() == BOOK
    assert server.starts == [len(BOOK) - 1]


def test_an_old_date_will_do_where_there_is_no_etag(server, book, tmp_path):
    break_off(server, book, tmp_path, HALF, etag="", headers=OLD)
    assert download(book, tmp_path).path.read_bytes() == BOOK
    assert server.starts == [HALF]
    assert server.requests[0][1]["If-Range"] == OLD["Last-Modified"]


# ---- not the same file, or not surely


def test_a_changed_file_starts_again(server, book, tmp_path):
    break_off(server, book, tmp_path, HALF)
    server.plan.content, server.plan.etag = OTHER, '"two"'
    got = download(book, tmp_path)
    assert got.path.read_bytes() == OTHER and got.resumed_from == 0
    assert "resumed_from" not in record_of(got)


def test_a_file_that_changes_between_two_attempts_starts_again(server, book, tmp_path):
    def change(done, total):
        server.plan.content, server.plan.etag = OTHER, '"two"'

    server.plan.drops = [HALF]
    assert download(book, tmp_path, progress=change).path.read_bytes() == OTHER


@pytest.mark.parametrize(
    "plan",
    [
        {"etag": ""},
        {"etag": 'W/"one"'},
        {"etag": 'W/"one"', "headers": OLD},
        {"etag": "", "headers": {"Last-Modified": "soon"}},
        {"headers": {"Accept-Ranges": "none"}},
    ],
    ids=["nothing", "weak", "weak with a date", "no date", "refused"],
)
def test_without_a_proof_every_byte_is_fetched_again(server, book, tmp_path, plan):
    break_off(server, book, tmp_path, HALF, **plan)
    assert files_in(tmp_path) == []
    assert download(book, tmp_path).path.read_bytes() == BOOK
    assert server.starts == [0]


def test_a_date_of_just_now_is_no_proof(server, book, tmp_path):
    from email.utils import formatdate

    headers = {"Last-Modified": formatdate(usegmt=True)}
    break_off(server, book, tmp_path, HALF, etag="", headers=headers)
    assert files_in(tmp_path) == []


def test_a_server_that_ignores_ranges_starts_again(server, book, tmp_path):
    break_off(server, book, tmp_path, HALF)
    server.plan.ranges = False
    assert download(book, tmp_path).path.read_bytes() == BOOK
    assert server.starts == [HALF]


def test_a_refused_range_starts_again(server, book, tmp_path):
    break_off(server, book, tmp_path, HALF)
    server.plan.range_status = [416]
    assert download(book, tmp_path).path.read_bytes() == BOOK
    assert server.starts == [HALF, 0]


@pytest.mark.parametrize(
    "content_range",
    [
        f"bytes 0-{len(BOOK) - 1}/{len(BOOK)}",
        f"bytes {HALF + 1}-{len(BOOK) - 1}/{len(BOOK)}",
        f"bytes {HALF}-{len(BOOK) - 1}/{len(BOOK) + 5}",
        "bytes",
        "",
    ],
)
def test_a_range_that_is_not_the_one_asked_for_starts_again(server, book, tmp_path, content_range):
    break_off(server, book, tmp_path, HALF)
    server.plan.content_range = [content_range]
    assert download(book, tmp_path).path.read_bytes() == BOOK
    assert server.starts == [HALF, 0]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({}, {"etag": '"two"'}),
        ({"etag": "", "headers": OLD}, {"headers": {"Last-Modified": "Tue, 06 Jan 2015 08:00:00"}}),
    ],
    ids=["ETag", "date"],
)
def test_a_server_that_does_not_know_if_range_is_seen_through(server, book, tmp_path, before, now):
    break_off(server, book, tmp_path, HALF, **before)
    server.plan.content, server.plan.if_range = OTHER, False
    for name, value in now.items():
        setattr(server.plan, name, value)
    assert download(book, tmp_path).path.read_bytes() == OTHER
    assert server.starts == [HALF, 0]


def test_a_compressed_rest_starts_again(server, book, tmp_path):
    break_off(server, book, tmp_path, HALF)
    server.plan.range_headers = {"Content-Encoding": "gzip"}
    assert download(book, tmp_path).path.read_bytes() == BOOK
    assert server.starts == [HALF, 0]


def test_a_rest_without_an_etag_is_taken(server, book, tmp_path):
    break_off(server, book, tmp_path, HALF)
    server.plan.range_headers = {"ETag": None}
    assert download(book, tmp_path).path.read_bytes() == BOOK
    assert server.starts == [HALF]


def test_a_rest_of_unknown_total_is_taken_by_its_own_length(server, book, tmp_path):
    break_off(server, book, tmp_path, HALF)
    server.plan.content_range = [f"bytes {HALF}-{len(BOOK) - 1}/*"]
    assert download(book, tmp_path).path.read_bytes() == BOOK
    assert server.starts == [HALF]


def test_a_rest_longer_than_the_file_starts_again(server, book, tmp_path):
    break_off(server, book, tmp_path, HALF)
    server.plan.content = BOOK + b"more"
    server.plan.content_range = [f"bytes {HALF}-{len(BOOK) - 1}/{len(BOOK)}"]
    assert download(book, tmp_path).path.read_bytes() == BOOK + b"more"
    assert server.starts == [HALF, 0]


def test_a_compressed_answer_is_not_gone_on_with(server, book, tmp_path):
    server.plan.content = gzip.compress(BOOK)
    server.plan.headers, server.plan.drops = {"Content-Encoding": "gzip"}, [5 * BITE]
    assert download(book, tmp_path).path.read_bytes() == BOOK
    assert server.starts == [0, 0]
    assert server.requests[0][1]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    "state",
    [
        "",
        "[]",
        "{}",
        '{"address": 1, "etag": "", "last_modified": "", "length": 1}',
        '{"address": "", "etag": "\\"one\\"", "last_modified": "", "length": "9"}',
        "\ufffd",
    ],
)
def test_a_damaged_state_starts_again(server, book, tmp_path, state):
    break_off(server, book, tmp_path, HALF)
    (file,) = tmp_path.glob("*.part.json")
    file.write_text(state, encoding="utf-8")
    assert download(book, tmp_path).path.read_bytes() == BOOK
    assert server.starts == [0]


def test_a_part_longer_than_the_file_starts_again(server, book, tmp_path):
    break_off(server, book, tmp_path, HALF)
    (part,) = tmp_path.glob("*.part")
    part.write_bytes(BOOK + b"x")
    assert download(book, tmp_path).path.read_bytes() == BOOK
    assert server.starts == [0]


def test_bytes_without_a_state_are_not_used(server, book, tmp_path):
    """What a process leaves that was killed before the server's validator was noted."""
    break_off(server, book, tmp_path, HALF)
    (state,) = tmp_path.glob("*.part.json")
    state.unlink()
    assert download(book, tmp_path).path.read_bytes() == BOOK
    assert server.starts == [0]


@pytest.mark.parametrize(
    ("plan", "error"),
    [
        ({"status": 404, "content": b"no"}, InputError),
        ({"content": b"<!DOCTYPE html><html>Log in first</html>" * 50}, InputError),
        ({"content": b""}, InputError),
    ],
    ids=["missing", "page", "empty"],
)
def test_an_error_in_between_does_not_cost_the_half_that_is_there(
    server, book, tmp_path, plan, error
):
    break_off(server, book, tmp_path, HALF)
    whole, etag = server.plan.content, server.plan.etag
    for name, value in {"etag": "", **plan}.items():
        setattr(server.plan, name, value)
    with pytest.raises(error):
        download(book, tmp_path)
    server.plan.content, server.plan.etag, server.plan.status = whole, etag, 200
    server.requests.clear()
    assert download(book, tmp_path).path.read_bytes() == BOOK
    assert server.starts == [HALF]


def test_what_is_over_the_limit_leaves_nothing(server, book, tmp_path):
    break_off(server, book, tmp_path, HALF)
    with pytest.raises(InputError, match="上限"):
        download(book, tmp_path, maximum_bytes=HALF + BITE)
    assert files_in(tmp_path) == []


def test_the_same_bytes_under_another_name_leave_no_part(server, book, tmp_path):
    first = download(book, tmp_path)
    again = download(book, tmp_path)
    assert again.reused and again.path == first.path and len(files_in(tmp_path)) == 2


EVENT = st.fixed_dictionaries(
    {
        "drops": st.lists(st.integers(0, len(BOOK)), max_size=6),
        "changed": st.booleans(),
        "etag": st.sampled_from(["strong", "strong", "weak", ""]),
        "ranges": st.sampled_from([True, True, False]),
        "if_range": st.sampled_from([True, True, False]),
        "range_status": st.sampled_from([[], [], [416]]),
    }
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(events=st.lists(EVENT, min_size=1, max_size=4))
def test_whatever_happens_a_file_that_arrives_is_the_one_on_the_server(events):
    """Calls that break off and servers that change: never a mixture of two files."""
    with serving(BOOK) as server, tempfile.TemporaryDirectory() as folder:
        for number, event in enumerate(events):
            plan = server.plan
            if event["changed"]:
                plan.content = b"%d" % number + plan.content[::-1]
            mark = f'"{hashlib.md5(plan.content).hexdigest()}"'
            plan.etag = {"strong": mark, "weak": "W/" + mark, "": ""}[event["etag"]]
            plan.ranges, plan.if_range = event["ranges"], event["if_range"]
            plan.drops, plan.range_status = list(event["drops"]), list(event["range_status"])
            with contextlib.suppress(WorkError):
                got = download(server.url + "/book.txt", Path(folder))
                assert got.path.read_bytes() == plan.content


# ---- two at once


def test_two_downloads_at_once_share_no_part(server, book, tmp_path):
    server.plan.stall, server.plan.drops = threading.Event(), [HALF]
    found = []
    thread = threading.Thread(target=lambda: found.append(download(book, tmp_path)))
    thread.start()
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob("*.part.json")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    second = download(book, tmp_path)
    server.plan.stall.set()
    thread.join()
    assert server.starts[1] == 0
    assert second.path.read_bytes() == BOOK == found[0].path.read_bytes()
    assert files_in(tmp_path) == ["book.txt", "book.txt" + RECORD_SUFFIX]


def test_the_lock_is_free_again_and_leaves_no_file(monkeypatch, tmp_path):
    locks = tmp_path / "locks"
    locks.mkdir()
    monkeypatch.setattr(resume.tempfile, "gettempdir", lambda: str(locks))
    url = "https://example.org/a"
    with partial_file(tmp_path, url) as first:
        with partial_file(tmp_path, url) as second, partial_file(tmp_path, url + "b") as other:
            assert (first.resumable, second.resumable, other.resumable) == (True, False, True)
            assert len({first.path, second.path, other.path}) == 3
        assert len(files_in(locks)) == 1 or sys.platform == "win32"
    with partial_file(tmp_path, url) as later:
        assert later.resumable and later.path == first.path
    assert files_in(locks) == [] or sys.platform == "win32"


def test_a_killed_process_leaves_its_lock_free(tmp_path):
    code = (
        "import os\nfrom pathlib import Path\nfrom novelkit.download.resume import partial_file\n"
        f"with partial_file(Path({str(tmp_path)!r}), 'https://example.org/a') as part:\n"
        "    print(part.resumable, flush=True)\n    os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stdout.split()) == (9, [b"True"])
    with partial_file(tmp_path, "https://example.org/a") as part:
        assert part.resumable


def test_without_locks_it_works_and_does_not_resume(monkeypatch, server, book, tmp_path):
    monkeypatch.setattr(resume.tempfile, "gettempdir", lambda: str(tmp_path / "nowhere"))
    server.plan.drops = [HALF]
    assert download(book, tmp_path).path.read_bytes() == BOOK
    assert server.starts == [0, 0]
    assert files_in(tmp_path) == ["book.txt", "book.txt" + RECORD_SUFFIX]


def test_passwords_do_not_enter_the_state(server, tmp_path):
    url = server.url.replace("//", "//me:secret@") + "/book.txt"
    break_off(server, url, tmp_path, HALF)
    (state,) = tmp_path.glob("*.part.json")
    assert "secret" not in state.read_text(encoding="utf-8")
    assert download(url, tmp_path).path.read_bytes() == BOOK and server.starts == [HALF]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_a_resumed_file_has_ordinary_permissions(server, book, tmp_path):
    plain = tmp_path / "plain"
    plain.write_bytes(b"x")
    server.plan.drops = [HALF]
    assert os.stat(download(book, tmp_path).path).st_mode == plain.stat().st_mode  # noqa: PTH116
