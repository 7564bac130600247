"""Pages of many feeds at once. Most feeds show little of what is new: it is searched once for all of them."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from itertools import chain
from typing import Any, NamedTuple

from trackd.core.feed_cursor import Cursor
from trackd.storage.feed import EVENT, REFUSAL, FeedFilter, FeedPage, FeedRequest
from trackd.storage.sqlite.feed import DELETED_UP_TO, Found, State, page_of, state_of

MAX_SEARCHED, MAX_FOUND = 20_000, 5_000  # events of one search: bounds the time that it takes
BUDGET_S = 0.02  # of processor time for one group; the other pages are read with the next one
COLUMNS = {  # by the field of filters: those of which a value has few events come first
    "session": "session_id",
    "profile": "profile_id",
    "type": "type",
    "status": "status",
    "source": "source_id",
}
SEARCH = "SELECT {}, number FROM event WHERE number > ? AND number <= ? AND ({}) ORDER BY number LIMIT ?"
ERASED_AFTER = "SELECT 1 FROM erased WHERE number > ? LIMIT 1"
Key = tuple[str, str]
Asked = Sequence[tuple[FeedFilter, FeedRequest]]


class Search(NamedTuple):
    """The numbers of the events up to `end` by a field of filters and its value."""

    numbers: Mapping[Key, Sequence[int]]
    end: int
    has_erasures: bool


def read_feeds(db: Any, asked: Asked, now: Callable[[], float] = time.thread_time) -> list[FeedPage | None]:
    """A page for each request, at least the first; None for those that there was no time for."""
    end = now() + BUDGET_S
    state = state_of(db)
    keys = [_key(matching) for matching, _ in asked]
    searches = _searches(db, asked, keys, state)
    without: dict[tuple[Sequence[str], FeedRequest], FeedPage] = {}
    pages: list[FeedPage | None] = []
    for (matching, request), key in zip(asked, keys, strict=True):
        if pages and now() > end:
            pages.append(None)
            continue
        found = _found(searches, request, key)
        if found is None or found.numbers or found.has_erasures or REFUSAL in matching.kinds:
            pages.append(page_of(db, matching, request, state, found))
            continue
        same = (matching.kinds, request)  # feeds for which nothing is new move on together
        if same not in without:
            without[same] = page_of(db, matching, request, state, found)
        pages.append(without[same])
    return pages


def _searches(db: Any, asked: Asked, keys: Sequence[Key | None], state: State) -> Mapping[int, Search]:
    """By the number after which they begin: those at which there are several narrow feeds, which move on together."""
    wanted: dict[int, list[Key]] = defaultdict(list)
    for (_, request), key in zip(asked, keys, strict=True):
        if key is not None and isinstance(request.after, Cursor) and request.after.events < state.last:
            wanted[request.after.events].append(key)
    found = {begin: _search(db, begin, set(keys), state.last) for begin, keys in wanted.items() if len(keys) > 1}
    deleted_up_to = db.execute(DELETED_UP_TO).get if found else 0  # some of them perhaps before they were found
    return {begin: search for begin, search in found.items() if begin >= deleted_up_to}


def _search(db: Any, begin: int, wanted: Set[Key], last: int) -> Search:
    values: dict[str, list[str]] = defaultdict(list)
    for name, value in wanted:
        values[name].append(value)
    conditions = [f"{COLUMNS[name]} IN ({', '.join('?' * len(each))})" for name, each in values.items()]
    sql = SEARCH.format(", ".join(COLUMNS[name] for name in values), " OR ".join(conditions))
    end = min(last, begin + MAX_SEARCHED)
    rows = list(db.execute(sql, (begin, end, *chain.from_iterable(values.values()), MAX_FOUND)))
    numbers: dict[Key, list[int]] = {key: [] for key in wanted}
    for *found, number in rows:
        for key in zip(values, found, strict=True):
            if key in numbers:
                numbers[key].append(number)
    has_erasures = db.execute(ERASED_AFTER, (begin,)).get is not None
    return Search(numbers, rows[-1][-1] if len(rows) == MAX_FOUND else end, has_erasures)


def _found(searches: Mapping[int, Search], request: FeedRequest, key: Key | None) -> Found | None:
    if key is None or not isinstance(request.after, Cursor) or request.after.events not in searches:
        return None
    search = searches[request.after.events]
    return Found(search.numbers[key], search.end, search.has_erasures)


def _key(matching: FeedFilter) -> Key | None:
    """The field by which its events are searched, and its value. None for a feed that shows all, or no events."""
    if EVENT not in matching.kinds:
        return None
    for name in COLUMNS:
        if (value := getattr(matching, name)) is not None:
            return name, value
    return None
