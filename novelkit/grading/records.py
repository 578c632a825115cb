"""What the parts of the grader hand to one another: submissions, answers, results.

All are plain frozen dataclasses of plain values, so that they can be written as JSON and read back.
"""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How one exercise of one student ended; the values stand in grades.csv and grades.json."""

    PASSED = "passed"  # all points
    PARTIAL = "partial"  # some cases, some points
    FAILED = "failed"  # wrong answers only
    ERROR = "error"  # the code cannot be read, does not start, or every case raises
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out of memory"
    CRASHED = "crashed"  # the process ended, or answered what no honest worker answers
    FORBIDDEN = "forbidden"  # imports what the exercise forbids
    MISSING = "missing"  # no answer, or the template as it was given
    NOT_GRADABLE = "not gradable"  # the grader's own fault, or two submissions of one student


@dataclass(frozen=True)
class SubmittedFile:
    """A notebook or a .py file of a submission; `name` is its path inside the submission."""

    name: str
    content: bytes
    modified: float  # seconds since the epoch


@dataclass(frozen=True)
class Submission:
    """All that one student handed in. `problems` are Chinese lines for student and instructor."""

    student: str
    files: tuple[SubmittedFile, ...] = ()
    problems: tuple[str, ...] = ()
    # Says why nothing of it may be graded (two submissions of one student); then `files` is empty.
    conflict: str | None = None

    @property
    def modified(self) -> float | None:
        """When the newest file was changed, seconds since the epoch."""
        return max((file.modified for file in self.files), default=None)


@dataclass(frozen=True)
class Statement:
    """A piece of a student's code to execute, and where it stands ("第 5 格", "answers.py")."""

    source: str
    place: str
    line: int = 1  # of its first line in that place


@dataclass(frozen=True)
class Answer:
    """The program that answers one exercise: statements in order, then `function` is called.

    With `function` None there is nothing to run, and `status` (MISSING, ERROR or FORBIDDEN) and
    `notes` say why. `notes` are Chinese lines: where the answer was found, what was skipped, "did
    you mean". `imports` are the top-level modules that the program needs. `source` is the answer
    itself, for the report and for similarity.
    """

    exercise: str
    function: str | None
    statements: tuple[Statement, ...] = ()
    imports: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    status: Status | None = None
    source: str = ""


@dataclass(frozen=True)
class CaseResult:
    """One call and what came of it.

    `outcome` is "passed", "wrong", "raised", "timeout", "out of memory", "crashed" or "not run".
    `call`, `expected` and `got` are shown to the student: of a hidden case they hold nothing that
    tells its input or its answer.
    """

    hidden: bool
    number: int  # from 1, of its kind
    outcome: str
    call: str = ""
    expected: str = ""
    got: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Result:
    """One student × exercise. `key` is what it depends on: equal keys need no second grading."""

    student: str
    exercise: str
    status: Status
    points: float
    possible: float
    cases: tuple[CaseResult, ...] = ()
    notes: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    source: str = ""
    seconds: float = 0.0
    key: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as results.jsonl and grades.json hold them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> "Result":
        """Undo `as_dict`; raises KeyError, TypeError or ValueError for anything else."""
        rest = {**found, "status": Status(found["status"])}
        rest["cases"] = tuple(CaseResult(**case) for case in found["cases"])
        for name in ("notes", "hints"):
            rest[name] = tuple(found[name])
        return cls(**rest)


@dataclass(frozen=True)
class Isolation:
    """What the host allows to keep apart; `missing` are Chinese lines on what it does not."""

    user: bool = False  # workers run as a user without rights
    processes: bool = False  # a process namespace: they see and leave nothing
    files: bool = False  # a mount namespace: no repository, no submissions, a small temporary disk
    network: bool = False
    memory: bool = False
    missing: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Limits:
    """What one worker may take.

    `wall_seconds`, of each call, also holds for one that only sleeps; `total_seconds` are those of
    all its calls (or three times the processor's, where an exercise has more of these).
    """

    cpu_seconds: float = 2.0
    wall_seconds: float = 10.0
    total_seconds: float = 30.0
    memory_bytes: int = 1 << 30
    file_bytes: int = 16 << 20
    disk_bytes: int = 64 << 20
    processes: int = 32
    answer_bytes: int = 1 << 20
