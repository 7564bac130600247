"""The view Live in a browser: events come by themselves, once, as text, and as many as a person can read."""

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.support.accessibility import accessibility_faults
from tests.support.browser import NewContext
from tests.support.live_page import live_page, new_key
from tests.support.payloads import SOURCE_ID, bearer, payload
from tests.support.serving import ADMIN_SECRET
from trackd.storage.sqlite.tokens import Tokens

HOSTILE = "<script>document.title = 'run'</script><img src=x onerror=\"document.title='run'\">"
FOREIGN = "1.0000000000000000.e5"  # a cursor of another database
CURSOR = re.compile(r'(?<=data-cursor=")[^"]+')
FOLLOWS = "New events appear here by themselves."


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "trackd.db"


@pytest.fixture
async def client(db: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A test names it before its pages, so that they are closed before the server stops."""
    async with live_page(db) as client:
        yield client


async def track(client: httpx.AsyncClient, *types: str, session: str = "s", **properties: Any) -> str:
    """The id of the profile."""
    call = payload(session, *types)
    for event in call["events"]:
        event["properties"] = properties
    answer = await client.post("/track", json=call)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["profile"]["id"])


async def log_in(page: Page, client: httpx.AsyncClient, db: Path) -> None:
    """Open the page by a link, and wait until it follows."""
    await page.goto(f"{client.base_url}/ui/#k={new_key(db)}")
    await follows(page)


async def follows(page: Page) -> None:
    await expect(page.locator("#state")).to_have_text(FOLLOWS)


async def shows(page: Page, *types: str) -> None:
    """Wait until the table has these events and no others."""
    await expect(page.locator("#events .type")).to_have_text(list(types))


async def change_next(page: Page, change: Callable[[str], str]) -> None:
    """Change the text of the page when it is loaded the next time."""

    async def changed(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, body=change(await answer.text()))

    await page.route("**/ui/live", changed, times=1)


async def test_events_come_as_text_and_lead_to_their_page(client: httpx.AsyncClient, page: Page, db: Path) -> None:
    await log_in(page, client, db)
    await expect(page.get_by_text("No event is stored yet")).to_be_visible()
    await track(client, HOSTILE, **{HOSTILE: HOSTILE})
    await shows(page, HOSTILE)
    await expect(page.get_by_text("No event is stored yet")).to_be_hidden()
    profile = await track(client, "purchase-order", "a", number=9007199254740993, total=[])
    await shows(page, "a", "purchase-order", HOSTILE)
    row = page.locator("#events tbody tr").filter(has_text="purchase-order")
    await expect(row).to_contain_text("a <b>shop</b>")
    await expect(row).to_contain_text("number=9007199254740993 total=[]")
    await expect(row.locator(".badge")).to_have_text("invalid")
    await expect(row.locator(".reasons")).not_to_be_empty()
    assert await row.locator(".profile a").get_attribute("href") == f"profile?id={profile}"
    of_feed = await page.locator("#events tbody tr").all_inner_texts()

    await page.reload()
    await follows(page)
    assert [text.split() for text in await page.locator("#events tbody tr").all_inner_texts()] == [
        text.split() for text in of_feed
    ]
    await page.get_by_role("link", name=HOSTILE).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    assert "run" not in (await page.title()).split()


async def test_an_event_between_the_page_and_its_feed_is_shown_once(
    client: httpx.AsyncClient, page: Page, db: Path
) -> None:
    before = await cursor_of_new_page(page, client, db)
    await track(client, "in both")
    await change_next(page, lambda text: CURSOR.sub(before, text))
    await page.reload()
    await follows(page)
    await track(client, "later")
    await shows(page, "later", "in both")

    async def loaded_slowly(route: Route) -> None:
        answer = await route.fetch()
        await track(client, "in neither")
        await route.fulfill(response=answer)

    await page.route("**/ui/live", loaded_slowly, times=1)
    await page.reload()
    await shows(page, "in neither", "later", "in both")


async def cursor_of_new_page(page: Page, client: httpx.AsyncClient, db: Path) -> str:
    await log_in(page, client, db)
    return str(await page.locator("#live").get_attribute("data-cursor"))


async def test_a_feed_that_fails_is_opened_again_where_it_was(
    client: httpx.AsyncClient, page: Page, db: Path, faults: list[str]
) -> None:
    await log_in(page, client, db)
    await page.route("**/ui/feed?*", lambda route: route.fulfill(status=503, body="{}"), times=1)
    await page.reload()
    await expect(page.locator("#state")).to_have_text("Not connected: trying again.")
    await track(client, "meanwhile")
    await shows(page, "meanwhile")
    await follows(page)
    faults[:] = [fault for fault in faults if "503" not in fault]


async def test_a_list_whose_position_is_lost_is_loaded_again(
    client: httpx.AsyncClient, page: Page, db: Path, faults: list[str]
) -> None:
    await log_in(page, client, db)
    await change_next(page, lambda text: CURSOR.sub(FOREIGN, text))
    await page.reload()
    await follows(page)
    await track(client, "after")
    await shows(page, "after")
    faults[:] = [fault for fault in faults if "410" not in fault]


async def test_a_login_that_has_ended_leads_to_the_page_that_asks_for_a_token(
    client: httpx.AsyncClient, page: Page, db: Path, faults: list[str]
) -> None:
    await log_in(page, client, db)
    with Tokens(db) as tokens:
        [login] = tokens.logins()
        tokens.revoke(login.name)
    await expect(page.get_by_label("Token")).to_be_visible(timeout=20_000)
    faults[:] = [fault for fault in faults if "401" not in fault]


async def test_the_button_stops_the_rows_and_brings_them_in_later(
    client: httpx.AsyncClient, page: Page, db: Path
) -> None:
    await log_in(page, client, db)
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator("#state")).to_have_text("Paused.")
    await track(client, "a", "b")
    await expect(page.locator("#number")).to_have_text("2 new")
    await shows(page)
    await page.get_by_role("button", name="Continue").click()
    await shows(page, "b", "a")
    await follows(page)


async def test_after_a_long_pause_the_list_is_loaded_again(client: httpx.AsyncClient, page: Page, db: Path) -> None:
    await log_in(page, client, db)
    await page.get_by_role("button", name="Pause").click()
    await track(client, *(f"type-{number}" for number in range(310)))
    await expect(page.locator("#number")).to_have_text("more than 300 new ones")
    await page.get_by_role("button", name="Continue").click()
    await shows(page, *(f"type-{number}" for number in range(309, 259, -1)))
    await track(client, "later")
    await expect(page.locator("#events .type").first).to_have_text("later")


async def test_many_events_at_once_are_sampled_and_the_page_shows_how_many(
    client: httpx.AsyncClient, page: Page, db: Path
) -> None:
    await log_in(page, client, db)
    await track(client, *(f"type-{number}" for number in range(400)))
    await expect(page.locator("#number")).to_have_text(re.compile("^showing 1 of [0-9]+$"))
    await expect(page.locator("#events .type").first).to_have_text("type-399")
    assert await page.locator("#events .type").count() < 300
    await expect(page.locator("#number")).to_be_empty(timeout=20_000)
    await follows(page)


async def test_the_row_with_the_focus_stays_when_the_oldest_ones_are_removed(
    client: httpx.AsyncClient, page: Page, db: Path
) -> None:
    await track(client, "oldest")
    await log_in(page, client, db)
    await page.get_by_role("link", name="oldest").focus()
    await page.evaluate(
        """() => {
            const row = document.querySelector("#events tbody tr");
            for (let number = 0; number < 310; number += 1) {
                const copy = row.cloneNode(true);
                copy.querySelector(".type").textContent = "copy";
                row.before(copy);
            }
        }"""
    )
    await track(client, "newest")
    await expect(page.locator("#events .type").first).to_have_text("newest")
    await expect(page.locator("#events tbody tr")).to_have_count(300)
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
    await expect(page.locator("#events tbody tr").first).to_contain_text("A profile was erased")


async def test_what_is_not_stored_appears_by_itself_and_what_is_open_stays_open(
    client: httpx.AsyncClient, page: Page, db: Path
) -> None:
    await log_in(page, client, db)
    await change_next(page, lambda text: text.replace('data-refresh="5"', 'data-refresh="0.1"'))
    await page.reload()
    await client.post("/track", json=payload("s", HOSTILE, source="nobody"))
    await expect(page.locator("#refusals")).to_contain_text("unknown source", timeout=20_000)
    await page.get_by_text("What was sent").click()
    await expect(page.locator("#refusals details")).to_contain_text(HOSTILE.split("=")[0])
    await client.post("/track", json={"source": {"id": SOURCE_ID}, "session": {"id": "s"}, "events": [{}]})
    await expect(page.locator("#refusals tbody tr")).to_have_count(2, timeout=20_000)
    await expect(page.locator("#refusals details[open]")).to_have_count(1)
    await expect(page.locator("#refusals summary").last).to_be_focused()


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


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [1280, 360])
async def test_the_list_and_an_event_are_accessible(
    client: httpx.AsyncClient, new_context: NewContext, db: Path, scheme: str, width: int
) -> None:
    await track(client, "purchase-order", total=[])
    await track(client, "profile-update", email="ann@shop.example", text="x" * 1_000)
    context: BrowserContext = await new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    page = await context.new_page()
    await log_in(page, client, db)
    await track(client, "x" * 200)
    await shows(page, "x" * 200, "profile-update", "purchase-order")
    await client.post("/track", json=payload("s", "t", source="nobody"))
    await expect(page.locator("#refusals tbody tr")).to_have_count(2, timeout=20_000)
    for name in ("profile-update", "purchase-order"):
        assert await accessibility_faults(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await page.get_by_role("link", name=name).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(name)
        assert await accessibility_faults(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await page.get_by_role("link", name="Live").last.click()
        await follows(page)
