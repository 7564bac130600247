"""The paths of requests: prefixes, a slash at the end, encoded slashes, and the methods that every path answers."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.support.payloads import SOURCE_ID, payload
from tests.support.raw_http import RawConnection, connected, request
from tests.support.serving import application_routes, serving
from trackd.config.settings import Server, Settings
from trackd.core.documents import Source
from trackd.http.paths import RoutePaths, path_parameter, paths_of
from trackd.http.routes import ByQuery
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore

PREFIX = "/trackd"
ID = "a/events"  # of the profile that the fixture makes


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client with an admin token. The profile `a/events` has an event; the server has a path prefix."""
    path = tmp_path / "trackd.db"
    with Sources(path, create=True) as sources:
        sources.add(Source(SOURCE_ID, "test", permanent_profile_id=True))
    settings = Settings(server=Server(drain_ms=0, root_path=f"{PREFIX}/"))
    async with serving(SqliteStore(path), settings, admin=True) as client:
        answer = await client.post("/track", json=payload("s/1", "t", profile=ID))
        assert answer.json()["profile"]["id"] == ID
        yield client


@contextlib.asynccontextmanager
async def connection_of(client: httpx.AsyncClient) -> AsyncIterator[RawConnection]:
    """httpx would tidy the paths of requests up."""
    async with connected(str(client.base_url)) as connection:
        yield connection


def methods_by_path() -> dict[str, set[str]]:
    """The methods of each path, in which parameters have a value."""
    found: dict[str, set[str]] = {}
    for route in application_routes():
        methods = route.methods or {"GET", "HEAD"}
        path = route.path.replace("{id:path}", "s").replace("{name}", "start.js")
        if isinstance(route, ByQuery):
            continue  # tests/http/api/test_any_id.py has them: their query distinguishes them
        found.setdefault(path, set()).update(methods)
    return found


async def test_each_path_is_answered_alike_with_a_slash_at_its_end_a_question_mark_and_a_prefix(
    client: httpx.AsyncClient,
) -> None:
    for path, methods in methods_by_path().items():
        if "GET" not in methods:
            continue
        plain = await client.get(path)
        for other in (f"{path}/", f"{path}?", f"{path}/?", f"{PREFIX}{path}", f"{PREFIX}{path}/"):
            answer = await client.get(other, follow_redirects=False)
            assert (answer.status_code, answer.headers["content-type"]) == (
                plain.status_code,
                plain.headers["content-type"],
            ), other
            if path not in ("/metrics", "/docs"):
                assert answer.content == plain.content, other


@pytest.mark.parametrize("path", ["/track", "/track/", "/track?", "/track/?x=1", "/trackd/track", "/trackd/track/"])
async def test_a_call_is_taken_on_both_paths_of_the_server_whatever_the_form_of_its_path(
    client: httpx.AsyncClient, path: str
) -> None:
    fast = await client.post(path, json=payload(f"fast {path}", "t"))
    slow = await client.post(path, json=payload(f"slow {path}", "t"), headers={"origin": "https://shop.example"})

    assert [answer.status_code for answer in (fast, slow)] == [200, 200]
    assert [answer.json()["debugging"]["events"]["saved"] for answer in (fast, slow)] == [1, 1]


@pytest.mark.parametrize("path", ["/tracks", "/track//", "/trackd", "/trackd/", "/trackdtrack", "/x/track", "/", ""])
async def test_other_paths_are_not_found(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path, json=payload("s", "t"))

    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS"])
@pytest.mark.parametrize("path", ["/track%2F", "/track%2f?a=b", "/trackd%2Ftrack"])
async def test_an_encoded_slash_makes_another_path_of_that_of_calls(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await client.request(method, path, json=payload("s", "t"), headers={"origin": "https://shop.example"})

    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})
    assert "access-control-allow-origin" not in answer.headers


