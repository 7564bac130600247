"""Calls on the short way and on the long one: the same answers, in their order."""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.payloads import SOURCE_ID, payload
from tests.support.serving import serving
from trackd.config.settings import Limits, Settings
from trackd.core.documents import Source
from trackd.http.server.connection import Connection
from trackd.storage.memory import MemoryStore

JSON = "Content-Type: application/json"


def usual(body: bytes, *headers: str) -> bytes:
    return _head(JSON, f"Content-Length: {len(body)}", *headers) + body


def chunked(body: bytes, *headers: str) -> bytes:
    return _head(JSON, "Transfer-Encoding: chunked", *headers) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def _head(*headers: str) -> bytes:
    return "\r\n".join(["POST /track HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def call(session: str = "s", *types: str, **more: Any) -> bytes:
    return json.dumps(payload(session, *(types or ("page-view",)), **more)).encode()


class Answer:
    def __init__(self, head: bytes, body: bytes) -> None:
        line, *headers = head.decode().split("\r\n")
        self.status = int(line.split()[1])
        self.headers = {name: value for name, _, value in (header.partition(": ") for header in headers if header)}
        self.body = json.loads(body)

    def masked(self) -> tuple[int, list[str], str]:
        """Without what differs from call to call."""
        text = re.sub(r"01[0-9a-f]{6}-[0-9a-f-]{27}", "ID", json.dumps(self.body))
        return self.status, sorted(self.headers), text


async def ask(
    sent: bytes, answers: int, settings: Settings | None = None, pieces: Callable[[bytes], list[bytes]] | None = None
) -> tuple[list[Answer], bytes]:
    """The answers to what is sent over one connection, and what comes after them when the client has no more to say."""

    async with serving(MemoryStore([Source(SOURCE_ID, "test")]), settings) as client:
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        for piece in pieces(sent) if pieces else [sent]:
            writer.write(piece)
            await writer.drain()
        found = []
        for _ in range(answers):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
            size = re.search(rb"content-length: (\d+)", head)
            assert size is not None
            found.append(Answer(head, await reader.readexactly(int(size[1]))))
        writer.write_eof()
        rest = await asyncio.wait_for(reader.read(), 20)
        writer.close()
        return found, rest


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of requests that went the long way."""
    paths: list[str] = []
    start = Connection._start_asgi_task

    def noted(self: Connection, cycle: Any, app: Any) -> None:
        paths.append(cycle.scope["path"])
        start(self, cycle, app)

    monkeypatch.setattr(Connection, "_start_asgi_task", noted)
    return paths


BODIES = {
    "a call": call(),
    "several events": call("s", "a", "b", "b"),
    "no events": json.dumps({**payload("s"), "events": []}).encode(),
    "quiet": call("s", options={"debugger": False}),
    "not JSON": b'{"source": ',
    "not valid": b'{"source": {"id": "x"}, "events": 7}',
    "a number too large": call().replace(b'"page-view"', b'"t", "properties": {"n": 1e999}'),
    "unknown source": call(source="nobody"),
    "too deep": b"[" * 100 + b"]" * 100,
    "too many events": call("s", *["t"] * 2_000),
}


@pytest.mark.parametrize("name", BODIES)
async def test_both_ways_answer_alike(name: str) -> None:
    body = BODIES[name]

    (short,), _ = await ask(usual(body), 1)
    (long,), _ = await ask(chunked(body), 1)

    assert short.masked() == long.masked()


async def test_a_usual_call_has_no_task_and_what_is_unusual_has_one(tasks: list[str]) -> None:
    answers, _ = await ask(usual(call()) * 3, 3)
    assert ([answer.status for answer in answers], tasks) == ([200] * 3, [])

    origin, encoded = "Origin: https://shop.example", "Content-Encoding: identity"
    answers, _ = await ask(usual(call(), origin) + usual(call(), encoded) + chunked(call()) + usual(b"no JSON"), 4)
    assert [answer.status for answer in answers] == [200, 200, 200, 422]
    assert answers[0].headers["access-control-allow-origin"] == "https://shop.example"
    assert tasks == ["/track"] * 4


async def test_calls_of_both_ways_on_one_connection_are_answered_in_their_order() -> None:
    sessions = [f"s-{number}" for number in range(30)]
    sent = b"".join(
        (chunked if number % 3 == 0 else usual)(b"{" if number % 7 == 3 else call(session))
        for number, session in enumerate(sessions)
    )

    answers, rest = await ask(sent, 30)

    assert rest == b""
    for number, (session, answer) in enumerate(zip(sessions, answers, strict=True)):
        if number % 7 == 3:
            assert answer.status == 422
        else:
            assert answer.body["session"] == {"id": session}


async def test_a_call_that_arrives_byte_by_byte_is_answered_once_it_is_here() -> None:
    sent = usual(call("one")) + usual(call("two"))

    answers, _ = await ask(sent, 2, pieces=lambda data: [data[n : n + 1] for n in range(len(data))])

    assert [answer.body["session"]["id"] for answer in answers] == ["one", "two"]


@pytest.mark.parametrize("size", [65_536, 65_537, 300_000])
async def test_a_call_of_any_size_up_to_the_limit_is_taken(size: int, tasks: list[str]) -> None:
    body = call(context={"text": ""})
    body = body.replace(b'"text": ""', b'"text": "%s"' % (b"x" * (size - len(body))))

    (answer,), _ = await ask(usual(body), 1)

    assert (len(body), answer.status) == (size, 200)
    assert tasks == ([] if size <= 65_536 else ["/track"])


async def test_the_limit_of_a_body_holds_on_both_ways() -> None:
    settings = Settings(limits=Limits(max_body_bytes=2_000))
    body = call(context={"text": "x" * 2_000})

    for way in (usual, chunked):
        (answer,), _ = await ask(way(body), 1, settings)
        assert (answer.status, answer.body) == (413, {"detail": "The body is over the limit of 2000 bytes."})


async def test_a_client_that_wants_the_connection_closed_has_it_closed() -> None:
    (answer,), rest = await ask(usual(call(), "Connection: close") + usual(call()), 1)

    assert (answer.status, answer.headers["connection"], rest) == (200, "close", b"")


async def test_a_content_length_that_is_no_number_is_not_taken_for_one() -> None:
    body = call()
    sent = _head(JSON, "Content-Length: ²") + body

    (answer,), _ = await ask(sent, 1)

    assert answer.status == 400
