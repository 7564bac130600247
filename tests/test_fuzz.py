"""The command that runs the property tests with other examples each time."""

from pathlib import Path

import pytest

from tests.fuzz import command, failures, main

TEST = """
from hypothesis import given, strategies as st

@given(st.integers(0, 1000))
def test_a_number_is_small(number):
    assert number < {bound}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands in for the repository."""
    monkeypatch.setattr("tests.fuzz.ROOT", tmp_path)
    (tmp_path / "conftest.py").write_text("import hypothesis\nhypothesis.settings.register_profile('fuzz')\n")
    return tmp_path


@pytest.mark.slow
def test_a_round_without_failures_prints_its_seed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "test_small.py").write_text(TEST.format(bound=1_001))
    assert main(["--rounds", "1", "--seed", "7", "test_small.py"]) == 0
    printed = capsys.readouterr().out
    assert "round 1: seed 7" in printed
    assert "0 tests failed" in printed


@pytest.mark.slow
def test_a_failure_is_printed_with_the_command_that_replays_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "test_small.py").write_text(TEST.format(bound=500))
    assert main(["--rounds", "1", "--seed", "7", "test_small.py"]) == 1
    printed = capsys.readouterr().out
    assert "assert 500 < 500" in printed
    assert "test_small.py::test_a_number_is_small failed. To replay it:" in printed
    assert "--hypothesis-seed=7" in printed


def test_the_ids_of_failed_tests_are_read_from_the_summary() -> None:
    output = "F\n== short test summary info ==\nFAILED tests/a.py::test_b[1-x] - assert 1\nERROR tests/c.py\n1 failed\n"
    assert failures(output) == ["tests/a.py::test_b[1-x]", "tests/c.py"]


def test_a_replay_runs_one_test_with_its_seed() -> None:
    arguments = command(7, ["tests/a.py::test_b"])
    assert "--hypothesis-seed=7" in arguments
    assert arguments[-1] == "tests/a.py::test_b"
