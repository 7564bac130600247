"""The view Health in a browser: plots are drawn, the numbers renew themselves, and all can read them."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.support.accessibility import faults_in_all_looks
from tests.support.browser import NewContext
from tests.support.live_page import live_page, new_key
from tests.support.polling import eventually
from trackd.http.ui.plots import PLOTS


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with live_page(tmp_path / "trackd.db") as client:
        yield client


async def test_the_plots_are_drawn_and_the_page_is_accessible(
    client: httpx.AsyncClient, page: Page, tmp_path: Path
) -> None:
    await page.goto(f"{client.base_url}/ui/#k={new_key(tmp_path / 'trackd.db')}")
    await page.get_by_role("link", name="Health").click()
    await expect(page.get_by_role("img")).to_have_count(len(PLOTS))
    drawn = "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
    await eventually(lambda: page.evaluate(drawn), "the plots are drawn")
    assert await faults_in_all_looks(page) == []


async def test_the_numbers_renew_themselves(new_context: NewContext, client: httpx.AsyncClient, tmp_path: Path) -> None:
    page = await (await new_context()).new_page()
    await page.goto(f"{client.base_url}/ui/#k={new_key(tmp_path / 'trackd.db')}")
    await page.get_by_role("link", name="Health").click()
    await expect(page.get_by_text("The first numbers come")).to_be_visible()
    await expect(page.get_by_role("table")).to_contain_text("Calls a second", timeout=20_000)
