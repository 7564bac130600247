import pytest

from trackd.telemetry.decision_times import LONG_S, DecisionTimes
from trackd.telemetry.rate_limited_log import EVERY_S


def test_decisions_are_counted_and_long_ones_are_logged_at_most_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    times = DecisionTimes(lambda: now)
    times.observe(0.0001, "shop", 3)
    assert caplog.messages == []
    times.observe(LONG_S, "shop", 1000)
    times.observe(2.0, "blog", 7)
    now = EVERY_S
    times.observe(3.0, "blog", 8)
    assert [message.split(":")[0] for message in caplog.messages] == [
        "a call of source shop with 1000 events took 0.50 s of the main thread",
        "a call of source blog with 8 events took 3.00 s of the main thread (1 more since the last such line)",
    ]
    assert next(count for bound, count in times.seconds.cumulative() if bound == 0.25) == 1
