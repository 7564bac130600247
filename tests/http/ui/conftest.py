"""Fixtures for the tests of the live page."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.support.live_page import live_page, log_in


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """Where the server makes its file."""
    return tmp_path / "trackd.db"


@pytest.fixture
async def client(db: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client that may do everything."""
    async with live_page(db) as client:
        await log_in(client)
        yield client
