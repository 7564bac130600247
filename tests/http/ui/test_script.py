"""GET /tracker.js, as browsers and caches get it."""

import gzip

import httpx
import pytest

from tests.support.serving import serving
from trackd.config.settings import Server, Settings
from trackd.http.ui.script import accepts_gzip
from trackd.storage.memory import MemoryStore
from trackd.ui.tracker_script import tracker_script

PAGE = "https://shop.example"


async def get(*requests: dict[str, str], method: str = "GET", prefix: str = "") -> list[httpx.Response]:
    """The answers to requests with these headers."""
    async with serving(MemoryStore(), Settings(server=Server(drain_ms=0, root_path=prefix))) as client:
        return [await client.request(method, f"{prefix}/tracker.js", headers=headers) for headers in requests]


async def test_the_script_is_text_in_utf_8_that_any_page_may_load_and_caches_may_keep() -> None:
    [answer] = await get({"Accept-Encoding": "identity"})

    assert (answer.status_code, answer.content) == (200, tracker_script().plain)
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["cache-control"] == "public, max-age=3600, stale-while-revalidate=86400"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert {"Accept-Encoding", "Origin"} <= set(answer.headers["vary"].split(", "))


async def test_a_page_that_asks_with_its_origin_may_read_the_script() -> None:
    [answer] = await get({"Origin": PAGE})
    assert answer.headers.get_list("access-control-allow-origin") == [PAGE]


async def test_a_client_that_takes_gzip_gets_it_compressed_under_a_tag_of_its_own() -> None:
    plain, compressed = await get({"Accept-Encoding": "identity"}, {"Accept-Encoding": "gzip"})

    assert compressed.headers["content-encoding"] == "gzip"
    assert int(compressed.headers["content-length"]) == len(tracker_script().compressed)
    assert compressed.content == plain.content == gzip.decompress(tracker_script().compressed)
    assert compressed.headers["etag"] != plain.headers["etag"]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_copy_that_is_still_the_same_is_not_sent_again(form: str, encoding: str) -> None:
    [first] = await get({"Accept-Encoding": encoding})
    tag = first.headers["etag"]
    same, other = await get(
        {"Accept-Encoding": encoding, "If-None-Match": form.format(tag)},
        {"Accept-Encoding": encoding, "If-None-Match": '"other"'},
    )

    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert same.headers["cache-control"] == first.headers["cache-control"]
    assert other.status_code == 200


async def test_head_has_the_headers_of_get_without_the_script() -> None:
    [got] = await get({})
    [head] = await get({}, method="HEAD")

    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-length", "content-type", "cache-control"):
        assert head.headers[name] == got.headers[name]


async def test_other_methods_are_refused_and_a_preflight_is_answered() -> None:
    [posted] = await get({}, method="POST")
    preflight = {"Origin": PAGE, "Access-Control-Request-Method": "GET"}
    [asked] = await get(preflight, method="OPTIONS")

    assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, PAGE)


async def test_the_script_is_there_below_a_path_prefix() -> None:
    [answer] = await get({}, prefix="/collect")
    assert (answer.status_code, answer.content) == (200, tracker_script().plain)


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip, deflate, br", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=1.0", True),
        ("", False),
        ("identity", False),
        ("br, gzip; q=0", False),
        ("gzip;q=0.000, *", False),
        ("*;q=0", False),
    ],
)
def test_gzip_is_for_clients_that_accept_it(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) == accepted
