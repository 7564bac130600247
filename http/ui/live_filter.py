"""What the view Live shows: a filter and a position, as its address has them."""

import re
from typing import Self

from msgspec import Struct
from starlette.datastructures import QueryParams

from trackd.storage.feed import ERASED, EVENT, REFUSAL
from trackd.storage.listings import EventFilter, RefusalFilter

MAX_FILTER = 255  # characters, as of the parameters of the feed
NOT_STORED = "not-stored"
STATES = {
    "collected": ("stored", ""),
    "validated": ("validated", "good"),
    "invalid": ("invalid", "bad"),
    NOT_STORED: ("not stored", ""),
}
"""What pages call the status of an event, and the style of that word. The last one is for the form only."""
_time = re.compile(r"[0-9TZ:.-]{1,27}")


class LiveFilter(Struct, frozen=True):
    """The events and refusals that match. `cursor` and `before` are None for the newest ones.

    `cursor` is the position in the list of the events, or in that of the refusals when no events are shown; beside
    events, the refusals are those before the time `before`.
    """

    type: str
    source: str
    status: str
    cursor: int | None
    before: str | None

    @classmethod
    def read(cls, query: QueryParams) -> Self:
        """Without faults: values that the form does not have are left out, and the form shows what is in force."""
        status, cursor, before = (query.get(name, "") for name in ("status", "cursor", "before"))
        return cls(
            query.get("type", "")[:MAX_FILTER],
            query.get("source", "")[:MAX_FILTER],
            status if status in STATES else "",
            int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 19 else None,
            before if _time.fullmatch(before) else None,
        )

    @property
    def has_events(self) -> bool:
        return self.status != NOT_STORED

    @property
    def has_refusals(self) -> bool:
        return self.status in ("", NOT_STORED)

    @property
    def is_newest(self) -> bool:
        return self.cursor is None and self.before is None

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the page, without the position."""
        found = {"type": self.type, "source": self.source, "status": self.status}
        return {name: value for name, value in found.items() if value}

    @property
    def feed_query(self) -> dict[str, str]:
        """The parameters of the feed, without the position."""
        kinds = [EVENT] * self.has_events + [ERASED] + [REFUSAL] * self.has_refusals
        found = {**self.query, "kinds": ",".join(kinds)}
        if not self.has_events:
            del found["status"]
        return found

    @property
    def events(self) -> EventFilter:
        return EventFilter(self.type or None, self.source or None, self.status or None)

    def refusals(self, after: str | None) -> RefusalFilter:
        """Those from the time `after` on."""
        return RefusalFilter(source=self.source or None, type=self.type or None, after=after, before=self.before)
