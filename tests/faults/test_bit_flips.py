"""Flipped bits in a file and in its log: see tests/bit_flips.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bit_flips import DATABASE, LOG, Original, make_originals, new_folder, run_trial, trials

NUMBERS = [6, pytest.param(400, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]


@pytest.fixture
def folder() -> Iterator[Path]:
    with new_folder() as name:
        yield Path(name)


@pytest.fixture(scope="module")
def original() -> Iterator[Original]:
    with new_folder() as name:
        yield make_originals(Path(name))


@pytest.mark.parametrize("number", NUMBERS)
def test_a_flipped_bit_fails_one_persons_calls_at_most_unless_it_is_reported(
    original: Original, folder: Path, number: int
) -> None:
    faults = [
        f"bit {trial.bit} of byte {trial.place} of the {trial.of}: {fault}"
        for trial in trials(original, folder, number)
        for fault in trial.faults()
    ]

    assert faults == []


@pytest.mark.parametrize(
    ("of", "place", "bit", "outcome"),
    [
        (DATABASE, 0, 0, "refused at the start"),
        (DATABASE, 60, 4, "all calls answered"),
        (LOG, 9, 1, "refused at the start"),
        (LOG, 40_000, 3, "refused at the start"),
    ],
)
def test_a_known_flip_has_its_outcome(
    original: Original, folder: Path, of: str, place: int, bit: int, outcome: str
) -> None:
    assert run_trial(original, folder, of, place, bit).outcome == outcome
