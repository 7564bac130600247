from datetime import UTC, datetime, timedelta

import pytest

from trackd.config.settings import Retention
from trackd.core.retention import (
    STEP_S,
    is_far_ahead,
    is_time,
    next_limit,
    pause_s,
    steps,
    trusted_time,
)
from trackd.core.retention_changes import DeleteEvents, DeleteSessions, RetentionStop

NOW = datetime(2026, 3, 1, 12, 0, 0, 5, UTC)
LATEST = "2026-03-01T12:01:00.000005Z"


def test_by_default_everything_is_kept() -> None:
    assert steps(Retention(), NOW) == []


def test_a_step_deletes_documents_that_are_older_than_their_days() -> None:
    events = DeleteEvents("2026-02-28T12:00:00.000005Z", latest=LATEST)
    sessions = DeleteSessions("2026-01-30T12:00:00.000005Z", latest=LATEST)
    assert steps(Retention(events_keep_days=1, sessions_keep_days=30), NOW) == [events, sessions]
    assert steps(Retention(sessions_keep_days=30), NOW) == [sessions]


def test_the_longest_time_that_can_be_set_has_a_timestamp() -> None:
    assert steps(Retention(events_keep_days=36_500), NOW) == [
        DeleteEvents("1926-03-26T12:00:00.000005Z", latest=LATEST)
    ]


def test_after_a_sweep_deletion_pauses_for_a_minute_and_longer_after_a_long_scan_of_the_sessions() -> None:
    assert pause_s(DeleteEvents, 30.0) == pause_s(DeleteSessions, 1.0) == 60
    assert pause_s(DeleteSessions, 30.0) == 600


@pytest.mark.parametrize(
    ("limit", "seconds", "following"),
    [
        (1000, STEP_S, 1000),
        (1000, 0.01, 2000),
        (1000, 0.001, 2000),
        (1000, 0.2, 100),
        (1000, 60.0, 100),
        (15_000, 0.001, 20_000),
    ],
)
def test_the_rows_of_a_step_follow_from_the_time_of_the_one_before(limit: int, seconds: float, following: int) -> None:
    assert next_limit(limit, seconds) == following


def test_the_newest_row_is_trusted_at_the_start_and_an_empty_store_trusts_the_clock() -> None:
    assert trusted_time(NOW, None, RetentionStop()) == NOW
    assert trusted_time(NOW, "2026-02-01T00:00:00.000000Z", RetentionStop()) == datetime(2026, 2, 1, tzinfo=UTC)


def test_a_clock_that_is_behind_all_rows_is_not_trusted() -> None:
    newest, confirmed = "2026-05-01T00:00:00.000000Z", "2026-06-01T00:00:00.000000Z"
    assert trusted_time(NOW, newest, RetentionStop()) == datetime(2026, 5, 1, tzinfo=UTC)
    assert trusted_time(NOW, newest, RetentionStop(None, confirmed)) == datetime(2026, 6, 1, tzinfo=UTC)


def test_a_confirmation_is_trusted_if_it_is_newer_and_not_ahead_of_the_clock() -> None:
    newest, confirmed = "2026-01-01T00:00:00.000000Z", "2026-02-01T00:00:00.000000Z"
    assert trusted_time(NOW, newest, RetentionStop(None, confirmed)) == datetime(2026, 2, 1, tzinfo=UTC)
    assert trusted_time(NOW, newest, RetentionStop(None, "2036-01-01T00:00:00.000000Z")) == datetime(
        2026, 1, 1, tzinfo=UTC
    )


def test_after_a_stop_only_the_time_before_it_is_trusted() -> None:
    stopped_after = "2025-01-01T00:00:00.000000Z"
    assert trusted_time(NOW, "2026-02-01T00:00:00.000000Z", RetentionStop(stopped_after, None)) == datetime(
        2025, 1, 1, tzinfo=UTC
    )


@pytest.mark.parametrize("text", ["", "no time", "\ufffd026", "2026-13-01"])
def test_a_text_that_is_no_time_is_not_trusted(text: str) -> None:
    assert trusted_time(NOW, text, RetentionStop(None, text)) == NOW
    assert not is_time(text)


def test_of_a_damaged_time_its_beginning_is_trusted() -> None:
    for text in ("2026-02-01T10:00:00.00\ufffd000Z", "2026-02-01T10:00:00Z", "2026-02-01T10:00:00"):
        assert trusted_time(NOW, text, RetentionStop()) == datetime(2026, 2, 1, 10, tzinfo=UTC)
    assert trusted_time(NOW, "2026-02-01T1\ufffd", RetentionStop()) == datetime(2026, 2, 1, tzinfo=UTC)


def test_a_clock_that_is_more_than_30_days_ahead_is_far_ahead() -> None:
    assert not is_far_ahead(NOW, NOW - timedelta(days=30))
    assert is_far_ahead(NOW, NOW - timedelta(days=30, microseconds=1))
    assert not is_far_ahead(NOW, NOW + timedelta(days=400))
