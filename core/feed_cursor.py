"""The cursor of the feed: a position in the order of commits, as a text that clients keep and send back.

`1.5f0c2a9b61d3e874.e1042`: the version of the form, the history to which the position belongs, and a part for each
order of numbers, here that of events and erasures. A store with several orders, such as one for each node, takes more
parts or another version.
"""

import re
from typing import Self

from msgspec import Struct

OLDEST = "0"
"""The text for the position before the oldest record."""
MAX_NUMBER = 2**62
HISTORY = r"[0-9a-f]{16}"
PATTERN = rf"1\.({HISTORY})\.e(0|[1-9][0-9]{{0,18}})"
_parts = re.compile(PATTERN)


class Cursor(Struct, frozen=True):
    """A position: the records up to the one with the number `events` are read.

    `history` is the id of the store's history when the cursor was made. A restored backup begins another one.
    """

    history: str
    events: int

    @property
    def text(self) -> str:
        return f"1.{self.history}.e{self.events}"

    @classmethod
    def read(cls, text: str) -> Self:
        """The reverse of `text`. Raises ValueError."""
        match = _parts.fullmatch(text)
        if match is None or int(match[2]) > MAX_NUMBER:
            raise ValueError("should be the `cursor` of a record, or 0 for the oldest one")
        return cls(match[1], int(match[2]))
