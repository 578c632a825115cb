"""`pytest tests/grading --submissions DIR`: a test for each student and exercise.

    pytest tests/grading --submissions DIR --grades OUT -n 2
    pytest tests/grading --submissions DIR --student alice -k 07

Without `--submissions` only the reference solutions are graded. With `--grades OUT` the results are
kept there as `novelkit grade` keeps them, what is already known is not graded again, and at the end
OUT has the same tables and pages.
"""

import json
from pathlib import Path

import pytest

from novelkit.grading.batch import Course, Grader, Store, batch_seed
from novelkit.grading.cases import choose_exercises
from novelkit.grading.records import Result
from novelkit.grading.reporting import write_reports
from novelkit.grading.submissions import read_submissions
from novelkit.grading.term import Term, read_overrides

RESULT = "novelkit result"


def pytest_addoption(parser):
    group = parser.getgroup("novelkit")
    group.addoption("--submissions", type=Path, help="a folder of notebooks and .py files")
    group.addoption("--grades", type=Path, help="where results are kept and reports written")
    group.addoption("--student", action="append", default=[], help="only this one, graded again")
    group.addoption("--exercises", type=Path, action="append", default=[], help="own exercises")
    group.addoption("--cases", type=Path, help="a folder of own hidden cases")
    group.addoption("--cases-seed", type=int, help="the seed of the drawn ones")
    group.addoption("--trust", action="store_true", help="grade where little can be limited")


class Session:
    """What all tests of this process share."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        out = config.getoption("--grades")
        own_cases, own = config.getoption("--cases"), config.getoption("--exercises")
        exercises = choose_exercises(own)
        self.seed = self._seed(out)
        self.course = Course.prepare(exercises, self.seed, own_cases, own)
        self.store = Store(out)
        self.folder = config.getoption("--submissions")
        notebooks = sorted({exercise.notebook for exercise in exercises.values()})
        found = read_submissions(self.folder, notebooks) if self.folder else []
        self.submissions = {one.student: one for one in found}
        self._grader: Grader | None = None
        self._answers: tuple[str, dict] | None = None

    def _seed(self, out: Path | None) -> int:
        """One for all processes of pytest-xdist: the first one decides, and hands it on."""
        given = getattr(self.config, "workerinput", {}).get("novelkit seed")
        if given is not None:
            return given
        return batch_seed(out, self.config.getoption("--cases-seed"))

    @property
    def grader(self) -> Grader:
        if self._grader is None:
            hidden = [self.folder] if self.folder else []
            trust = self.config.getoption("--trust")
            self._grader = Grader(self.course, self.store, hidden, 1, trust)
        return self._grader

    def students(self) -> list[str]:
        wanted = self.config.getoption("--student")
        unknown = set(wanted) - self.submissions.keys()
        if unknown:
            raise pytest.UsageError(f"no submission of {', '.join(sorted(unknown))}")
        return wanted or list(self.submissions)

    def answer(self, student: str, exercise: str):
        """Of the student whose turn it is all answers are kept, of others none."""
        if self._answers is None or self._answers[0] != student:
            self._answers = (student, self.grader.answers(self.submissions[student]))
        return self._answers[1][exercise]

    def close(self) -> None:
        if self._grader:
            self._grader.__exit__()


def shared(config: pytest.Config) -> Session:
    """Made when the first test asks for it."""
    if not hasattr(config, "novelkit_session"):
        config.novelkit_session = Session(config)
    return config.novelkit_session


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """pytest-xdist: what its processes are told."""
    node.workerinput["novelkit seed"] = shared(node.config).seed


def pytest_generate_tests(metafunc):
    session = shared(metafunc.config)
    if "reference" in metafunc.fixturenames:
        metafunc.parametrize("reference", list(session.course.exercises))
    if "student" in metafunc.fixturenames:
        pairs = [
            (student, name)
            for student in (session.students() if session.folder else [])
            for name in session.course.exercises
        ]
        metafunc.parametrize(
            ("student", "exercise"), pairs, ids=[f"{student}-{name}" for student, name in pairs]
        )


def pytest_collection_modifyitems(config, items):
    """Without submissions there is nothing to skip: their test does not exist."""
    if not config.getoption("--submissions"):
        items[:] = [one for one in items if getattr(one, "originalname", "") != "test_submission"]


@pytest.fixture
def grading(request) -> Session:
    return shared(request.config)


@pytest.fixture
def record_result(record_property):
    """Hands a result to the process that writes."""

    def record(result: Result, new: bool) -> None:
        record_property(RESULT, json.dumps({**result.as_dict(), "new": new}))

    return record


def pytest_runtest_logreport(report):
    """In the process that writes: what each test found, from whichever process it came."""
    for name, value in report.user_properties if report.when == "call" else ():
        if name == RESULT:
            FOUND.append(json.loads(value))


FOUND: list[dict] = []


def pytest_sessionfinish(session):
    config = session.config
    if hasattr(config, "workerinput") or not config.getoption("--grades"):
        return
    found = shared(config)
    for row in FOUND:
        if row.pop("new"):
            found.store.add(Result.from_dict(row))
    if found.folder and found.store.results:
        out = config.getoption("--grades")
        term = Term(overrides=read_overrides(out))
        isolation = found.grader.isolation
        submissions = list(found.submissions.values())
        write_reports(out, found.course, found.store, submissions, term, isolation)


def pytest_unconfigure(config):
    if hasattr(config, "novelkit_session"):
        config.novelkit_session.close()
