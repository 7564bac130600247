"""The live page and the feed below a path, behind an nginx with its defaults: HTTP/1.0, buffers, no `X-Forwarded-*`."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.support.live_page import live_page, new_key
from tests.support.nginx import nginx
from tests.support.payloads import SOURCE_ID, bearer, payload
from tests.support.polling import eventually
from tests.support.serving import ADMIN_SECRET

pytestmark = pytest.mark.slow

FOLLOW = """() => {
    window.seen = [];
    window.feed = new EventSource("feed");
    feed.onopen = () => seen.push("open");
    feed.onmessage = (message) => seen.push(JSON.parse(message.data).type);
}"""


@pytest.fixture(params=[True, False], ids=["strips the path", "passes it on"])
async def front(request: pytest.FixtureRequest, db: Path) -> AsyncIterator[str]:
    """The URL of trackd as a browser sees it."""
    prefix, rest = ("", "/") if request.param else ("/trackd", "")
    async with live_page(db, root_path=prefix) as server:
        url = str(server.base_url).rstrip("/")
        with nginx(db.parent, f"location /trackd/ {{ proxy_pass {url}{rest}; }}") as proxy:
            yield f"{proxy}/trackd"


async def test_the_page_works(front: str, page: Page, db: Path) -> None:
    async with httpx.AsyncClient() as shop:
        answer = await shop.post(f"{front}/track", json=payload("s", "seen"))
    profile_id = answer.json()["profile"]["id"]
    await page.goto(f"{front}/ui/#k={new_key(db)}")
    await expect(page.get_by_role("button", name="Log out")).to_be_visible()
    [cookie] = await page.context.cookies()
    assert (cookie["path"], cookie["httpOnly"], cookie["sameSite"]) == ("/trackd/ui/", True, "Strict")
    await page.goto(f"{front}/")
    await expect(page.get_by_role("button", name="Log out")).to_be_visible()

    for view in await page.get_by_role("navigation").get_by_role("link").all_inner_texts():
        await page.get_by_role("navigation").get_by_role("link", name=view).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(view)
    images = page.get_by_role("img")
    assert await images.count() == 6
    await eventually(lambda: images.evaluate_all("all => all.every(each => each.naturalWidth > 0)"), "plots are there")

    await page.get_by_role("link", name="Sources").click()
    await page.get_by_role("link", name=SOURCE_ID).or_(page.get_by_role("link", name="a <b>shop</b>")).click()
    await expect(page.get_by_role("region").or_(page.locator("pre")).first).to_contain_text(f"{front}/")
    await page.get_by_role("button", name="Disable").click()
    await page.get_by_role("button", name="Enable").click()
    await expect(page.get_by_text("enabled", exact=True)).to_be_visible()

    await page.get_by_role("link", name="Profile").click()
    await page.get_by_label("Profile id").fill(profile_id)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("listitem").filter(has_text="seen").first).to_be_visible()
    async with page.expect_download() as started:
        await page.get_by_role("link", name="Export").click()
    download = await started.value
    assert json.loads((await download.path()).read_text())["profile"]["id"] == profile_id
    await page.get_by_role("link", name="Erase").click()
    await page.get_by_role("button", name="Erase for good").click()
    await expect(page.get_by_role("status")).to_contain_text("is erased")
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_label("Token")).to_be_visible()
    assert await page.context.cookies() == []


async def test_the_feed_arrives_at_once(front: str, page: Page, db: Path) -> None:
    await page.goto(f"{front}/ui/#k={new_key(db)}")
    await expect(page.get_by_role("button", name="Log out")).to_be_visible()
    await page.evaluate(FOLLOW)
    await eventually(lambda: page.evaluate("seen.includes('open')"), "the feed is open")
    async with httpx.AsyncClient(headers=bearer(ADMIN_SECRET), timeout=30) as client:
        for event_type in ("one", "two"):
            await client.post(f"{front}/track", json=payload("s", event_type))
            await eventually(lambda name=event_type: page.evaluate("name => seen.includes(name)", name), event_type)
        assert await page.evaluate("seen") == ["open", "one", "two"]
        lines = await client.get(f"{front}/feed?after=0&limit=2")
        assert [json.loads(line)["type"] for line in lines.text.splitlines()] == ["one", "two"]
        accept = {"accept": "text/event-stream"}
        async with client.stream("GET", f"{front}/feed?after=0", headers=accept) as answer:
            data = [line async for line in limited(answer.aiter_lines())]
            assert [json.loads(line)["type"] for line in data] == ["one", "two"]
    await page.evaluate("feed.close()")


async def limited(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    """The data of the first two records of a stream that does not end."""
    number = 0
    async for line in lines:
        if line.startswith("data: ") and len(line) > len("data: "):
            yield line.removeprefix("data: ")
            number += 1
        if number == 2:
            return
