"""Downloads from a small server that misbehaves on request, and from local files."""

import gzip
import hashlib
import json
import os
import socket
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novelkit.download import RECORD_SUFFIX, download, safe_name, session, writing
from novelkit.download.naming import name_from_disposition, name_from_url, without_credentials
from novelkit.errors import InputError, WorkError

BOOK = "第一回　甄士隐梦幻识通灵\r\n".encode("gb18030") * 5000
PAGE = b"<!DOCTYPE html><html><body>Not here, but status 200</body></html>"
GBK_NAME = "红楼梦.txt".encode("gbk").decode("latin-1")


class Misbehaving(BaseHTTPRequestHandler):
    """One method a kind of trouble; the server counts the requests for each path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen[self.path] += 1
        self.server.agents.add(self.headers["User-Agent"])
        getattr(self, "get_" + self.path.strip("/").split("/")[0])(self.server.seen[self.path])

    def log_message(self, *_):
        pass

    def answer(self, body, status=200, length=None, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def get_book(self, time):
        self.answer(BOOK, Content_Type="text/plain; charset=gbk")

    def get_gzip(self, time):
        self.answer(gzip.compress(BOOK), Content_Encoding="gzip")

    def get_broken_gzip(self, time):
        self.answer(b"\x1f\x8b\x08 and then no gzip at all", Content_Encoding="gzip")

    def get_bomb(self, time):
        self.answer(gzip.compress(bytes(5 * 2**20)), Content_Encoding="gzip")

    def get_short(self, time):
        self.answer(BOOK[:1000], length=len(BOOK))

    def get_dropped(self, time):
        self.answer(BOOK if time > 2 else BOOK[:1000], length=len(BOOK))

    def get_chunked(self, time):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(BOOK), BOOK))
        if time > 1:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def get_busy(self, time):
        if time < 3:
            self.answer(b"busy", status=503, Retry_After="0")
        else:
            self.answer(BOOK)

    def get_full(self, time):
        self.answer(b"busy", status=429, Retry_After="0")

    def get_missing(self, time):
        self.answer(b"no", status=404)

    def get_forbidden(self, time):
        self.answer(b"no", status=403)

    def get_page(self, time):
        self.answer(PAGE, Content_Type="text/html")

    def get_widepage(self, time):
        self.answer("\ufeff\n<HTML><body>登录</body></HTML>".encode("utf-16-le"))

    def get_nothing(self, time):
        self.answer(b"")

    def get_loop(self, time):
        self.answer(b"", status=302, Location=self.path)

    def get_moved(self, time):
        self.answer(b"", status=301, Location="/book/%E7%BA%A2%E6%A5%BC%E6%A2%A6.txt")

    def get_tofile(self, time):
        self.answer(b"", status=302, Location="file:///etc/passwd")

    def get_named(self, time):
        self.answer(BOOK, Content_Disposition=f'attachment; filename="../../{GBK_NAME}"')


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(session, "BACKOFF_SECONDS", 0.001)
    # A proxy of the machine must not stand between the test and its own server.
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Misbehaving) as running:
        running.seen, running.agents = Counter(), set()
        running.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def record_of(path: Path) -> dict:
    return json.loads(path.with_name(path.name + RECORD_SUFFIX).read_text(encoding="utf-8"))


# ---- over the network


def test_the_bytes_arrive_with_their_record(server, tmp_path):
    calls = []
    url = server.url + "/book/hongloumeng.txt"
    got = download(url, tmp_path / "new", progress=lambda *call: calls.append(call))
    assert got.path == tmp_path / "new" / "hongloumeng.txt"
    assert got.path.read_bytes() == BOOK
    assert (got.bytes, got.source, got.reused) == (len(BOOK), url, False)
    assert got.sha256 == hashlib.sha256(BOOK).hexdigest()
    record = record_of(got.path)
    assert record["sha256"] == got.sha256 and record["date"] == got.date
    assert record["content_type"] == "text/plain; charset=gbk" and record["file"] == got.path.name
    assert calls[-1] == (len(BOOK), len(BOOK)) and calls == sorted(calls)
    assert all(agent.startswith("novelkit/") for agent in server.agents)
    assert files_in(got.path.parent) == ["hongloumeng.txt", "hongloumeng.txt" + RECORD_SUFFIX]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_the_file_has_ordinary_permissions(server, tmp_path):
    plain = tmp_path / "plain"
    plain.write_bytes(b"x")
    got = download(server.url + "/book", tmp_path)
    assert got.path.stat().st_mode == plain.stat().st_mode


def test_gzip_is_undone_and_gives_no_total(server, tmp_path):
    totals = set()
    got = download(server.url + "/gzip", tmp_path, progress=lambda done, total: totals.add(total))
    assert got.path.read_bytes() == BOOK and totals == {None}


@pytest.mark.parametrize(("path", "requests"), [("/busy", 3), ("/dropped", 3), ("/chunked", 2)])
def test_passing_trouble_is_tried_again(server, tmp_path, path, requests):
    got = download(server.url + path, tmp_path)
    assert got.path.read_bytes() == BOOK
    assert server.seen[path] == requests


@pytest.mark.parametrize(
    ("path", "error", "said", "requests"),
    [
        ("/missing", InputError, "404.*检查网址", 1),
        ("/forbidden", InputError, "403.*浏览器", 1),
        ("/page/book.txt", InputError, "网页", 1),
        ("/widepage", InputError, "网页", 1),
        ("/nothing", InputError, "空的", 1),
        ("/loop", InputError, "重定向", 11),
        ("/tofile", InputError, "不是能打开的网址", 1),
        ("/full", WorkError, "429", session.ATTEMPTS),
        ("/short", WorkError, "断了", session.ATTEMPTS),
        ("/broken_gzip", WorkError, "压缩", 1),
    ],
)
def test_trouble_that_stays_is_reported_and_leaves_nothing(
    server, tmp_path, path, error, said, requests
):
    with pytest.raises(error, match=said) as caught:
        download(server.url + path, tmp_path)
    assert "\n" not in str(caught.value)
    assert server.seen[path] == requests
    assert files_in(tmp_path) == []


def test_a_page_is_accepted_where_the_address_says_so(server, tmp_path):
    assert download(server.url + "/page/book.html", tmp_path).path.read_bytes() == PAGE


@pytest.mark.parametrize("path", ["/book", "/bomb"])
def test_the_limit_stops_large_files_announced_or_not(server, tmp_path, path):
    with pytest.raises(InputError, match="上限"):
        download(server.url + path, tmp_path, maximum_bytes=2**16)
    assert files_in(tmp_path) == []


def test_a_closed_port_is_failed_work(monkeypatch, tmp_path):
    monkeypatch.setattr(session, "BACKOFF_SECONDS", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(WorkError, match="连接失败"):
        download(f"http://127.0.0.1:{port}/book.txt", tmp_path, timeout=2)


def test_a_reset_connection_uses_up_no_attempt_of_a_busy_server(server):
    from urllib3.exceptions import ConnectTimeoutError, ProtocolError

    retry = session.open_session().get_adapter("http://").max_retries
    response = type("Response", (), {"status": 503, "headers": {}, "get_redirect_location": bool})
    for _ in range(session.ATTEMPTS - 1):
        retry = retry.increment("GET", "/", response=response())
        retry = retry.increment("GET", "/", error=ConnectTimeoutError())
        retry = retry.increment("GET", "/", error=ProtocolError())
    assert (retry.status, retry.connect, retry.read, retry.total) == (0, 0, 0, 0)


def test_a_long_retry_after_is_cut(server):
    retry = session.open_session().get_adapter("http://").max_retries
    response = type("Response", (), {"headers": {"Retry-After": "3600"}})()
    assert retry.get_retry_after(response) == session.LONGEST_WAIT_SECONDS


def test_an_interrupted_download_leaves_nothing(server, tmp_path):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(server.url + "/book", tmp_path, progress=interrupt)
    assert files_in(tmp_path) == []


def test_a_name_from_the_server_stays_in_the_folder(server, tmp_path):
    assert download(server.url + "/named", tmp_path / "in").path == tmp_path / "in" / "红楼梦.txt"
    assert download(server.url + "/moved", tmp_path).path == tmp_path / "红楼梦.txt"


# ---- local files, and what is there already


def test_a_path_and_a_file_url_are_copied(tmp_path):
    book = tmp_path / "三国 演义.txt"
    book.write_bytes(BOOK)
    for number, what in enumerate((book, str(book), book.as_uri())):
        got = download(what, tmp_path / str(number))
        assert got.path.name == book.name and got.path.read_bytes() == BOOK
        assert got.source == str(book) and not got.reused
    named = download(book, tmp_path, name="../copy.txt")
    assert named.path == tmp_path / "copy.txt" and named.path.read_bytes() == BOOK
    keys = {"novelkit", "file", "source", "sha256", "bytes", "date"}
    assert record_of(named.path).keys() == keys


def test_the_same_bytes_are_reused_and_others_get_a_number(tmp_path):
    source, out = tmp_path / "book.txt", tmp_path / "out"
    source.write_bytes(b"one")
    first = download(source, out)
    again = download(source, out)
    assert again.reused and again.path == first.path and again.date == first.date
    source.write_bytes(b"two")
    second = download(source, out)
    assert not second.reused and second.path.name == "book-2.txt"
    assert first.path.read_bytes() == b"one" and second.path.read_bytes() == b"two"
    assert download(source, out).path == second.path
    assert record_of(second.path)["sha256"] == second.sha256


def test_a_file_already_in_the_folder_gets_its_record(tmp_path):
    book = tmp_path / "book.txt"
    book.write_bytes(BOOK)
    got = download(book, tmp_path)
    assert got.reused and got.path == book and record_of(book)["bytes"] == len(BOOK)
    assert files_in(tmp_path) == ["book.txt", "book.txt" + RECORD_SUFFIX]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"sha256": "0"}', "\ufffd"])
def test_a_damaged_record_is_written_anew(tmp_path, content):
    book = tmp_path / "book.txt"
    book.write_bytes(BOOK)
    book.with_name("book.txt" + RECORD_SUFFIX).write_text(content, encoding="utf-8")
    assert download(book, tmp_path).sha256 == record_of(book)["sha256"]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("", "没有给出"),
        ("nowhere.txt", "没有这个文件"),
        ("www.gutenberg.org/ebooks/24264.txt", "https://"),
        ("ftp://example.org/book.txt", "不支持 ftp"),
        ("file:///nowhere/book.txt", "没有这个文件"),
        ("http://", "不是能打开的网址"),
        ("folder", "是文件夹"),
        ("empty.txt", "空文件"),
        pytest.param("话说" * 5000, "路径", id="a text in place of a path"),
    ],
)
def test_unusable_input_is_named(monkeypatch, tmp_path, what, said):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("empty.txt").touch()
    with pytest.raises(InputError, match=said):
        download(what, tmp_path / "out")
    # Of an address only the fetch can tell that it is none; a path is looked at before.
    assert not (tmp_path / "out").exists() or what == "http://"
    assert not list((tmp_path / "out").glob("*"))


def test_a_record_that_cannot_be_written_is_failed_work(monkeypatch, tmp_path):
    def full(file):
        raise OSError(28, "No space left on device")

    book = tmp_path / "book.txt"
    book.write_bytes(BOOK)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WorkError, match="book.txt.source.json 写不下"):
        download(book, tmp_path / "out")
    assert files_in(tmp_path / "out") == ["book.txt"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    book = tmp_path / "book.txt"
    book.write_bytes(BOOK)
    with pytest.raises(InputError, match="不能写入文件夹"):
        download(book, book / "below")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the Linux device /dev/full")
def test_a_full_disk_is_failed_work():
    with pytest.raises(WorkError, match="磁盘空间"):
        writing.write_chunks([b"x"], Path("/dev/full"), 10, 1, lambda done, total: None)


# ---- names


@given(st.text() | st.text("./\\:con") | st.text("红.", min_size=80))
def test_safe_names_are_safe(name):
    safe = safe_name(name)
    assert safe == safe_name(safe)
    assert safe not in ("", ".", "..") and len(safe.encode("utf-8")) <= 200
    assert not set(safe) & set('/\\<>:"|?*\0\n')
    assert not safe.endswith((" ", ".")) and os.path.basename(safe) == safe  # noqa: PTH119


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("红楼梦.txt", "红楼梦.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\书\\三国.txt", "三国.txt"),
        ("nul.txt", "_nul.txt"),
        ("a:b?.txt", "a_b_.txt"),
        ("回" * 200 + ".txt", "回" * 65 + ".txt"),
        (" . ", "download"),
    ],
)
def test_safe_names_by_example(name, safe):
    assert safe_name(name) == safe


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="book.txt"', "book.txt"),
        ("attachment; filename=book.txt", "book.txt"),
        ("attachment; filename*=UTF-8''%E7%BA%A2%E6%A5%BC.txt", "红楼.txt"),
        ("attachment; filename=%E7%BA%A2%E6%A5%BC.txt", "红楼.txt"),
        (f'attachment; filename="{GBK_NAME}"', "红楼梦.txt"),
        ('attachment; filename="' + "红楼.txt".encode().decode("latin-1") + '"', "红楼.txt"),
        ("inline", ""),
        ("", ""),
    ],
)
def test_names_from_content_disposition(header, name):
    assert name_from_disposition(header) == name


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://a.org/x/%E7%BA%A2.txt?y=1", "红.txt"),
        ("https://a.org/x/", "x"),
        ("https://a.org", "a.org"),
    ],
)
def test_names_from_urls(url, name):
    assert name_from_url(url) == name


def test_passwords_do_not_enter_the_record():
    assert without_credentials("https://me:secret@a.org/b.txt?c#d") == "https://a.org/b.txt?c"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such file names")
def test_name_of_gbk_bytes_becomes_readable(tmp_path: Path):
    """A zip made on Chinese Windows, unpacked on Linux, leaves names that are no UTF-8."""
    folder = tmp_path / "in"
    folder.mkdir()
    raw = os.fsencode(folder) + b"/" + "红楼梦.txt".encode("gbk")
    Path(os.fsdecode(raw)).write_bytes("话说".encode("gbk"))
    found = download(os.fsdecode(raw), tmp_path / "out")
    assert found.path.name == "红楼梦.txt"
    record = (tmp_path / "out" / "红楼梦.txt.source.json").read_text(encoding="utf-8")
    assert json.loads(record)["file"] == "红楼梦.txt"
