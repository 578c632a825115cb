"""A file server that behaves as the test tells it: ranges, validators, dropped lines, lies.

`FileServer(content)` serves one file under every path, unless `answers` holds another plan for the
path. It logs each request, so that a test can see what was asked for and from which byte on.
"""

import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Plan:
    """How to answer; the fields that take a list are used up one request at a time."""

    content: bytes = b""
    etag: str = '"one"'
    headers: dict = field(default_factory=dict)
    status: int = 200
    ranges: bool = True
    if_range: bool = True
    # Sent with a range only.
    range_headers: dict = field(default_factory=dict)
    # The line is cut after so many bytes of the body.
    drops: list = field(default_factory=list)
    # The first requests are answered with these.
    statuses: list = field(default_factory=list)
    # A range is answered with this status, or with this Content-Range.
    range_status: list = field(default_factory=list)
    content_range: list = field(default_factory=list)
    # Wait for the event after the drop position instead of cutting the line.
    stall: threading.Event | None = None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        plan = self.server.plans.get(self.path.split("?")[0], self.server.plan)
        self.server.requests.append((self.path, dict(self.headers)))
        status, body, headers = self.choose(plan)
        headers = {"ETag": plan.etag or None, **plan.headers, **headers}
        drop = plan.drops.pop(0) if plan.drops else None
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:drop])
        self.wfile.flush()
        if drop is not None and plan.stall:
            plan.stall.wait(60)
        self.close_connection = True

    def choose(self, plan):
        """Status, body and headers for a request, with its Range obeyed or not."""
        if plan.statuses:
            return plan.statuses.pop(0), b"busy", {}
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        fresh = self.headers.get("If-Range") in (plan.etag, plan.headers.get("Last-Modified"))
        if not (found and plan.ranges and (fresh or not plan.if_range)):
            return plan.status, plan.content, {}
        if plan.range_status:
            return plan.range_status.pop(0), b"", {"Content-Range": f"bytes */{len(plan.content)}"}
        start, size = int(found[1]), len(plan.content)
        told = f"bytes {start}-{size - 1}/{size}"
        told = plan.content_range.pop(0) if plan.content_range else told
        return 206, plan.content[start:], {"Content-Range": told, **plan.range_headers}


class FileServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan, self.plans, self.requests = Plan(content), {}, []
        self.url = f"http://127.0.0.1:{self.server_port}"

    @property
    def starts(self):
        """The byte at which each request began."""
        asked = (headers.get("Range", "bytes=0-") for _, headers in self.requests)
        return [int(text.removeprefix("bytes=").removesuffix("-")) for text in asked]


@contextmanager
def serving(content):
    """A running `FileServer`."""
    with FileServer(content) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
