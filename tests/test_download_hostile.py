"""Servers that mean no good, or no book: each test is one way in which a file could be wrong."""

import gzip
import json
import random
import socket
import threading
import time
import zlib
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novelkit.download import RECORD_SUFFIX, download, fetching, session, watching
from novelkit.download.content_coding import Undecodable, unpack
from novelkit.download.naming import name_from_disposition, name_from_url
from novelkit.download.web_pages import is_web_page
from novelkit.errors import InputError, WorkError

BOOK = random.Random(1).randbytes(50_000)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(session, "BACKOFF_SECONDS", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@contextmanager
def raw_server(answer):
    """A server that does whatever `answer(connection, number)` writes; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            for number in range(100):
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    try:
                        connection.recv(1 << 16)
                        answer(connection, number)
                    except OSError:
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/book.txt"
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def answering(body, *headers):
    lines = "".join(f"{header}\r\n" for header in ("HTTP/1.1 200 OK", *headers))
    return lambda connection, number: connection.sendall(lines.encode("latin-1") + b"\r\n" + body)


# ---- what was compressed on the way


@pytest.mark.parametrize("told", [True, False], ids=["with its length", "without"])
def test_a_compressed_body_that_stops_early_is_no_book(tmp_path, told):
    packed = gzip.compress(BOOK)[:-2000]
    headers = ["Content-Encoding: gzip", *([f"Content-Length: {len(packed)}"] if told else [])]
    with (
        raw_server(answering(packed, *headers)) as url,
        pytest.raises(WorkError, match="压缩，数据坏了或不完整"),
    ):
        download(url, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_coding_that_is_not_undone_is_named(tmp_path):
    with (
        raw_server(answering(BOOK, "Content-Encoding: br")) as url,
        pytest.raises(WorkError, match="用了 br 压缩"),
    ):
        download(url, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_bomb_stops_at_the_limit(tmp_path):
    packed = gzip.compress(bytes(20_000_000))
    with (
        raw_server(answering(packed, "Content-Encoding: gzip")) as url,
        pytest.raises(InputError, match="超过上限"),
    ):
        download(url, tmp_path, maximum_bytes=1_000_000)


def bare(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


CODINGS = {
    "gzip": gzip.compress,
    "x-gzip": lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:]),
    "deflate": zlib.compress,
    " Deflate": bare,
    "": bytes,
}


@given(
    data=st.binary(max_size=3000),
    times=st.integers(1, 100),
    bite=st.integers(2, 5000),
    coding=st.sampled_from(sorted(CODINGS)),
)
def test_what_is_packed_comes_out_whatever_the_bites(data, times, bite, coding):
    packed = CODINGS[coding](data * times)
    bites = [packed[start : start + bite] for start in range(0, len(packed), bite)]
    assert b"".join(unpack(bites, coding)) == data * times


@given(data=st.binary(min_size=1, max_size=3000), part=st.floats(0, 1, exclude_max=True))
def test_any_part_of_a_packed_stream_is_refused(data, part):
    packed = gzip.compress(data)
    cut = packed[: max(1, int(len(packed) * part))]
    with pytest.raises(Undecodable):
        list(unpack([cut], "gzip"))


# ---- pages in place of a book


@pytest.mark.parametrize(
    ("head", "content_type"),
    [
        ("\ufeff<!-- 404 -->\n<!DOCTYPE html><html>", "text/plain"),
        ('<?xml version="1.0"?>\n<!DOCTYPE  html PUBLIC>', "text/plain"),
        ("<body>页面不存在", ""),
        ("<meta charset=gbk><title>404", "text/plain"),
        ("<div class=error>请登录</div>", "text/html; charset=utf-8"),
        ('{"error": 404}', "application/json"),
    ],
)
def test_pages_are_told_from_books(head, content_type):
    data = head.encode("utf-8")
    assert is_web_page(data, "http://a/book.txt", content_type)
    assert not is_web_page(data, "http://a/book.html", "text/html")


@pytest.mark.parametrize(
    ("head", "content_type"),
    [
        ("第一回\n<html>", "text/plain"),
        ("第一回 甄士隐", "text/html"),
        ("<第一回>甄士隐", "text/html"),
        ("<titles of a novel>", "text/plain"),
        ("[第一章]", "text/plain"),
        ("", "text/html"),
    ],
)
def test_books_are_told_from_pages(head, content_type):
    assert not is_web_page(head.encode("utf-8"), "http://a/book.txt", content_type)


def test_a_page_behind_a_comment_is_refused(tmp_path):
    page = b"<!-- cache -->\n<html><body>404</body></html>"
    with (
        raw_server(answering(page, "Content-Type: text/plain")) as url,
        pytest.raises(InputError, match="网页"),
    ):
        download(url, tmp_path)


# ---- lengths that lie, lines that hardly move


@pytest.mark.parametrize("told", ["-5", "rubbish", "9" * 5000, "\xb2", ""])
def test_a_length_that_is_none_is_passed_over(tmp_path, told):
    with raw_server(answering(BOOK, "Content-Length: " + told)) as url:
        assert download(url, tmp_path).path.read_bytes() == BOOK


def test_two_lengths_are_refused(tmp_path):
    lengths = (f"Content-Length: {len(BOOK)}", "Content-Length: 5")
    with raw_server(answering(BOOK, *lengths)) as url, pytest.raises(WorkError, match="连接失败"):
        download(url, tmp_path)


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\r\nzz\r\n"])
def test_chunks_without_an_end_are_refused(tmp_path, end):
    body = b"%x\r\n" % len(BOOK) + BOOK + end
    with (
        raw_server(answering(body, "Transfer-Encoding: chunked")) as url,
        pytest.raises(WorkError, match="断了"),
    ):
        download(url, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("chunked", [True, False])
def test_a_server_that_drips_is_given_up(monkeypatch, tmp_path, chunked):
    """Each byte comes within the time-out: without a watch this would take 50,000 times 0.05 s."""
    monkeypatch.setattr(watching, "LONGEST_SECONDS", 0.3)
    header = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(BOOK)}"

    def drip(connection, number):
        answering(b"", header)(connection, number)
        for byte in BOOK:
            connection.sendall(b"1\r\n%c\r\n" % byte if chunked else bytes([byte]))
            time.sleep(0.05)

    started = time.monotonic()
    with raw_server(drip) as url, pytest.raises(WorkError, match="断了"):
        download(url, tmp_path, timeout=0.25)
    assert time.monotonic() - started < 10
    assert not [thread for thread in threading.enumerate() if "_watch" in thread.name]


def test_a_line_that_is_slow_but_moves_is_not_cut(monkeypatch, tmp_path):
    monkeypatch.setattr(watching, "LONGEST_SECONDS", 0.3)
    monkeypatch.setattr(watching, "FEWEST_BYTES", fetching.BITE_BYTES)

    def crawl(connection, number):
        answering(b"", f"Content-Length: {len(BOOK)}")(connection, number)
        for start in range(0, len(BOOK), 5000):
            connection.sendall(BOOK[start : start + 5000])
            time.sleep(0.1)

    with raw_server(crawl) as url:
        assert download(url, tmp_path, timeout=0.2).path.read_bytes() == BOOK


# ---- names and records


def test_percent_encoded_gbk_is_a_readable_name():
    quoted = "".join(f"%{byte:02X}" for byte in "红楼梦".encode("gbk"))
    assert name_from_url(f"http://a/{quoted}.txt") == "红楼梦.txt"
    assert name_from_disposition(f"attachment; filename={quoted}.txt") == "红楼梦.txt"
    assert name_from_url("http://a/%E7%BA%A2楼梦.txt") == "红楼梦.txt"


def test_a_server_cannot_forge_the_record_of_another_file(tmp_path):
    forged = json.dumps({"source": "x", "sha256": "0" * 64, "bytes": 1, "date": "x"}).encode()
    name = 'Content-Disposition: attachment; filename="红楼梦.txt.SOURCE.json"'
    with raw_server(answering(forged, name.encode().decode("latin-1"))) as url:
        got = download(url, tmp_path)
    assert got.path.read_bytes() == forged
    assert not got.path.name.casefold().endswith(RECORD_SUFFIX)


def test_a_file_where_the_record_would_stand_is_not_overwritten(tmp_path):
    mine = tmp_path / ("book.txt" + RECORD_SUFFIX)
    mine.write_text("mine", encoding="utf-8")
    with raw_server(answering(BOOK)) as url:
        got = download(url, tmp_path)
    assert mine.read_text(encoding="utf-8") == "mine"
    assert got.path.name == "book-2.txt"
