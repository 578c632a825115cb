"""Several addresses of one file, patience with servers, and what is said where none serves."""

import gzip
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers_server import Plan, serving

from novelkit.download import RECORD_SUFFIX, download, fetching, provenance, session
from novelkit.errors import InputError, WorkError

BOOK = b"".join(b"%07d\n" % number for number in range(40_000))
OTHER = BOOK[::-1]
PAGE = b"<!DOCTYPE html><html>Not here, but status 200</html>"
HALF = 20 * fetching.BITE_BYTES


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(session, "BACKOFF_SECONDS", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server():
    with serving(BOOK) as running:
        yield running


@pytest.fixture
def closed():
    """The address of a port where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return f"http://127.0.0.1:{port}/book.txt"


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


def record_of(got):
    return json.loads((got.path.parent / (got.path.name + RECORD_SUFFIX)).read_text("utf-8"))


def paths(server):
    return [path for path, _ in server.requests]


# ---- mirrors


@pytest.mark.parametrize(
    "plan",
    [
        Plan(b"no", status=404),
        Plan(b"no", status=403),
        Plan(b"busy", status=503),
        Plan(b"busy", status=429, headers={"Retry-After": "3600"}),
        Plan(PAGE),
        Plan(b""),
        Plan(b"", status=302, headers={"Location": "/first.txt"}),
        Plan(b"", status=302, headers={"Location": "http://["}),
        Plan(BOOK, etag="", drops=[5, 5]),
    ],
    ids=["404", "403", "503", "429", "page", "empty", "loop", "nowhere", "dropped"],
)
def test_the_next_address_serves(server, tmp_path, plan):
    server.plans["/first.txt"] = plan
    first, second = server.url + "/first.txt", server.url + "/second.txt"
    began = time.monotonic()
    got = download(first, tmp_path, mirrors=[second])
    assert got.path.read_bytes() == BOOK
    assert (got.source, got.mirror, record_of(got)["mirror"]) == (first, second, second)
    assert record_of(got)["source"] == first
    assert time.monotonic() - began < 10, "an overloaded server is left alone, not waited for"


def test_a_closed_port_and_an_unknown_host_are_passed_over(server, closed, monkeypatch, tmp_path):
    monkeypatch.setenv("NO_PROXY", "*")
    mirrors = ["http://name.invalid/book.txt", server.url + "/book.txt"]
    got = download(closed, tmp_path, mirrors=mirrors, timeout=5)
    assert got.path.read_bytes() == BOOK and got.mirror == mirrors[1]


def test_the_first_address_is_no_mirror(server, tmp_path):
    got = download(server.url + "/a.txt", tmp_path, mirrors=[server.url + "/b.txt"])
    assert got.mirror == "" and "mirror" not in record_of(got) and paths(server) == ["/a.txt"]


def test_a_mirror_goes_on_with_the_same_content(server, tmp_path):
    server.plans["/first.txt"] = Plan(BOOK, drops=[HALF, 0, 0])
    got = download(server.url + "/first.txt", tmp_path, mirrors=[server.url + "/second.txt"])
    assert got.path.read_bytes() == BOOK
    assert (server.starts[-1], got.resumed_from, paths(server)[-1]) == (HALF, HALF, "/second.txt")


@pytest.mark.parametrize(
    ("etag", "headers"),
    [('"two"', {}), ("", {"Last-Modified": "Mon, 05 Jan 2015 08:00:00 GMT"})],
    ids=["another ETag", "only a date"],
)
def test_a_mirror_of_other_content_starts_again(server, tmp_path, etag, headers):
    first = etag and '"one"'
    server.plans["/first.txt"] = Plan(BOOK, first, headers, drops=[HALF, 0, 0])
    server.plans["/second.txt"] = Plan(OTHER, etag, headers)
    got = download(server.url + "/first.txt", tmp_path, mirrors=[server.url + "/second.txt"])
    assert got.path.read_bytes() == OTHER and got.resumed_from == 0


def test_the_same_etag_with_another_length_starts_again(server, tmp_path):
    server.plans["/first.txt"] = Plan(BOOK, drops=[HALF, 0, 0])
    server.plans["/second.txt"] = Plan(OTHER + b"longer")
    got = download(server.url + "/first.txt", tmp_path, mirrors=[server.url + "/second.txt"])
    assert got.path.read_bytes() == OTHER + b"longer"


@pytest.mark.parametrize(
    ("second", "kind"), [(Plan(PAGE), InputError), (Plan(b"", status=503), WorkError)]
)
def test_where_none_serves_each_is_named(server, tmp_path, second, kind):
    server.plans = {"/a.txt": Plan(b"no", status=404), "/b.txt": second}
    with pytest.raises(kind, match="2 个地址都没有.*HTTP 404；127.0.0.1：") as caught:
        download(server.url + "/a.txt", tmp_path, mirrors=[server.url + "/b.txt"])
    assert "\n" not in str(caught.value) and "请" in str(caught.value)
    assert files_in(tmp_path) == []


def test_a_file_that_is_too_large_is_not_looked_for_elsewhere(server, tmp_path):
    with pytest.raises(InputError, match="上限"):
        download(server.url + "/a.txt", tmp_path, mirrors=[server.url + "/b.txt"], maximum_bytes=9)
    assert paths(server) == ["/a.txt"]


@pytest.mark.parametrize("mirror", ["mirror.txt", "ftp://example.org/a", "http://", "http://["])
def test_a_mirror_that_is_no_address_is_refused(tmp_path, mirror):
    with pytest.raises(InputError, match="不是能打开的网址"):
        download("https://example.org/a.txt", tmp_path / "out", mirrors=[mirror])
    assert not (tmp_path / "out").exists()


def test_a_local_file_takes_no_mirror(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"x")
    with pytest.raises(InputError, match="用不上镜像"):
        download(tmp_path / "a.txt", tmp_path, mirrors=["https://example.org/a.txt"])


# ---- patience


def test_retry_after_is_obeyed(server, tmp_path):
    server.plan.statuses, server.plan.headers = [503], {"Retry-After": "1"}
    began = time.monotonic()
    assert download(server.url + "/book.txt", tmp_path).path.read_bytes() == BOOK
    assert time.monotonic() - began >= 1 and len(server.requests) == 2


def test_a_retry_after_that_says_nothing_is_passed_over(server, tmp_path):
    server.plan.statuses, server.plan.headers = [503, 429], {"Retry-After": "soon"}
    assert download(server.url + "/book.txt", tmp_path).path.read_bytes() == BOOK
    assert len(server.requests) == 3


@pytest.mark.parametrize(("told", "wait"), [("7", 7), ("3600", 30), ("soon", None), (None, None)])
def test_how_long_a_server_may_make_us_wait(told, wait):
    retry = session.open_session().get_adapter("https://").max_retries
    headers = {"Retry-After": told} if told else {}
    response = type("Response", (), {"headers": headers})()
    assert retry.get_retry_after(response) == wait


def test_with_another_address_at_hand_an_overloaded_server_is_asked_once():
    retry = session.open_session(attempts=2).get_adapter("https://").max_retries
    assert (retry.connect, retry.status, retry.read) == (0, 0, 1)


def test_a_line_that_drops_before_the_first_byte_is_tried_again(server, tmp_path):
    server.plan.drops = [0, 0]
    assert download(server.url + "/book.txt", tmp_path).path.read_bytes() == BOOK


def test_pauses_grow_and_differ(monkeypatch):
    monkeypatch.setattr(session, "BACKOFF_SECONDS", 0.5)
    slept = []
    monkeypatch.setattr(session.time, "sleep", slept.append)
    for failures in (1, 2, 3) * 20:
        session.pause(failures)
    for failures, floor in ((1, 0.5), (2, 1), (3, 2)):
        pauses = slept[failures - 1 :: 3]
        assert floor <= min(pauses) < max(pauses) <= 3 * floor
    retry = session.open_session().get_adapter("https://").max_retries
    for _ in range(2):
        retry = retry.increment("GET", "/", error=OSError())
    assert len({retry.get_backoff_time() for _ in range(10)}) > 1


def test_a_server_that_says_nothing_is_given_up(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/book.txt"
        with pytest.raises(WorkError, match="连接失败"):
            download(url, tmp_path, timeout=0.05)


def test_a_stream_that_stops_is_given_up(server, tmp_path):
    server.plan.stall, server.plan.drops = threading.Event(), [HALF, 0, 0, 0, 0]
    with pytest.raises(WorkError, match="断了"):
        download(server.url + "/book.txt", tmp_path, timeout=0.1)
    server.plan.stall.set()


# ---- no network, proxies, who asks


def test_no_network_is_said_so(monkeypatch, tmp_path):
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(WorkError, match="找不到服务器 name.invalid.*缺字"):
        download("http://name.invalid/a.txt", tmp_path, mirrors=["http://other.invalid/a.txt"])


def test_a_proxy_of_the_environment_is_used(server, monkeypatch, tmp_path):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("http_proxy", server.url)
    assert download("http://name.invalid/a.txt", tmp_path).path.read_bytes() == BOOK
    assert paths(server) == ["http://name.invalid/a.txt"]


def test_a_proxy_that_is_down_is_named(closed, monkeypatch, tmp_path):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", closed)
    monkeypatch.setenv("http_proxy", closed)
    with pytest.raises(WorkError, match="代理.*HTTP_PROXY"):
        download("http://name.invalid/a.txt", tmp_path)


def test_the_server_is_told_who_asks(server, tmp_path):
    download(server.url + "/a.txt", tmp_path)
    agent = server.requests[0][1]["User-Agent"]
    assert agent.startswith("novelkit/") and agent.endswith("one book at a time)")


def test_the_user_agent_holds_the_repository(monkeypatch):
    from email.message import Message

    fields = Message()
    fields["Project-URL"] = "Repository, https://example.org/kit"
    session.user_agent.cache_clear()
    monkeypatch.setattr(session.metadata, "metadata", lambda name: fields)
    assert "(+https://example.org/kit; " in session.user_agent()
    session.user_agent.cache_clear()


# ---- names and records


@pytest.mark.parametrize("twice", [False, True])
def test_a_packed_file_that_was_unpacked_on_the_way_loses_its_suffix(server, tmp_path, twice):
    """Some servers call book.txt.gz a book.txt that is only packed for the way."""
    content = gzip.compress(BOOK) if twice else BOOK
    server.plan.content = gzip.compress(content)
    server.plan.headers = {"Content-Encoding": "gzip"}
    got = download(server.url + "/book.txt.gz", tmp_path)
    assert got.path.name == ("book.txt.gz" if twice else "book.txt")
    assert got.path.read_bytes() == content


def test_a_packed_file_stays_as_it_is(server, tmp_path):
    server.plan.content = gzip.compress(BOOK)
    got = download(server.url + "/book.txt.gz", tmp_path)
    assert got.path.name == "book.txt.gz" and got.path.read_bytes() == server.plan.content


def test_a_licence_of_the_user_is_recorded(server, tmp_path):
    got = download(server.url + "/a.txt", tmp_path, licence="自己写的")
    assert got.licence == record_of(got)["licence"] == "自己写的"
    assert download(server.url + "/a.txt", tmp_path).licence == "自己写的"


def test_of_many_files_of_one_name_none_is_lost(tmp_path):
    out = tmp_path / "out"
    sources = []
    for number in range(8):
        sources.append(tmp_path / str(number) / "book.txt")
        sources[-1].parent.mkdir()
        sources[-1].write_bytes(b"%d" % number)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda source: download(source, out), sources))
    assert len({got.path for got in found}) == 8
    assert sorted(got.path.read_bytes() for got in found) == [b"%d" % n for n in range(8)]


def test_a_name_that_another_process_took_just_now_is_not_overwritten(monkeypatch, tmp_path):
    book, taken = tmp_path / "book.txt", tmp_path / "out" / "book.txt"
    book.write_bytes(b"ours")
    taken.parent.mkdir()
    taken.write_bytes(b"theirs")
    real = type(book).exists
    # As it looked a moment before.
    monkeypatch.setattr(type(book), "exists", lambda self: self != taken and real(self))
    assert download(book, taken.parent).path.name == "book-2.txt"
    assert taken.read_bytes() == b"theirs"


def test_a_folder_of_that_name_is_left_alone(server, tmp_path):
    (tmp_path / "book.txt").mkdir()
    assert download(server.url + "/book.txt", tmp_path).path == tmp_path / "book-2.txt"


def test_a_move_that_fails_leaves_no_empty_file(monkeypatch, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"x")

    def fail(self, target):
        raise PermissionError(13, "in use", str(target))

    monkeypatch.setattr(type(tmp_path), "replace", fail)
    with pytest.raises(PermissionError):
        download(tmp_path / "a.txt", tmp_path / "out")
    assert files_in(tmp_path / "out") == []


@pytest.mark.parametrize("record", ["[1]", '{"source": 1, "sha256": "", "bytes": 1, "date": ""}'])
def test_a_record_of_another_form_is_none(tmp_path, record):
    (tmp_path / ("a.txt" + RECORD_SUFFIX)).write_text(record, encoding="utf-8")
    assert provenance.read_record(tmp_path / "a.txt") is None
