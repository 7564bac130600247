"""Pages of lists end after so many bytes of documents."""

import json
from typing import Any

import pytest

from tests.storage.test_listings import day, store_days, through
from tests.support.making import Make
from tests.support.stores import SqliteBackend
from trackd.storage.listings import EventFilter, PageRequest, ProfileFilter
from trackd.storage.sqlite.listings import SqliteListings


@pytest.mark.parametrize("most_bytes", [1, 700])
def test_a_page_ends_after_so_many_bytes_and_the_next_one_follows(
    sqlite_backend: SqliteBackend,
    listings: SqliteListings,
    make: type[Make],
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
    cut = [through(*read, limit=5, max_bytes=most_bytes) for read in reads]
    assert [found for found, _ in cut] == [found for found, _ in whole]
    assert max(max(sizes) for _, sizes in cut) == (1 if most_bytes == 1 else 5)
    assert min(max(sizes) for _, sizes in cut) < 5


def test_bytes_are_those_of_the_answer_whatever_the_characters(
    sqlite_backend: SqliteBackend, listings: SqliteListings, make: type[Make]
) -> None:
    text = "😀" * 2_000  # 8,000 bytes of UTF-8
    for number in range(3):
        change = make.change(
            f"P{number}",
            events=1,
            traits={"public": {"t": text}},
            event={"properties": json.dumps({"p": text}, ensure_ascii=False)},
        )
        assert sqlite_backend.store.commit([change])
    request = PageRequest(limit=3, max_bytes=16_000)  # more than two documents have in characters
    for page in (listings.profiles(ProfileFilter(), request), listings.events(EventFilter(), request)):
        assert len(json.loads(page.documents)) == 2
        assert page.documents.decode().count(text) == 2
