"""Fetch a file from the first of several addresses that serves it: politely, and completely.

Waits and tries again where that can help (overload, a connection that breaks off), goes on from the
byte that was reached (`resume`), compares the length with what the server announced, undoes what
was compressed on the way (`content_coding`), lets go of a line that hardly moves (`watching`),
takes no web page for a book (`web_pages`) and stops at a limit. Does not cover: logins, pages that
need a browser, several connections at once, a server that announces fewer bytes than it has (no
HTTP client gets the rest). `requests` is imported inside functions; it obeys HTTP_PROXY, NO_PROXY.
"""

import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from novelkit.download.content_coding import Undecodable, UnknownCoding, unpack
from novelkit.download.naming import name_from_disposition, name_from_url, without_credentials
from novelkit.download.resume import Changed, Partial, announced_length
from novelkit.download.session import ATTEMPTS, RETRY_STATUSES, open_session, pause
from novelkit.download.watching import watched
from novelkit.download.web_pages import HEAD_BYTES, is_web_page
from novelkit.download.writing import Progress, refuse_size, write_chunks
from novelkit.errors import InputError, WorkError

if TYPE_CHECKING:
    import requests

# How long a server may take to answer the phone; the caller's timeout is for what it then says.
LONGEST_CONNECT_SECONDS = 10
# Read in small bites: of one that is cut short, urllib3 gives nothing.
BITE_BYTES = 1 << 12
# A transfer that goes on and brings something may break off again, this often in all.
MOST_DROPS = 50


@dataclass(frozen=True)
class Limits:
    """`maximum_bytes` of the file; `timeout` (s) of each wait; `progress` gets bytes."""

    maximum_bytes: int
    timeout: float
    progress: Progress


class Unserved(Exception):
    """An address that does not give the file: another may. `reason` is a few words."""

    def __init__(self, error: InputError | WorkError, reason: str) -> None:
        super().__init__(reason)
        self.error, self.reason = error, reason


class _BrokenOff(Exception):
    """The body stopped before its end, by a dropped connection or short of its length."""


class _StartAgain(Exception):
    """The bytes at hand are not the beginning of what the server has now; they are gone."""


def fetch(addresses: Sequence[str], partial: Partial, limits: Limits) -> dict[str, Any]:
    """Fetch the file into `partial.path` and return the name and the facts for the record.

    Goes on to the next address where one does not serve; the last one gets the most patience.
    """
    troubles: list[tuple[str, Unserved]] = []
    for number, address in enumerate(addresses, start=1):
        attempts = ATTEMPTS if number == len(addresses) else 2
        try:
            return _fetch_from(address, partial, limits, attempts)
        except Unserved as trouble:
            troubles.append((address, trouble))
    if len(troubles) == 1:
        raise troubles[0][1].error from troubles[0][1].error.__cause__
    raise _all_failed(troubles)


def _all_failed(troubles: Sequence[tuple[str, Unserved]]) -> InputError | WorkError:
    """One error for all addresses: bad input only where waiting would change none of them."""
    errors = [trouble.error for _, trouble in troubles]
    if all(trouble.reason == OFFLINE for _, trouble in troubles):
        return errors[0]
    told = "；".join(f"{urlsplit(where).hostname}：{trouble.reason}" for where, trouble in troubles)
    kind = InputError if all(isinstance(error, InputError) for error in errors) else WorkError
    return kind(
        f"{len(troubles)} 个地址都没有给出文件（{told}）："
        "请检查网址和网络，或在浏览器里下载后给出文件路径。"
    )


def _fetch_from(address: str, partial: Partial, limits: Limits, attempts: int) -> dict[str, Any]:
    """Fetch from one address; a body that breaks off is continued, or fetched again."""
    from requests import exceptions

    failures = drops = 0
    cause: Exception
    with open_session(attempts) as session:
        while True:
            before = partial.size
            try:
                return _request(session, address, partial, limits)
            except _StartAgain as error:
                failures, cause = failures + 1, error
            except _BrokenOff as error:
                # A line that drops again and again still gets there, if each time brings something.
                drops, cause = drops + 1, error
                failures = 0 if partial.size > before > 0 else failures + 1
                if failures < attempts and drops < MOST_DROPS:
                    pause(failures)
            except (UnknownCoding, Undecodable) as error:
                partial.discard()
                raise _packed_trouble(address, error) from error
            except InputError:
                # Too large: no later call wants these bytes.
                partial.discard()
                raise
            except exceptions.TooManyRedirects as error:
                told = InputError(f"{address} 一直在重定向，打不开：请换一个地址。")
                raise _unserved(told, "一直在重定向", error) from error
            except exceptions.RequestException as error:
                raise _connection_trouble(address, error) from error
            except ValueError as error:
                # What a redirect leads to may be no address at all.
                raise _no_address(address, error) from error
            if failures >= attempts or drops >= MOST_DROPS:
                raise _gave_up(address, partial, max(drops, failures)) from cause


