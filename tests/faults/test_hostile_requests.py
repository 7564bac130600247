"""Hostile requests: each gets the answer of the contract, and leaves nothing behind."""

import gzip
import json
from collections.abc import Callable

import pytest

from tests.faults.real_server import RealServer, raw_call
from tests.support.database import rows
from tests.support.payloads import SOURCE_ID
from tests.support.raw_http import statuses

Start = Callable[..., RealServer]
CLOSE = "Connection: close"
EVENT = b'{"type": "t", "properties": {"n": %s}}'
CALL = b'{"source": {"id": "%s"}, "session": {"id": "s"}, "events": [%%s]}' % SOURCE_ID.encode()


def with_value(value: bytes) -> bytes:
    return CALL % (EVENT % value)


BODIES = {
    "100,000 events": (413, CALL % b",".join([b'{"type":"t"}'] * 80_000)),
    "1,001 events": (413, CALL % b",".join([b'{"type":"t"}'] * 1_001)),
    "nested 100,000 deep": (413, with_value(b"[" * 100_000 + b"]" * 100_000)),
    "nested without an end": (413, b'{"a":' * 100_000),
    "1e400": (422, with_value(b"1e400")),
    "-1e400": (422, with_value(b"-1e400")),
    "10,000 digits": (422, with_value(b"9" * 10_000)),
    "invalid UTF-8": (422, with_value(b'"\xff"')),
    "overlong UTF-8": (422, with_value(b'"\xc0\xaf"')),
    "a surrogate encoded alone": (422, with_value(b'"\xed\xa0\x80"')),
    "a raw NUL": (422, with_value(b'"\x00"')),
    "a NUL after the end": (422, with_value(b"1") + b"\x00"),
}


@pytest.fixture(scope="module")
def bomb() -> bytes:
    return gzip.compress(bytes(50_000_000))


def test_each_hostile_body_gets_its_answer_and_leaves_nothing(start: Start, bomb: bytes) -> None:
    server = start()
    answered = {}
    for _, body in BODIES.values():  # the largest parsing takes 30 MB of the allocator, once
        server.exchange(raw_call(headers=(CLOSE,), body=body))
    with server.unharmed():
        for name, (_, body) in BODIES.items():
            answered[name] = statuses(server.exchange(raw_call(headers=(CLOSE,), body=body)))
        gz = (CLOSE, "Content-Encoding: gzip")
        answered["bomb"] = statuses(server.exchange(raw_call(headers=gz, body=bomb)))
        answered["many bombs"] = statuses(server.exchange(raw_call(headers=gz, body=gzip.compress(b"{}") * 40_000)))
    assert answered == {name: [status] for name, (status, _) in BODIES.items()} | {"bomb": [413], "many bombs": [422]}
    assert {event["type"] for event in server.events()} == {"before", "after"}
    assert "Traceback" not in server.log()


VALUES: dict[bytes, object] = {
    b"18446744073709551616": 18446744073709551616,
    b"-9223372036854775809": -9223372036854775809,
    b"1" * 300: int("1" * 300),
    b"1e-400": 0,
    b'"\\u0000"': "\0",
    b'"\\ud83d\\ude00"': "\U0001f600",
    b'"\\ud83d"': "\ufffd",
    b'{"a": 1, "a": 2}': {"a": 2},
}


def test_every_json_value_is_stored_as_it_was_sent(start: Start) -> None:
    server = start()
    for value in VALUES:
        assert statuses(server.exchange(raw_call(headers=(CLOSE,), body=with_value(value)))) == [200], value
    assert server.call("next").json()["debugging"]["events"]["seq"] == [len(VALUES) + 1]
    stored = rows(server.db, "SELECT properties FROM event WHERE type = 't' ORDER BY number")
    assert [json.loads(row["properties"]) for row in stored] == [{"n": value} for value in VALUES.values()]


BODY = with_value(b"1")
SECOND = raw_call("smuggled", headers=(CLOSE,))
LENGTH = b"Content-Length: %d" % len(BODY)


def head(*lines: bytes) -> bytes:
    return b"\r\n".join([b"POST /track HTTP/1.1", b"Host: x", *lines]) + b"\r\n\r\n"


CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
SMUGGLING = {
    "two lengths": head(LENGTH, b"Content-Length: 1") + BODY,
    "a length and chunks": head(LENGTH, b"Transfer-Encoding: chunked") + CHUNKED,
    "chunks and a length": head(b"Transfer-Encoding: chunked", LENGTH) + CHUNKED,
    "a length with a sign": head(LENGTH.replace(b": ", b": +")) + BODY,
    "a negative length": head(b"Content-Length: -1") + BODY,
    "a length over 64 bits": head(b"Content-Length: 99999999999999999999999") + BODY,
    "a hexadecimal length": head(b"Content-Length: 0x10") + BODY,
    "a space before the colon": head(b"Transfer-Encoding : chunked") + CHUNKED,
    "another coding after chunked": head(b"Transfer-Encoding: chunked, identity") + CHUNKED,
    "a size of a chunk that is no number": head(b"Transfer-Encoding: chunked") + b"zz\r\n" + BODY,
    "a size of a chunk over 64 bits": head(b"Transfer-Encoding: chunked") + b"f" * 20 + b"\r\n" + BODY,
    "a chunk without its line end": head(b"Transfer-Encoding: chunked") + b"1\r\nxx\r\n0\r\n\r\n",
    "a NUL in a header": head(b"X: \x00", LENGTH) + BODY,
    "a header without a colon": head(b"nonsense", LENGTH) + BODY,
    "an unknown version": b"POST /track HTTP/9.9\r\n" + LENGTH + b"\r\n\r\n" + BODY,
}


def test_ambiguous_heads_are_refused_and_nothing_after_them_is_accepted(
    start: Start,
) -> None:
    server = start()
    with server.unharmed():
        answered = {name: statuses(server.exchange(request + SECOND)) for name, request in SMUGGLING.items()}
    assert answered == {key: [505 if key == "an unknown version" else 400] for key in SMUGGLING}
    assert {event["type"] for event in server.events()} == {"before", "after"}


def test_a_length_that_is_too_short_cuts_the_body_and_the_rest_is_no_request(start: Start) -> None:
    server = start()
    answers = server.exchange(head(b"Content-Length: %d" % (len(BODY) - 1)) + BODY + SECOND)
    assert statuses(answers) == [422, 400]
    assert server.events() == []


def test_a_length_that_is_too_long_waits_for_the_rest_until_the_deadline(start: Start) -> None:
    server = start(TRACKD_LIMITS_REQUEST_TIMEOUT_S="1")
    answers = server.exchange(head(b"Content-Length: %d" % (len(BODY) + 1)) + BODY)
    assert statuses(answers) == [408]
    assert server.events() == []


def test_a_request_after_one_that_closes_the_connection_is_not_accepted(start: Start) -> None:
    server = start()
    assert statuses(server.exchange(head(LENGTH, b"Connection: close") + BODY + SECOND)) == [200]
    assert [event["type"] for event in server.events()] == ["t"]
