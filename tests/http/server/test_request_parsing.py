"""Requests that uvicorn or its parser would read in another way than RFC 9112: over sockets, whole and in pieces."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.http.server.track_requests import call, chunked, cut, new_store, post, running, send_apart, statuses_of
from tests.support.payloads import bearer
from tests.support.raw_http import connected, statuses
from tests.support.serving import ADMIN_SECRET, serving
from trackd.http.server.connection import Connection

SIZES = [1_000_000, 11, 1]  # of the pieces in which the bytes arrive
HOST = "Host: x"


@pytest.fixture(scope="module")
async def url() -> AsyncIterator[str]:
    async with running() as url:
        yield url


def head(line: str, *headers: str) -> bytes:
    return "\r\n".join([line, *headers, "", ""]).encode("latin-1")


INNER = post(call("smuggled"))  # in the body of another request
ANSWERED = {
    "connect": (head("CONNECT a:443 HTTP/1.1", HOST), 405),
    "connect without Host": (head("CONNECT a:443 HTTP/1.1"), 405),
    "connect a path": (head("CONNECT /track HTTP/1.1", HOST), 405),
    "connect a path that does not exist": (head("CONNECT /nothing HTTP/1.1", HOST), 405),
    "no path": (head("GET http://host HTTP/1.1", HOST), 307),
    "no path but a query": (head("GET http://host?a=b HTTP/1.1", HOST), 307),
    "a URL": (head("GET http://host/healthcheck HTTP/1.1", HOST), 200),
    "a URL of TLS": (head("GET HTTPS://host:443/healthcheck HTTP/1.1", HOST), 200),
    "a port that is none": (head("GET http://a:99999/ HTTP/1.1", HOST), 400),
    "a port of letters": (head("GET http://a:b/ HTTP/1.1", HOST), 400),
    "an address that is none": (head("GET http://[zz]/ HTTP/1.1", HOST), 400),
    "a Host with an address that is none": (head("GET /healthcheck HTTP/1.1", "Host: [::1::]"), 400),
    "another scheme": (head("GET ftp://a/healthcheck HTTP/1.1", HOST), 400),
    "a user": (head("GET http://me@a/healthcheck HTTP/1.1", HOST), 400),
    "options of the server": (head("OPTIONS * HTTP/1.1", HOST), 200),
    "a star": (head("GET * HTTP/1.1", HOST), 400),
    "a fragment": (head("GET /healthcheck#a HTTP/1.1", HOST), 200),
    "invalid escapes": (head("GET /%zz%0 HTTP/1.1", HOST), 404),
    "an escaped NUL": (head("GET /healthcheck%00 HTTP/1.1", HOST), 404),
    "two slashes": (head("GET //healthcheck HTTP/1.1", HOST), 404),
    "a query of anything": (head('GET /healthcheck?a="<>\\^`{|}?:@[] HTTP/1.1', HOST), 200),
    "a path of anything": (head('GET /"<>\\^`{|}:@[] HTTP/1.1', HOST), 404),
    "no Host": (head("GET /healthcheck HTTP/1.1"), 400),
    "no Host with a body": (post(call()).replace(b"Host: x\r\n", b""), 400),
    "two Hosts": (head("GET /healthcheck HTTP/1.1", HOST, HOST), 400),
    "two Hosts with a body": (post(call(), "Host: y"), 400),
    "a Host that is none": (head("GET /healthcheck HTTP/1.1", "Host: a b"), 400),
    "a Host with blanks around it": (head("GET /healthcheck HTTP/1.1", "Host: \t x \t "), 200),
    "an empty Host": (head("GET /healthcheck HTTP/1.1", "Host:"), 200),
    "a later minor version": (head("GET /healthcheck HTTP/1.2", HOST), 200),
    "an offer of HTTP/2": (head("GET /healthcheck HTTP/1.1", HOST, "Connection: Upgrade", "Upgrade: h2c"), 200),
    "a large length of the answer": (head("GET /docs/swagger-ui.css HTTP/1.1", HOST), 200),
}
CLOSED = {
    "HTTP/2": (head("GET /healthcheck HTTP/2.0", HOST), 505),
    "HTTP/3": (head("GET /healthcheck HTTP/3.0", HOST), 505),
    "HTTP/9.9": (head("GET / HTTP/9.9"), 505),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 505),
    "HTTP/0.9": (head("GET /healthcheck HTTP/0.9"), 505),
    "no version, with headers": (head("GET /healthcheck", HOST), 400),
    "a body as chunks of gzip": (chunked(call()).replace(b"Encoding: ch", b"Encoding: gzip, ch"), 501),
    "a body as gzip": (head("POST /track HTTP/1.1", HOST, "Transfer-Encoding: gzip") + b"abc", 400),
    "chunks and a length": (chunked(call(), "Content-Length: 5"), 400),
    "a length and chunks": (post(call(), "Transfer-Encoding: chunked"), 400),
    "two lengths": (post(call(), f"Content-Length: {len(call())}"), 400),
    "two lengths in one": (head("POST /track HTTP/1.1", HOST, "Content-Length: 2, 2") + b"{}", 400),
    "chunks in HTTP/1.0": (chunked(call()).replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
    "connect with a body": (head("CONNECT a:443 HTTP/1.1", HOST, "Content-Length: 9") + b"GET / HTT", 405),
    "connect a path with a body": (head("CONNECT /track HTTP/1.1", HOST, f"Content-Length: {len(INNER)}") + INNER, 405),
    "connect a path with chunks": (chunked(INNER).replace(b"POST", b"CONNECT"), 405),
    "a space in the target": (head("GET /a b HTTP/1.1", HOST), 400),
    "bytes outside ASCII in the target": (head("GET /caf\xe9 HTTP/1.1", HOST), 400),
    "bytes outside ASCII in the query": (head("GET /healthcheck?a=\xe9 HTTP/1.1", HOST), 400),
    "a NUL in the target": (head("GET /a\0b HTTP/1.1", HOST), 400),
    "a NUL in a header": (head("GET / HTTP/1.1", HOST, "A: \0"), 400),
    "RTSP": (head("SETUP /x RTSP/1.0"), 400),
    "RTSP with a method of HTTP": (post(call()).replace(b" HTTP/1.1", b" RTSP/1.1"), 400),
    "RTSP for the server": (head("OPTIONS * RTSP/1.0", HOST), 400),
    "ICE": (head("SOURCE /x ICE/1.0", HOST), 400),
    "a protocol that nobody speaks": (head("GET /x SHOP/1.0", HOST), 400),
    "a host alone": (head("GET host:80 HTTP/1.1", HOST), 400),
    "a target too long": (head(f"GET /{'x' * 66_000} HTTP/1.1", HOST), 414),
    "a query too long": (head(f"GET /?{'x' * 66_000} HTTP/1.1"), 414),
    "a head too long": (head("GET / HTTP/1.1", HOST, f"A: {'x' * 66_000}"), 431),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
}


@pytest.mark.parametrize("name", ANSWERED)
async def test_a_request_of_any_target_gets_its_own_answer_between_others(name: str, url: str) -> None:
    sent, status = ANSWERED[name]
    for good, size in zip(
        (post(call()), chunked(call()), post(call(), "Origin: https://a.example")), SIZES, strict=True
    ):
        assert await statuses_of(url, cut(good + sent + sent + good, size)) == [200, status, status, 200], size


@pytest.mark.parametrize("name", CLOSED)
async def test_a_request_whose_end_is_uncertain_ends_the_connection_after_the_answers_to_earlier_ones(
    name: str, url: str
) -> None:
    sent, status = CLOSED[name]
    for good, size in ((post(call()), 1_000_000), (chunked(call()), 1 if len(sent) < 1_000 else 4_096)):
        assert await statuses_of(url, cut(good + good + sent, size)) == [200, 200, status], size
        assert await statuses_of(url, [sent + good]) == [status]


@pytest.mark.parametrize(
    "sent", [b"GET /\r\n", b"GET / HTTP/0.9\r\n", b"GET / HTTP/2.0\r\n", b"PRI * HTTP/2.0\r\n\r\n"]
)
@pytest.mark.parametrize("size", SIZES)
async def test_another_version_is_refused_before_the_head_is_complete(sent: bytes, size: int, url: str) -> None:
    async with connected(url) as connection:
        await send_apart(connection, cut(sent, size))
        assert (await connection.answer()).status == (505 if b"HTTP" in sent else 400)


@pytest.mark.parametrize("earlier", [post(call()), chunked(call()), head("GET /healthcheck HTTP/1.1", HOST)])
@pytest.mark.parametrize("size", SIZES)
async def test_a_later_request_line_without_a_version_is_refused_at_once(earlier: bytes, size: int, url: str) -> None:
    async with connected(url) as connection:
        await send_apart(connection, cut(earlier + b"GET /x\r\n", size))
        assert [(await connection.answer()).status for _ in range(2)] == [200, 400]
        assert b"has no version" in (await connect_and_send(url, earlier + b"GET /x\r\n"))
    fine = head("GET /healthcheck HTTP/1.1", "X-Line: GET /healthcheck", HOST)
    assert await statuses_of(url, cut(earlier + fine + earlier, size)) == [200, 200, 200]
    async with connected(url) as connection:  # the parser holds a header back until the next one
        await send_apart(connection, [earlier, fine[: -len(HOST) - 4], fine[-len(HOST) - 4 :]])
        assert [(await connection.answer()).status for _ in range(2)] == [200, 200]


async def connect_and_send(url: str, sent: bytes) -> bytes:
    async with connected(url) as connection:
        await connection.send(sent)
        return await connection.rest()


async def test_a_call_with_the_name_of_another_protocol_in_its_body_is_taken(url: str) -> None:
    body = call(properties={"stream": "GET /live RTSP/1.0, or /live ICE/1.0"})
    for sent in (post(body), chunked(body)):
        for size in SIZES:
            assert await statuses_of(url, cut(sent + sent, size)) == [200, 200]


@pytest.mark.parametrize("chunks", [b"", b"2\r\n{}\r\n"])
async def test_the_line_before_a_chunk_is_refused_when_it_is_too_long(chunks: bytes, url: str) -> None:
    begun = chunked(call()).partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + chunks + b"5;a="
    async with connected(url) as connection:
        with contextlib.suppress(ConnectionError):
            await connection.send(begun, *[b"x" * 10_000] * 100)
        answer = await connection.rest()
    assert statuses(answer) == [400]
    assert b"over the limit of 65536 bytes: send chunks without extensions" in answer


OFFERS = [
    ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAB"),
    ("Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Expect: "),
    ("Connection: keep-alive, Upgrade", "Upgrade: h2c, websocket", "Upgrade: TLS/1.0", "Origin: https://shop.example"),
    ("Upgrade: h2c",),
]


@pytest.mark.parametrize("offer", OFFERS)
async def test_an_offer_to_upgrade_is_ignored_with_any_body(offer: tuple[str, ...]) -> None:
    store = new_store()
    get = head("GET /healthcheck HTTP/1.1", HOST, *offer)
    sent = [post(call("a"), *offer), get, chunked(call("b"), *offer), get + post(call("c"), *offer) * 2, post(call())]
    async with running(store) as url:
        for size in SIZES:
            assert await statuses_of(url, cut(b"".join(sent), size)) == [200] * 7
    assert [event.session_id for event in store.events] == ["a", "b", "c", "c", "s-1"] * 3


async def test_an_offer_to_upgrade_that_closes_the_connection_is_answered_and_closes_it(url: str) -> None:
    async with connected(url) as connection:
        await connection.send(post(call(), "Connection: Upgrade, close", "Upgrade: h2c") + post(call()))
        assert statuses(await connection.rest()) == [200]


async def test_the_host_of_a_url_replaces_the_header(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts: list[bytes] = []
    start = Connection._start_asgi_task

    def noted(self: Connection, cycle: Any, app: Any) -> None:
        hosts.append(dict(cycle.scope["headers"])[b"host"])
        start(self, cycle, app)

    monkeypatch.setattr(Connection, "_start_asgi_task", noted)
    assert await statuses_of(url, [head("GET http://other.example:1/healthcheck HTTP/1.1", HOST)]) == [200]
    assert hosts == [b"other.example:1"]


def with_trailers(request: bytes, *trailers: str) -> bytes:
    assert request.endswith(b"0\r\n\r\n")
    return request[:-2] + head(*trailers)


TRAILERS = ("X-Forwarded-For: 6.6.6.6", "Idempotency-Key: k", "Origin: https://forged.example", "Connection: close")


FRAMING_TRAILERS = ("Content-Length: 5", "Transfer-Encoding: gzip", "Upgrade: h2c", "Host: y")


@pytest.mark.parametrize("trailers", [TRAILERS, FRAMING_TRAILERS], ids=["usual", "framing"])
async def test_trailers_change_nothing(trailers: tuple[str, ...]) -> None:
    store = new_store()
    sent = with_trailers(chunked(call()), *trailers) * 2 + post(call())
    async with running(store) as url:
        for size in SIZES:
            assert await statuses_of(url, cut(sent, size)) == [200, 200, 200]
    assert [event.ip for event in store.events] == ["127.0.0.1"] * 9  # the key of a trailer would give equal ids


async def test_a_token_in_a_trailer_opens_nothing() -> None:
    request = head("GET /info/version HTTP/1.1", HOST, "Transfer-Encoding: chunked") + b"1\r\na\r\n0\r\n\r\n"
    token = [f"{name}: {value}" for name, value in bearer(ADMIN_SECRET).items()]
    async with serving(new_store(), admin=True) as client:
        sent = with_trailers(request, *token)
        for size in SIZES:
            assert await statuses_of(str(client.base_url), cut(sent + sent, size)) == [401, 401]


LONG = {
    "one trailer": [f"A: {'x' * 70_000}"],
    "many trailers": [f"A{number}: {'x' * 50}" for number in range(2_000)],
}


async def test_trailers_over_64_kib_are_refused() -> None:
    store = new_store()
    async with running(store) as url:
        for trailers in LONG.values():
            for size in (1_000_000, 4_096):
                sent = with_trailers(chunked(call()), *trailers)
                assert await statuses_of(url, cut(post(call("before")) + sent, size)) == [200, 431]
    assert [event.session_id for event in store.events] == ["before"] * 4


async def test_long_and_many_chunks_are_not_counted_as_trailers(url: str) -> None:
    long = chunked(call(context={"text": "x" * 150_000}))
    begin, body = post(call()).partition(b"Content-Length")[0], call()
    many = (
        begin + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    )
    unread = long.replace(b"application/json", b"image/png")  # answered before its body
    for size in (1_000_000, 4_096, 7_001):
        sent = long + many + unread + post(call())
        assert await statuses_of(url, cut(sent, size)) == [200, 200, 415, 200], size


async def test_trailers_without_an_end_are_not_read_after_an_early_answer_either(url: str) -> None:
    refused = head("POST /track HTTP/1.1", HOST, "Content-Type: image/png", "Transfer-Encoding: chunked")
    async with connected(url) as connection:
        assert (await connection.ask(refused + b"0\r\nA: ")).status == 415
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                await connection.send(b"x" * 4_096)
                await asyncio.sleep(0)
        assert await connection.rest() == b""


async def test_faulty_requests_have_one_line_in_the_log_for_each_kind(caplog: pytest.LogCaptureFixture) -> None:
    sent = [sent for sent, _ in (*ANSWERED.values(), *CLOSED.values())]
    async with running() as url:
        for request in sent * 2:
            await statuses_of(url, [request])
    kinds = [record.getMessage().partition(":")[0] for record in caplog.records if record.name.startswith("trackd")]
    assert len(kinds) == len(set(kinds))
    assert [record for record in caplog.records if record.exc_info or record.levelno > logging.WARNING] == []
