from datetime import UTC, datetime

import pytest

from trackd.config.settings import Retention
from trackd.core.changes import DeleteEvents, DeleteSessions, Outcome
from trackd.core.retention import pause_s, steps

NOW = datetime(2026, 3, 1, 12, 0, 0, 5, UTC)


def test_by_default_everything_is_kept() -> None:
    assert steps(Retention(), NOW) == []


def test_a_step_deletes_documents_that_are_older_than_their_days() -> None:
    assert steps(Retention(events_keep_days=1, sessions_keep_days=30), NOW) == [
        DeleteEvents("2026-02-28T12:00:00.000005Z"),
        DeleteSessions("2026-01-30T12:00:00.000005Z"),
    ]
    assert steps(Retention(sessions_keep_days=30), NOW) == [DeleteSessions("2026-01-30T12:00:00.000005Z")]


def test_the_longest_time_that_can_be_set_has_a_timestamp() -> None:
    assert steps(Retention(events_keep_days=36_500), NOW) == [DeleteEvents("1926-03-26T12:00:00.000005Z")]


def test_only_a_step_that_found_more_to_do_is_followed_at_once() -> None:
    assert pause_s(Outcome.STORED) == 0


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.FAILED])
def test_after_the_last_step_and_after_a_failed_one_deletion_pauses_for_a_minute(outcome: Outcome) -> None:
    assert pause_s(outcome) == 60
