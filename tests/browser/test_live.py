"""The view Live in a browser: events come by themselves, once, as text, and as many as a person can read."""

from pathlib import Path

import httpx
from playwright.async_api import Page, expect

from tests.support.accessibility import faults_in_all_looks
from tests.support.browser import NewContext
from tests.support.live_list import follows, log_in, shows, track
from tests.support.payloads import SOURCE_ID, bearer, payload
from tests.support.serving import ADMIN_SECRET

HOSTILE = "<script>document.title = 'run'</script><img src=x onerror=\"document.title='run'\">"


async def test_events_come_as_text_and_lead_to_their_page(client: httpx.AsyncClient, page: Page, db: Path) -> None:
    await log_in(page, client, db)
    await expect(page.get_by_text("Nothing has arrived yet")).to_be_visible()
    await track(client, "first")
    await shows(page, "first")
    await expect(page.get_by_text("Nothing has arrived yet")).to_be_hidden()
    profile = await track(client, "purchase-order", "a", number=9007199254740993, total=[])
    await shows(page, "a", "purchase-order", "first")
    row = page.locator("#rows > li").filter(has_text="purchase-order")
    await expect(row).to_contain_text("a <b>shop</b>")
    await expect(row).to_contain_text("number=9007199254740993 total=[]")
    await expect(row.locator(".badge")).to_have_text("invalid")
    await expect(row.locator(".reasons")).not_to_be_empty()
    assert await row.locator(".profile a").get_attribute("href") == f"profile?id={profile}"
    of_feed = await page.locator("#rows > li").all_inner_texts()

    await page.reload()
    await follows(page)
    assert [text.split() for text in await page.locator("#rows > li").all_inner_texts()] == [
        text.split() for text in of_feed
    ]
    await page.get_by_role("link", name="first").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("first")
    await page.get_by_role("link", name=profile).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Profile")
    await expect(page.locator("main")).to_contain_text(profile)


async def test_script_tags_in_every_field_are_text(client: httpx.AsyncClient, page: Page, db: Path) -> None:
    await log_in(page, client, db)
    hostile = {HOSTILE: HOSTILE}
    event = {"id": HOSTILE, "type": HOSTILE, "properties": hostile, "context": hostile, "options": hostile}
    call = {"source": {"id": SOURCE_ID}, "session": {"id": HOSTILE}, "context": hostile, "events": [event]}
    for refused in (call | {"source": {"id": HOSTILE}}, call | {"events": [{HOSTILE: HOSTILE}]}, call):
        await client.post("/track", json=refused)
    await expect(page.locator("#rows > li")).to_have_count(3)
    for _ in range(2):  # from the feed, and from the page
        await expect(page.locator("#rows > li")).to_have_count(3)
        await expect(page.locator("#rows").get_by_text(HOSTILE, exact=True)).to_have_count(2)
        await expect(page.locator("main img, main script")).to_have_count(0)
        await page.reload()
        await follows(page)
    await page.locator("#rows a.type").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    await expect(page.locator("code").filter(has_text='"properties"')).to_contain_text("<img src=x")
    assert "run" not in (await page.title()).split()
    await expect(page.locator("main img, main script")).to_have_count(0)


async def test_the_row_with_the_focus_stays_when_the_oldest_ones_are_removed(
    client: httpx.AsyncClient, page: Page, db: Path
) -> None:
    await track(client, "oldest")
    await log_in(page, client, db)
    await page.get_by_role("link", name="oldest").focus()
    await page.evaluate(
        """() => {
            const row = document.querySelector("#rows > li");
            for (let number = 0; number < 310; number += 1) {
                const copy = row.cloneNode(true);
                copy.querySelector(".type").textContent = "copy";
                row.before(copy);
            }
        }"""
    )
    await track(client, "newest")
    await expect(page.locator("#rows .type").first).to_have_text("newest")
    await expect(page.locator("#rows > li")).to_have_count(300)
    await expect(page.get_by_role("link", name="oldest")).to_be_focused()
    await expect(page.get_by_role("link", name="Load the list again")).to_be_visible()


