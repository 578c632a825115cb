"""Stage 09: a manuscript that a model and a person write together.

manuscript.py  who wrote what, character by character
session.py     continue, accept, reject, edit, branch, undo; effort; replay
record.py      the file of a session, and the first difference of a replay
"""

from novelkit.writing.manuscript import Manuscript, Span
from novelkit.writing.record import Difference, load_record, save_record
from novelkit.writing.session import (
    Candidate,
    Effort,
    Replay,
    WritingSession,
    open_session,
    replay,
)

__all__ = [
    "Candidate",
    "Difference",
    "Effort",
    "Manuscript",
    "Replay",
    "Span",
    "WritingSession",
    "load_record",
    "open_session",
    "replay",
    "save_record",
]
