"""The limits of a connection, and its refusals, over a raw socket."""

import asyncio
import contextlib
import json
from typing import Any

import pytest

from tests.http.server.track_requests import new_store, running
from tests.support.faulty_store import FaultyStore
from tests.support.payloads import payload
from tests.support.raw_http import connect, connected, request, statuses
from tests.support.serving import serving
from trackd.config.settings import Limits, Settings
from trackd.config.settings import Server as ServerSettings
from trackd.http.server.connection import Connection
from trackd.http.server.inbound_budget import FREE_BYTES

BODY = json.dumps(payload("s", "page-view")).encode()
ALWAYS_ZERO = property(lambda connection: 0, lambda connection, seconds: None)


def post(*headers: str, body: bytes = BODY) -> bytes:
    return request(body, *headers)


async def exchange(*parts: bytes, **limits: int) -> tuple[bytes, FaultyStore]:
    """Send the parts. Returns all bytes that come back until the server closes, and the store."""
    store = new_store()
    async with running(store, **limits) as url, connected(url) as connection:
        with contextlib.suppress(ConnectionError):
            await connection.send(*parts)
        return await connection.rest(), store


def refusal(answer: bytes, status: int) -> str:
    """The `detail` of the only answer, which has the format and the headers of all refusals."""
    assert statuses(answer) == [status], answer
    head, _, body = answer.partition(b"\r\n\r\n")
    for header in (b"content-type: application/json", b"connection: close", b"vary: Origin", b"x-process-time: "):
        assert header in head
    if status == 503:
        assert b"retry-after: 1" in head
    content = json.loads(body)
    assert set(content) == {"detail"}
    return str(content["detail"])


async def test_a_head_without_an_end_is_refused() -> None:
    answer, _ = await exchange(b"POST /track HTTP/1.1\r\n", *(b"x-a: " + b"a" * 1_000 + b"\r\n" for _ in range(2_000)))
    assert statuses(answer) == [431]
    assert b"65536 bytes" in answer


def post_with_head(size: int, *headers: str) -> bytes:
    """A call whose head has `size` bytes."""
    shorter = post(*headers, "X-Long: ")
    missing = size - shorter.index(b"\r\n\r\n") - 4
    return shorter.replace(b"X-Long: ", b"X-Long: " + b"x" * missing)


def in_pieces(data: bytes, size: int) -> list[bytes]:
    return [data[begin : begin + size] for begin in range(0, len(data), size)]


@pytest.mark.parametrize("size", [65_537, 66_000, 100_000, 140_000])
@pytest.mark.parametrize("piece", [1_000_000, 7_000])
@pytest.mark.parametrize("headers", [(), ("Origin: https://shop.example",)], ids=["fast path", "slow path"])
async def test_a_head_over_the_limit_is_refused_however_it_arrives(
    size: int, piece: int, headers: tuple[str, ...]
) -> None:
    answer, store = await exchange(*in_pieces(post_with_head(size, *headers), piece))
    assert refusal(answer, 431) == "The head of the request is over the limit of 65536 bytes."
    assert store.events == []


@pytest.mark.parametrize("piece", [1_000_000, 60_000, 7_000])
async def test_a_head_of_the_largest_size_is_accepted(piece: int) -> None:
    call = post_with_head(65_536, "Connection: close")
    answer, store = await exchange(*in_pieces(call, piece))
    assert statuses(answer) == [200]
    assert len(store.events) == 1


async def test_a_head_over_the_limit_is_refused_after_the_answers_to_earlier_requests() -> None:
    answer, store = await exchange(post() * 3 + post_with_head(70_000))
    assert statuses(answer) == [200, 200, 200, 431]
    assert len(store.events) == 3


@pytest.mark.parametrize("first", [post(), post(body=json.dumps(payload("s", "t")).encode() + b" " * 3_000)])
@pytest.mark.parametrize("piece", [1_000_000, 30_000])
async def test_an_incomplete_head_over_the_limit_is_refused_at_once_behind_another_request(
    first: bytes, piece: int
) -> None:
    for size in (66_000, 190_000):
        head = post_with_head(size).partition(b"\r\n\r\n")[0]
        async with running() as url, connected(url) as connection:
            await connection.send(*in_pieces(first + head, piece))
            assert statuses(await connection.rest()) == [200, 431]


async def test_the_limit_of_a_head_does_not_count_bodies_and_other_requests_that_arrive_with_it() -> None:
    large = json.dumps(payload("s", "page-view") | {"context": {"a": "a" * 90_000}}).encode()
    answer, _ = await exchange(post(body=large) + post() * 300 + post_with_head(60_000, "Connection: close"))
    assert statuses(answer) == [200] * 302


async def test_pipelined_calls_are_answered_in_their_order() -> None:
    answer, store = await exchange(post() * 20, post("Connection: close"))
    assert statuses(answer) == [200] * 21
    assert [event.seq for event in store.events] == list(range(1, 22))


async def test_a_request_that_does_not_arrive_in_time_is_answered_408_and_not_stored() -> None:
    one_byte, half_a_head, head = b"P", b"POST /track HTTP/1.1\r\nHost: x\r\n", post().removesuffix(BODY)
    parts = (one_byte, half_a_head, head, post()[:-1])
    for answer, store in await asyncio.gather(*(exchange(part, request_timeout_s=1) for part in parts)):
        assert "after 1 s" in refusal(answer, 408)
        assert not store.events
        assert not store.sessions


