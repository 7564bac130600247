"""A clock that jumps back: stored documents have times in the future."""

import json
from collections.abc import Callable

import httpx

from tests.faults.real_server import RealServer
from tests.support.database import execute, rows
from tests.support.forked_command import run_command
from tests.support.payloads import bearer
from tests.support.polling import wait_until

Start = Callable[..., RealServer]
AHEAD = "2099-01-01T00:00:00.000000Z"


def test_after_the_clock_jumped_back_numbers_continue_and_lists_keep_the_order_of_arrival(start: Start) -> None:
    server = start()
    token = bearer(server.process.token)
    with httpx.Client(base_url=server.url, headers=token, timeout=30) as client:
        for _ in range(3):
            server.call("ahead")
        execute(server.db, f"UPDATE event SET inserted = '{AHEAD}', created = '{AHEAD}'")
        profile = client.get("/session/s").json()["profile"]["id"]
        answers = [server.call("now").json() for _ in range(3)]
        assert [answer["debugging"]["events"]["seq"] for answer in answers] == [[4], [5], [6]]
        assert {answer["profile"]["id"] for answer in answers} == {profile}
        listed = client.get(f"/profile/{profile}/events").json()["result"]
        assert [event["seq"] for event in listed] == [6, 5, 4, 3, 2, 1]
        assert [event["type"] for event in client.get("/events").json()["result"]] == ["now"] * 3 + ["ahead"] * 3


def test_a_session_of_the_future_accepts_calls_and_ends_no_earlier_than_it_began(start: Start) -> None:
    server = start()
    server.call("ahead", context={"a": 1})
    execute(server.db, f"UPDATE session SET inserted = '{AHEAD}', updated = '{AHEAD}'")
    assert server.process.stop() == 0
    server = start()
    assert server.call("now", context={"b": 2}).status_code == 200
    [session] = rows(server.db, "SELECT inserted, updated, context FROM session")
    assert session["updated"] >= session["inserted"] == AHEAD


def test_retention_deletes_nothing_too_early_when_the_clock_jumps_back(start: Start) -> None:
    server = start(TRACKD_RETENTION_EVENTS_KEEP_DAYS="1")
    server.call("ahead")
    execute(server.db, f"UPDATE event SET inserted = '{AHEAD}'")
    server.call("now")
    assert server.process.stop() == 0
    start(TRACKD_RETENTION_EVENTS_KEEP_DAYS="1").call("now")
    assert [event["seq"] for event in server.events()] == [1, 2, 3]


def test_a_clock_far_ahead_of_the_newest_row_stops_the_retention_until_it_is_confirmed(start: Start) -> None:
    """To the server the rows look like this when it starts with a clock that is years ahead."""
    server = start()
    token = server.process.token
    server.call("old", "old")
    assert server.process.stop() == 0
    execute(server.db, "UPDATE event SET inserted = '2020-01-01T00:00:00.000000Z'")
    execute(server.db, "UPDATE session SET updated = '2020-01-01T00:00:00.000000Z'")
    server = start(TRACKD_RETENTION_EVENTS_KEEP_DAYS="30", TRACKD_RETENTION_SESSIONS_KEEP_DAYS="30")
    server.call("new", session="other")
    stop = "SELECT 1 FROM retention WHERE stopped_after = '2020-01-01T00:00:00.000000Z'"
    wait_until(lambda: rows(server.db, stop), "the stop is in the file")
    assert server.process.stop() == 0
    server = start(TRACKD_RETENTION_EVENTS_KEEP_DAYS="30", TRACKD_RETENTION_SESSIONS_KEEP_DAYS="30")
    server.call("new", session="other")
    assert [event["type"] for event in server.events()] == ["old", "old", "new", "new"]

    def is_stopped() -> bool:
        return "trackd_retention_stopped 1.0" in httpx.get(f"{server.url}/metrics", headers=bearer(token)).text

    wait_until(is_stopped, "the server has stopped the retention")
    confirmed = run_command(["retention", "confirm", "--db", server.db], server.db.parent, {})

    assert confirmed.returncode == 0
    assert confirmed.stdout.endswith("UTC: the retention goes on.\n")
    wait_until(lambda: [event["type"] for event in server.events()] == ["new", "new"], "the old events are deleted")
    wait_until(lambda: rows(server.db, "SELECT id FROM session") == [{"id": "other"}], "and the old session")
    lines = [json.loads(line)["message"] for line in server.log().splitlines()]
    assert [line for line in lines if "retention is stopped and deletes nothing: this clock (" in line]
    assert "retention goes on: the clock was confirmed" in lines
    assert [line for line in lines if line.startswith("retention deleted 2 events in ")]


def test_events_of_the_future_do_not_stop_the_retention_and_are_reported(start: Start) -> None:
    server = start()
    token = bearer(server.process.token)
    server.call("ahead", "old", "ahead", "new")
    assert server.process.stop() == 0
    execute(server.db, f"UPDATE event SET inserted = '{AHEAD}' WHERE type = 'ahead'")
    execute(server.db, "UPDATE event SET inserted = '2020-01-01T00:00:00.000000Z' WHERE type = 'old'")
    server = start(TRACKD_RETENTION_EVENTS_KEEP_DAYS="30")

    def metrics_of_the_deletion() -> str | None:
        """The file shows a deletion before the server has its result."""
        text = httpx.get(f"{server.url}/metrics", headers=token).text
        return text if 'trackd_retention_deleted_total{table="event"} 2.0' in text else None

    metrics = wait_until(metrics_of_the_deletion, "the old events are deleted")
    assert [event["type"] for event in server.events()] == ["ahead", "new"]
    assert 'trackd_retention_ahead{table="event"} 2.0' in metrics
    assert 'trackd_retention_backlog{table="event"} 0.0' in metrics
    assert "trackd_retention_stopped 0.0" in metrics
    [line] = [json.loads(line) for line in server.log().splitlines() if "ahead of this clock" in line]
    assert line["level"] == "WARNING"
    assert line["message"].startswith(f"ahead of this clock: 2 events, the farthest at {AHEAD}. They are deleted ")
