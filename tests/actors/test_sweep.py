import logging

import pytest

from trackd.actors.sweep import PROGRESS_S, Sweep
from trackd.core.retention_changes import DeleteEvents, DeleteSessions, Swept
from trackd.telemetry.tally import Tally

FAR = "2099-01-01T00:00:00.000000Z"


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture(autouse=True)
def all_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def test_a_sweep_is_one_line_with_what_it_deleted_and_how_long_it_took(
    tally: Tally, caplog: pytest.LogCaptureFixture
) -> None:
    sweep = Sweep(DeleteEvents, tally, 100.0)
    sweep.add(Swept(1000, 500), 0.25, 101.0)
    sweep.add(None, 0.5, 102.0)
    sweep.add(Swept(500), 0.25, 103.0)
    assert sweep.end(103.5, "") == ""

    assert caplog.messages == ["retention deleted 1500 events in 3.5 s"]
    assert sweep.busy_s == 1.0
    assert tally.retention_deleted == {"event": 1500, "session": 0}
    assert tally.retention_backlog == {"event": 0, "session": 0}


def test_a_sweep_that_finds_nothing_is_no_line(tally: Tally, caplog: pytest.LogCaptureFixture) -> None:
    sweep = Sweep(DeleteSessions, tally, 0.0)
    sweep.add(Swept(0), 0.1, 1.0)
    sweep.end(1.0, "")
    assert caplog.messages == []


def test_a_long_sweep_has_a_line_each_minute(tally: Tally, caplog: pytest.LogCaptureFixture) -> None:
    sweep = Sweep(DeleteSessions, tally, 0.0)
    for second in range(int(2.5 * PROGRESS_S)):
        sweep.add(Swept(10, 5000 - second), 0.1, float(second))
    assert caplog.messages == [
        "retention deleted 610 sessions so far, about 4940 are left",
        "retention deleted 1210 sessions so far, about 4880 are left",
    ]
    assert tally.retention_backlog["session"] == 4851


@pytest.mark.parametrize(
    ("farthest", "shown"), [(FAR, FAR), ("no time", "a text that is no time")], ids=["a time", "another text"]
)
def test_rows_ahead_of_the_clock_are_one_line_until_there_are_others(
    tally: Tally, caplog: pytest.LogCaptureFixture, farthest: str, shown: str
) -> None:
    logged = ""
    for _ in range(3):
        sweep = Sweep(DeleteEvents, tally, 0.0)
        sweep.add(Swept(0, 0, 7, farthest), 0.1, 1.0)
        logged = sweep.end(1.0, logged)
    [line] = caplog.messages
    assert line.startswith(f"ahead of this clock: 7 events, the farthest at {shown}. They are deleted when")
    assert tally.retention_ahead == {"event": 7, "session": 0}
