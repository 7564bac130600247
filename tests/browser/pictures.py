"""`make pictures`: the pictures of the live page in docs/pictures, of a small shop and its traffic of some minutes.

make pictures ARGS="--minutes 10"
"""

import argparse
import asyncio
import contextlib
import random
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Browser, async_playwright

from tests.support.browser import PROGRAMS, launch
from tests.support.process import TRACKD, Process
from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
MAX_BYTES = 120_000
RULES = Path(__file__).parents[2] / "config" / "rules.toml"
UNWANTED = '\n[[unwanted]]\nname = "debugging"\ntypes = ["debug-*"]\n'
SHOP, APP, CHECKOUT, LETTER = "web-shop", "android-app", "checkout", "newsletter"
SOURCES = [
    Source(SHOP, "Web shop", origins=("https://shop.example",)),
    Source(APP, "Android app"),
    Source(CHECKOUT, "Checkout server", returns_profile=True),
    Source(LETTER, "Newsletter", consent=True),
    Source("till", "Till in the old store", enabled=False),
]
PRODUCTS = [
    ("Rain jacket", 89.0),
    ("Wool socks", 12.5),
    ("Tent for two", 249.0),
    ("Lamp", 34.9),
    ("Map of the Alps", 9.8),
]
PERSON = {
    "name": "Ann",
    "surname": "Larsen",
    "email": "ann.larsen@mail.example",
    "traits": {"language": "da", "plan": "gold"},
}
CALLS_PER_S = 40
WIDTH, HEIGHT = 1120, 720
Sent = tuple[str, dict[str, Any]]  # the type and the properties of an event


class Shop:
    """The clients of the shop: they send to a server."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._random = random.Random(7)

    async def send(self, source: str, session: str, *events: Sent, **more: Any) -> httpx.Response:
        return await self._client.post(
            "/track",
            json={
                "source": {"id": source},
                "session": {"id": session},
                "events": [{"type": name, "properties": properties} for name, properties in events],
                **more,
            },
        )

    async def visit(self, number: int) -> None:
        """A call of one of many visitors."""
        product, price = self._random.choice(PRODUCTS)
        viewed: Sent = ("product-viewed", {"product": product, "price": price})
        in_basket: Sent = ("product-in-basket", {"product": product, "price": price, "quantity": 1})
        page: Sent = ("page-view", {"page": self._random.choice(["/", "/tents", "/jackets", "/basket", "/sale"])})
        search: Sent = ("search", {"text": product.lower(), "found": self._random.randrange(1, 40)})
        events: list[Sent] = self._random.choice([[page], [page, viewed], [search], [viewed, in_basket], [page]])
        source = self._random.choice([SHOP, SHOP, SHOP, APP])
        await self.send(source, f"visit-{number // 5}-{self._random.randrange(3)}", *events)

    async def story(self, seconds: float) -> str:
        """A person among the visitors of so many seconds, and some mistakes: the id of the profile."""
        [jacket, socks, *_] = PRODUCTS
        context = {"browser": {"language": "da-DK"}, "screen": {"width": 1280, "height": 800}}
        first = await self.send(SHOP, "first-visit", ("page-view", {"page": "/"}), context=context)
        profile: str = first.json()["profile"]["id"]
        await self.trade(seconds / 4)
        consents = {"marketing": True, "statistics": True}
        await self.send(SHOP, "first-visit", ("sign-up", PERSON), ("consent-granted", consents))
        await self.trade(seconds / 4)
        of_app = {"profile": {"id": profile}, "context": {"device": "Pixel 9"}}
        await self.send(APP, "in-the-app", ("page-view", {"page": "/jackets"}), **of_app)
        await self.buy("in-the-app", 1041, *jacket)
        await self.trade(seconds / 4)
        await self.trade(seconds / 4)
        await self.mistakes()
        await self.send(SHOP, "first-visit", ("product-in-basket", {"product": socks[0], "price": socks[1]}))
        await self.buy("first-visit", 1042, socks[0], -socks[1])
        await self.buy("first-visit", 1042, *socks)
        await self.visit(1)
        await self.send(SHOP, "first-visit", ("consent-revoked", {"statistics": True}))
        await self.send(SHOP, "first-visit", ("search", {"text": "tent", "found": 12}))
        return profile

    async def buy(self, session: str, order: int, product: str, total: float) -> None:
        await self.send(CHECKOUT, session, ("purchase-order", {"order": order, "total": total, "items": [product]}))

    async def mistakes(self) -> None:
        """Calls and events that are not stored, each for another reason, with visits between them."""
        await self.send(SHOP, "visit-3", ("", {"page": "/sale"}))
        await self.visit(2)
        await self.send("web-shop-old", "visit-1", ("page-view", {"page": "/"}))
        await self.send(SHOP, "visit-2", ("debug-timing", {"ms": 12}))
        await self.visit(3)
        json = {"content-type": "application/json"}
        await self._client.post("/track", content=b'{"source": {"id": "web-shop"}, "events": [', headers=json)
        await self.send(LETTER, "letter-7", ("newsletter-opened", {"issue": 31}))

    async def trade(self, seconds: float) -> None:
        """The traffic of many visitors, which swells and ebbs."""
        loop, number = asyncio.get_running_loop(), 0
        ends = loop.time() + seconds
        while loop.time() < ends:
            number += 1
            await self.visit(number)
            await asyncio.sleep(self._random.expovariate(CALLS_PER_S * (1 + number // 200 % 3)))


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Process]:
    """A server with the sources of the shop."""
    db, rules = folder / "trackd.db", folder / "rules.toml"
    rules.write_text(RULES.read_text() + UNWANTED)
    with Sources(db, create=True) as sources:
        for source in SOURCES:
            sources.add(source)
    command: list[str | Path] = [TRACKD, "serve", "--port", "0", "--db", db, "--rules", rules]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        process = Process(db, running)
        try:
            yield process
        finally:
            process.stop()


async def take(browser: Browser, folder: Path, seconds: float) -> None:
    """Write the pictures into a folder, after so many seconds of traffic."""
    with tempfile.TemporaryDirectory() as scratch:
        async with serving(Path(scratch)) as server, httpx.AsyncClient(base_url=server.url) as client:
            profile = await Shop(client).story(seconds)
            page = await browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
            await page.goto(f"{server.url}/ui/")
            await page.get_by_label("Token").fill(server.token)
            await page.keyboard.press("Enter")
            await page.get_by_role("button", name="Log out").wait_for()
            pages = {
                "profile": (f"profile?id={profile}", "Profile"),
                "time-line": (f"profile?id={profile}", "Events"),
                "sources": ("sources", "Sources"),
                "health": ("health", "Health"),
                "live": ("live", "Live"),
            }
            for name, (address, heading) in pages.items():
                await page.goto(f"{server.url}/ui/{address}")
                if heading != await page.locator("h1").inner_text():
                    await page.get_by_role("heading", name=heading, exact=True).evaluate(
                        "each => each.scrollIntoView()"
                    )
                await page.screenshot(path=folder / f"{name}.png")
            await page.close()


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.pictures", description=__doc__)
    parser.add_argument("--minutes", type=float, default=4.0, help="of traffic, which Health shows  [default: 4]")
    minutes: float = parser.parse_args().minutes
    chromium = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if chromium is None:
        parser.exit(1, "There is no Chromium to take them with: apt-get install chromium\n")
    async with async_playwright() as driver:
        browser = await launch(driver, chromium)
        await take(browser, FOLDER, 60 * minutes)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
