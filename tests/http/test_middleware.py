"""The headers of each answer, over a real socket."""

from pathlib import Path

import httpx
import pytest

from tests.http.server.track_requests import call, chunked, connection_to_server, post
from tests.support.payloads import SOURCE_ID, payload
from tests.support.raw_http import RawAnswer, request
from tests.support.serving import application_routes, serving
from trackd.config.settings import Server, Settings
from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore

ORIGIN = "Origin: https://shop.example"
REQUESTS = {
    "fast path": post(call()),
    "slow path": chunked(call()),
    "from a page": post(call(), ORIGIN),
    "preflight": request(b"", ORIGIN, "Access-Control-Request-Method: POST", line="OPTIONS /track HTTP/1.1"),
    "unknown source": post(call().replace(SOURCE_ID.encode(), b"nobody")),
    "no JSON": post(b"{"),
    "wrong method": request(b"", line="GET /track HTTP/1.1"),
    "by the connection": b"not HTTP\r\n\r\n",
}


def headers(answer: RawAnswer) -> list[tuple[str, str]]:
    lines = answer.head.decode().strip().splitlines()[1:]
    return [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)]


@pytest.mark.parametrize("name", REQUESTS)
async def test_each_answer_of_track_has_the_fixed_headers_once(name: str) -> None:
    async with connection_to_server() as connection:
        found = headers(await connection.ask(REQUESTS[name]))
    names = [header for header, _ in found]
    assert len(names) == len(set(names))
    assert dict(found).items() >= {
        ("x-content-type-options", "nosniff"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("cache-control", "no-store"),
    }
    assert float(dict(found)["x-process-time"]) >= 0
    assert "Origin" in dict(found)["vary"]


async def test_no_answer_is_sniffed_or_stored_and_other_pages_embed_those_for_pages_alone(tmp_path: Path) -> None:
    path = tmp_path / "trackd.db"
    with Sources(path, create=True) as sources:
        sources.add(Source(SOURCE_ID, "test", permanent_profile_id=True))
    async with serving(SqliteStore(path), Settings(server=Server(drain_ms=0)), admin=True) as client:
        assert (await client.post("/track", json=payload("x", "t", profile="x"))).status_code == 200
        for route in application_routes():
            url = route.path.replace("{id:path}", "x").replace("{name}", "start.js")
            for answer in (await client.get(url), await httpx_without_token(client, url), await client.options(url)):
                assert answer.headers["x-content-type-options"] == "nosniff", url
                assert answer.headers.get("cross-origin-resource-policy") == (
                    "cross-origin" if url in ("/track", "/tracker.js") else None
                )
                stored = url.startswith(("/docs", "/tracker.js")) and answer.request.method == "GET"
                assert (answer.headers["cache-control"] != "no-store") == stored, url


async def httpx_without_token(client: httpx.AsyncClient, url: str) -> httpx.Response:
    return await client.get(url, headers={"authorization": ""})
