"""Fetch a URL into a file: politely, completely, and not a web page in place of a book.

Waits and tries again where that can help (overload, a connection that breaks off), compares the
length with what the server announced, and stops at a limit. Does not cover: resuming half a file,
logins, pages that need a browser. `requests` is imported inside functions.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from novelkit import __version__
from novelkit.download.naming import name_from_disposition, name_from_url, without_credentials
from novelkit.errors import InputError, WorkError

if TYPE_CHECKING:
    import requests

USER_AGENT = f"novelkit/{__version__} (course kit; fetches one book at a time)"
# Overloaded or restarting: worth waiting for. Any other error status will not change by itself.
RETRY_STATUSES = (429, 500, 502, 503, 504)
ATTEMPTS = 4
BACKOFF_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30
CHUNK_BYTES = 1 << 16
Progress = Callable[[int, int | None], None]


def fetch(
    url: str, temporary: Path, maximum_bytes: int, timeout: float, progress: Progress
) -> dict[str, Any]:
    """Fetch `url` into `temporary` and return the name and the facts for the record.

    A body that breaks off is fetched again from its beginning.
    """
    import requests

    with _session() as session:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with session.get(url, stream=True, timeout=timeout) as response:
                    return _receive(response, url, temporary, maximum_bytes, progress)
            except requests.exceptions.TooManyRedirects as error:
                raise InputError(f"{url} 一直在重定向，打不开：请换一个地址。") from error
            except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
                raise InputError(f"{url} 不是能打开的网址：请检查拼写。") from error
            except _BrokenOff as error:
                if attempt == ATTEMPTS:
                    raise WorkError(
                        f"{url} 传到一半就断了，试了 {ATTEMPTS} 次：请稍后再试。"
                    ) from error
                time.sleep(BACKOFF_SECONDS * 2**attempt)
            except requests.exceptions.RequestException as error:
                raise WorkError(
                    f"与 {urlsplit(url).hostname} 的连接失败（{type(error).__name__}）："
                    "请检查网络和网址，稍后再试。"
                ) from error
    raise AssertionError("the last attempt returns or raises")


class _BrokenOff(Exception):
    """The body stopped before its end, by a dropped connection or short of its length."""


def _body(response: "requests.Response") -> Iterator[bytes]:
    from requests.exceptions import ChunkedEncodingError, ConnectionError

    try:
        yield from response.iter_content(CHUNK_BYTES)
    except (ChunkedEncodingError, ConnectionError) as error:
        raise _BrokenOff(str(error)) from error


def _session() -> "requests.Session":
    """A session that retries overload and failed connections with growing pauses."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

    class PatientRetry(Retry):
        def get_retry_after(self, response):
            # A server may ask for an hour; nobody waits for that in front of a notebook.
            wait = super().get_retry_after(response)
            return None if wait is None else min(wait, LONGEST_WAIT_SECONDS)

    retry = PatientRetry(
        # Counted apart: a connection that was reset must not use up the attempts of a busy server.
        connect=ATTEMPTS - 1,
        read=ATTEMPTS - 1,
        status=ATTEMPTS - 1,
        total=3 * (ATTEMPTS - 1),
        status_forcelist=RETRY_STATUSES,
        backoff_factor=BACKOFF_SECONDS,
        raise_on_status=False,
    )
    session = requests.Session()
    session.max_redirects = 10
    session.mount("http://", HTTPAdapter(max_retries=retry))
    session.mount("https://", HTTPAdapter(max_retries=retry))
    session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "gzip, deflate"})
    return session


def _receive(
    response: Any, url: str, temporary: Path, maximum_bytes: int, progress: Progress
) -> dict[str, Any]:
    """Write the body of an open response to `temporary` and return the facts for the record."""
    _refuse_status(response.status_code, url)
    announced = response.headers.get("Content-Length", "")
    length = int(announced) if announced.isdigit() else None
    # The announced length is that of the compressed bytes, so it is no total for the reader.
    total = None if response.headers.get("Content-Encoding") else length
    write_chunks(_body(response), temporary, maximum_bytes, total, progress)
    if length is not None and response.raw.tell() != length:
        raise _BrokenOff(f"{response.raw.tell()} of {length} bytes")
    if temporary.stat().st_size == 0:
        raise InputError(f"{url} 返回的内容是空的：请检查网址。")
    _refuse_web_page(temporary, url)
    disposition = response.headers.get("Content-Disposition", "")
    return {
        "name": name_from_disposition(disposition) or name_from_url(response.url),
        "source": without_credentials(url),
        "final_url": without_credentials(response.url),
        "content_type": response.headers.get("Content-Type", ""),
    }


def _refuse_status(status: int, url: str) -> None:
    if status in (404, 410):
        raise InputError(f"{url} 不存在（HTTP {status}）：请检查网址。")
    if status in (401, 403, 451):
        raise InputError(f"{url} 拒绝访问（HTTP {status}）：请在浏览器里下载后给出文件路径。")
    if status in RETRY_STATUSES:
        raise WorkError(f"{url} 的服务器正忙（HTTP {status}），已试 {ATTEMPTS} 次：请稍后再试。")
    if status != 200:
        raise InputError(f"{url} 没有给出文件（HTTP {status}）：请检查网址。")


def _refuse_web_page(temporary: Path, url: str) -> None:
    """An error or login page sent with status 200 would otherwise become the training text."""
    if urlsplit(url).path.lower().endswith((".html", ".htm", ".xhtml")):
        return
    with temporary.open("rb") as file:
        # Without the zero bytes a page in UTF-16 shows its tags as well.
        head = file.read(1024).replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html", b"<head", b"<script")):
        raise InputError(f"{url} 给的是网页，不是书的文件：请用书的直接下载地址。")


def write_chunks(
    chunks: Iterable[bytes],
    temporary: Path,
    maximum_bytes: int,
    total: int | None,
    progress: Progress,
) -> None:
    """Write `chunks` to `temporary` up to the limit; `total` is the expected size if known."""
    done = 0
    limit = f"{maximum_bytes / 2**20:.0f} MiB"
    if total is not None and total > maximum_bytes:
        raise InputError(f"文件有 {total / 2**20:.0f} MiB，超过上限 {limit}：请确认它是一本书。")
    with temporary.open("wb", buffering=0) as file:
        for chunk in chunks:
            done += len(chunk)
            if done > maximum_bytes:
                raise InputError(f"内容超过上限 {limit}，已停止：请确认它是一本书。")
            _write_all(file, chunk)
            progress(done, total)


def _write_all(file: FileIO, chunk: bytes) -> None:
    """Write without a buffer, so that a full disk shows here and not when the file is closed."""
    rest = memoryview(chunk)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise WorkError(f"写入失败（{error.strerror}）：请检查磁盘空间。") from error
