"""Callers that disconnect: at each byte of a request, and before its answer."""

import socket
import struct
from collections.abc import Callable

import httpx
import pytest

from tests.faults.real_server import RealServer, raw_call
from tests.support.database import rows
from tests.support.payloads import SOURCE_ID, payload

Start = Callable[..., RealServer]
RESET = struct.pack("ii", 1, 0)  # SO_LINGER for no time: a reset in place of an orderly end


def chunked(session: str) -> bytes:
    head, _, body = raw_call("a", "b", session=session).partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
    half = len(body) // 2
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:], b""))
    return b"\r\n".join([*lines, b"Transfer-Encoding: chunked"]) + b"\r\n\r\n" + chunks


def whole(session: str) -> bytes:
    return raw_call("a", "b", session=session)


@pytest.mark.parametrize("request_of", [whole, chunked])
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_caller_that_leaves_at_any_byte_of_its_request_leaves_nothing_of_it(
    start: Start, request_of: Callable[[str], bytes], reset: bool
) -> None:
    server = start()
    length = len(request_of("cut-000"))
    with server.unharmed():
        for end in range(length):
            with server.connect() as connection:
                if reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                connection.sendall(request_of(f"cut-{end:03}")[:end])
        assert b"HTTP/1.1 200 " in server.exchange(
            request_of("whole").replace(b"Host: x", b"Host: x\r\nConnection: close")
        )
    stored = [event for event in server.events() if event["session_id"] not in ("after", *BEFORE)]
    assert [(event["session_id"], event["type"], event["seq"]) for event in stored] == [
        ("whole", "a", 1),
        ("whole", "b", 2),
    ]
    assert "Traceback" not in server.log()


BEFORE = {f"before-{number}" for number in range(50)}


def test_a_call_is_stored_once_and_whole_or_not_at_all_when_its_caller_disconnects(start: Start) -> None:
    server = start()
    calls = 200
    with server.unharmed():
        for number in range(calls):
            with server.connect() as connection:
                body = payload(f"left-{number}")
                body["events"] = [{"type": "t", "id": f"e{number}-{event}"} for event in range(3)]
                if number % 2:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                connection.sendall(raw_call(body=httpx.Request("POST", "http://x", json=body).content))
    counted = rows(
        server.db,
        "SELECT count(*) AS n, count(DISTINCT id) AS ids, max(seq) AS seq FROM event WHERE type = 't'"
        " GROUP BY profile_id",
    )
    assert all(row == {"n": 3, "ids": 3, "seq": 3} for row in counted)
    with httpx.Client(base_url=server.url, timeout=30) as client:
        for number in range(calls):
            body = payload(f"left-{number}")
            body["events"] = [{"type": "t", "id": f"e{number}-{event}"} for event in range(3)]
            answer = client.post("/track", json=body).json()
            assert answer["debugging"]["events"]["seq"] == [1, 2, 3]
    assert rows(server.db, "SELECT count(*) AS n FROM event WHERE type = 't'") == [{"n": 3 * calls}]
    assert "Traceback" not in server.log()


def test_an_administrator_that_leaves_within_a_body_leaves_no_traceback(start: Start) -> None:
    server = start()
    body = b'{"id": "new", "name": "new"}'
    head = f"POST /event-source HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    head += f"Authorization: Bearer {server.process.token}\r\n\r\n"
    with server.unharmed():
        for end in range(len(body)):
            with server.connect() as connection:
                connection.sendall(head.encode() + body[:end])
    assert rows(server.db, "SELECT id FROM source") == [{"id": SOURCE_ID}]
    assert "Traceback" not in server.log()
