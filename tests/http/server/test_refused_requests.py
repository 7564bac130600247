"""Refusals of a connection: each is counted once, and can be read by the page that sent the request."""

import asyncio
import re
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.http.server.track_requests import call, chunked, new_store, post
from tests.support.raw_http import connected, statuses
from tests.support.serving import ADMIN_SECRET, serving
from trackd.config.settings import Limits, Server, Settings

ORIGIN = "https://shop.example"
SETTINGS = Settings(server=Server(drain_ms=0), limits=Limits(request_timeout_s=1, max_arriving_bytes=500_000))
HEAD = f"POST /track HTTP/1.1\r\nOrigin: {ORIGIN}\r\nHost: x\r\n".encode()
ENDS_WITH_ORIGIN = f"POST /track HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\n".encode()
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
COMPLETE = [post(call()), post(call(), f"Origin: {ORIGIN}"), chunked(call())]
# What a client sends, with the status of the refusal and whether the origin was known by then.
REFUSED = {
    "not HTTP": (b"not HTTP\r\n\r\n", 400, False),
    "a TLS handshake": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, False),
    "another version": (HEAD.replace(b"1.1", b"2.0") + b"\r\n", 505, True),
    "another coding": (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501, True),
    "no path": (b"CONNECT a:443 HTTP/1.1\r\nConnection: close\r\n\r\n", 405, False),
    "no host": (b"POST /track HTTP/1.1\r\nConnection: close\r\nOrigin: %b\r\n\r\n" % ORIGIN.encode(), 400, True),
    "a bad header": (HEAD + b"a b: c\r\n\r\n", 400, True),
    "a bad chunk": (CHUNKED + b"no number\r\n", 400, True),
    "a bad chunk later": (CHUNKED + b"1\r\n{\r\nno number\r\n", 400, True),
    "nothing but a byte": (b"P", 408, False),
    "half a head": (HEAD, 408, True),
    "half a head that ends with the origin": (ENDS_WITH_ORIGIN, 408, True),
    "half a head that ends within the origin": (ENDS_WITH_ORIGIN[:-6], 408, False),
    "half a head that ends within a name": (ENDS_WITH_ORIGIN + b"Con", 408, True),
    "half a target": (b"POST /tra", 408, False),
    "half a body": (HEAD + b"Content-Length: 9\r\n\r\n{}", 408, True),
    "half a body of a usual call": (post(call())[:-1], 408, False),
    "a long head": (HEAD + b"X: " + b"x" * 70_000 + b"\r\n\r\n", 431, True),
    "a long target": (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414, False),
    "a chunk's line without an end": (CHUNKED + b"5;" + b"x" * 200_000, 400, True),
    "RTSP": (HEAD.replace(b"HTTP/1.1", b"RTSP/1.0") + b"\r\n", 400, True),
    "no version": (b"GET /x\r\n", 400, False),
    "a long head without an end": (HEAD + b"X: " + b"x" * 70_000, 431, True),
    "a long target without an end": (b"GET /" + b"x" * 70_000, 414, False),
    "long trailers": (CHUNKED + b"0\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431, True),
    "many headers": (HEAD + b"x:y\r\n" * 300 + b"\r\n", 431, True),
    "a long body": (HEAD + b"Content-Length: 900000\r\n\r\n" + b" " * 600_000, 503, True),
}
UNANSWERED = [b"", HEAD + b"Content-Length: 9\r\n\r\n{}"]  # their clients leave


async def refusal(url: str, sent: bytes) -> tuple[int, dict[str, str]]:
    """The status and the headers of the only answer."""
    async with connected(url) as connection:
        await connection.send(sent)
        received = await connection.rest()
    [status] = statuses(received)
    head = received.partition(b"\r\n\r\n")[0].decode()
    return status, dict(line.split(": ", 1) for line in head.splitlines()[1:])


async def counted(client: httpx.AsyncClient) -> Counter[str]:
    page = (await client.get("/metrics")).text
    found = re.findall(r'^trackd_calls_total\{source=".*",status="(\d+)"\} (\d+)', page, re.MULTILINE)
    return +sum((Counter({status: int(number)}) for status, number in found), Counter[str]())


async def test_every_refusal_is_counted_once_and_has_the_headers_for_its_page() -> None:
    async with serving(new_store(), SETTINGS, admin=True) as client:
        url = str(client.base_url)
        answers = await asyncio.gather(*(refusal(url, sent) for sent, _, _ in REFUSED.values()))
        expected = Counter(str(status) for _, status, _ in REFUSED.values())
        assert await counted(client) == expected
        for sent in UNANSWERED:
            async with connected(url) as connection:
                await connection.send(sent)
        assert await counted(client) == expected
    for (name, (_, status, origin_known)), (found, headers) in zip(REFUSED.items(), answers, strict=True):
        assert found == status, name
        assert headers.get("access-control-allow-origin") == (ORIGIN if origin_known else None), name
        assert headers.get("access-control-allow-credentials") == ("true" if origin_known else None), name
        assert headers["vary"] == "Origin", name
        assert headers["x-content-type-options"] == "nosniff", name
        assert headers["date"].endswith(" GMT"), name


@pytest.mark.parametrize("more", ["Expect: 100-continue", "Expect: "])
@pytest.mark.parametrize(
    "line", ["POST /track", "PUT /track", "GET /nothing", "POST //a", "DELETE /event-source/test-source"]
)
async def test_a_request_that_is_refused_at_once_is_not_handled(
    line: str, more: str, caplog: pytest.LogCaptureFixture
) -> None:
    head = f"{line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN_SECRET}\r\n{more}\r\n"
    async with serving(new_store(), SETTINGS, admin=True) as client:
        found, _ = await refusal(
            str(client.base_url), head.encode() + b"Transfer-Encoding: chunked\r\n\r\nno number\r\n"
        )
        assert found == 400
        assert await counted(client) == {"400": 1}
        assert (
            re.findall(r"^trackd_refused_requests_total.* [1-9].*", (await client.get("/metrics")).text, re.MULTILINE)
            == []
        )
        assert (await client.post("/track", content=call())).status_code == 200
    assert [record for record in caplog.records if record.exc_info] == []


