"""A browser for the tests of pages and of the tracker script: Debian's Chromium, driven by Playwright.

One browser serves all tests of this folder; each test has contexts of its own, which share no storage. Playwright
downloads nothing. Where no Chromium is installed, the tests are skipped, and the last line of pytest names the package
to install.
"""

import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Page, Playwright, async_playwright

from tests.support.browser import PROGRAMS, WHOLE, NewContext, launch, watch
from tests.support.live_page import live_page


@pytest.fixture(scope="package")
def chromium() -> str:
    """The program of the browser."""
    return _first_of(PROGRAMS)


@pytest.fixture(scope="package")
def whole_chromium() -> str:
    """The program of a browser that also keeps pages for the way back."""
    return _first_of(WHOLE)


def _first_of(programs: Sequence[str]) -> str:
    for program in programs:
        if path := shutil.which(program):
            return path
    pytest.skip("no Chromium for the tests in a browser: apt-get install chromium chromium-headless-shell")


@pytest.fixture(scope="package")
async def playwright(chromium: str) -> AsyncIterator[Playwright]:
    async with async_playwright() as driver:
        yield driver


@pytest.fixture(scope="package")
async def browser(playwright: Playwright, chromium: str) -> AsyncIterator[Browser]:
    started = await launch(playwright, chromium)
    yield started
    await started.close()


@pytest.fixture
def faults() -> list[str]:
    """What the pages of the test wrote to the console as errors, violations of policies and uncaught errors included.

    A test fails when any is left at its end. One that provokes faults compares them, and clears the list.
    """
    return []


@pytest.fixture
async def new_context(browser: Browser, faults: list[str]) -> AsyncIterator[NewContext]:
    """Opens a context: a browser profile without cookies and storage. The arguments are Playwright's."""
    opened: list[BrowserContext] = []

    async def new(**options: Any) -> BrowserContext:
        context = await browser.new_context(**options)
        opened.append(context)
        watch(context, faults)
        return context

    yield new
    for context in opened:
        await context.close()
    assert faults == []


@pytest.fixture
async def context(new_context: NewContext) -> BrowserContext:
    return await new_context()


@pytest.fixture
async def page(context: BrowserContext) -> Page:
    return await context.new_page()


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """Where the server makes its file."""
    return tmp_path / "trackd.db"


@pytest.fixture
async def client(db: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A test names it before its pages, so that they are closed before the server stops."""
    async with live_page(db) as client:
        yield client
