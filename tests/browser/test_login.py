"""The way into the live page, in a browser."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.support.accessibility import faults_in_all_looks
from tests.support.browser import NewContext
from tests.support.live_page import live_page, new_key
from tests.support.serving import ADMIN_SECRET
from trackd.core.documents import TokenScope


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
    await page.goto(link)  # once more, as from a bookmark: the login lasts
    await page.wait_for_url(f"{url}/ui/live")

    other = await (await new_context()).new_page()
    await other.goto(link)
    await expect(other.get_by_role("alert")).to_contain_text("This link was used before")
    assert await other.context.cookies() == []
    faults[:] = [fault for fault in faults if "401" not in fault]


async def test_a_link_that_is_pasted_over_the_page_that_asks_for_a_token_logs_in(
    url: str, page: Page, db: Path
) -> None:
    await page.goto(f"{url}/")
    await expect(page.get_by_label("Token")).to_be_visible()
    await page.goto(f"{url}/ui/#k={new_key(db)}")  # only the fragment changes: the page is not loaded again
    await page.wait_for_url(f"{url}/ui/live")
    assert page.url == f"{url}/ui/live"


async def test_a_link_counts_though_another_login_lasts(url: str, page: Page, db: Path) -> None:
    await page.goto(f"{url}/ui/#k={new_key(db, TokenScope.READ)}")
    await expect(page.get_by_text("read only")).to_be_visible()
    await page.goto(f"{url}/ui/#k={new_key(db)}")
    await expect(page.get_by_text("read only")).to_be_hidden()
    await page.wait_for_url(f"{url}/ui/live")
    assert page.url == f"{url}/ui/live"


async def test_a_login_over_https_does_not_keep_one_over_http_out(url: str, page: Page, db: Path) -> None:
    async with httpx.AsyncClient(headers={"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.1"}) as client:
        answer = await client.post(f"{url}/ui/login", data={"key": new_key(db)})
    name, value = answer.headers["set-cookie"].split(";")[0].split("=")
    await page.context.add_cookies(
        [{"name": name, "value": value, "domain": "collect.example", "path": "/ui/", "secure": True}]
    )
    plain = url.replace("127.0.0.1", "collect.example")
    await page.goto(f"{plain}/ui/#k={new_key(db)}")
    await page.wait_for_url(f"{plain}/ui/live")


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
