"""What a test sees of the events of a site: in the database, and in the browser's queue."""

import json
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from tests.support.database import rows
from tests.support.polling import eventually

STORED = """
    SELECT event.id, type, seq, session_id, profile_id, source_id, created, properties, context FROM event
    WHERE source_id = ? ORDER BY created, seq
"""


class Stored:
    """The events of the site in the database, in the order in which they happened."""

    def __init__(self, db: Path, source: str) -> None:
        self.db, self._source = db, source

    def events(self) -> list[dict[str, Any]]:
        found = rows(self.db, STORED, self._source)
        return [
            {**event, "properties": json.loads(event["properties"]), "context": json.loads(event["context"])}
            for event in found
        ]

    def types(self) -> list[str]:
        return [event["type"] for event in self.events()]

    async def exactly(self, *types: str) -> list[dict[str, Any]]:
        """The events, once those of these types are stored: each once, of one profile."""
        await eventually(lambda: len(self.events()) >= len(types), f"events {types}")
        events = self.events()
        assert [event["type"] for event in events] == list(types)
        assert len({event["profile_id"] for event in events}) == 1
        return events


async def queued(page: Page) -> int:
    """The number of events that the script keeps to send them."""
    found: int = await page.evaluate(
        "Object.keys(localStorage).filter((key) => key.startsWith('trackd ') && !/ [.]\\w+$/.test(key)).length"
    )
    return found


async def nothing_queued(page: Page) -> None:
    async def empty() -> bool:
        return await queued(page) == 0

    await eventually(empty, "an empty queue")


async def track(page: Page, *types: str) -> None:
    await page.evaluate("(types) => types.forEach((type) => trackd.track(type, {n: 1}))", list(types))
