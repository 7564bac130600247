"""Pages of lists end after so many bytes of documents."""

from typing import Any

import pytest

from tests.storage.sqlite.test_listings import day, store_days, through
from tests.support.making import Make
from tests.support.stores import SqliteBackend
from trackd.storage.listings import EventFilter, ProfileFilter
from trackd.storage.sqlite import searching
from trackd.storage.sqlite.listings import SqliteListings


@pytest.mark.parametrize("most_bytes", [1, 700])
def test_a_page_ends_after_so_many_bytes_and_the_next_one_follows(
    sqlite_backend: SqliteBackend,
    listings: SqliteListings,
    make: type[Make],
    monkeypatch: pytest.MonkeyPatch,
    most_bytes: int,
) -> None:
    store_days(sqlite_backend, make, range(1, 13))
    sqlite_backend.store.commit([make.change("C", events=9, session="S")])
    even = EventFilter(type="even")
    reads: list[tuple[Any, ...]] = [
        (listings.events, EventFilter()),
        (listings.events, even),
        (listings.events, EventFilter(created_after=day(1), created_before=day(9))),
        (listings.profiles, ProfileFilter()),
        (listings.profile_events, "A"),
        (listings.profile_sessions, "C"),
        (listings.session_events, "S"),
    ]
    whole = [through(*read, limit=100) for read in reads]
    monkeypatch.setattr(searching, "MAX_PAGE_BYTES", most_bytes)
    cut = [through(*read, limit=5) for read in reads]
    assert [found for found, _ in cut] == [found for found, _ in whole]
    assert max(max(sizes) for _, sizes in cut) == (1 if most_bytes == 1 else 5)
    assert min(max(sizes) for _, sizes in cut) < 5
