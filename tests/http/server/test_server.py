"""What a connection may do to the server, over a raw socket."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable

import pytest

from tests.support.payloads import SOURCE_ID, payload
from tests.support.serving import serving
from trackd.config.settings import Limits, Settings
from trackd.core.documents import Source
from trackd.http.server.answer_writer import AnswerWriter
from trackd.http.server.connection import Connection
from trackd.storage.memory import MemoryStore

BODY = json.dumps(payload("s", "page-view")).encode()


async def talk(*parts: bytes, **limits: int) -> tuple[bytes, MemoryStore]:
    """Send the parts and return all that comes back until the server closes."""
    store = MemoryStore([Source(SOURCE_ID, "test")])

    async def run() -> bytes:
        async with serving(store, Settings(limits=Limits(**limits))) as client:
            reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
            try:
                with contextlib.suppress(ConnectionError):
                    for part in parts:
                        writer.write(part)
                        await writer.drain()
                return await _answers(reader.read)
            finally:
                writer.close()

    return await run(), store


async def _answers(read: Callable[[int], Awaitable[bytes]]) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionError):
        while chunk := await read(65_536):
            received += chunk
    return received


def post(*headers: str, body: bytes = BODY) -> bytes:
    lines = ["POST /track HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def test_a_head_without_an_end_is_refused() -> None:
    answer, _ = await talk(b"POST /track HTTP/1.1\r\n", *(b"x-a: " + b"a" * 1_000 + b"\r\n" for _ in range(2_000)))
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"65536 bytes" in answer


async def test_a_body_after_an_offered_upgrade_is_refused_and_not_lost_in_silence() -> None:
    answer, store = await talk(post("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"without Upgrade" in answer
    assert answer.count(b"HTTP/1.1") == 1
    assert store.events == []


async def test_an_offered_upgrade_without_a_body_is_ignored_and_the_connection_closed() -> None:
    answer, _ = await talk(b"GET /healthcheck HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer


async def test_pipelined_calls_are_answered_in_their_order() -> None:
    calls = [post(body=json.dumps(payload("s", "page-view")).encode()) for _ in range(20)]
    answer, store = await talk(b"".join(calls), post("Connection: close"))
    assert answer.count(b"HTTP/1.1 200 ") == 21
    assert [event.seq for event in store.events] == list(range(1, 22))


async def test_a_connection_that_pipelines_without_end_is_closed() -> None:
    answer, _ = await talk(b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n" * 200_000)
    assert answer.count(b"HTTP/1.1 200 ") < 200_000


def refusal(answer: bytes, status: int) -> str:
    """The detail of the last answer, which is one and has the shape of all errors."""
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer
    for header in (b"content-type: application/json", b"connection: close", b"vary: Origin", b"x-process-time: "):
        assert header in head
    if status == 503:
        assert b"retry-after: 1" in head
    said = json.loads(body)
    assert set(said) == {"detail"}
    return str(said["detail"])


@pytest.mark.parametrize(
    "part",
    [b"P", b"POST /track HTTP/1.1\r\nHost: x\r\n", post()[:-1], post().partition(b"\r\n\r\n")[0] + b"\r\n\r\n"],
    ids=["one byte", "half a head", "all but the last byte", "a head and no body"],
)
async def test_a_request_that_does_not_arrive_in_time_is_answered_408_and_nothing_of_it_is_kept(part: bytes) -> None:
    answer, store = await talk(part, request_timeout_s=1)
    assert "after 1 s" in refusal(answer, 408)
    assert not store.events
    assert not store.sessions


async def test_a_connection_that_never_says_a_word_is_closed() -> None:
    answer, _ = await talk(request_timeout_s=1)
    assert answer == b""


async def test_a_connection_that_sends_empty_lines_between_requests_is_closed_too() -> None:
    answer, _ = await talk(post(), b"\r\n", request_timeout_s=1)
    assert answer.count(b"HTTP/1.1 200 ") == 1


async def test_a_body_that_goes_on_after_its_refusal_does_not_go_on_for_ever() -> None:
    answer, _ = await talk(post("Content-Type: text/xml")[:-1], request_timeout_s=1)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith(b"HTTP/1.1 415 ")


async def test_past_the_bound_of_what_is_arriving_a_request_that_brings_more_is_answered_503_at_once() -> None:
    answer, store = await talk(post(body=b" " * 3_000 + BODY)[:-1], max_arriving_bytes=2_000)
    assert "on their way" in refusal(answer, 503)
    assert not store.events


async def test_what_is_arriving_is_counted_over_all_connections_and_no_longer_than_it_is_arriving() -> None:
    store = MemoryStore([Source(SOURCE_ID, "test")])
    half = post(body=b" " * 600 + BODY)[:-1]

    async with serving(store, Settings(limits=Limits(max_arriving_bytes=2_000))) as client:
        address = client.base_url.host, client.base_url.port
        for _ in range(5):
            waiting = [await asyncio.open_connection(*address) for _ in range(2)]
            for _, writer in waiting:
                writer.write(half)
            await client.get("/healthcheck")
            assert (await client.post("/track", json=payload("whole"))).status_code == 200
            reader, writer = await asyncio.open_connection(*address)
            writer.write(half)
            refusal(await reader.read(), 503)
            writer.close()
            waiting[0][1].write(BODY[-1:])
            assert (await waiting[0][0].readline()).startswith(b"HTTP/1.1 200 ")
            for _, writer in waiting:
                writer.close()
            await client.get("/healthcheck")  # the server has seen that they are gone
    assert len(store.events) == 5


async def test_what_is_not_http_is_refused_after_the_answers_to_the_calls_before_it() -> None:
    answer, store = await talk(post() + post() + b"this is not HTTP\r\n\r\n")
    first, second, last = answer.split(b"HTTP/1.1 ")[1:]
    assert (first[:3], second[:3], last[:3]) == (b"200", b"200", b"400")
    assert len(store.events) == 2


async def test_a_faulty_body_is_refused_after_the_answers_to_the_calls_before_it() -> None:
    chunked = b"POST /track HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n"
    answer, store = await talk(post() + post() + chunked)
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"400"]
    assert len(store.events) == 2


async def test_requests_past_the_bound_of_one_connection_are_refused_after_the_answers_to_those_before_them() -> None:
    answer, _ = await talk(b"GET /healthcheck HTTP/1.1\r\n\r\n" * 5_000)
    assert answer.count(b"HTTP/1.1 200 ") >= 1_000
    assert answer.count(b"HTTP/1.1 ") == answer.count(b"HTTP/1.1 200 ") + 1
    assert b"More than 1000 requests" in answer.rpartition(b"HTTP/1.1 503 ")[2]


class Written:
    """What a transport was given, write by write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)


