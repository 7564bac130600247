"""Flipped bits in a file and in its log: see tests/bit_flips.py."""

from pathlib import Path

import pytest

from tests.bit_flips import DATABASE, LOG, Original, make_originals, run_trial, trials

NUMBERS = [6, pytest.param(400, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    return make_originals(tmp_path_factory.mktemp("original"))


@pytest.mark.parametrize("number", NUMBERS)
def test_a_flipped_bit_fails_one_persons_calls_at_most_unless_it_is_reported(
    original: Original, tmp_path: Path, number: int
) -> None:
    faults = [
        f"bit {trial.bit} of byte {trial.place} of the {trial.of}: {fault}"
        for trial in trials(original, tmp_path, number)
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
    original: Original, tmp_path: Path, of: str, place: int, bit: int, outcome: str
) -> None:
    assert run_trial(original, tmp_path, of, place, bit).outcome == outcome
