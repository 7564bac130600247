"""Pipelined requests: all are answered in their order, and few of them are parsed before their turn."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.http.server.track_requests import (
    call,
    chunked,
    deaf_client,
    new_store,
    note_calls,
    post,
    received,
    running,
    status_and_session,
    statuses_of,
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
    return note_calls(monkeypatch, "on_message_begin")


@pytest.fixture
async def rounds(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[int]]:
    """How many chunks and headers were parsed in each round of the event loop."""
    found = [0]

    def noted(name: str) -> None:
        before = getattr(Connection, name)

        def note(self: Connection, *parsed: bytes) -> None:
            found[-1] += 1
            before(self, *parsed)

        monkeypatch.setattr(Connection, name, note)

    async def count() -> None:
        while True:
            if found[-1]:
                found.append(0)
            await asyncio.sleep(0)

    noted("on_chunk_header")
    noted("on_header")
    counting = asyncio.create_task(count())
    yield found
    counting.cancel()


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
        assert (await connection.answer()).status in (200, 307, 400, 404)


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


MAX_PARSED = 700  # of one connection in a round
TINY = {
    "chunks": b"1\r\n \r\n",
    "chunks of a blank line": b"1\r\n\n\r\n",
    "chunks with an extension": b"1;a\r\n \r\n",
}


def in_tiny_chunks(body: bytes, tiny: bytes, *headers: str) -> bytes:
    """A call whose body ends in 20,000 tiny chunks."""
    begin, _, _ = chunked(body, *headers).partition(b"0\r\n\r\n")
    return begin + tiny * 20_000 + b"0\r\n\r\n"


@pytest.mark.parametrize("tiny", TINY.values(), ids=TINY)
async def test_few_of_many_chunks_are_parsed_in_one_round(tiny: bytes, rounds: list[int]) -> None:
    sent = in_tiny_chunks(call("s-1"), tiny) + post(call("s-2")) + LAST
    answers = await exchange(sent)
    assert statuses(answers) == [200] * 3
    assert b'"s-1"' in answers.partition(b'"s-2"')[0]
    assert sum(rounds) > 20_000
    assert max(rounds) <= MAX_PARSED


async def test_other_requests_are_answered_while_many_chunks_of_many_connections_are_parsed(rounds: list[int]) -> None:
    sent = in_tiny_chunks(call("s-1"), TINY["chunks"])
    async with running() as url, contextlib.AsyncExitStack() as opened:
        many = [await opened.enter_async_context(connected(url)) for _ in range(8)]
        bystander = await opened.enter_async_context(connected(url))
        for connection in many:
            connection.writer.write(sent)
        await eventually(lambda: sum(rounds))
        assert (await bystander.ask(GET)).status == 200  # a call would wait for the thread that commits here
        assert sum(rounds) < 8 * 20_000
        assert [(await connection.answer()).status for connection in many] == [200] * 8
    assert max(rounds) <= 8 * MAX_PARSED


async def test_the_many_chunks_of_a_request_that_is_answered_early_are_read_in_many_rounds(rounds: list[int]) -> None:
    early = in_tiny_chunks(call(), TINY["chunks"]).replace(b"application/json", b"text/xml")
    assert statuses(await exchange(early + post(call()) + early + LAST)) == [415, 200, 415, 200]
    assert max(rounds) <= MAX_PARSED


async def test_many_chunks_of_a_client_that_sends_no_more_are_all_read() -> None:
    sent = in_tiny_chunks(call(), TINY["chunks"])
    async with running() as url:
        assert await statuses_of(url, [sent]) == [200]
        assert await statuses_of(url, [sent, post(call())]) == [200, 200]
        assert await statuses_of(url, [sent[:-2]]) == []
        assert await statuses_of(url, [post(call()) + sent[:-5] + b"no number\r\n"]) == [200, 400]


async def test_a_body_in_tiny_chunks_that_is_too_large_is_refused() -> None:
    sent = in_tiny_chunks(call(), TINY["chunks"])
    async with running(max_body_bytes=10_000) as url, connected(url) as connection:
        assert (await connection.ask(sent)).status == 413
