"""The files of the live page: what browsers may keep, and the size of all of them."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.live_page import live_page
from trackd.ui.assets import STATIC, TEMPLATES, asset, names

MAX_BYTES = 150_000


@pytest.fixture(scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    async with live_page(tmp_path_factory.mktemp("page") / "trackd.db") as client:
        yield client


async def test_a_file_is_kept_under_its_version_and_asked_for_again_without_one(client: httpx.AsyncClient) -> None:
    for name in names():
        found = asset(name)
        assert found is not None
        kept = await client.get(f"/ui/static/{name}?{found.version}")
        assert "immutable" in kept.headers["cache-control"]
        fresh = await client.get(f"/ui/static/{name}")
        assert (fresh.headers["cache-control"], fresh.content) == ("no-cache", (STATIC / name).read_bytes())
        for tag in (fresh.headers["etag"], f'"x", W/{fresh.headers["etag"]}'):
            again = await client.get(f"/ui/static/{name}", headers={"if-none-match": tag})
            assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["nothing.css", "..%2Fassets.py", "%2E%2E%2Fassets.py", "%00", "style.css%00"])
async def test_nothing_else_is_a_file(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/ui/static/{name}", headers={"accept": "text/css"})).status_code in (401, 404)


async def test_pages_ask_for_files_that_exist_under_their_version(client: httpx.AsyncClient) -> None:
    page = await client.get("/ui/?again=1", headers={"accept": "text/html"})
    found = re.findall(r'(?:href|src)="(static/[^"]+)"', page.text)
    assert len(found) == 3
    for address in found:
        assert "immutable" in (await client.get(f"/ui/{address}")).headers["cache-control"]


def test_all_files_of_the_page_together_are_small_and_name_no_other_host() -> None:
    files = [path for folder in (STATIC, TEMPLATES) for path in folder.iterdir()]
    assert sum(path.stat().st_size for path in files) <= MAX_BYTES
    for path in files:
        assert not re.search(r"(href|src|url\(|@import|from)\W{0,3}https?://", path.read_text()), path
