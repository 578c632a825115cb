"""The half of a file that a broken transfer left, so that the next call goes on where it was.

`.download-KEY.part` in the target folder holds the bytes and `.download-KEY.part.json` what the
server said of the whole file; both outlive a killed process. They are used only under a validator
that proves the same content (RFC 9110, 8.8 and 13.1.5: a strong ETag, or the date of an older file
from the same address). Without one, only the same call goes on, and it asks for the last bytes at
hand again and compares them. A lock keeps a second process on this machine away: it works under a
name of its own, and leaves nothing behind. Does not cover: locks between machines that share a
drive, several ranges at once.
"""

import hashlib
import json
import os
import re
import sys
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO

from novelkit import layouts
from novelkit.download.naming import without_credentials

# A date is a proof only if the file had been unchanged for a while when it was sent.
QUIET_SECONDS = 60
# Asked for again and compared, where a server gives no proof that the file is still the same.
OVERLAP_BYTES = 1 << 13


@dataclass(frozen=True)
class State:
    """What the server said of the whole file as it began; `length` in bytes, if it was told."""

    address: str
    etag: str
    last_modified: str
    length: int | None


class Changed(Exception):
    """What the server sends now is not the file whose beginning is at hand."""


class Partial:
    """The bytes that have arrived so far; without `resumable` they are thrown away at the end."""

    def __init__(self, path: Path, resumable: bool) -> None:
        self.path = path
        self.state_path = path.with_name(path.name + ".json")
        self.resumable = resumable
        # In place of a state on disk, for a file of which the server gives no proof.
        self.unproven: State | None = None

    @property
    def size(self) -> int:
        """The bytes that another request can go on from."""
        try:
            return self.path.stat().st_size if self.state() else 0
        except OSError:
            return 0

    def state(self) -> State | None:
        """The state beside the file, or None where there is none, or a damaged one."""
        if self.unproven or not self.resumable:
            return self.unproven
        try:
            state = State(**json.loads(self.state_path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        texts = (state.address, state.etag, state.last_modified)
        sound = all(isinstance(text, str) for text in texts)
        return state if sound and isinstance(state.length, int | None) else None

    def request(self, address: str) -> tuple[int, dict[str, str]]:
        """Where a request to `address` goes on, and the headers that ask for it; 0 and none."""
        state, size = self.state(), self.size
        if not state or not size or (state.length is not None and size > state.length):
            return 0, {}
        # An ETag that two servers share with the length names one content; a date does not.
        same = state.address == without_credentials(address)
        if self.unproven:
            offset = size - OVERLAP_BYTES
            usable = same and offset > 0
            return (offset, {"Range": f"bytes={offset}-"}) if usable else (0, {})
        validator = state.etag or (state.last_modified if same else "")
        if not validator:
            return 0, {}
        # Of a file that is complete the last byte is asked for again: the server confirms it.
        offset = size - 1 if size == state.length else size
        return offset, {"Range": f"bytes={offset}-", "If-Range": validator}

    def continues(self, headers: Mapping[str, str], offset: int) -> bool:
        """Whether the headers of a 206 answer belong to the rest of just this file."""
        state = self.state()
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", headers.get("Content-Range", ""))
        if not state or not found or int(found[1]) != offset or _encoded(headers):
            return False
        if found[3] != "*" and state.length not in (None, int(found[3])):
            return False
        # A server that does not know If-Range sends the rest of whatever it has now.
        if self.unproven and found[3] == "*":
            return False
        etag, date = headers.get("ETag", state.etag), headers.get("Last-Modified", "")
        return etag == state.etag and state.last_modified in ("", date or state.last_modified)

    def begin(self, headers: Mapping[str, str], address: str) -> None:
        """Empty the file, and note what is needed to go on later, if the answer allows that."""
        self.discard()
        etag, date = headers.get("ETag", ""), headers.get("Last-Modified", "")
        strong = re.fullmatch(r'"[^"]*"', etag)
        # With an ETag, even a weak one, the date may not be used (RFC 9110, 13.1.5).
        dated = not etag and _long_unchanged(date, headers.get("Date", ""))
        refused = headers.get("Accept-Ranges", "").strip().lower() == "none"
        length = announced_length(headers)
        if refused or _encoded(headers):
            return
        address = without_credentials(address)
        if self.resumable and (strong or dated):
            self.path.touch()
            state = State(address, etag, date if dated else "", length)
            layouts.write_json(self.state_path, asdict(state))
        elif length is not None and not strong and not dated:
            self.unproven = State(address, etag, date, length)

    def same_so_far(self, chunks: Iterable[bytes], offset: int) -> Iterator[bytes]:
        """`chunks` from byte `offset` on; raises Changed where they differ from what is there."""
        with self.path.open("rb") as file:
            file.seek(offset)
            known = file.read()
        for chunk in chunks:
            common = min(len(known), len(chunk))
            if known[:common] != chunk[:common]:
                raise Changed
            known = known[common:]
            yield chunk

    def discard(self) -> None:
        """Remove the bytes and the state; the state first, so that it never names others."""
        self.unproven = None
        for path in (self.state_path, self.path):
            with suppress(FileNotFoundError):
                path.unlink()

    def leave(self) -> None:
        """At the end of a call: keep what a next one can go on from, and remove the rest."""
        if self.unproven or not self.size:
            with suppress(OSError):
                self.discard()


def announced_length(headers: Mapping[str, str]) -> int | None:
    """The Content-Length (bytes), None where there is none or it is no length of any file."""
    told = headers.get("Content-Length", "").strip()
    return int(told) if re.fullmatch("[0-9]{1,18}", told) else None


def _encoded(headers: Mapping[str, str]) -> bool:
    """Compressed on the way: its byte ranges are those of the compressed stream."""
    return headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity")


def _long_unchanged(last_modified: str, date: str) -> bool:
    """Whether a Last-Modified date is a strong validator (RFC 9110, 8.8.2.2)."""
    try:
        age = parsedate_to_datetime(date) - parsedate_to_datetime(last_modified)
    except (TypeError, ValueError):
        return False
    return age.total_seconds() >= QUIET_SECONDS


@contextmanager
def partial_file(out: Path, address: str) -> Iterator[Partial]:
    """The partial file of `address` in the folder `out`, for this process alone."""
    key = hashlib.sha256(without_credentials(address).encode("utf-8", "replace")).hexdigest()[:16]
    path = out / f".download-{key}.part"
    with _lock(path) as ours:
        if not ours:
            path = out / f".download-{key}-{uuid.uuid4().hex[:16]}.part"
        partial = Partial(path, ours)
        try:
            yield partial
        finally:
            partial.leave()


@contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Hold the lock that stands for `path`; False where another has it or locks do not work.

    The system frees it when the process dies. It stands in the temporary folder, since a mounted
    drive may know no locks.
    """
    name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]
    file = _locked(Path(tempfile.gettempdir()) / f"novelkit-{name}.lock")
    try:
        yield file is not None
    finally:
        if file is not None:
            # Windows removes no open file; an unlocked one that stays does no harm.
            with suppress(OSError):
                Path(file.name).unlink()
            file.close()


def _locked(path: Path) -> IO[bytes] | None:
    for _ in range(10):
        try:
            file = path.open("ab")
        except OSError:
            return None
        try:
            _lock_now(file)
            # Who held it before may have removed the file between our opening and locking it.
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except FileNotFoundError:
            pass
        except OSError:
            file.close()
            return None
        file.close()
    return None


def _lock_now(file: IO[bytes]) -> None:
    """Take the exclusive lock of an open file at once; raises `OSError` where it is taken."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
