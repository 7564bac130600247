"""Calls on the fast path and on the slow path: the same answers, in their order."""

import json
import re
from typing import Any

import pytest

from tests.http.server.track_requests import JSON, call, chunked, connection_to_server, post, send_apart
from tests.support.payloads import payload
from tests.support.raw_http import RawAnswer
from trackd.http.server.connection import Connection


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of requests that took the slow path."""
    paths: list[str] = []
    start = Connection._start_asgi_task

    def noted(self: Connection, cycle: Any, app: Any) -> None:
        paths.append(cycle.scope["path"])
        start(self, cycle, app)

    monkeypatch.setattr(Connection, "_start_asgi_task", noted)
    return paths


async def exchange(sent: bytes, answers: int = 1, **limits: int) -> tuple[list[RawAnswer], bytes]:
    """So many answers to requests over one connection, and the bytes after them once the client sends no more."""
    async with connection_to_server(None, **limits) as connection:
        await connection.send(sent)
        found = [await connection.answer() for _ in range(answers)]
        connection.half_close()
        return found, await connection.rest()


def headers(answer: RawAnswer) -> dict[str, str]:
    lines = answer.head.decode().split("\r\n")[1:-2]
    return {name: value for name, _, value in (line.partition(": ") for line in lines)}


def masked(answer: RawAnswer) -> tuple[int, list[str], str]:
    """Status, names of headers and body without generated ids: equal for equal calls."""
    text = re.sub(r"01[0-9a-f]{6}-[0-9a-f-]{27}", "ID", answer.body.decode())
    return answer.status, sorted(headers(answer)), text


BODIES = {
    "a call": call(),
    "several events": call("s", "a", "b", "b"),
    "no events": json.dumps({**payload("s"), "events": []}).encode(),
    "without debugging": call("s", options={"debugger": False}),
    "not JSON": b'{"source": ',
    "not valid": b'{"source": {"id": "x"}, "events": 7}',
    "a number too large": call().replace(b'"page-view"', b'"t", "properties": {"n": 1e999}'),
    "unknown source": call(source="unknown"),
    "a placeholder for the session": call("undefined"),
    "a placeholder for the profile": call("s", "a", profile="[object Object]"),
    "placeholders for event ids": json.dumps(
        payload("s") | {"events": [{"type": "a", "id": "null"}, {"type": "a", "id": ""}]}
    ).encode(),
    "an empty session": call("", "a"),
    "a duplicate": json.dumps(payload("s") | {"events": [{"type": "a", "id": "e"}, {"type": "b", "id": "e"}]}).encode(),
    "too deep": b"[" * 100 + b"]" * 100,
    "too many events": call("s", *["t"] * 2_000),
}


@pytest.mark.parametrize("name", BODIES)
async def test_both_paths_give_the_same_answer(name: str) -> None:
    [fast], _ = await exchange(post(BODIES[name]))
    [slow], _ = await exchange(chunked(BODIES[name]))

    assert masked(fast) == masked(slow)


async def test_a_usual_call_has_no_task(tasks: list[str]) -> None:
    answers, _ = await exchange(post(call()) * 3, 3)

    assert ([answer.status for answer in answers], tasks) == ([200] * 3, [])


async def test_a_call_of_a_page_behind_a_proxy_has_no_task_and_one_with_an_encoding_or_chunks_has_one(
    tasks: list[str],
) -> None:
    origin, encoded = "Origin: https://shop.example", "Content-Encoding: identity"
    sent = post(call(), origin, "X-Forwarded-For: 203.0.113.7") + post(call(), encoded) + chunked(call())

    answers, _ = await exchange(sent, 3)

    assert [answer.status for answer in answers] == [200, 200, 200]
    assert headers(answers[0])["access-control-allow-origin"] == "https://shop.example"
    assert tasks == ["/track"] * 2


async def test_calls_of_both_paths_on_one_connection_are_answered_in_their_order() -> None:
    sessions = [f"s-{number}" for number in range(30)]
    sent = b"".join(
        (chunked if number % 3 == 0 else post)(b"{" if number % 7 == 3 else call(session))
        for number, session in enumerate(sessions)
    )

    answers, rest = await exchange(sent, 30)

    assert rest == b""
    for number, (session, answer) in enumerate(zip(sessions, answers, strict=True)):
        if number % 7 == 3:
            assert answer.status == 422
        else:
            assert answer.json()["session"] == {"id": session}


async def test_calls_that_arrive_byte_by_byte_are_answered() -> None:
    sent = post(call("one")) + post(call("two"))

    async with connection_to_server() as connection:
        await send_apart(connection, (sent[n : n + 1] for n in range(len(sent))))
        answers = [await connection.answer() for _ in range(2)]

    assert [answer.json()["session"]["id"] for answer in answers] == ["one", "two"]


@pytest.mark.parametrize("size", [65_536, 65_537, 300_000])
async def test_a_call_of_any_size_up_to_the_limit_is_taken(size: int, tasks: list[str]) -> None:
    body = call(context={"text": ""})
    body = body.replace(b'"text": ""', b'"text": "%s"' % (b"x" * (size - len(body))))

    [answer], _ = await exchange(post(body))

    assert (len(body), answer.status) == (size, 200)
    assert tasks == ([] if size <= 65_536 else ["/track"])


async def test_the_limit_of_a_body_holds_on_both_paths() -> None:
    body = call(context={"text": "x" * 2_000})

    for encode in (post, chunked):
        [answer], _ = await exchange(encode(body), max_body_bytes=2_000)
        assert (answer.status, answer.json()) == (413, {"detail": "The body is over the limit of 2000 bytes."})


async def test_a_connection_is_closed_after_the_answer_when_the_client_requests_it() -> None:
    [answer], rest = await exchange(post(call(), "Connection: close") + post(call()))

    assert (answer.status, headers(answer)["connection"], rest) == (200, "close", b"")


@pytest.mark.parametrize("blanks", [" ", " \t "])
async def test_blanks_around_the_value_of_a_header_do_not_belong_to_it(blanks: str) -> None:
    lines = [f"Origin:{blanks}https://shop.example{blanks}", f"Idempotency-Key:{blanks}k{blanks}"]
    sent = post(call(), *lines).replace(b"Host: x", f"Host:{blanks}x{blanks}".encode()) + chunked(call(), *lines)

    answers, _ = await exchange(sent, 2)

    assert [answer.status for answer in answers] == [200, 200]
    assert [headers(answer)["access-control-allow-origin"] for answer in answers] == ["https://shop.example"] * 2
    assert [answer.json()["debugging"]["events"]["seq"] for answer in answers] == [[1], [1]]


async def test_a_content_length_of_other_digits_is_refused() -> None:
    sent = f"POST /track HTTP/1.1\r\nHost: x\r\n{JSON}\r\nContent-Length: ²\r\n\r\n".encode() + call()

    [answer], _ = await exchange(sent)

    assert answer.status == 400