def test_the_head_of_an_answer_leaves_with_the_beginning_of_its_body_and_the_rest_at_once() -> None:
    transport = Written()
    answer = AnswerWriter(transport)
    for part in (b"HTTP/1.1 100 Continue", b"head ", b"body", b"more"):
        answer.write(part)
    assert transport.writes == [b"HTTP/1.1 100 Continue", b"head body", b"more"]


async def test_an_answer_without_a_body_is_its_head() -> None:
    answer, _ = await talk(
        b"HEAD /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n",
        b"HEAD /healthcheck HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    assert answer.count(b"HTTP/1.1 200 ") == answer.count(b"\r\n\r\n") == 2
    assert answer.endswith(b"\r\n\r\n")


async def test_a_client_that_asks_whether_to_go_on_is_told_so_before_it_sends_the_body() -> None:
    async with serving(MemoryStore([Source(SOURCE_ID, "test")])) as client:
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        writer.write(post("Expect: 100-continue", "Connection: close").removesuffix(BODY))
        report = await reader.readuntil(b"\r\n\r\n")
        writer.write(BODY)
        answer = await reader.read()
        writer.close()

    assert report == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_request_that_began_to_arrive_before_the_answer_to_the_one_before_it_has_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_once = property(lambda connection: 0, lambda connection, seconds: None)
    monkeypatch.setattr(Connection, "timeout_keep_alive", at_once, raising=False)

    async with serving(MemoryStore([Source(SOURCE_ID, "test")])) as client:
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        other = post("Connection: close")
        writer.write(post() + other[:20])
        first = await reader.read(65_536)
        with pytest.raises(TimeoutError):  # it is looked at once a second
            await asyncio.wait_for(reader.read(1), 2.5)
        writer.write(other[20:])
        second = await reader.read()
        writer.close()

    assert first.startswith(b"HTTP/1.1 200 ")
    assert second.startswith(b"HTTP/1.1 200 ")
