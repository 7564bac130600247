"""Pipelined requests: all are answered in their order, and few of them are parsed before their turn."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.http.server.track_requests import (
    call,
    chunked,
    deaf_client,
    new_store,
    post,
    received,
    running,
    status_and_session,
)
from tests.support.polling import eventually
from tests.support.raw_http import connected, statuses
from trackd.http.server.connection import Connection

GET = b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /healthcheck HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
MAX_WAITING = 16


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Connection]:
    """An entry for each request whose parsing began."""
    seen: list[Connection] = []
    begin = Connection.on_message_begin

    def noted(self: Connection) -> None:
        seen.append(self)
        begin(self)

    monkeypatch.setattr(Connection, "on_message_begin", noted)
    return seen


async def exchange(sent: bytes) -> bytes:
    async with running() as url, connected(url) as connection:
        connection.writer.write(sent)
        return await connection.rest()


async def test_any_number_of_pipelined_requests_is_answered() -> None:
    assert statuses(await exchange(GET * 1_200 + LAST)) == [200] * 1_201


@pytest.mark.parametrize(
    "waiting",
    [GET, b"\r\n" + GET, post(call()), chunked(call()), b"GET / HTTP/1.0\r\n\r\n"],
    ids=["GET", "empty lines", "calls", "chunks", "shortest"],
)
async def test_few_requests_are_parsed_before_their_turn(waiting: bytes, begun: list[Connection]) -> None:
    store = new_store()
    async with running(store) as url, connected(url) as connection:
        store.hold()
        connection.writer.write(post(call("first")) + waiting * 1_000)
        await eventually(store.committing.is_set)
        await eventually(lambda: len(begun) > 1)
        assert begun[0].flow.read_paused
        assert len(begun) <= 1 + MAX_WAITING
        store.release()
        assert status_and_session(await connection.answer()) == (200, "first")
        assert (await connection.answer()).status in (200, 400, 404)


async def test_requests_in_many_packets_wait_as_those_in_one(begun: list[Connection]) -> None:
    store = new_store()
    async with running(store) as url, connected(url) as connection:
        store.hold()
        await connection.send(post(call("first")), *[GET] * 500, LAST)
        await eventually(store.committing.is_set)
        assert len(begun) <= 1 + MAX_WAITING
        store.release()
        assert statuses(await connection.rest()) == [200] * 502


async def test_a_request_waits_until_the_client_has_read_the_answer_before_it(begun: list[Connection]) -> None:
    bundle = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
    async with running() as url, deaf_client(url) as client:
        client.sendall(bundle * 8 + LAST)
        await eventually(lambda: begun and begun[0].flow.write_paused)
        assert len(begun) <= MAX_WAITING
        assert statuses(await received(client)) == [200] * 9


async def test_a_connection_whose_requests_are_answered_keeps_none_of_them(begun: list[Connection]) -> None:
    async with running() as url, connected(url) as connection:
        for request in (GET * 3, post(call()), chunked(call()), post(call(), "Content-Type: text/xml")):
            connection.writer.write(request)
            for _ in range(request.count(b"HTTP/1.1")):
                await connection.answer()
        idle: Any = begun[0]
        await eventually(lambda: idle.waiting_since is not None)
        assert (idle.cycle, idle.scope, idle.headers, idle._running, idle._rest) == (None, None, None, None, b"")


@settings(max_examples=8)
@given(
    bodies=st.lists(st.sampled_from([b"", b"\n\r\n" * 30, b"\n\n" * 50, b"x" * 300]), min_size=1, max_size=8),
    size=st.integers(1, 3_000),
)
async def test_bodies_with_blank_lines_are_parsed_whole(bodies: list[bytes], size: int) -> None:
    sent = b"".join(
        post(b"\n\r\n\n\n" * (number % 3) + call(f"s-{number}") + body.replace(b"x", b" "))
        for number, body in enumerate(bodies)
    )
    async with running() as url, connected(url) as connection:
        await connection.send(*(sent[begin : begin + size] for begin in range(0, len(sent), size)))
        answers = [await connection.answer() for _ in bodies]
    assert [status_and_session(answer) for answer in answers] == [(200, f"s-{number}") for number in range(len(bodies))]
