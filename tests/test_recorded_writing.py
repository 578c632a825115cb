"""The chapter in `assets/writing`: its record leads to its text, and can be written again."""

import pytest

from novelkit.bundled import ASSETS
from novelkit.writing import load_record, open_session, replay
from novelkit.writing.replaying import take_up

RECORD = ASSETS / "writing" / "liujiadu.json"


@pytest.fixture(scope="module")
def record():
    return load_record(RECORD)


def test_its_actions_lead_to_its_text(record):
    session = open_session("novel-small")
    take_up(session, record)
    assert session.manuscript.text == record["text"]
    chapter = RECORD.with_suffix(".md").read_text(encoding="utf-8")
    assert all(line in chapter for line in record["text"].split("\n")[1:])


def test_the_figures_beside_it_are_its_own(record):
    session = open_session("novel-small")
    take_up(session, record)
    effort = session.effort()
    told = " ".join((RECORD.parent / "README.md").read_text(encoding="utf-8").split())
    for figure in (
        f"of {effort.characters} new characters {effort.by_model} are the model's",
        f"{effort.accepted} of its characters were taken and {100 * effort.kept_share:.0f} %",
        f"{effort.typed} characters were typed, {effort.deleted} deleted",
        f"{effort.clicks} buttons pressed",
    ):
        assert figure in told
    assert round(effort.saved_share, 2) == -0.05 and "one twentieth more" in told


@pytest.mark.slow
def test_it_is_written_again(record):
    found = replay(open_session("novel-small"), record)
    if found.other_machine:
        # Sums that are rounded otherwise may choose another token some day.
        pytest.skip(f"written on another machine: {found.other_machine}")
    assert found.difference is None and found.text == record["text"]
    assert found.continuations == 42