FORWARDED = b"Host: x\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.7, 127.0.0.1"


@pytest.mark.parametrize(
    ("name", "client"),
    [
        ("a bad chunk", "203.0.113.7 in 203.0.113.0/24"),
        ("half a body", "203.0.113.7 in 203.0.113.0/24"),
        ("long trailers", "203.0.113.7 in 203.0.113.0/24"),
        ("a bad header", "127.0.0.1 in 127.0.0.0/24"),  # the last line of the proxy may be lost
        ("half a head", "127.0.0.1 in 127.0.0.0/24"),
    ],
)
async def test_a_refusal_is_of_the_client_that_a_trusted_proxy_reports_in_a_complete_head(
    name: str, client: str, caplog: pytest.LogCaptureFixture
) -> None:
    sent, status, _ = REFUSED[name]
    store = new_store()
    async with serving(store, SETTINGS) as server:
        found, _ = await refusal(str(server.base_url), sent.replace(b"Host: x", FORWARDED))
    assert found == status
    assert [each.network for each in store.refusals] == [client.partition(" in ")[2]]
    assert f"(from {client})" in caplog.text


async def test_a_client_that_is_no_trusted_proxy_cannot_name_another_one_in_a_refusal() -> None:
    store = new_store()
    sent = CHUNKED.replace(b"Host: x", b"Host: x\r\nX-Forwarded-For: 203.0.113.7") + b"no number\r\n"
    settings = SETTINGS.model_copy(update={"server": Server(drain_ms=0, trusted_proxies=["10.0.0.1"])})
    async with serving(store, settings) as server:
        found, _ = await refusal(str(server.base_url), sent)
    assert found == 400
    assert [each.network for each in store.refusals] == ["127.0.0.0/24"]


NAMED = "https://desk.example"
FAULTS = {
    "a bad header": (b"a b: c\r\n\r\n", 400),
    "a long head": (b"X: " + b"x" * 70_000, 431),
    "another coding": (b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    "two hosts": (b"Host: y\r\nConnection: close\r\n\r\n", 400),
    "a bad chunk": (b"Transfer-Encoding: chunked\r\n\r\nno number\r\n", 400),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_only_named_pages_read_the_refusals_of_endpoints_that_are_not_public(name: str) -> None:
    fault, status = FAULTS[name]
    settings = Settings(server=Server(drain_ms=0, cors_origins=NAMED, root_path="/t"))
    async with serving(new_store(), settings) as client:
        for target in ("/profiles", "/profile/a?b=/track", "/t/metrics", "/", "/trackx", "http://x/profiles?c"):
            for origin in (ORIGIN, NAMED):
                head = f"POST {target} HTTP/1.1\r\nOrigin: {origin}\r\nHost: x\r\n".encode()
                found, headers = await refusal(str(client.base_url), head + fault)
                assert found == status
                allowed = origin if origin == NAMED else None
                assert headers.get("access-control-allow-origin") == allowed, target
                assert "cross-origin-resource-policy" not in headers
                assert headers["x-content-type-options"] == "nosniff"
        for target in ("/track", "/t/track/", "/ready?x", "http://x/healthcheck"):
            head = f"POST {target} HTTP/1.1\r\nOrigin: {ORIGIN}\r\nHost: x\r\n".encode()
            found, headers = await refusal(str(client.base_url), head + fault)
            assert (found, headers["access-control-allow-credentials"]) == (status, "true")


@pytest.mark.parametrize("complete", COMPLETE)
async def test_calls_before_a_refusal_are_counted_as_they_were_answered(complete: bytes) -> None:
    async with serving(new_store(), SETTINGS, admin=True) as client:
        async with connected(str(client.base_url)) as connection:
            await connection.send(complete, complete + b"not HTTP\r\n\r\n")
            assert statuses(await connection.rest()) == [200, 200, 400]
        assert await counted(client) == {"200": 2, "400": 1}


async def test_refusals_of_other_endpoints_are_counted_apart() -> None:
    requests = [("GET", "/nothing"), ("POST", "/healthcheck"), ("GET", "/event-source/%20"), ("PUT", "/track")]
    async with serving(new_store(), admin=True) as client:
        for method, path in requests:
            await client.request(method, path)
        await client.get("/events", headers={"Authorization": "Bearer trackd_wrong"})
        assert await counted(client) == {"405": 1}
        page = (await client.get("/metrics")).text
        found = re.findall(r'^trackd_refused_requests_total\{status="(\d+)"\} ([1-9]\d*)', page, re.MULTILINE)
        assert dict(found) == {"401": "1", "404": "1", "405": "1", "422": "1"}


@pytest.mark.parametrize(
    ("method", "more", "status"),
    [
        ("GET", {}, 405),
        ("PUT", {"content": call()}, 405),
        ("POST", {"content": b" " * 2_000_000}, 413),
        ("POST", {"content": b"x", "headers": {"content-type": "image/png"}}, 415),
        ("POST", {"content": b"x"}, 422),
        ("OPTIONS", {}, 200),
    ],
)
async def test_refused_calls_are_counted_once_and_preflights_never(
    method: str, more: dict[str, Any], status: int
) -> None:
    async with serving(new_store(), admin=True) as client:
        for path in ("/track", "/track/"):
            assert (await client.request(method, path, **more)).status_code == status
        assert await counted(client) == ({} if status == 200 else {str(status): 2})