def _gave_up(address: str, partial: Partial, attempts: int) -> Unserved:
    kept_bytes = 0 if partial.unproven else partial.size
    kept = f"；收到的 {kept_bytes:,} 字节留着，再运行一次会接着下载" if kept_bytes else ""
    error = WorkError(f"{address} 传到一半就断了，试了 {attempts} 次{kept}：请稍后再试。")
    return Unserved(error, "传到一半就断了")


def _unserved(error: InputError | WorkError, reason: str, cause: BaseException) -> Unserved:
    error.__cause__ = cause
    return Unserved(error, reason)


def _no_address(address: str, cause: Exception) -> Unserved:
    return _unserved(InputError(f"{address} 不是能打开的网址：请检查拼写。"), "网址打不开", cause)


def _packed_trouble(address: str, cause: Exception) -> Unserved:
    what = f"用了 {cause} 压缩，这里解不开"
    if isinstance(cause, Undecodable):
        what = "用了压缩，数据坏了或不完整"
    error = WorkError(f"{address} 在传送时{what}：请换一个地址，或在浏览器里下载后给出文件路径。")
    return _unserved(error, "传送的压缩解不开", cause)


OFFLINE = "找不到服务器"


def _connection_trouble(address: str, cause: Exception) -> Unserved:
    """What a failed connection means: no network, a proxy, or something else."""
    from requests import exceptions

    host = urlsplit(address).hostname
    if isinstance(cause, exceptions.InvalidURL | exceptions.InvalidSchema):
        return _no_address(address, cause)
    if isinstance(cause, exceptions.ProxyError):
        error = WorkError(
            f"经过代理连不上 {host}：请检查环境变量 HTTP_PROXY、HTTPS_PROXY 和代理是否开着。"
        )
        return _unserved(error, "代理连不上", cause)
    if any(isinstance(part, socket.gaierror) for part in _causes(cause)):
        error = WorkError(
            f"找不到服务器 {host}，可能没有联网，或网址写错了：请检查网络和代理设置；"
            "不联网也可以用自带的小说（novelkit download 缺字）或本地文件。"
        )
        return _unserved(error, OFFLINE, cause)
    error = WorkError(
        f"与 {host} 的连接失败（{type(cause).__name__}）：请检查网络和网址，稍后再试。"
    )
    return _unserved(error, f"连接失败（{type(cause).__name__}）", cause)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all that led to it; urllib3 keeps some causes in `reason` and `args`."""
    for _ in range(10):
        if error is None:
            return
        yield error
        inner = (getattr(error, "reason", None), *error.args, error.__cause__, error.__context__)
        error = next((part for part in inner if isinstance(part, BaseException)), None)


def _request(
    session: "requests.Session", address: str, partial: Partial, limits: Limits
) -> dict[str, Any]:
    """One request for the whole file or for its rest; returns the facts for the record."""
    offset, headers = partial.request(address)
    timeout = (min(limits.timeout, LONGEST_CONNECT_SECONDS), limits.timeout)
    asked = session.get(address, stream=True, timeout=timeout, headers=headers)
    with asked as response, watched(response.raw, limits.timeout):
        if offset and response.status_code in (206, 416):
            if response.status_code == 416 or not partial.continues(response.headers, offset):
                partial.discard()
                raise _StartAgain(f"HTTP {response.status_code}")
            _receive_rest(response, offset, partial, limits)
        else:
            offset = 0
            _refuse_status(response.status_code, address)
            _receive_whole(response, address, partial, limits)
        return _facts(response, address, partial, offset)


def _receive_rest(response: Any, offset: int, partial: Partial, limits: Limits) -> None:
    """Append the body of a 206 answer, which was found to be the rest of the file."""
    told = response.headers["Content-Range"].rpartition("/")[2]
    total = None if told == "*" else int(told)
    refuse_size(total, limits.maximum_bytes)
    chunks = _body(response)
    try:
        chunks = partial.same_so_far(chunks, offset) if partial.unproven else chunks
        write = (partial.path, limits.maximum_bytes, total, limits.progress)
        write_chunks(chunks, *write, start=offset)
    except Changed as error:
        partial.discard()
        raise _StartAgain("other bytes than before") from error
    _refuse_short(response)
    if total is not None and partial.size > total:
        partial.discard()
        raise _StartAgain("more bytes than the file has")
    if total is not None and partial.size < total:
        raise _BrokenOff(f"{partial.size} of {total} bytes")


def _receive_whole(response: Any, address: str, partial: Partial, limits: Limits) -> None:
    """Write the body of a 200 answer, once its first bytes show that it is no web page."""
    encoded = response.headers.get("Content-Encoding")
    # The announced length is that of the compressed bytes, so it is no total for the reader.
    total = None if encoded else announced_length(response.headers)
    refuse_size(total, limits.maximum_bytes)
    head, chunks = _peek(_body(response))
    if not head:
        _refuse_short(response)
        error = InputError(f"{address} 返回的内容是空的：请检查网址。")
        raise Unserved(error, "内容是空的")
    if is_web_page(head, address, response.headers.get("Content-Type", "")):
        error = InputError(f"{address} 给的是网页，不是书的文件：请用书的直接下载地址。")
        raise Unserved(error, "给的是网页")
    # Only now: an error page must not cost the half that is there.
    partial.begin(response.headers, address)
    write_chunks(chunks, partial.path, limits.maximum_bytes, total, limits.progress)
    _refuse_short(response)


def _body(response: "requests.Response") -> Iterator[bytes]:
    """The bytes of the body, unpacked; raises _BrokenOff, UnknownCoding and Undecodable."""
    from urllib3.exceptions import HTTPError

    try:
        arriving = response.raw.stream(BITE_BYTES, decode_content=False)
        yield from unpack(arriving, response.headers.get("Content-Encoding", ""))
    except (HTTPError, OSError) as error:
        raise _BrokenOff(str(error)) from error
    except Undecodable:
        # A line that dropped is the likelier reason for a stream that stops early.
        _refuse_short(response)
        raise


def _peek(chunks: Iterator[bytes]) -> tuple[bytes, Iterable[bytes]]:
    """The first bytes, at least HEAD_BYTES where there are so many, and all chunks with them."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= HEAD_BYTES:
            break
    return head, chain([head], chunks)


