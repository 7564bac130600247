"""Requests that bypass the parser because they are usual: answered as all others."""

import asyncio
import os
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.http.server.track_requests import (
    JSON,
    call,
    chunked,
    connection_to_server,
    new_store,
    note_calls,
    post,
    running,
    send_apart,
    status_and_session,
)
from tests.support.payloads import SOURCE_ID
from tests.support.polling import eventually
from tests.support.raw_http import connect, connected, request
from trackd.http.server.connection import Connection
from trackd.http.server.fast_path import TrackConnection
from trackd.http.server.usual_request import UsualRequest


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[Connection]:
    """An entry for each request that the parser saw."""
    return note_calls(monkeypatch, "on_message_begin")


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ("Origin: https://shop.example", "Cookie: a=b", "User-Agent: a browser", "Referer: https://shop.example/a"),
        ("X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https", "Via: 1.1 edge", "Connection: keep-alive"),
        ("Idempotency-Key: k", "X-Timestamp: 2026-01-31T12:00:00Z"),
    ],
)
async def test_calls_of_all_kinds_of_clients_are_not_parsed(parsed: list[Connection], headers: tuple[str, ...]) -> None:
    async with connection_to_server() as connection:
        for session in ("s-1", "s-2", "another length"):
            answer = await connection.ask(post(call(session), *headers))
            assert status_and_session(answer) == (200, session)
    assert parsed == []


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_a_call_that_closes_its_connection_is_not_parsed(version: str, parsed: list[Connection]) -> None:
    async with connection_to_server() as connection:
        line = f"POST /track HTTP/{version}"
        answer = await connection.ask(request(call(), JSON, "Connection: close", line=line))
        assert status_and_session(answer) == (200, "s-1")
        assert b"connection: close\r\n" in answer.head
        assert await connection.rest() == b""
    assert parsed == []


async def test_an_answer_that_closes_the_connection_is_not_lost_when_the_client_sends_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin = TrackConnection._begin_usual
    async with connection_to_server() as connection:

        def begin_after_more_bytes(self: TrackConnection, request: UsualRequest, size: int) -> bool:
            os.write(connection.writer.get_extra_info("socket").fileno(), post(call()))  # the server has not read them
            return begin(self, request, size)

        monkeypatch.setattr(TrackConnection, "_begin_usual", begin_after_more_bytes)
        assert (await connection.ask(post(b"{", "Connection: close"))).status == 422
        assert await connection.reader.read() == b""  # no reset


async def test_preflights_are_not_parsed(parsed: list[Connection]) -> None:
    asked = ("Origin: https://shop.example", "Access-Control-Request-Method: POST")
    async with connection_to_server() as connection:
        for _ in range(2):
            answer = await connection.ask(request(b"", *asked, line="OPTIONS /track HTTP/1.1"))
            assert (answer.status, answer.json()) == (200, {})
            assert b"access-control-allow-origin: https://shop.example\r\n" in answer.head
        assert status_and_session(await connection.ask(post(call()))) == (200, "s-1")
    assert parsed == []


async def test_a_head_that_expects_100_continue_is_parsed_each_time(parsed: list[Connection]) -> None:
    async with connection_to_server() as connection:
        for _ in range(2):
            answer = await connection.ask(post(call(), "Expect: 100-continue"))
            if answer.status == 100:
                answer = await connection.answer()
            assert answer.status == 200
    assert len(parsed) == 2


async def test_faulty_calls_are_answered_without_the_parser_and_the_connection_goes_on(
    parsed: list[Connection],
) -> None:
    good = call()
    unknown_source = good.replace(SOURCE_ID.encode(), b"x" * len(SOURCE_ID))

    async with connection_to_server() as connection:
        bodies = (good, b"x" * len(good), unknown_source, b"[" * 100, good)
        answers = [await connection.ask(post(body)) for body in bodies]

    assert [answer.status for answer in answers] == [200, 422, 401, 413, 200]
    assert parsed == []


