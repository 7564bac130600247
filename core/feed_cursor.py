"""The cursor of the feed: a position in the order of commits, as a text that clients keep and send back.

`1.5f0c2a9b61d3e874.e1042.r17`: the version of the form, the history to which the position belongs, and a part for each
order of numbers, here that of events and erasures and that of refusals. The latter is absent until a feed has shown
refusals. A store with other orders, such as one for each node, takes more parts or another version.
"""

import re
from typing import Self

from msgspec import Struct

OLDEST = "0"
"""The text for the position before the oldest record."""
MAX_NUMBER = 2**62
HISTORY = r"[0-9a-f]{16}"
NUMBER = r"(0|[1-9][0-9]{0,18})"
PATTERN = rf"1\.({HISTORY})\.e{NUMBER}(\.r{NUMBER})?"
_parts = re.compile(PATTERN)


class Cursor(Struct, frozen=True):
    """A position: the records up to the one with the number `events` are read, and refusals up to `refusals`.

    `history` is the id of the store's history when the cursor was made. A restored backup begins another one.
    `refusals` is None when no refusal is read.
    """

    history: str
    events: int
    refusals: int | None = None

    @property
    def text(self) -> str:
        of_events = f"1.{self.history}.e{self.events}"
        return of_events if self.refusals is None else f"{of_events}.r{self.refusals}"

    @classmethod
    def read(cls, text: str) -> Self:
        """The reverse of `text`. Raises ValueError."""
        match = _parts.fullmatch(text)
        if match is not None:
            history, events, _, refusals = match.groups()
            cursor = cls(history, int(events), None if refusals is None else int(refusals))
            if max(cursor.events, cursor.refusals or 0) <= MAX_NUMBER:
                return cursor
        raise ValueError("should be the `cursor` of a record, or 0 for the oldest one")
