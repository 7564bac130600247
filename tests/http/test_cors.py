"""CORS over a real socket: the pages of any origin may use the public endpoints, those of named origins all others."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.payloads import SOURCE_ID, payload
from tests.support.serving import application_routes, serving
from trackd.config.errors import SettingsError
from trackd.config.settings import Server, Settings
from trackd.core.documents import Source
from trackd.http.cors import named_origins
from trackd.storage.memory import MemoryStore

FOREIGN, NAMED = "https://thief.example", "https://desk.example"
PUBLIC = ["/track", "/tracker.js", "/healthcheck", "/ready"]
OTHER = sorted({route.path.replace("{id:path}", "x").replace("{name}", "start.js") for route in application_routes()})
OTHER = [path for path in OTHER if path not in PUBLIC]
ALLOW = "access-control-allow-origin"


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    server = Server(drain_ms=0, cors_origins=f"{NAMED}:443, https://bücher.example", root_path="/trackd")
    async with serving(MemoryStore([Source(SOURCE_ID, "test")]), Settings(server=server)) as client:
        yield client


def from_page(origin: str, **more: str) -> dict[str, str]:
    return {"origin": origin, **more}


async def preflight(client: httpx.AsyncClient, path: str, origin: str) -> httpx.Response:
    asked = {"access-control-request-method": "GET", "access-control-request-headers": "authorization"}
    return await client.options(path, headers=from_page(origin, **asked))


@pytest.mark.parametrize("form", ["{}", "{}/", "/trackd{}", "/trackd{}/"])
@pytest.mark.parametrize("path", PUBLIC)
async def test_any_page_may_use_the_public_endpoints_with_credentials(
    client: httpx.AsyncClient, path: str, form: str
) -> None:
    for answer in (
        await client.request("POST" if path == "/track" else "GET", form.format(path), headers=from_page(FOREIGN)),
        await client.put(form.format(path), headers=from_page(FOREIGN)),
        await preflight(client, form.format(path), FOREIGN),
    ):
        assert answer.headers[ALLOW] == FOREIGN
        assert answer.headers["access-control-allow-credentials"] == "true"


@pytest.mark.parametrize(
    "path", [*OTHER, "/nothing", "/track/more", "/", "/trackd", "/trackd/events", "/events?x=/track"]
)
async def test_the_pages_of_named_origins_alone_may_use_the_other_endpoints(
    client: httpx.AsyncClient, path: str
) -> None:
    foreign = [await client.get(path, headers=from_page(FOREIGN)), await preflight(client, path, FOREIGN)]
    named = [await client.get(path, headers=from_page(NAMED)), await preflight(client, path, NAMED)]
    assert [answer.headers.get(ALLOW) for answer in foreign + named] == [None, None, NAMED, NAMED]
    assert {answer.headers.get("access-control-allow-credentials") for answer in foreign + named} == {None}
    assert [answer.status_code for answer in (foreign[1], named[1])] == [400, 200]
    assert "server.cors_origins" in foreign[1].json()["detail"]
    for answer in foreign:
        assert not [name for name in answer.headers if name.startswith("access-control")]
    for answer in foreign + named:
        assert "Origin" in answer.headers["vary"]


async def test_a_page_may_read_the_position_of_a_feed_besides_the_headers_of_all_answers(
    client: httpx.AsyncClient,
) -> None:
    exposed = "access-control-expose-headers"
    feed, public = [await client.get(path, headers=from_page(NAMED)) for path in ("/feed", "/healthcheck")]

    assert (feed.headers[exposed], public.headers[exposed]) == (
        "x-process-time, retry-after, x-cursor",
        "x-process-time, retry-after",
    )


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://xn--bcher-kva.example", True),
        ("null", False),
        ("http://desk.example", False),
        (f"{NAMED}.evil", False),
    ],
)
async def test_a_named_origin_is_compared_as_browsers_send_it(
    client: httpx.AsyncClient, origin: str, allowed: bool
) -> None:
    answer = await client.get("/profiles", headers=from_page(origin))
    assert answer.headers.get(ALLOW) == (origin if allowed else None)


async def test_by_default_no_foreign_page_reads_what_needs_a_token() -> None:
    async with serving(MemoryStore([Source(SOURCE_ID, "test")]), admin=True) as client:
        for path in ("/metrics", "/event-sources", "/info/version"):
            answer = await client.get(path, headers=from_page(FOREIGN))
            assert (answer.status_code, answer.headers.get(ALLOW)) == (200, None)
        answer = await client.post("/track", json=payload("s"), headers=from_page(FOREIGN))
        assert (answer.status_code, answer.headers[ALLOW]) == (200, FOREIGN)


def test_names_are_kept_in_their_canonical_form() -> None:
    setting = " https://Desk.example:443 ,, http://[0::1]:3000,"
    assert named_origins(setting) == ["https://desk.example", "http://[::1]:3000"]
    assert named_origins("") == []


@pytest.mark.parametrize(
    "setting",
    ["*", "https://a.example, *", "https://*.shop.example", "null", "file://", "shop.example", "https://a.example/x"],
)
def test_what_is_not_the_name_of_one_origin_is_refused(setting: str) -> None:
    with pytest.raises(SettingsError) as refused:
        named_origins(setting)
    sentence = str(refused.value)
    assert sentence.startswith(f"The setting server.cors_origins = {setting!r} is not allowed: ")
    assert sentence.endswith(".")
    assert not sentence.endswith("..")
