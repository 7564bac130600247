"""The connection of the view Live: after faults and pauses nothing is lost, and nothing is shown twice."""

import re
from pathlib import Path

import httpx
from playwright.async_api import Page, Route, expect

from tests.support.live_list import change_next, follows, log_in, shows, track
from tests.support.serving import ADMIN_SECRET
from trackd.storage.sqlite.tokens import Tokens

FOREIGN = "1.0000000000000000.e5"  # a cursor of another database
CURSOR = re.compile(r'(?<=data-cursor=")[^"]+')


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
    await expect(page.get_by_text("Your login has ended")).to_be_visible()
    await page.get_by_label("Token").fill(ADMIN_SECRET)
    await page.keyboard.press("Enter")
    await follows(page)
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
    await expect(page.locator("#rows .type").first).to_have_text("later")


async def test_many_events_at_once_are_sampled_and_the_page_shows_how_many(
    client: httpx.AsyncClient, page: Page, db: Path
) -> None:
    await log_in(page, client, db)
    await track(client, *(f"type-{number}" for number in range(400)))
    await expect(page.locator("#number")).to_have_text(re.compile("^showing 1 of [0-9]+$"))
    await expect(page.locator("#rows .type").first).to_have_text("type-399")
    assert await page.locator("#rows .type").count() < 300
    await expect(page.locator("#number")).to_be_empty(timeout=20_000)
    await follows(page)


async def test_a_list_that_is_far_behind_and_cannot_show_all_goes_on_at_the_newest_events(
    client: httpx.AsyncClient, page: Page, db: Path
) -> None:
    await log_in(page, client, db)
    await change_next(page, lambda text: re.sub('(?<=data-now=")[^-]+', "9999", text))
    await page.reload()
    await follows(page)
    await track(client, *(f"type-{number}" for number in range(400)))
    await shows(page, *(f"type-{number}" for number in range(399, 349, -1)))
    await track(client, "later")
    await expect(page.locator("#rows .type").first).to_have_text("later")
