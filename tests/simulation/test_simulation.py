"""A few thousand steps with every run of the tests; `make simulate` plays more."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.mutants import MUTANTS
from tests.simulation.histories import history
from tests.simulation.playing import play_seeds
from tests.simulation.shrinking import shrunk, violation_of
from tests.simulation.steps import Commit
from tests.simulation.violation import Violation
from tests.simulation.world import play

ROOT = Path(__file__).parent.parent.parent
MAX_SEEDS = 40  # about 9,000 steps


@pytest.mark.parametrize("number", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_whole_histories_keep_every_promise(number: int) -> None:
    played = play_seeds(1, number=number)
    assert played.failing is None, (
        f'seed {played.failing}: {played.why}: make simulate ARGS="--replay {played.failing}"'
    )
    assert played.steps > 200 * number


@pytest.mark.parametrize("seed", range(10))
def test_histories_in_a_real_file_keep_every_promise_and_pass_the_audit(seed: Any) -> None:
    assert play(history(seed, in_file=True)) > 100


def test_a_seed_makes_the_same_history_and_other_seeds_others() -> None:
    assert history(7) == history(7)
    assert history(7).steps != history(8).steps


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_simulation_catches_the_mutant(mutant: Any) -> None:
    played = play_seeds(1, mutant, number=MAX_SEEDS)
    assert played.failing is not None
    assert play_seeds(played.failing, number=1).failing is None, "the mutant is removed afterwards"


@pytest.mark.parametrize("mutant", sorted(MUTANTS))
def test_a_shrunk_history_shows_the_fault_of_a_mutant_in_a_few_steps(mutant: Any) -> None:
    failing = play_seeds(1, mutant, number=MAX_SEEDS).failing
    assert failing is not None
    with MUTANTS[mutant]():
        short = shrunk(history(failing))
        assert violation_of(short) is not None
    assert len(short.steps) <= 15
    assert violation_of(short) is None, "trackd itself does it right"


def test_any_steps_can_be_left_out() -> None:
    whole = history(3)
    for every in (2, 3, 5):
        assert violation_of(whole._replace(steps=whole.steps[::every])) is None


def test_a_violation_has_the_step_that_showed_it() -> None:
    with MUTANTS["duplicates"](), pytest.raises(Violation) as raised:
        play(history(1))
    assert isinstance(raised.value.step, Commit)


@pytest.mark.slow
def test_the_command_prints_the_seed_how_to_replay_it_and_the_short_history() -> None:
    run = [sys.executable, "-m", "tests.simulation"]
    failed = subprocess.run([*run, "--mutant", "duplicates"], cwd=ROOT, text=True, capture_output=True, check=False)
    assert failed.returncode == 1
    assert 'make simulate ARGS="--replay ' in failed.stdout
    assert "Call(label=" in failed.stdout

    passed = subprocess.run([*run, "--steps", "1000"], cwd=ROOT, text=True, capture_output=True, check=False)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "no violation" in passed.stdout
