"""Events by the time of their creation: which are found, and how many rows are examined for them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.making import Make
from tests.support.stores import SqliteBackend
from trackd.core.documents import timestamp
from trackd.storage.listings import EventFilter, PageRequest
from trackd.storage.sqlite import searching
from trackd.storage.sqlite.listings import SqliteListings

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def hour(number: int) -> str:
    return timestamp(BEGAN + timedelta(hours=number))


def store(backend: SqliteBackend, make: type[Make], created: list[int], first: int = 0) -> None:
    """An event for each number: it arrives in that hour of the list, and was created in the hour of its number."""
    for seq, hours in enumerate(created, first):
        moment = {"created": hour(hours), "inserted": hour(seq), "type": "even" if seq % 2 == 0 else "odd"}
        assert backend.store.commit([make.change("A", (seq, seq), events=1, event=moment)])


def through(listings: SqliteListings, matching: EventFilter, limit: int = 3) -> tuple[list[int], int]:
    """The `seq` of all events, page after page, and the number of pages without events."""
    found: list[int] = []
    empty = 0
    request = PageRequest(limit=limit)
    while True:
        page = listings.events(matching, request)
        documents: list[dict[str, Any]] = json.loads(page.documents)
        assert len(documents) <= limit
        found += [document["seq"] for document in documents]
        empty += not documents
        if page.next is None:
            return found, empty
        assert request.cursor is None or page.next < request.cursor, "cursors must fall, or the pages never end"
        request = PageRequest(page.next, limit)


# History out of order, then live events, of which each fourth is late, one is from 1970 and one from the future.
HISTORY = [-50 + (7 * number) % 20 for number in range(20)]
LIVE = [hours - 3 if hours % 4 == 0 else hours for hours in range(20, 40)]
CREATED = [*HISTORY, *LIVE[:10], -490_000, 90_000, *LIVE[12:]]
BOUNDS = [None, -45, 0, 22, 25, 90_000]


@pytest.mark.parametrize(
    ("examined", "late", "skipped"),
    [(10_000, 100_000, 1_000_000), (4, 100, 0), (4, 6, 100), (4, 0, 0), (1, 100, 100), (1, 0, 100)],
)
def test_events_of_a_time_are_found_however_the_search_goes(
    sqlite_backend: SqliteBackend,
    listings: SqliteListings,
    make: type[Make],
    monkeypatch: pytest.MonkeyPatch,
    examined: int,
    late: int,
    skipped: int,
) -> None:
    store(sqlite_backend, make, CREATED)
    monkeypatch.setattr(searching, "MAX_EXAMINED", examined)
    monkeypatch.setattr(searching, "MAX_LATE", late)
    monkeypatch.setattr(searching, "MAX_SKIPPED", skipped)
    others: list[dict[str, Any]] = [{}, {"type": "odd"}, {"after": hour(5), "before": hour(33)}, {"source": "none"}]
    for after in BOUNDS:
        for before in BOUNDS:
            for other in others[: 4 if after in (None, -45) else 1]:
                times = {"created_after": after, "created_before": before}
                texts = {name: hour(hours) for name, hours in times.items() if hours is not None}
                expected = [
                    seq
                    for seq in range(len(CREATED), 0, -1)
                    if (after is None or CREATED[seq - 1] >= after)
                    and (before is None or CREATED[seq - 1] < before)
                    and ("type" not in other or seq % 2 == 0)
                    and ("after" not in other or 5 <= seq - 1 < 33)
                    and "source" not in other
                ]
                assert through(listings, EventFilter(**texts, **other))[0] == expected, (times, other)


def test_history_below_many_other_events_is_found_without_pages_for_these(
    sqlite_backend: SqliteBackend, listings: SqliteListings, make: type[Make], monkeypatch: pytest.MonkeyPatch
) -> None:
    store(sqlite_backend, make, CREATED)
    monkeypatch.setattr(searching, "MAX_EXAMINED", 2)
    of_history = EventFilter(created_after=hour(-45), created_before=hour(-43))
    expected = [seq for seq in range(20, 0, -1) if -45 <= HISTORY[seq - 1] < -43]

    assert through(listings, of_history) == (expected, 1)  # the last page shows that there are no more
    monkeypatch.setattr(searching, "MAX_LATE", 1)
    found, empty = through(listings, of_history)

    assert found == expected
    assert empty <= 2 * len(expected)
    assert through(listings, EventFilter(created_after=hour(22), created_before=hour(23), type="odd"))[1] <= 3


def test_a_narrow_time_of_arrival_needs_no_index(
    sqlite_backend: SqliteBackend, listings: SqliteListings, make: type[Make], monkeypatch: pytest.MonkeyPatch
) -> None:
    store(sqlite_backend, make, CREATED)
    monkeypatch.setattr(searching, "COUNT_LATE", "no SQL")
    monkeypatch.setattr(searching, "MAX_EXAMINED", 4)
    matching = EventFilter(after=hour(38), created_before=hour(37))

    assert through(listings, matching) == ([], 1)


def test_an_event_that_was_erased_is_no_longer_found(
    sqlite_backend: SqliteBackend, listings: SqliteListings, make: type[Make], monkeypatch: pytest.MonkeyPatch
) -> None:
    store(sqlite_backend, make, CREATED)
    monkeypatch.setattr(searching, "MAX_EXAMINED", 4)
    sqlite_backend.db.execute("DELETE FROM event WHERE number IN (1, 6, 24, 40)")

    found, _ = through(listings, EventFilter(created_before=hour(23)))

    assert found == [seq for seq in range(39, 0, -1) if CREATED[seq - 1] < 23 and seq not in (1, 6, 24, 40)]
