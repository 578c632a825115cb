"""The HTTP session: who asks, how often again, and how long it waits in between.

Does not cover: a body that breaks off (`fetching`), proxies (`requests` reads the environment).
"""

import random
import time
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING

from novelkit import __version__

if TYPE_CHECKING:
    import requests

# Overloaded or restarting: worth waiting for. Any other error status will not change by itself.
RETRY_STATUSES = (429, 500, 502, 503, 504)
ATTEMPTS = 4
BACKOFF_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30
LONGEST_REDIRECTS = 10


def pause(failures: int) -> None:
    """Sleep before another attempt: longer each time, and not as long as everybody else."""
    time.sleep(BACKOFF_SECONDS * 2**failures * random.uniform(0.5, 1.5))


@cache
def user_agent() -> str:
    """Name, version and, where the package is installed, the address of its repository."""
    try:
        links = metadata.metadata("novelkit").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        links = []
    addresses = [link.partition(", ")[2] for link in links if link.startswith("Repository, ")]
    about = "; ".join([*(f"+{address}" for address in addresses), "course kit; one book at a time"])
    return f"novelkit/{__version__} ({about})"


def open_session(attempts: int = ATTEMPTS) -> "requests.Session":
    """A session that asks up to `attempts` times, with growing and slightly random pauses.

    Where fewer attempts say that there is another address, an overloaded server is left alone.
    """
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.exceptions import InvalidHeader
    from urllib3.util.retry import Retry

    class PatientRetry(Retry):
        def get_retry_after(self, response):
            # A server may ask for an hour; nobody waits for that in front of a notebook.
            try:
                wait = super().get_retry_after(response)
            except InvalidHeader:
                wait = None
            return None if wait is None else min(wait, LONGEST_WAIT_SECONDS)

        def get_backoff_time(self):
            # A class that starts the same cell at once must not come back at once.
            return super().get_backoff_time() * random.uniform(0.5, 1.5)

    again = attempts - 1
    retry = PatientRetry(
        # Counted apart: a connection that was reset must not use up the attempts of a busy server.
        connect=again if attempts == ATTEMPTS else 0,
        read=again,
        status=again if attempts == ATTEMPTS else 0,
        total=3 * again,
        status_forcelist=RETRY_STATUSES,
        backoff_factor=BACKOFF_SECONDS,
        raise_on_status=False,
    )
    session = requests.Session()
    session.max_redirects = LONGEST_REDIRECTS
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    # Uncompressed, since only then a broken transfer can go on (else see `content_coding`).
    session.headers.update({"User-Agent": user_agent(), "Accept-Encoding": "identity"})
    return session
