"""Every exercise of the course: its reference is right, its hidden cases are varied and hinted."""

import pytest
from helpers_exercises import hidden, passes

from novelkit.exercises import check, load_exercises

EXERCISES = load_exercises()


@pytest.mark.parametrize("name", EXERCISES)
def test_the_reference_passes_public_and_hidden_cases(name):
    exercise = EXERCISES[name]
    assert check(exercise.reference).passed
    assert all(passes(exercise.reference, case) for case in hidden(exercise, 200))


@pytest.mark.parametrize("name", EXERCISES)
def test_hidden_cases_are_varied_and_not_the_public_ones(name):
    exercise = EXERCISES[name]
    public = [case.arguments for case in exercise.public_cases]
    drawn = hidden(exercise, 200)
    assert sum(case.arguments in public for case in drawn) < len(drawn) / 4
    assert len({repr(case.expected) for case in drawn}) >= 4
    assert len({repr(case.arguments) for case in drawn}) > len(drawn) / 2


@pytest.mark.parametrize("name", EXERCISES)
def test_every_case_has_a_hint_for_whom_it_fails(name):
    exercise = EXERCISES[name]
    assert all(case.hint for case in hidden(exercise, 50))
    assert all(case.hint for case in exercise.public_cases)
