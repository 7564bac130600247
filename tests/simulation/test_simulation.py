"""A few thousand steps with every run of the tests; `make simulate` plays more."""

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.mutants import MUTANTS
from tests.simulation.disk import MakeDisk
from tests.simulation.histories import history
from tests.simulation.playing import Choice, play_seeds
from tests.simulation.postgres_disk import postgres_disks
from tests.simulation.shrinking import shrunk, violation_of
from tests.simulation.violation import Violation
from tests.simulation.world import play
from tests.store_mutants import ALL_MUTANTS

ROOT = Path(__file__).parent.parent.parent
MAX_SEEDS = 40  # about 9,000 steps
REFUSED_BY_POSTGRES = ("old-lookups",)  # its key of event ids does not take a duplicate: the call is answered 503


@cache
def failing_seed(mutant: str) -> int:
    """The first seed whose history of three nodes shows the fault of the mutant."""
    failing = play_seeds(1, mutant, number=MAX_SEEDS, nodes=3).failing
    assert failing is not None
    return failing


@pytest.mark.parametrize("nodes", [None, 3])
@pytest.mark.parametrize("number", [10, pytest.param(40, marks=pytest.mark.slow)])
def test_whole_histories_keep_every_promise(number: int, nodes: int | None) -> None:
    played = play_seeds(1, number=number, nodes=nodes)
    options = Choice(nodes=nodes).options
    assert played.failing is None, (
        f'seed {played.failing}: {played.why}: make simulate ARGS="--replay {played.failing}{options}"'
    )
    assert played.steps > 200 * number


@pytest.mark.parametrize("seed", range(10))
def test_histories_in_a_real_file_keep_every_promise_and_pass_the_audit(seed: Any) -> None:
    assert play(history(seed, in_file=True)) > 100


def test_a_seed_makes_the_same_history_and_other_seeds_others() -> None:
    assert history(7) == history(7)
    assert history(7).steps != history(8).steps


@pytest.mark.parametrize("mutant", ALL_MUTANTS)
def test_the_simulation_catches_the_mutant(mutant: Any) -> None:
    assert play_seeds(failing_seed(mutant), number=1, nodes=3).failing is None, "the mutant is removed afterwards"


@pytest.mark.parametrize("mutant", sorted(MUTANTS))
def test_a_shrunk_history_shows_the_fault_of_a_mutant_in_a_few_steps(mutant: Any) -> None:
    whole = history(failing_seed(mutant), nodes=3)
    with ALL_MUTANTS[mutant]():
        short = shrunk(whole)
        assert violation_of(short) is not None
    assert len(short.steps) <= 15
    assert violation_of(short) is None, "trackd itself does it right"


@pytest.fixture(scope="module")
def postgres_disk(postgres_database: str) -> Iterator[MakeDisk]:
    with postgres_disks(postgres_database) as make_disk:
        yield make_disk


@pytest.mark.slow
@pytest.mark.parametrize("mutant", [name for name in ALL_MUTANTS if name not in REFUSED_BY_POSTGRES])
def test_histories_in_postgresql_catch_the_mutant_too(mutant: Any, postgres_disk: MakeDisk) -> None:
    seed = failing_seed(mutant)
    assert play_seeds(seed, mutant, number=1, nodes=3, make_disk=postgres_disk).failing == seed


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_histories_in_postgresql_keep_every_promise_and_pass_the_audit(seed: int, postgres_disk: MakeDisk) -> None:
    assert play(history(seed, nodes=3), postgres_disk) > 100


def test_any_steps_can_be_left_out() -> None:
    whole = history(3)
    for every in (2, 3, 5):
        assert violation_of(whole._replace(steps=whole.steps[::every])) is None


def test_a_violation_has_the_step_that_showed_it() -> None:
    whole = history(1)
    with ALL_MUTANTS["duplicates"](), pytest.raises(Violation) as raised:
        play(whole)
    assert raised.value.step in whole.steps


@pytest.mark.slow
def test_the_command_prints_the_seed_how_to_replay_it_and_the_short_history() -> None:
    run = [sys.executable, "-m", "tests.simulation", "--processes", "1"]
    failed = subprocess.run([*run, "--mutant", "duplicates"], cwd=ROOT, text=True, capture_output=True, check=False)
    assert failed.returncode == 1
    assert 'make simulate ARGS="--replay ' in failed.stdout
    assert "Call(label=" in failed.stdout

    passed = subprocess.run([*run, "--steps", "1000"], cwd=ROOT, text=True, capture_output=True, check=False)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "no violation" in passed.stdout