async def test_an_erasure_is_a_row_and_removes_those_of_the_profile(
    client: httpx.AsyncClient, page: Page, db: Path
) -> None:
    await log_in(page, client, db)
    profile = await track(client, "theirs")
    await track(client, "of another", session="other")
    await shows(page, "of another", "theirs")
    assert (await client.delete(f"/profile/{profile}", headers=bearer(ADMIN_SECRET))).status_code == 200
    await shows(page, "of another")
    await expect(page.locator("#rows > li").first).to_contain_text("A profile was erased")


async def test_what_is_not_stored_comes_with_its_reason_and_what_was_sent(
    client: httpx.AsyncClient, page: Page, db: Path
) -> None:
    await log_in(page, client, db)
    await track(client, "purchase-order", total=[])
    await client.post("/track", json=payload("s", HOSTILE, source="nobody"))
    await client.post("/track", json={"source": {"id": SOURCE_ID}, "session": {"id": "s"}, "events": [{}]})
    badges = page.locator("#rows .badge")
    await expect(badges).to_have_text(["refused 422", "refused 401", "invalid"])
    refused = page.locator("#rows > li").nth(1)
    await expect(refused).to_contain_text("unknown source Invalid event source `nobody`.")
    await refused.get_by_text("What was sent").click()
    await expect(refused.locator("code")).to_contain_text(HOSTILE.split("=")[0])
    await track(client, "a")
    await expect(badges).to_have_text(["stored", "refused 422", "refused 401", "invalid"])
    await expect(refused.locator("code")).to_be_hidden()
    await expect(page.locator("#rows > li").nth(2).locator("code")).to_be_visible()
    of_feed = await page.locator("#rows > li").all_inner_texts()
    await page.reload()
    await follows(page)
    await page.locator("#rows summary").last.click()
    assert [text.split() for text in await page.locator("#rows > li").all_inner_texts()] == [
        text.split() for text in of_feed
    ]
    await page.get_by_label("Status").select_option("not stored")
    await page.get_by_role("button", name="Show").click()
    await expect(badges).to_have_text(["refused 422", "refused 401"])
    await follows(page)
    await track(client, "b")
    await client.post("/track", json=payload("s", "c", source="nobody"))
    await expect(badges).to_have_text(["refused 401", "refused 422", "refused 401"])


async def test_the_page_works_without_javascript(client: httpx.AsyncClient, new_context: NewContext, db: Path) -> None:
    await track(client, "a", "b")
    page = await (await new_context(java_script_enabled=False)).new_page()
    await page.goto(f"{client.base_url}/ui/live")
    await page.get_by_label("Token").fill(ADMIN_SECRET)
    await page.keyboard.press("Enter")
    await shows(page, "b", "a")
    await expect(page.get_by_role("button", name="Pause")).to_be_hidden()
    await page.get_by_label("Type").fill("a")
    await page.get_by_label("Source").select_option("a <b>shop</b>")
    await page.get_by_role("button", name="Show").click()
    await shows(page, "a")
    await track(client, "a")
    await page.get_by_role("link", name="Load it again").click()
    await shows(page, "a", "a")
    await page.get_by_role("link", name="a", exact=True).first.click()
    await expect(page.get_by_role("heading", name="Rules that ran")).to_be_visible()


async def test_the_list_and_an_event_are_accessible(client: httpx.AsyncClient, page: Page, db: Path) -> None:
    await track(client, "purchase-order", total=[])
    await track(client, "profile-update", email="ann@shop.example", text="x" * 1_000)
    await log_in(page, client, db)
    await track(client, "x" * 200)
    await shows(page, "x" * 200, "profile-update", "purchase-order")
    await client.post("/track", json=payload("s", "t", source="nobody"))
    await expect(page.locator("#rows > li")).to_have_count(4)
    await page.get_by_text("What was sent").click()
    for name in ("profile-update", "purchase-order"):
        assert await faults_in_all_looks(page) == []
        await page.get_by_role("link", name=name).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(name)
        assert await faults_in_all_looks(page) == []
        await page.get_by_role("link", name="Live").last.click()
        await follows(page)