async def test_each_path_answers_head_as_get_and_options_with_its_methods(client: httpx.AsyncClient) -> None:
    for path, methods in methods_by_path().items():
        options = await client.options(path)
        assert (options.status_code, options.json()) == (200, {})
        assert options.headers["allow"] == ", ".join(sorted({*methods, "OPTIONS"}))
        head = await client.head(path)
        if "GET" in methods:
            get = await client.get(path)
            assert (head.status_code, head.headers["content-type"]) == (get.status_code, get.headers["content-type"])
        else:
            assert (head.status_code, head.headers["allow"]) == (405, options.headers["allow"])
        assert head.content == b""
    assert (await client.options("/nothing")).status_code == 404


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "*/*;q=0", ""])
async def test_answers_are_the_same_for_each_accept_header(client: httpx.AsyncClient, accept: str) -> None:
    for path, status in (("/healthcheck", 200), ("/nothing", 404)):
        answer = await client.get(path, headers={"accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    answer = await client.post("/track", json=payload("s", "t"), headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")


async def test_an_encoded_slash_belongs_to_the_id_and_another_one_to_the_path(client: httpx.AsyncClient) -> None:
    profile = (await client.get("/profile/a%2Fevents")).json()
    events = (await client.get("/profile/a%2fevents/events")).json()
    assert (profile["id"], [event["profile"]["id"] for event in events["result"]]) == (ID, [ID])
    assert (await client.get("/trackd/profile/a%2Fevents/")).json() == profile
    assert (await client.get("/profile/a/events/events")).json() == events
    assert (await client.get("/profile/a/events")).json() is None  # the events of `a`, who does not exist
    assert (await client.get("/session/s%2F1")).json() == (await client.get("/session/s/1")).json()
    for name in ("100%", "%2F", "a/", "ä", "a b", "count"):
        await client.post("/event-source", json={"id": name, "name": "x"})
        assert (await client.get(f"/event-source/{name_in_path(name)}")).json()["id"] == name
    assert (await client.delete("/profile/a%2Fevents")).json() == {"id": ID}


def name_in_path(name: str) -> str:
    return "".join(f"%{byte:02X}" for byte in name.encode())


async def test_a_post_is_never_redirected_and_keeps_its_body(client: httpx.AsyncClient) -> None:
    async with connection_of(client) as connection:
        body = json.dumps(payload("s", "t")).encode()
        for line in ("POST /track/ HTTP/1.1", "POST http://x/track HTTP/1.1", "POST /trackd/track/? HTTP/1.1"):
            answer = await connection.ask(request(body, "Content-Type: application/json", line=line))
            assert answer.status == 200, line


def routed(**scope: Any) -> Any:
    """The scope in which an application behind `RoutePaths` gets a request."""
    seen: list[Scope] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    with contextlib.suppress(StopIteration):
        RoutePaths(application, PREFIX)({"type": "http", **scope}, None, None).send(None)  # type: ignore[arg-type]
    return seen[0]


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ({"path": "/profile/a"}, "/profile/a"),  # without raw_path, which ASGI servers may leave out
        ({"path": "/profile/100%"}, "/profile/100%25"),
        ({"path": "/outer/profile/a", "root_path": "/outer"}, "/profile/a"),
        ({"path": "/outer/trackd/profile/a/", "root_path": "/outer"}, "/profile/a"),
        ({"path": "/profile/a", "root_path": "/outer"}, "/profile/a"),
        ({"path": "/profile/a/b", "raw_path": b"/profile/a%2Fb"}, "/profile/a%2Fb"),
        ({"path": "/profile/a/b", "raw_path": b"/outer/profile/a%2Fb"}, "/profile/a/b"),  # an outer one changed `path`
        ({"path": "/profile/a/", "raw_path": b"/profile/a%2F"}, "/profile/a%2F"),
        ({"path": "/profile/a//", "raw_path": b"/profile/a//"}, "/profile/a/"),
        ({"path": "/", "raw_path": b"/"}, "/"),
        ({"path": "", "raw_path": b""}, ""),
    ],
)
def test_an_outer_application_or_another_asgi_server_leads_to_the_same_paths(scope: dict[str, Any], path: str) -> None:
    inner = routed(**scope)

    assert (inner["path"], inner["root_path"]) == (path, "")
    assert Route("/profile/{id:path}", lambda _: None).matches(inner | {"method": "GET"}) is not None


def test_a_parameter_is_decoded_once() -> None:
    assert [path_parameter(text) for text in ("a%2Fb", "a%252Fb", "100%25", "a/b")] == ["a/b", "a%2Fb", "100%", "a/b"]


def test_a_path_has_four_forms_behind_a_prefix_and_two_without() -> None:
    assert paths_of("/track", "/x") == {"/track", "/track/", "/x/track", "/x/track/"}
    assert paths_of("/track", "") == {"/track", "/track/"}
