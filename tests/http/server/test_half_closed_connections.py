"""Clients that send no more after their requests, and still read: they get all answers, then the end."""

from collections.abc import Callable

import pytest

from tests.http.server.track_requests import (
    call,
    chunked,
    connection_to_server,
    new_store,
    note_calls,
    post,
    running,
    send_apart,
    statuses_of,
)
from tests.support.polling import eventually
from tests.support.raw_http import statuses
from trackd.http.server.connection import Connection

HEALTH = b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW = post(call(), "Content-Encoding: identity")
INCOMPLETE = {
    "half a head": HEALTH[:30],
    "half a body": post(call("half"))[:-5],
    "half a body on the slow path": chunked(call("half"))[:-9],
    "no trailers": chunked(call("half"))[:-2],
}
REQUESTS = {
    "one on the fast path": [post(call())],
    "one on the slow path": [SLOW],
    "one of another endpoint": [HEALTH],
    "several": [post(call()), SLOW, HEALTH, chunked(call()), post(call())],
    "two with the same head": [post(call()), post(call())],
}


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[Connection]:
    """An entry for each connection whose client sends no more."""
    return note_calls(monkeypatch, "eof_received")


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("apart", [True, False])
async def test_a_client_that_sends_no_more_after_whole_requests_gets_their_answers(name: str, apart: bool) -> None:
    async with connection_to_server() as connection:
        sent = REQUESTS[name]
        await send_apart(connection, sent if apart else [b"".join(sent)])
        connection.half_close()
        assert statuses(await connection.rest()) == [200] * len(sent)


@pytest.mark.parametrize("request_of", [post, chunked])
@pytest.mark.parametrize("before", [[], [post(call())]], ids=["new head", "cached head"])
@pytest.mark.parametrize("behind", [[], [post(call()), HEALTH]], ids=["alone", "pipelined"])
async def test_answers_that_wait_for_the_disk_are_sent_to_a_client_that_sends_no_more(
    request_of: Callable[[bytes], bytes], before: list[bytes], behind: list[bytes], ends: list[Connection]
) -> None:
    store = new_store()
    async with connection_to_server(store) as connection:
        for sent in before:
            assert (await connection.ask(sent)).status == 200
        store.hold()
        await connection.send(request_of(call("s-2")))
        await eventually(store.committing.is_set)
        await connection.send(*behind)
        connection.half_close()
        if not behind:  # reading is paused while requests wait
            await eventually(lambda: ends)
        store.release()
        assert statuses(await connection.rest()) == [200] * (1 + len(behind))
    assert store.session("s-2")


@pytest.mark.parametrize("name", INCOMPLETE)
async def test_an_incomplete_request_of_a_client_that_sends_no_more_is_dropped_and_the_others_are_answered(
    name: str,
) -> None:
    store = new_store()
    async with running(store) as url:
        for earlier in ([], [post(call())], [SLOW, HEALTH]):
            assert await statuses_of(url, [*earlier, INCOMPLETE[name]]) == [200] * len(earlier)
            assert await statuses_of(url, [b"".join([*earlier, INCOMPLETE[name]])]) == [200] * len(earlier)
    assert "half" not in store.sessions


async def test_a_refusal_is_sent_to_a_client_that_sends_no_more() -> None:
    async with running() as url:
        for earlier in (0, 1, 2):
            sent = post(call()) * earlier + b"not HTTP\r\n\r\n"
            assert await statuses_of(url, [sent]) == [200] * earlier + [400]


async def test_a_client_that_leaves_without_a_request_gets_nothing() -> None:
    async with connection_to_server() as connection:
        connection.half_close()
        assert await connection.rest() == b""
