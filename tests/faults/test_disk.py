"""A disk that refuses writes, and other programs that write the same file, with a real server."""

import contextlib
import resource
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx

from tests.faults.real_server import RealServer
from tests.support.database import execute
from tests.support.payloads import SOURCE_ID, payload
from tests.support.polling import wait_until

Start = Callable[..., RealServer]


def call_of(session: str, event: str) -> dict[str, Any]:
    return {"source": {"id": SOURCE_ID}, "session": {"id": session}, "events": [{"type": "t", "id": event}]}


def limit_files(server: RealServer, size: int) -> None:
    """A limit of the file size for the server and its processes: writes past it fail, as on a full disk."""
    for pid in server.pids():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_disk_that_fills_up_and_is_cleared_loses_no_answered_call_and_doubles_none(start: Start) -> None:
    server = start()
    first: dict[str, int] = {}
    with server.unharmed(), httpx.Client(base_url=server.url, timeout=30) as client:

        def send(event: str) -> int:
            answer = client.post("/track", json=call_of("s", event))
            if answer.status_code == 200:
                [seq] = answer.json()["debugging"]["events"]["seq"]
                assert first.setdefault(event, seq) == seq
            else:
                assert answer.headers["retry-after"]
            return answer.status_code

        def is_stored(event: str) -> bool:
            return send(event) == 200

        assert [send(f"before-{number}") for number in range(20)] == [200] * 20
        limit_files(server, 1_000)
        assert [send(f"full-{number}") for number in range(20)] == [503] * 20
        assert client.get("/ready").status_code == 503
        limit_files(server, resource.RLIM_INFINITY)
        for event in [f"before-{number}" for number in range(20)] + [f"full-{number}" for number in range(20)]:
            wait_until(partial(is_stored, event), "the disk accepts the call")
    stored = {event["id"]: event["seq"] for event in server.events() if event["type"] == "t"}
    assert stored == first
    assert sorted(stored.values()) == list(range(1, 41))
    assert "Traceback" not in server.log()


def test_a_stop_on_a_full_disk_leaves_answered_calls_in_the_write_ahead_log(start: Start) -> None:
    server = start()
    for number in range(20):
        assert server.call("t", session=f"s-{number}").status_code == 200
    limit_files(server, 1_000)
    log = server.log()  # stops it
    assert "Traceback" not in log
    assert "stays beside the file" in log
    assert server.db.with_name(f"{server.db.name}-wal").stat().st_size > 0
    assert len(server.events()) >= 20


def test_a_file_that_becomes_read_only_while_it_is_open_is_still_written(start: Start) -> None:
    server = start()
    assert server.call("t").status_code == 200
    server.db.chmod(0o400)
    assert server.call("t").json()["debugging"]["events"]["seq"] == [2]
    assert "Traceback" not in server.log()
    assert [event["seq"] for event in server.events()] == [1, 2]


def test_a_call_that_waits_for_another_programs_lock_can_be_sent_again_and_is_recorded_once(start: Start) -> None:
    server = start(TRACKD_LIMITS_CALL_TIMEOUT_S="1")
    call = call_of("s", "only")
    with server.unharmed(), contextlib.closing(sqlite3.connect(server.db, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = httpx.post(f"{server.url}/track", json=call, timeout=30)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        other.execute("ROLLBACK")

        def answer_200() -> httpx.Response | None:
            answer = httpx.post(f"{server.url}/track", json=call, timeout=30)
            return answer if answer.status_code == 200 else None

        answer = wait_until(answer_200) or answer
        assert answer.json()["debugging"]["events"]["seq"] == [1]
    assert [event["seq"] for event in server.events() if event["type"] == "t"] == [1]


def test_a_profile_that_another_program_changed_continues_from_its_new_state(start: Start) -> None:
    server = start()
    assert server.call("t").json()["debugging"]["events"]["seq"] == [1]
    execute(server.db, "UPDATE profile SET seq = 10, doc = json_set(doc, '$.seq', 10), revision = revision + 1")
    answer = httpx.post(f"{server.url}/track", json=payload("s", "t"), timeout=30)
    assert answer.json()["debugging"]["events"]["seq"] == [11]
    assert server.call("t").json()["debugging"]["events"]["seq"] == [12]
