"""GET /docs, as a browser would load it."""

import re

import httpx
import pytest

from tests.support.serving import serving
from trackd.storage.memory import MemoryStore


async def load(path: str = "/docs") -> dict[str, httpx.Response]:
    """The page and the files that it references, by URL."""
    async with serving(MemoryStore()) as client:
        page = await client.get(path)
        loaded = {path: page}
        for url in re.findall(r'(?:src|href)="([^"]+)"', page.text):
            loaded[url] = await client.get(str(page.url.join(url)))
        return loaded


@pytest.fixture(scope="module")
async def loaded(anyio_backend: object) -> dict[str, httpx.Response]:
    return await load()


def test_the_page_and_its_files_are_served_with_their_types(loaded: dict[str, httpx.Response]) -> None:
    assert {answer.status_code for answer in loaded.values()} == {200}
    types = {url.split("?")[0]: answer.headers["content-type"] for url, answer in loaded.items()}
    assert types == {
        "/docs": "text/html; charset=utf-8",
        "docs/favicon-32x32.png": "image/png",
        "docs/swagger-ui.css": "text/css; charset=utf-8",
        "docs/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
        "docs/start.js": "text/javascript; charset=utf-8",
    }


async def test_the_page_works_with_a_slash_at_the_end_of_its_path_too(loaded: dict[str, httpx.Response]) -> None:
    with_slash = await load("/docs/")

    assert set(with_slash) == {url.removeprefix("docs/").replace("/docs", "/docs/") for url in loaded}
    assert sorted(answer.content for url, answer in with_slash.items() if url != "/docs/") == sorted(
        answer.content for url, answer in loaded.items() if url != "/docs"
    )
    assert 'new URL("../openapi.json", document.currentScript.src)' in with_slash["start.js"].text


def test_the_page_loads_nothing_from_other_hosts(loaded: dict[str, httpx.Response]) -> None:
    for name in ("/docs", "docs/start.js"):
        assert "//" not in loaded[name].text
    [style] = [answer.text for url, answer in loaded.items() if ".css" in url]
    assert "@import" not in style
    assert all(url.startswith("data:") for url in re.findall(r"url\([\"']?([^)]{5})", style))
    assert "validatorUrl: null" in loaded["docs/start.js"].text  # its badge would ask validator.swagger.io


def test_the_policy_of_the_page_allows_nothing_but_its_own_files_and_no_inline_script(
    loaded: dict[str, httpx.Response],
) -> None:
    page = loaded["/docs"]
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert not any("http" in sources or "*" in sources for sources in policy.values())
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", page.text)


def test_files_of_swagger_ui_are_cached_for_a_year_under_its_version(
    loaded: dict[str, httpx.Response],
) -> None:
    for url, answer in loaded.items():
        if url in ("/docs", "docs/start.js"):
            assert answer.headers["cache-control"] == "no-cache"
        else:
            assert re.search(r"\?v\d+\.\d+\.\d+$", url)
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("name", ["VERSION", "swagger-ui.js", "index.html", "..%2Fflask_swagger_ui.py"])
async def test_other_files_are_not_found(name: str) -> None:
    async with serving(MemoryStore()) as client:
        answer = await client.get(f"/docs/{name}")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})
