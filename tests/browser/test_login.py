"""The way into the live page, in a browser."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.support.accessibility import faults_in_all_looks
from tests.support.browser import NewContext
from tests.support.live_page import live_page, new_key
from tests.support.serving import ADMIN_SECRET


@pytest.fixture
async def url(db: Path) -> AsyncIterator[str]:
    """The address of a server. A test names it before its pages, so that they are closed before the server stops."""
    async with live_page(db) as client:
        client.headers.clear()
        yield str(client.base_url).rstrip("/")


async def test_a_link_opens_the_page_once(
    url: str, page: Page, new_context: NewContext, db: Path, faults: list[str]
) -> None:
    link = f"{url}/ui/#k={new_key(db)}"
    await page.goto(link)
    await page.wait_for_url(f"{url}/ui/live")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Live")
    await page.go_back()
    assert "#k=" not in page.url

    other = await (await new_context()).new_page()
    await other.goto(link)
    await expect(other.get_by_role("alert")).to_contain_text("This link was used before")
    assert await other.context.cookies() == []
    faults[:] = [fault for fault in faults if "401" not in fault]


async def test_a_visit_from_another_site_finds_its_login(url: str, page: Page, db: Path) -> None:
    await page.goto(f"{url}/ui/#k={new_key(db)}")
    await page.wait_for_url(f"{url}/ui/live")
    await page.route(
        "http://elsewhere.example/",
        lambda route: route.fulfill(content_type="text/html", body=f"<a href='{url}/ui/sources?x=1'>to trackd</a>"),
    )
    await page.goto("http://elsewhere.example/")
    await page.get_by_role("link").click()
    await page.wait_for_url(f"{url}/ui/sources?x=1")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sources")


async def test_a_link_on_another_site_opens_the_page(url: str, page: Page, db: Path) -> None:
    await page.route(
        "http://elsewhere.example/",
        lambda route: route.fulfill(
            content_type="text/html", body=f"<a href='{url}/ui/#k={new_key(db)}'>to trackd</a>"
        ),
    )
    await page.goto("http://elsewhere.example/")
    await page.get_by_role("link").click()
    await page.wait_for_url(f"{url}/ui/live")


@pytest.mark.parametrize("scripts", [True, False])
async def test_a_token_opens_the_page_with_and_without_javascript(
    new_context: NewContext, url: str, scripts: bool
) -> None:
    context = await new_context(java_script_enabled=scripts)
    page = await context.new_page()
    await page.goto(f"{url}/ui/sources")
    await page.get_by_label("Token").fill(ADMIN_SECRET)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{url}/ui/sources")
    await expect(page.get_by_role("table")).to_contain_text("a <b>shop</b>")
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_label("Token")).to_be_visible()
    assert await context.cookies() == []


async def test_the_first_pages_are_accessible(url: str, page: Page) -> None:
    await page.goto(f"{url}/ui/")
    await expect(page.get_by_label("Token")).to_be_visible()
    assert await faults_in_all_looks(page) == []
    await page.get_by_label("Token").fill(ADMIN_SECRET)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Log out")).to_be_visible()
    assert await faults_in_all_looks(page) == []
