import itertools
import threading
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from tests.support.polling import wait_until
from trackd.storage.sqlite import checks_in_parts
from trackd.storage.sqlite.checks_in_parts import MOST_CUTS, ChecksInParts


class Check:
    """Checks a table for each look at whether it is over."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, path: Path, tables: Collection[str] | None, is_over: Callable[[], bool]) -> list[str]:
        left = ["a", "b", "c"] if tables is None else list(tables)
        self.calls.append([*left])
        while left and not is_over():
            del left[0]
        return left


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Check:
    monkeypatch.setattr(checks_in_parts, "PAUSE_S", 0.0)
    return Check()


def run(check: Check, path: Path) -> tuple[threading.Thread, list[Collection[str]]]:
    """On a thread of its own, whose priority it lowers."""
    left: list[Collection[str]] = []
    thread = threading.Thread(target=lambda: left.append(ChecksInParts(path, check, threading.Event()).run(None)))
    thread.start()
    return thread, left


def test_all_tables_are_checked_at_once_beside_a_short_log(check: Check, tmp_path: Path) -> None:
    thread, left = run(check, tmp_path / "trackd.db")
    thread.join()
    assert left == [[]]
    assert check.calls == [["a", "b", "c"]]


def test_a_log_that_becomes_long_ends_a_check_and_the_next_one_goes_on_after_it(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = iter([True, True, False, False, True, False, False, False, False])  # before a check, and within it
    monkeypatch.setattr(ChecksInParts, "_is_log_long", lambda self: next(states))
    thread, left = run(check, tmp_path / "trackd.db")
    thread.join()
    assert left == [[]]
    assert check.calls == [["a", "b", "c"], ["b", "c"]]


def test_after_some_attempts_the_rest_is_left(check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states = itertools.cycle([False, True])
    monkeypatch.setattr(ChecksInParts, "_is_log_long", lambda self: next(states))
    thread, left = run(check, tmp_path / "trackd.db")
    thread.join()
    assert left == [["a", "b", "c"]]
    assert len(check.calls) == MOST_CUTS


def test_a_check_waits_until_the_log_has_started_over(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks_in_parts, "MAX_LOG_BYTES", 0)
    log = tmp_path / "trackd.db-wal"
    log.write_bytes(b"x")
    thread, left = run(check, tmp_path / "trackd.db")
    wait_until(thread.is_alive, "it waits")
    log.write_bytes(b"")
    thread.join()
    assert left == [[]]
