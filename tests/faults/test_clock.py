"""A clock that jumps back: stored documents have times in the future."""

from collections.abc import Callable

import httpx

from tests.faults.real_server import RealServer
from tests.support.database import execute, rows
from tests.support.payloads import bearer

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
