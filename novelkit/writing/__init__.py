"""Stage 09: a manuscript that a model and a person write together.

manuscript.py    who wrote what, character by character
session.py       continue, accept, reject, edit, branch, undo; what it cost
record.py        the file of a session, and the first difference of a replay
replaying.py     a record taken up again, or written again and compared
opening.py       a session, or the desk that shows it, from a model folder
coloring.py      a manuscript as HTML, coloured by its surprise
exports.py       text, Markdown, EPUB, Word
writing_desk.py  the widgets of a session; panels.py those of its settings
explorer.py      sliders on the distribution of the next character

Only the last two need ipywidgets.
"""

from novelkit.writing.explorer import sampling_explorer
from novelkit.writing.exports import export
from novelkit.writing.manuscript import Manuscript, Span
from novelkit.writing.opening import desk, open_session
from novelkit.writing.record import Difference, load_record, save_record
from novelkit.writing.replaying import Replay, replay
from novelkit.writing.session import Candidate, Effort, WritingSession

__all__ = [
    "Candidate",
    "Difference",
    "Effort",
    "Manuscript",
    "Replay",
    "Span",
    "WritingSession",
    "desk",
    "export",
    "load_record",
    "open_session",
    "replay",
    "sampling_explorer",
    "save_record",
]
