"""The view Health over a real socket."""

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import httpx
import pytest

from tests.support.live_page import live_page, log_in, new_key
from tests.support.payloads import payload
from tests.support.polling import eventually
from trackd.core.documents import TokenScope
from trackd.http.ui import samples
from trackd.http.ui.plots import PLOTS


@pytest.fixture
async def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setattr(samples, "EVERY_S", 0.05)
    async with live_page(tmp_path / "trackd.db") as client:
        await log_in(client, key=new_key(tmp_path / "trackd.db", TokenScope.READ))
        yield client


async def test_the_page_shows_the_numbers_of_the_last_half_minute(client: httpx.AsyncClient) -> None:
    async def has_calls() -> bool:
        assert (await client.post("/track", json=payload("s", "t"))).status_code == 200
        text = re.sub(r"<[^>]+>", " ", (await client.get("/ui/health")).text)
        return bool(re.search(r"Calls a second\s+[1-9]", text) and re.search(r"commits, median\s+[\d.]+ ms", text))

    await eventually(has_calls, "the page shows calls")
    page = await client.get("/ui/health")
    assert "takes calls" in page.text
    assert len(set(re.findall(r'alt="([^"]+now[^"]+)"', page.text))) == len(PLOTS)


async def test_each_plot_of_the_page_is_an_image_under_a_policy_of_its_own(client: httpx.AsyncClient) -> None:
    page = await client.get("/ui/health")
    found = re.findall(r'<img src="([^"]+)"', page.text)
    assert len(found) == len(PLOTS)
    for address in map(unescape, found):
        drawn = await client.get(f"/ui/{address}", headers={"accept": "image/*"})
        assert (drawn.status_code, drawn.headers["content-type"]) == (200, "image/svg+xml")
        assert drawn.headers["content-security-policy"].startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert (await client.get("/ui/plot?name=nothing")).status_code == 404


async def test_the_numbers_need_a_login(client: httpx.AsyncClient) -> None:
    client.cookies.clear()
    assert "Calls a second" not in (await client.get("/ui/health")).text
    assert (await client.get("/ui/plot?name=rate", headers={"accept": "image/*"})).status_code == 401