async def test_a_connection_that_never_sends_is_closed() -> None:
    answer, _ = await exchange(request_timeout_s=1)
    assert answer == b""


async def test_a_connection_that_sends_empty_lines_between_requests_is_closed_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Connection, "timeout_keep_alive", ALWAYS_ZERO, raising=False)
    answer, _ = await exchange(post(), b"\r\n", request_timeout_s=1)
    assert statuses(answer) == [200]


async def test_a_body_that_continues_after_its_refusal_times_out() -> None:
    answer, _ = await exchange(post("Content-Type: text/xml")[:-1], request_timeout_s=1)
    assert statuses(answer) == [415]


async def test_a_request_over_the_inbound_budget_is_answered_503_at_once() -> None:
    answer, store = await exchange(post(body=b" " * 20_000 + BODY)[:-1], max_arriving_bytes=2_000)
    assert "on their way" in refusal(answer, 503)
    assert not store.events


async def test_the_inbound_budget_counts_incomplete_requests_of_all_connections() -> None:
    store = new_store()
    incomplete, larger = (post(body=b" " * (FREE_BYTES + more) + BODY)[:-1] for more in (300, 1_200))

    async with serving(store, Settings(limits=Limits(max_arriving_bytes=2_000))) as client:
        url = str(client.base_url)
        for _ in range(5):  # budget that is not released would be used up
            first, second = await connect(url), await connect(url)
            for connection in (first, second):
                await connection.send(incomplete)
            await client.get("/healthcheck")
            assert (await client.post("/track", json=payload("whole"))).status_code == 200
            async with connected(url) as third:
                await third.send(larger)
                refusal(await third.rest(), 503)
            assert (await first.ask(BODY[-1:])).status == 200
            await first.close()
            await second.close()
            await client.get("/healthcheck")  # by its answer the server has noticed the closed connections
    assert len(store.events) == 5


async def test_bytes_that_are_not_http_are_refused_after_the_answers_to_earlier_calls() -> None:
    answer, store = await exchange(post() + post() + b"this is not HTTP\r\n\r\n")
    assert statuses(answer) == [200, 200, 400]
    assert len(store.events) == 2


async def test_a_faulty_body_is_refused_after_the_answers_to_earlier_calls() -> None:
    chunked = b"POST /track HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n"
    answer, store = await exchange(post() + post() + chunked)
    assert statuses(answer) == [200, 200, 400]
    assert len(store.events) == 2


async def test_an_answer_to_head_has_no_body() -> None:
    answer, _ = await exchange(
        b"HEAD /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n",
        b"HEAD /healthcheck HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    assert statuses(answer) == [200, 200]
    assert answer.count(b"\r\n\r\n") == 2
    assert answer.endswith(b"\r\n\r\n")


async def test_a_client_that_expects_100_continue_receives_it_before_it_sends_the_body() -> None:
    async with running() as url, connected(url) as connection:
        head = post("Expect: 100-continue", "Connection: close").removesuffix(BODY)
        await connection.send(head)
        intermediate = await connection.reader.readuntil(b"\r\n\r\n")
        await connection.send(BODY)
        answer = await connection.rest()

    assert intermediate == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert statuses(answer) == [200]


@pytest.mark.parametrize("offer", [(), ("Connection: Upgrade", "Upgrade: h2c")])
async def test_a_client_of_http_1_0_receives_its_answer_alone_whatever_it_expects(offer: tuple[str, ...]) -> None:
    async with running() as url, connected(url) as connection:
        await connection.send(post("Expect: 100-continue", *offer).replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert statuses(await connection.rest()) == [200]


async def test_a_request_that_begins_before_the_previous_answer_is_not_an_idle_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Connection, "timeout_keep_alive", ALWAYS_ZERO, raising=False)

    async with running() as url, connected(url) as connection:
        second = post("Connection: close")
        await connection.send(post() + second[:20])
        assert (await connection.answer()).status == 200
        with pytest.raises(TimeoutError):  # timeouts are checked once a second
            await asyncio.wait_for(connection.reader.read(1), 2.5)
        await connection.send(second[20:])
        assert (await connection.answer()).status == 200


@pytest.mark.parametrize("keep_alive_s", [75, 7])
async def test_an_idle_connection_is_closed_after_the_time_of_the_setting(
    keep_alive_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Connection] = []
    make = Connection.connection_made

    def noted(self: Connection, transport: Any) -> None:
        made.append(self)
        make(self, transport)

    monkeypatch.setattr(Connection, "connection_made", noted)
    server = ServerSettings() if keep_alive_s == 75 else ServerSettings(keep_alive_s=keep_alive_s)
    async with serving(new_store(), Settings(server=server)) as client, connected(str(client.base_url)) as connection:
        for _ in range(2):  # the second one bypasses the parser
            assert (await connection.ask(post())).status == 200
            answered = asyncio.get_running_loop().time()
            made[0].check_timeouts(answered + keep_alive_s - 1)
        assert (await connection.ask(post())).status == 200
        made[0].check_timeouts(asyncio.get_running_loop().time() + keep_alive_s + 1)
        assert await connection.rest() == b""
