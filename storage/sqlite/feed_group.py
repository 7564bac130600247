"""Pages of many feeds at once. Most feeds show little of what is stored: what is new is read once for all of them."""

import time
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, NamedTuple

from trackd.core.feed_cursor import Cursor
from trackd.storage.feed import ERASED, EVENT, REFUSAL, FeedFilter, FeedPage, FeedRequest
from trackd.storage.sqlite.feed import DELETED_UP_TO, HasNone, State, page_of, state_of

MOST_RECENT = 2_000  # events
BUDGET_S = 0.02  # for one group; the other pages are read with the next one
COLUMNS = {"type": "type", "source": "source_id", "profile": "profile_id", "session": "session_id", "status": "status"}
RECENT = f"SELECT {', '.join(COLUMNS.values())}, number FROM event WHERE number > ? AND number <= ?"
ERASED_AFTER = "SELECT 1 FROM erased WHERE number > ? LIMIT 1"


class Recent(NamedTuple):
    """The values of the events after the number `begin`, by the fields of filters."""

    begin: int
    values: Mapping[str, Set[str]]
    has_erasures: bool

    def has_none(self, matching: FeedFilter, begin: Cursor, last: Cursor) -> bool:
        """Whether certainly no record matches between two positions."""
        if begin.events < self.begin or (self.has_erasures and ERASED in matching.kinds):
            return False
        if REFUSAL in matching.kinds and begin.refusals != last.refusals:
            return False
        return EVENT not in matching.kinds or any(
            (wanted := getattr(matching, name)) is not None and wanted not in found
            for name, found in self.values.items()
        )


def read_feeds(
    db: Any, asked: Sequence[tuple[FeedFilter, FeedRequest]], now: Callable[[], float] = time.monotonic
) -> list[FeedPage | None]:
    """A page for each request, at least the first; None for those that there was no time for."""
    end = now() + BUDGET_S
    state = state_of(db)
    recent = _recent(db, asked, state)
    has_none: HasNone = (lambda *_: False) if recent is None else recent.has_none
    pages: list[FeedPage | None] = []
    for matching, request in asked:
        is_late = bool(pages) and now() > end
        pages.append(None if is_late else page_of(db, matching, request, state, has_none))
    return pages


def _recent(db: Any, asked: Sequence[tuple[FeedFilter, FeedRequest]], state: State) -> Recent | None:
    """What the narrow feeds among them have not read yet, if there are several that are near the last event."""
    history, lowest = state.histories[-1].id, state.last - MOST_RECENT
    begins = [
        request.after.events
        for matching, request in asked
        if isinstance(request.after, Cursor)
        and request.after.history == history
        and lowest <= request.after.events < state.last
        and any(getattr(matching, name) is not None for name in COLUMNS)
    ]
    if len(begins) < 2:
        return None
    begin = min(begins)
    rows = list(db.execute(RECENT, (begin, state.last)))
    values = {name: {row[place] for row in rows} for place, name in enumerate(COLUMNS)}
    has_erasures = db.execute(ERASED_AFTER, (begin,)).get is not None
    is_whole = db.execute(DELETED_UP_TO).get <= begin  # else the retention may have deleted some of them
    return Recent(begin, values, has_erasures) if is_whole else None
