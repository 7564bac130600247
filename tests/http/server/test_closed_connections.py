"""A connection that has ended is freed at once: the garbage collector looks at old objects hardly ever."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvloop

from tests.http.server.track_requests import call, chunked, post, running
from tests.support.polling import eventually
from tests.support.raw_http import RawConnection, connected
from trackd.http.server.connection import Connection

Life = Callable[[RawConnection], Awaitable[Any]]
BUNDLE = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
HEALTHCHECK = b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n"
FIRST = post(call())


async def nothing_sent(client: RawConnection) -> None:
    pass


async def answered_calls(client: RawConnection) -> None:
    for _ in range(3):  # the last ones bypass the parser
        await client.ask(FIRST)


async def an_answered_request(client: RawConnection) -> None:
    await client.ask(HEALTHCHECK)


async def a_refused_call(client: RawConnection) -> None:
    await client.ask(post(b"{}"))


async def a_refused_request(client: RawConnection) -> None:
    await client.ask(b"GET / HTTP/7.1\r\nHost: x\r\n\r\n")


async def the_beginning_of_a_head(client: RawConnection) -> None:
    await client.send(FIRST[:30])


async def the_beginning_of_a_body(client: RawConnection) -> None:
    await client.ask(FIRST + FIRST[:-10])


async def the_beginning_of_chunks(client: RawConnection) -> None:
    await client.ask(FIRST + chunked(call())[:-10])


async def unread_answers(client: RawConnection) -> None:
    await client.ask(FIRST + BUNDLE * 3 + FIRST * 3 + HEALTHCHECK * 30)


async def a_half_closed_connection(client: RawConnection) -> None:
    await client.send(FIRST * 2 + HEALTHCHECK)
    client.half_close()
    await client.answer()


async def a_last_answer(client: RawConnection) -> None:
    await client.ask(post(call(), "Connection: close"))
    await client.rest()


@contextmanager
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize(
    "life",
    [
        nothing_sent,
        answered_calls,
        an_answered_request,
        a_refused_call,
        a_refused_request,
        the_beginning_of_a_head,
        the_beginning_of_a_body,
        the_beginning_of_chunks,
        unread_answers,
        a_half_closed_connection,
        a_last_answer,
    ],
    ids=lambda life: life.__name__,
)
def test_a_connection_is_freed_without_the_garbage_collector(
    life: Life, is_reset: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_or_kept: weakref.WeakSet[Connection] = weakref.WeakSet()
    made: list[int] = []
    make = Connection.connection_made

    def noted(self: Connection, transport: Any) -> None:
        made.append(1)
        open_or_kept.add(self)
        make(self, transport)

    monkeypatch.setattr(Connection, "connection_made", noted)

    async def play() -> None:
        async with running() as url:
            with without_collector():
                async with connected(url) as client:
                    await life(client)
                    await eventually(lambda: made)
                    if is_reset:
                        client.reset()
                await eventually(lambda: not open_or_kept)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(play())