async def test_a_request_after_one_that_waits_is_answered_after_it(parsed: list[Connection]) -> None:
    store = new_store()

    async with connection_to_server(store) as connection:
        await connection.ask(post(call()))
        store.hold()
        await connection.send(post(call("s-2")))
        await eventually(store.committing.is_set)
        await connection.send(post(call("s-3")), b"no HTTP\r\n\r\n")
        await asyncio.sleep(0)
        assert parsed == []
        store.release()
        assert status_and_session(await connection.answer()) == (200, "s-2")
        assert status_and_session(await connection.answer()) == (200, "s-3")
        assert (await connection.answer()).status == 400
    assert all(store.session(session) for session in ("s-1", "s-2", "s-3"))


@pytest.mark.parametrize("first", [post(call()), post(call(), "Content-Encoding: identity")])
async def test_the_rest_of_a_request_in_the_pipeline_is_read_when_it_is_its_turn(first: bytes) -> None:
    store = new_store()
    second = post(call("s-2"))

    async with connection_to_server(store) as connection:
        store.hold()
        await connection.send(first + second[:-20])
        await eventually(store.committing.is_set)
        store.release()
        assert status_and_session(await connection.ask(second[-20:])) == (200, "s-1")
        assert status_and_session(await connection.answer()) == (200, "s-2")


async def test_a_call_that_waits_for_a_slow_disk_does_not_time_out() -> None:
    store = new_store()

    async with running(store, request_timeout_s=1) as url, connected(url) as first, connected(url) as second:
        await first.ask(post(call()))
        store.hold()
        await second.send(post(call("s-2")))
        with pytest.raises(TimeoutError):  # timeouts are checked once a second
            await asyncio.wait_for(second.reader.read(1), 3.5)
        store.release()
        assert status_and_session(await second.answer()) == (200, "s-2")


async def test_a_call_whose_client_disconnected_is_applied_and_the_others_are_answered() -> None:
    store = new_store()

    async with running(store) as url, connected(url) as first:
        await first.ask(post(call()))
        second = await connect(url)
        store.hold()
        await second.send(post(call("s-2")))
        await eventually(store.committing.is_set)
        second.reset()
        store.release()
        assert status_and_session(await first.ask(post(call("s-3")))) == (200, "s-3")
    assert all(store.session(session) for session in ("s-1", "s-2", "s-3"))


async def test_a_stopping_server_answers_a_call_that_waits_and_closes_the_connection() -> None:
    store = new_store()

    async with running(store) as url:
        connection = await connect(url)
        await connection.ask(post(call()))
        store.hold()
        await connection.send(post(call("s-2")))
        await eventually(store.committing.is_set)
        asyncio.get_running_loop().call_later(0.3, store.release)
    assert status_and_session(await connection.answer()) == (200, "s-2")
    assert await connection.rest() == b""
    await connection.close()


REQUESTS = st.sampled_from(
    [
        (post(call("s-1")), (200, "s-1")),
        (post(call("s-2")), (200, "s-2")),
        (post(call("s-three")), (200, "s-three")),
        (post(b"x" * len(call())), (422, "")),
        (post(call(), "Content-Encoding: identity"), (200, "s-1")),
        (chunked(call("s-4")), (200, "s-4")),
        (b"\r\n" + post(call("s-5")), (200, "s-5")),
    ]
)


@settings(max_examples=25)
@given(
    requests=st.lists(REQUESTS, min_size=2, max_size=8),
    waits=st.lists(st.booleans(), min_size=8, max_size=8),
    cuts=st.lists(st.integers(1, 2_000), max_size=6),
)
async def test_each_request_has_its_answer_however_the_requests_are_cut(
    requests: list[tuple[bytes, tuple[int, str]]], waits: list[bool], cuts: list[int]
) -> None:
    """`waits`: whether all open answers are read before the next request. The network cuts each request at `cuts`."""
    async with connection_to_server() as connection:
        answers, unanswered = [], 0
        for (sent, _), wait in zip(requests, waits, strict=False):
            places = sorted({0, len(sent), *(cut for cut in cuts if cut < len(sent))})
            await send_apart(connection, [sent[begin:end] for begin, end in pairwise(places)])
            unanswered += 1
            while wait and unanswered:
                answers.append(await connection.answer())
                unanswered -= 1
        answers += [await connection.answer() for _ in range(unanswered)]
    assert [status_and_session(answer) for answer in answers] == [expected for _, expected in requests]
