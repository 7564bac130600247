"""Pages of many feeds at once are those that each would get alone."""

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.making import Make
from tests.support.refusals_in_feed import add, put, time
from tests.support.stores import SqliteBackend
from trackd.core.changes import Erasure, Fence
from trackd.core.feed_cursor import Cursor
from trackd.core.retention_changes import DeleteEvents
from trackd.storage.feed import KINDS, FeedFilter, FeedRequest, Start
from trackd.storage.sqlite import feed, feed_group
from trackd.storage.sqlite.connection import connect
from trackd.storage.sqlite.feed import read_feed, state_of
from trackd.storage.sqlite.feed_group import read_feeds
from trackd.storage.sqlite.tolerant_reads import TolerantReads

NAMES = ("A", "B", "none")
SESSIONS = ("S", "s-B", "none")


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TolerantReads]:
    """Events 1 to 4 of A, of which 1 is deleted, 5 to 7 of B, and 8 of E, which is erased: that is 9. 2 refusals."""
    backend = SqliteBackend(tmp_path_factory.mktemp("feeds") / "trackd.db")
    add(backend, Make, "A", 1)
    backend.store.commit([Make.change("A", was=(1, 1), events=3, event={"inserted": time(5)})])
    add(backend, Make, "B", 3, second=5, type="u", session_id="s-B")
    add(backend, Make, "E", 1, second=5)
    backend.store.commit([Erasure(Fence("E", 1, 1), time(6))])
    put(backend, "r1", "r2", second=7, profile_id="B")
    backend.store.commit([DeleteEvents(time(3), 10)])
    with contextlib.closing(connect(backend.path, mode="ro")) as connection:
        yield TolerantReads(connection)
    backend.close()


FILTERS = st.builds(
    FeedFilter,
    st.sampled_from([KINDS, ("event",), ("event", "erased"), ("erased",), ("event", "refusal"), ("refusal",)]),
    type=st.sampled_from([None, "t", "u", "none"]),
    profile=st.sampled_from([None, *NAMES]),
    session=st.sampled_from([None, None, *SESSIONS]),
    status=st.sampled_from([None, "collected", "invalid"]),
)


@given(st.lists(st.tuples(FILTERS, st.integers(-1, 10), st.integers(-1, 3)), min_size=1, max_size=6))
def test_each_gets_the_page_that_it_would_get_alone(
    db: TolerantReads, asked: list[tuple[FeedFilter, int, int]]
) -> None:
    history = state_of(db).histories[-1].id
    requests = [
        (
            matching,
            FeedRequest(Start.OLDEST if events < 0 else Cursor(history, events, None if refusals < 0 else refusals)),
        )
        for matching, events, refusals in asked
    ]

    assert read_feeds(db, requests, now=lambda: 0.0) == [read_feed(db, *each) for each in requests]


def test_feeds_for_which_nothing_is_new_are_not_read_one_by_one(
    db: TolerantReads, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = state_of(db)
    read: list[FeedFilter] = []
    rows = feed._rows

    def noted(db: Any, matching: FeedFilter, *arguments: Any) -> Any:
        read.append(matching)
        return rows(db, matching, *arguments)

    monkeypatch.setattr(feed, "_rows", noted)
    asked = [FeedFilter(("event",), profile=name) for name in (*NAMES, "none too")]
    request = FeedRequest(Cursor(state.histories[-1].id, 4))

    pages = read_feeds(db, [(matching, request) for matching in asked])

    assert [page and page.number for page in pages] == [0, 3, 0, 0]
    assert {page and page.cursor.events for page in pages} == {state.last}
    assert read == [asked[1]]


@given(
    st.lists(FILTERS, min_size=2, max_size=5),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_feeds_that_follow_together_show_what_each_would_show_alone(
    db: TolerantReads, filters: list[FeedFilter], searched: int, found: int, limit: int
) -> None:
    start = Cursor(state_of(db).histories[-1].id, 1, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feed_group, "MAX_SEARCHED", searched)
        patch.setattr(feed_group, "MAX_FOUND", found)
        shown = _followed(filters, start, limit, lambda asked: read_feeds(db, asked, now=lambda: 0.0))

    assert shown == _followed(filters, start, limit, lambda asked: [read_feed(db, *each) for each in asked])


def _followed(filters: list[FeedFilter], start: Cursor, limit: int, read: Callable[..., Any]) -> list[bytes]:
    """All records of each feed, without their cursors, whose parts for what is not shown may differ."""
    requests = [FeedRequest(start, limit=limit) for _ in filters]
    shown, current = [b""] * len(filters), [False] * len(filters)
    for _ in range(60):
        for number, page in enumerate(read([*zip(filters, requests, strict=True)])):
            shown[number] += re.sub(rb'"cursor":"[^"]*",', b"", page.records)
            requests[number], current[number] = FeedRequest(page.cursor, limit=limit), page.is_last
        if all(current):
            return shown
    raise AssertionError("the feeds do not come to an end")


def test_what_takes_too_long_is_left_for_the_next_group(db: TolerantReads) -> None:
    times = itertools.chain([0.0, 0.01, 0.03], itertools.repeat(1.0))
    asked = [(FeedFilter(type=name), FeedRequest(Start.OLDEST)) for name in "tuv"]

    pages = read_feeds(db, asked, now=lambda: next(times))

    assert [page and page.number for page in pages] == [4, 4, None]
