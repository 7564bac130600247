"""Findings: numbers for people, and the parts of a sentence."""

import pytest

from trackd.storage.doctor.finding import Finding, State, duration, of_error, size, worst
from trackd.storage.errors import StoreError


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 KB"),
        (65_536_000, "65.5 MB"),
        (2e12, "2.0 TB"),
        (5e15, "5000.0 TB"),
    ],
)
def test_a_size_is_for_people(number: float, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.00041, "0.41 ms"), (0.0035, "3.5 ms"), (0.3, "300 ms"), (1, "1.0 s"), (119, "119.0 s"), (130, "2 min"),
     (3600, "1 h"), (3600 * 26, "26 h"), (86_400 * 3, "3 days")],
)  # fmt: skip
def test_a_duration_is_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_sentence_is_split_into_what_is_found_and_what_to_do() -> None:
    assert of_error("file", StoreError("a: b cannot be used (no: disk): make room.")) == Finding(
        "file", State.FAULT, "a: b cannot be used (no: disk)", "make room"
    )
    assert of_error("file", StoreError("nothing works")).found == "nothing works"


def test_the_worst_state_counts() -> None:
    findings = [Finding("", state, "") for state in (State.OK, State.FAULT, State.NOTE, State.WARNING)]
    assert worst(findings) == State.FAULT
    assert worst([]) == State.OK