def _refuse_short(response: Any) -> None:
    """Raise `_BrokenOff` where fewer bytes came over the line than were announced."""
    announced = announced_length(response.headers)
    if announced is not None and response.raw.tell() != announced:
        raise _BrokenOff(f"{response.raw.tell()} of {announced} bytes")


def _facts(response: Any, address: str, partial: Partial, offset: int) -> dict[str, Any]:
    disposition = response.headers.get("Content-Disposition", "")
    name = name_from_disposition(disposition) or name_from_url(response.url)
    if response.headers.get("Content-Encoding") and name.lower().endswith(".gz"):
        # A server that packs book.txt.gz "for the way" has been unpacked: the name follows.
        with partial.path.open("rb") as file:
            name = name if file.read(2) == b"\x1f\x8b" else name[:-3]
    facts = {
        "name": name,
        "source": without_credentials(address),
        "final_url": without_credentials(response.url),
        "content_type": response.headers.get("Content-Type", ""),
    }
    return {**facts, "resumed_from": offset} if offset else facts


def _refuse_status(status: int, url: str) -> None:
    if status == 200:
        return
    error: InputError | WorkError = InputError(f"{url} 没有给出文件（HTTP {status}）：请检查网址。")
    if status in (404, 410):
        error = InputError(f"{url} 不存在（HTTP {status}）：请检查网址。")
    elif status in (401, 403, 451):
        error = InputError(f"{url} 拒绝访问（HTTP {status}）：请在浏览器里下载后给出文件路径。")
    elif status in RETRY_STATUSES:
        error = WorkError(f"{url} 的服务器正忙（HTTP {status}），试过几次：请稍后再试。")
    raise Unserved(error, f"HTTP {status}")
