"""A web site of one origin, whose pages have the tracker script, and a real trackd at another origin."""

import itertools
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext

from tests.browser.tracker.stored import Stored
from tests.browser.tracker.web import Collector, Site, web
from tests.support.browser import NewContext
from tests.support.payloads import SOURCE_ID
from tests.support.process import TRACKD, Process
from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources

NUMBERS = itertools.count()


@pytest.fixture(scope="package")
def server(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A trackd with a source for each test."""
    db = tmp_path_factory.mktemp("tracker") / "trackd.db"
    with Sources(db, create=True) as sources:
        for number in range(60):
            sources.add(Source(f"{SOURCE_ID}-{number}", "test", returns_profile=True))
    command: list[str | Path] = [TRACKD, "serve", "--port", "0", "--db", db]
    running = subprocess.Popen(
        command, cwd=db.parent, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    started = Process(db, running)
    yield started
    started.stop()
    running.communicate()


@pytest.fixture
async def collector(server: Process) -> AsyncIterator[Collector]:
    """The trackd, behind a front that fails on demand."""
    front = Collector(server.url)
    async with web(front.answer) as port:
        front.url = f"http://127.0.0.1:{port}"
        yield front
    await front.close()


@pytest.fixture
async def site(collector: Collector) -> AsyncIterator[Site]:
    """A site whose pages have the script, with a source of its own."""
    pages = Site(collector.url, f"{SOURCE_ID}-{next(NUMBERS)}")
    async with web(pages.answer) as port:
        pages.url = f"http://127.0.0.1:{port}"
        yield pages


@pytest.fixture
async def context(site: Site, new_context: NewContext) -> BrowserContext:
    """Closed before the site and the collector are, so that no page notices their end."""
    return await new_context()


@pytest.fixture
def stored(server: Process, site: Site) -> Stored:
    return Stored(server.db, site.source)
