"""server.max_connections: which connections are closed to make room for another one."""

import contextlib
import resource
from collections.abc import AsyncIterator
from typing import Any

from tests.http.server.track_requests import call, new_store, post
from tests.support.faulty_store import FaultyStore
from tests.support.polling import eventually
from tests.support.raw_http import RawConnection, connected
from tests.support.serving import serving
from trackd.config.settings import Server, Settings
from trackd.http.server.connection_limit import ConnectionLimit, allowed_connections

HEAD = b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n"
GET = HEAD + b"\r\n"


@contextlib.asynccontextmanager
async def limited(most: int, store: FaultyStore | None = None) -> AsyncIterator[str]:
    async with serving(store or new_store(), Settings(server=Server(max_connections=most))) as client:
        yield str(client.base_url)


@contextlib.asynccontextmanager
async def opened(url: str, *sent: bytes) -> AsyncIterator[list[RawConnection]]:
    """A connection for each of `sent`; where it is GET, it is answered."""
    async with contextlib.AsyncExitStack() as stack:
        connections = []
        for request in sent:
            connections.append(await stack.enter_async_context(connected(url)))
            await connections[-1].send(request)
            if request == GET:
                await connections[-1].answer()
        yield connections


async def test_the_connections_that_wait_longest_make_room_for_new_ones() -> None:
    async with limited(3) as url, opened(url, GET, GET, GET) as (first, second, third):
        assert (await first.ask(GET)).status == 200  # now the second one waits longest
        async with opened(url, GET) as [fourth]:
            assert await second.rest() == b""
            for kept in (first, third, fourth):
                assert (await kept.ask(GET)).status == 200


async def test_a_connection_that_was_answered_is_kept_before_newer_ones_that_send_nothing() -> None:
    async with limited(3) as url, opened(url, GET, b"", HEAD) as (answered, silent, slow), opened(url, GET, GET):
        assert [await connection.rest() for connection in (silent, slow)] == [b"", b""]
        assert (await answered.ask(GET)).status == 200


async def test_connections_without_a_complete_request_make_room_too() -> None:
    async with limited(3) as url, opened(url, b"G", HEAD, post(call())[:-1]) as waiting, opened(url, GET, GET, GET):
        assert [await connection.rest() for connection in waiting] == [b""] * 3


async def test_a_connection_whose_call_is_being_stored_is_kept_and_a_new_one_is_refused() -> None:
    store = new_store()
    async with limited(1, store) as url:
        store.hold()
        async with opened(url, post(call("kept"))) as [working], connected(url) as new:
            await eventually(store.committing.is_set)
            answer = await new.answer()
            assert (answer.status, b"retry-after: 1" in answer.head) == (503, True)
            assert "connections" in answer.json()["detail"]
            store.release()
            assert (await working.answer()).status == 200


class Waiting:
    """The part of a connection that counts here."""

    def __init__(self, host: str, since: float | None) -> None:
        self.client = (host, 1)
        self.waiting_since, self.is_idle, self.dropped = since, False, False

    def drop(self) -> None:
        self.dropped = True


def waiting(host: str, since: float | None) -> Any:
    return Waiting(host, since)


def test_the_address_with_most_connections_makes_room_first() -> None:
    one, many = [waiting("10.0.0.1", 1.0)], [waiting("10.0.0.2", 5.0 - number) for number in range(3)]
    limit = ConnectionLimit(4)
    assert limit.make_room([*one, *many])
    assert [connection.dropped for connection in [*one, *many]] == [False, False, False, True]
    assert not limit.make_room([waiting("10.0.0.1", None)] * 2)
    newest = waiting("10.0.0.1", 9.0)
    assert not limit.make_room([newest], newest)


def test_one_of_64_is_closed_at_a_time() -> None:
    connections = [waiting("10.0.0.1", float(number)) for number in range(640)]
    ConnectionLimit(640).make_room(connections)
    assert [connection.dropped for connection in connections] == [True] * 11 + [False] * 629


def test_the_default_is_the_limit_of_open_files_less_64() -> None:
    assert allowed_connections() == resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 64
