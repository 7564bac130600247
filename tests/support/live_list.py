"""The view Live in a browser: what tests do with it, and wait for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Page, Route, expect

from tests.support.live_page import new_key
from tests.support.payloads import payload

FOLLOWS = "New events appear by themselves."


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
    await expect(page.locator("#rows .type")).to_have_text(list(types))


async def change_next(page: Page, change: Callable[[str], str]) -> None:
    """Change the text of the page when it is loaded the next time."""

    async def changed(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, body=change(await answer.text()))

    await page.route("**/ui/live", changed, times=1)
