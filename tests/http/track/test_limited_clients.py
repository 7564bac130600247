"""The limits of clients over a real socket, and on both paths."""

from collections.abc import AsyncIterator

import pytest

from tests.http.server.track_requests import call, chunked, new_store, post
from tests.support.raw_http import RawAnswer, RawConnection, connected, request
from tests.support.serving import serving
from trackd.config.settings import Limits, Server, Settings
from trackd.http.clients import UNKNOWN, Client
from trackd.http.errors import ClientLimitedError, HttpError, invalid
from trackd.http.track.limited_clients import LimitedClients
from trackd.telemetry.tally import Tally

LIMITS = Limits(client_calls_per_s=1, client_events_per_s=20)
CLIENT = Client("203.0.113.7", "203.0.113.7", "203.0.113.7")


class Limited(LimitedClients):
    """The limits, with a clock that the test sets."""

    def __init__(self) -> None:
        self.now, self.tally = 100.0, Tally()
        super().__init__(LIMITS, self.tally, lambda: self.now)

    def status(self, client: Client = CLIENT) -> int | None:
        """The status of a call that cannot be decoded."""
        try:
            self.check(client)
            raise invalid([])
        except HttpError as error:
            self.note_refused(client, error)
            return error.status_code


def test_calls_that_cannot_be_decoded_count_and_refused_ones_do_not() -> None:
    limited = Limited()

    assert [limited.status() for _ in range(12)] == [422] * 10 + [429] * 2
    limited.now += 1
    assert [limited.status() for _ in range(2)] == [422, 429]
    assert limited.tally.limited_calls == {"client_calls": 3}


def test_a_client_without_a_key_has_no_limits() -> None:
    limited = Limited()

    assert {limited.status(UNKNOWN) for _ in range(100)} == {422}


def test_the_refusal_has_the_time_to_wait() -> None:
    limited = Limited()
    for _ in range(10):
        limited.status()
    limited.now -= 4

    with pytest.raises(ClientLimitedError) as refused:
        limited.check(CLIENT)

    assert refused.value.headers == {"Retry-After": "5"}


@pytest.fixture
async def connection() -> AsyncIterator[RawConnection]:
    """A connection of the client 127.0.0.1 to a server that limits it."""
    limits = Limits(client_calls_per_s=1, client_events_per_s=20, unlimited_clients="")
    settings = Settings(server=Server(drain_ms=0), limits=limits)
    async with serving(new_store(), settings) as client, connected(str(client.base_url)) as connection:
        yield connection


def is_limited(answer: RawAnswer, what: str) -> bool:
    return answer.status == 429 and f"more {what} than one client may" in answer.json()["detail"]


@pytest.mark.parametrize("encode", [post, chunked])
async def test_each_call_counts_once_on_both_paths(connection: RawConnection, encode: type) -> None:
    for number in range(10):
        assert (await connection.ask(encode(call(f"s-{number}")))).status == 200
    assert is_limited(await connection.ask(encode(call()), encode(call())), "calls")


async def test_a_call_past_the_limit_is_refused_before_its_body_is_read(connection: RawConnection) -> None:
    assert (await connection.ask(post(call("s", *["t"] * 1_000)))).status == 200
    head = request(b"", "Content-Type: application/json", "Expect: 100-continue").replace(b": 0\r\n", b": 900000\r\n")
    assert is_limited(await connection.ask(head), "events")
