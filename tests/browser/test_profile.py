"""The view Profile in a browser: found, read, exported, erased, with and without JavaScript; hostile text is text."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.support.accessibility import faults_in_all_looks
from tests.support.browser import NewContext
from tests.support.live_page import live_page
from tests.support.payloads import payload
from tests.support.serving import ADMIN_SECRET

HOSTILE = "<script>document.title = 'run'</script><img src=x onerror=\"document.title='run'\">"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with live_page(tmp_path / "trackd.db") as client:
        yield client


async def track(client: httpx.AsyncClient) -> str:
    """A profile with hostile texts in all its parts; its id."""
    sign_up = {"email": "ann@example.com", "name": HOSTILE, "traits": {HOSTILE: HOSTILE, "plan": "gold"}}
    events = [
        {"type": "sign-up", "properties": sign_up},
        {"type": "consent-granted", "properties": {"marketing": True, HOSTILE: True}},
        {"type": "purchase-order", "properties": {"total": 34.5}},
        {"type": "purchase-order", "properties": {"total": -1}},
        {"type": HOSTILE, "properties": {HOSTILE: HOSTILE}},
    ]
    answer = await client.post("/track", json=payload(HOSTILE, events=events, context={HOSTILE: HOSTILE}))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["profile"]["id"])


async def log_in(page: Page, client: httpx.AsyncClient, target: str) -> None:
    await page.goto(f"{client.base_url}/ui/{target}")
    await page.get_by_label("Token").fill(ADMIN_SECRET)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Log out")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
async def test_a_profile_is_found_read_exported_and_erased_with_and_without_javascript(
    new_context: NewContext, client: httpx.AsyncClient, faults: list[str], scripts: bool
) -> None:
    profile_id = await track(client)
    page = await (await new_context(java_script_enabled=scripts)).new_page()
    await log_in(page, client, "sources")
    await page.get_by_role("link", name="Profile").click()
    await page.get_by_label("Personal data").fill("email:ANN@example.com")
    await page.get_by_role("button", name="Find").click()
    await expect(page.get_by_text(f"Id {profile_id}")).to_be_visible()
    await expect(page.get_by_role("region", name="Table: Public traits")).to_contain_text(HOSTILE)
    await expect(page.get_by_role("listitem").filter(has_text="Number 3,")).to_contain_text("Rule purchase changed")
    await page.get_by_text("The stored JSON").click()
    await expect(page.locator("pre")).to_contain_text('"plan": "gold"')
    assert "run" not in (await page.title()).split()

    async with page.expect_download() as started:
        await page.get_by_role("link", name="Export").click()
    download = await started.value
    exported = json.loads((await download.path()).read_text())
    assert (exported["profile"]["id"], len(exported["events"])) == (profile_id, 5)
    assert download.suggested_filename == "profile.json"

    await page.get_by_role("link", name="Erase").click()
    await page.get_by_role("link", name="Cancel").click()
    await page.get_by_role("link", name="Erase").click()
    await page.get_by_label("Keep its events for statistics").check()
    await page.get_by_role("button", name="Erase for good").click()
    await expect(page.get_by_role("status")).to_contain_text(f"The profile {profile_id} is erased on disk.")
    await expect(page.get_by_text("Its events are kept")).to_be_visible()
    await page.get_by_role("link", name="Find another profile").click()
    await page.get_by_label("Profile id").fill(profile_id)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text(f"There is no profile with the id {profile_id}")
    faults[:] = [fault for fault in faults if "404" not in fault]


async def test_the_pages_of_a_profile_are_accessible(client: httpx.AsyncClient, page: Page, faults: list[str]) -> None:
    profile_id = await track(client)
    await log_in(page, client, "profile")
    for name in ("profile", "profile?id=unknown", "profile?pii=x", "profile-erase?id=", "profile?id="):
        await page.goto(f"{client.base_url}/ui/{name}{profile_id if name.endswith('=') else ''}")
        for summary in await page.locator("summary").all():
            await summary.click()
        assert await faults_in_all_looks(page) == [], name
    faults[:] = [fault for fault in faults if "404" not in fault and "422" not in fault]
