"""The view Sources in a browser: a source is added, its first event appears, hostile names are text."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.support.accessibility import faults_in_all_looks
from tests.support.browser import NewContext
from tests.support.live_page import live_page
from tests.support.payloads import SOURCE_ID, bearer, payload
from tests.support.serving import ADMIN_SECRET

HOSTILE = "<script>document.title = 'run'</script><img src=x onerror=\"document.title='run'\">"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with live_page(tmp_path / "trackd.db") as client:
        yield client


async def log_in(page: Page, client: httpx.AsyncClient, target: str = "sources") -> None:
    await page.goto(f"{client.base_url}/ui/{target}")
    await page.get_by_label("Token").fill(ADMIN_SECRET)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Log out")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
async def test_a_source_is_added_changed_and_disabled_with_and_without_javascript(
    new_context: NewContext, client: httpx.AsyncClient, scripts: bool
) -> None:
    page = await (await new_context(java_script_enabled=scripts)).new_page()
    await log_in(page, client)
    await page.get_by_role("link", name="Add a source").click()
    await page.get_by_label("Name", exact=True).fill(HOSTILE)
    await page.get_by_label("Id", exact=True).fill(HOSTILE)
    await page.get_by_role("button", name="Add").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    await expect(page.get_by_role("status")).to_contain_text("Waiting for the first event")
    event = payload("s", HOSTILE, source=HOSTILE)
    event["events"][0]["properties"] = {HOSTILE: HOSTILE}
    assert (await client.post("/track", json=event)).status_code == 200
    await expect(page.get_by_role("status")).to_contain_text(f"The newest one is {HOSTILE}", timeout=20_000)

    await page.get_by_text("Change this source").click()
    await page.get_by_label("Description").fill("changed")
    await page.get_by_label("Needs consent").check()
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("changed")).to_be_visible()
    await page.get_by_role("button", name="Disable").click()
    await expect(page.get_by_text("disabled", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Enable").click()
    await expect(page.get_by_text("enabled", exact=True)).to_be_visible()
    assert "run" not in (await page.title()).split()


async def test_a_faulty_form_stays_as_it_is_while_the_source_waits_for_its_first_event(
    page: Page, client: httpx.AsyncClient, faults: list[str]
) -> None:
    await log_in(page, client, f"source?id={SOURCE_ID}")
    await page.get_by_text("Change this source").click()
    await page.get_by_label("Name", exact=True).fill(" ")
    await page.get_by_label("Calls a second").fill("many")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("alert")).to_contain_text("Nothing was saved")
    await page.get_by_label("Description").fill("of the shop")
    assert (await client.post("/track", json=payload("s", "first"))).status_code == 200

    await expect(page.get_by_role("status")).to_contain_text("The newest one is first")
    await expect(page.get_by_label("Description")).to_have_value("of the shop")
    await expect(page.get_by_label("Calls a second")).to_have_value("many")
    faults[:] = [fault for fault in faults if "422" not in fault]


async def test_sources_with_odd_names_are_reached_and_turn_no_other_text_round(
    client: httpx.AsyncClient, page: Page
) -> None:
    token = bearer(ADMIN_SECRET)
    for name in (" ", "\u202ethgir", "x" * 1_000):
        body = {"id": f"id of {ord(name[0])}", "name": name}
        assert (await client.post("/event-source", json=body, headers=token)).status_code == 200
        event = payload("s", "\u202edetrever", source=body["id"])
        assert (await client.post("/track", json=event)).status_code == 200
    await log_in(page, client)
    await page.get_by_role("link", name="id of 32").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("id of 32")
    after = await page.get_by_role("status").locator("time").bounding_box()
    before = await page.get_by_role("status").locator("strong").bounding_box()
    assert before
    assert after
    assert before["x"] + before["width"] <= after["x"], "the time is behind the type"

    await page.goto(f"{client.base_url}/ui/live")
    for row in await page.locator("#rows > li").all():
        box = await row.bounding_box()
        assert box
        assert box["height"] < 300


async def test_the_snippets_name_the_address_of_the_browser(page: Page, client: httpx.AsyncClient) -> None:
    target = f"source?id={SOURCE_ID}"
    await log_in(page, client, target)
    await page.reload()
    for text in await page.locator("pre code").all_inner_texts():
        assert str(client.base_url).rstrip("/") in text
        assert SOURCE_ID in text
    await expect(page.get_by_role("button", name="Copy")).to_have_count(await page.locator("pre code").count())


async def test_the_pages_of_sources_are_accessible(client: httpx.AsyncClient, page: Page, faults: list[str]) -> None:
    await log_in(page, client)
    for name in ("sources", f"source?id={SOURCE_ID}", "source-new"):
        await page.goto(f"{client.base_url}/ui/{name}")
        assert await faults_in_all_looks(page) == [], name
    await page.get_by_label("Name", exact=True).fill(" ")
    await page.get_by_role("button", name="Add").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    assert await faults_in_all_looks(page) == []
    faults[:] = [fault for fault in faults if "422" not in fault]
