"""Sessions, profiles, and visitors who do not want to be tracked."""

import asyncio
import json

import pytest
from playwright.async_api import BrowserContext, Page

from tests.browser.tracker.stored import Stored, nothing_queued, track
from tests.browser.tracker.web import Collector, Site
from tests.support.database import rows
from tests.support.polling import eventually


@pytest.mark.parametrize("host", ["127.0.0.1", "shop.example"])
async def test_tabs_share_a_session_and_a_profile_also_one_that_opens_before_the_first_has_an_answer(
    context: BrowserContext, site: Site, stored: Stored, host: str
) -> None:
    """`shop.example` without TLS has neither Web Locks nor `crypto.randomUUID`."""
    pages = [await context.new_page() for _ in range(2)]
    for page in pages:
        await page.goto(site.url.replace("127.0.0.1", host))
    await asyncio.gather(*(track(page, "one") for page in pages))

    await eventually(lambda: len(stored.types()) >= 4)
    for page in pages:
        await nothing_queued(page)
    events = stored.events()
    assert sorted(event["type"] for event in events) == ["one"] * 2 + ["page-view"] * 2
    assert len({event["session_id"] for event in events}) == 1
    assert len({event["profile_id"] for event in events}) == 1


async def test_a_session_ends_after_half_an_hour_of_silence_and_the_profile_stays(
    page: Page, site: Site, stored: Stored
) -> None:
    async def grow_older(minutes: int) -> None:
        await nothing_queued(page)
        await page.evaluate(
            """(minutes) => {
                const key = Object.keys(localStorage).find((key) => key.endsWith(" .session"));
                const session = JSON.parse(localStorage[key]);
                localStorage[key] = JSON.stringify({ ...session, seen: session.seen - minutes * 60_000 });
            }""",
            minutes,
        )

    for minutes in (29, 29, 31):
        await page.goto(site.url)
        await eventually(lambda: stored.types())
        await grow_older(minutes)
    await track(page, "later")

    events = await stored.exactly(*["page-view"] * 3, "later")
    assert [event["session_id"] for event in events[1:3]] == [events[0]["session_id"]] * 2
    assert events[3]["session_id"] != events[0]["session_id"]
    [profile] = rows(stored.db, "SELECT doc FROM profile WHERE id = ?", events[0]["profile_id"])
    assert json.loads(profile["doc"])["stats"]["visits"] == 2


@pytest.mark.parametrize(
    "wish",
    [
        "Object.defineProperty(navigator, 'doNotTrack', {value: '1'})",
        "Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})",
    ],
)
async def test_who_does_not_want_to_be_tracked_is_not(
    context: BrowserContext, site: Site, collector: Collector, stored: Stored, wish: str
) -> None:
    before = await context.new_page()
    await before.goto(site.url)
    await stored.exactly("page-view")
    await nothing_queued(before)
    page = await context.new_page()
    await page.add_init_script(wish)
    await page.goto(site.url)
    await track(page, "one")
    await page.evaluate("trackd.consent({marketing: true})")

    assert await page.evaluate("trackd.profile()") is None
    assert await page.evaluate("localStorage.length") == 0
    assert len(collector.calls) == 1

    site.attributes = ' data-respect-dnt="false"'
    await page.goto(site.url)
    await eventually(lambda: stored.types() == ["page-view"] * 2)
