import logging

import pytest

from trackd.telemetry.dropped_events import DroppedEvents


def test_dropped_events_are_counted_by_reason_and_logged_at_a_limited_rate_and_at_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    dropped = DroppedEvents()
    dropped.add(["no consent", "unwanted (bots)", "no consent"])
    dropped.add(["no consent"])
    assert dropped.totals == {"no consent": 3, "unwanted (bots)": 1}
    dropped.log_totals()
    assert caplog.messages == [
        "events dropped, no consent: 2, 2 since the start",
        "events dropped, unwanted (bots): 1, 1 since the start",
        "events dropped since the start: no consent: 3, unwanted (bots): 1",
    ]


def test_nothing_is_logged_when_nothing_was_dropped(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    dropped = DroppedEvents()
    dropped.add([])
    dropped.log_totals()
    assert caplog.messages == []
