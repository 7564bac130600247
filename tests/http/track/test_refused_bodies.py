import asyncio
from typing import Any

import pytest

from trackd.http.body import Headers
from trackd.http.errors import HttpError
from trackd.http.track.refused_bodies import add_body

UNSUPPORTED = 415


async def body_of(receive: Any, headers: Headers | None = None, status: int = UNSUPPORTED) -> bytes | None:
    error = HttpError(status, "refused", "The call is refused.")
    await add_body(error, headers or {}, None, receive)
    return error.body


@pytest.mark.parametrize(
    ("message", "body"), [({"body": b"<a/>"}, b"<a/>"), ({"body": b""}, None), ({"type": "http.disconnect"}, None)]
)
async def test_a_body_of_an_unsupported_type_is_added_as_far_as_it_has_arrived(message: Any, body: bytes) -> None:
    async def receive() -> Any:
        return message

    assert await body_of(receive) == body


async def test_a_body_that_has_not_arrived_is_not_waited_for() -> None:
    ended = []

    async def receive() -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    assert await asyncio.wait_for(body_of(receive), 30) is None
    assert ended == [True]


async def test_a_body_is_not_asked_for_where_the_client_waits_to_send_it_or_another_fault_refused_it() -> None:
    async def receive() -> Any:
        raise AssertionError("nothing is read")

    assert await body_of(receive, {b"expect": b"100-continue"}) is None
    assert await body_of(receive, status=401) is None
