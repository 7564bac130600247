"""Another commit as a contestant, and the names and ratios that the report shows for it."""

from pathlib import Path

import pytest

from tests.bench.builds import HERE, Build, build
from tests.bench.contest import against, contestant_name
from tests.bench.faults import BenchError
from tests.bench.figures import Round, ratio_by_turns
from tests.bench.memory import worse_by
from tests.bench.plan import Plan

OTHER = Build("trackd 220333c", Path("/elsewhere/trackd"))


def plan(*builds: Build) -> Plan:
    return Plan(Path("out"), 2, 1, 8, 10, 100, 100, 3, builds)


def round_of(calls: int) -> Round:
    return Round(calls=calls, seconds=1, p50_ms=1, p99_ms=1, p999_ms=1, errors=0, cpu_us=1)


def test_a_revision_that_does_not_exist_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no-such-revision"):
        build("no-such-revision", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_fails_raises_with_what_it_printed() -> None:
    assert HERE.run("--version") == 0
    assert HERE.run("no-such-command", check=False) != 0
    with pytest.raises(BenchError, match="no-such-command"):
        HERE.run("no-such-command")


def test_ratios_are_taken_turn_by_turn() -> None:
    assert ratio_by_turns([2.0, 30.0, 8.0], [1.0, 10.0, 8.0]) == 2.0


def test_without_another_commit_nothing_is_compared() -> None:
    assert against(plan(HERE), {"trackd": [round_of(5)]}) == []
    assert contestant_name(plan(HERE), HERE, "1 profile") == "1 profile"


def test_calls_per_second_are_compared_with_the_other_commit() -> None:
    rounds = {"trackd": [round_of(96), round_of(96)], "trackd 220333c": [round_of(100), round_of(100)]}
    [target] = against(plan(HERE, OTHER), rounds)
    assert (target.what, target.value, target.met) == ("trackd of trackd 220333c", 0.96, False)


def test_contestants_of_one_scenario_are_compared_by_their_label() -> None:
    both = plan(HERE, OTHER)
    names = [contestant_name(both, each, "1 profile") for each in both.builds]
    assert names == ["trackd, 1 profile", "trackd 220333c, 1 profile"]
    [target] = against(both, dict(zip(names, ([round_of(98)], [round_of(100)]), strict=True)), "1 profile")
    assert (target.value, target.met) == (0.98, True)


def test_memory_and_time_may_be_3_percent_more() -> None:
    [small, large] = [worse_by("memory", value, 100.0) for value in (102.9, 103.1)]
    assert (small.met, large.met) == (True, False)
