"""The feed of every store: each test runs on all of them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.making import Make
from tests.support.stores import Backend, SqliteBackend
from trackd.core.changes import Change, Erasure, Fence
from trackd.core.documents import tombstone
from trackd.core.feed_cursor import Cursor
from trackd.core.retention_changes import DeleteEvents
from trackd.storage.feed import EVENT, FeedFilter, FeedPage, FeedRequest, Form, Lost, Position, Start

THEN = "2026-02-01T00:00:00.000000Z"
FAR = "9999-01-01T00:00:00.000000Z"
ALL = FeedFilter()


def pages(backend: Backend, after: Position, matching: FeedFilter = ALL, **bounds: Any) -> Iterator[FeedPage]:
    """The pages up to the last one."""
    while True:
        page = backend.feed(matching, FeedRequest(after, **bounds))
        yield page
        if page.is_last or page.lost:
            return
        after = page.cursor


def shown(backend: Backend, after: Position = Start.OLDEST, matching: FeedFilter = ALL, **bounds: Any) -> list[str]:
    """The id of each event and the hash of each erasure."""
    lines = [line for page in pages(backend, after, matching, **bounds) for line in page.records.splitlines()]
    return [each["id"] if each["kind"] == EVENT else each["id_hash"] for each in map(json.loads, lines)]


@pytest.mark.parametrize(
    ("newest", "found"), [(1, ["B-2"]), (2, ["A-2", "B-2"]), (3, ["B-1", "A-2", "B-2"]), (9, None)]
)
def test_a_page_may_begin_before_some_of_the_newest_events_whatever_their_numbers_are(
    backend: Backend, make: type[Make], newest: int, found: list[str] | None
) -> None:
    backend.store.commit([make.change("A", events=1), make.change("B", events=1)])
    backend.store.commit([make.change("A", (1, 1), events=1)])
    backend.store.commit([make.change("B", (1, 1), events=1)])

    assert shown(backend, newest) == (found or ["A-1", "B-1", "A-2", "B-2"])
    assert shown(backend, 1, FeedFilter(profile="A")) == []


def cursor_of(backend: Backend, position: int) -> Cursor:
    """The cursor of a record: 0 for the oldest one."""
    lines = backend.feed(ALL, FeedRequest(Start.OLDEST)).records.splitlines()
    return Cursor.read(json.loads(lines[position])["cursor"])


def test_events_and_erasures_are_in_the_order_of_their_commits(backend: Backend, make: type[Make]) -> None:
    batch: list[Change] = [make.change("A", events=2), make.change("B", events=1), Erasure(Fence("A", 2, 1), THEN)]
    backend.store.commit([*batch, make.change("C", events=1)])
    backend.store.commit([make.change("B", (1, 1), events=1)])

    assert shown(backend) == ["B-1", tombstone("A"), "C-1", "B-2"]


def test_a_record_has_the_document_of_the_event_with_its_kind_and_cursor(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([make.change("A", events=1, event={"properties": '{"a":"\\n\u2028"}'})])

    page = backend.feed(ALL, FeedRequest(Start.OLDEST))
    [line] = page.records.split(b"\n")[:-1]
    found = json.loads(line)

    assert list(found)[:3] == ["kind", "cursor", "id"]
    assert (found["kind"], found["cursor"], page.number) == ("event", page.cursor.text, 1)
    assert (found["seq"], found["profile"], found["properties"]) == (1, {"id": "A"}, {"a": "\n\u2028"})


def test_an_erasure_has_the_hash_of_each_id_of_the_profile(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([make.change("A", events=1)])
    backend.merge("Z", "A")
    backend.store.commit([Erasure(Fence("A", 1, 1), THEN)])

    lines = backend.feed(ALL, FeedRequest(Start.OLDEST)).records.splitlines()

    assert [json.loads(line)["id_hash"] for line in lines] == [tombstone("A"), tombstone("Z")]
    assert {json.loads(line)["time"] for line in lines} == {THEN}


def test_a_server_sent_event_has_the_cursor_as_its_id(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([make.change("A", events=1)])

    page = backend.feed(ALL, FeedRequest(Start.OLDEST, Form.EVENTS))
    line = backend.feed(ALL, FeedRequest(Start.OLDEST)).records.rstrip(b"\n")

    assert page.records == b"id: %b\ndata: %b\n\n" % (page.cursor.text.encode(), line)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_of_any_size_show_each_record_once(backend: Backend, make: type[Make], limit: int) -> None:
    backend.store.commit([make.change("A", events=3), make.change("B", events=2), make.change("C", events=1)])
    backend.store.commit([Erasure(Fence("C", 1, 1), THEN), Erasure(Fence("B", 2, 1), THEN)])
    backend.store.commit([make.change("A", (3, 1), events=1)])
    expected = ["A-1", "A-2", "A-3", tombstone("C"), tombstone("B"), "A-4"]

    assert shown(backend, limit=limit) == expected
    assert shown(backend, max_bytes=limit) == expected
    for position in range(len(expected)):
        assert shown(backend, cursor_of(backend, position), limit=limit) == expected[position + 1 :]


@pytest.mark.parametrize(
    ("matching", "expected"),
    [
        (FeedFilter((EVENT,), type="u"), ["B-1"]),
        (FeedFilter((EVENT,), source="shop"), ["C-1"]),
        (FeedFilter((EVENT,), status="invalid"), ["D-1"]),
        (FeedFilter((EVENT,), session="other"), ["E-1"]),
        (FeedFilter((EVENT,), profile="A"), ["A-1", "A-2"]),
        (FeedFilter((EVENT,), profile="A", type="u"), []),
        (FeedFilter(("erased",)), [tombstone("F")]),
        (FeedFilter(profile="A"), ["A-1", "A-2"]),
        (FeedFilter(profile="F"), [tombstone("F")]),
        (FeedFilter(type="u"), ["B-1", tombstone("F")]),
        (FeedFilter(()), []),
    ],
)
def test_a_filter_selects_records_and_the_position_moves_on_all_the_same(
    backend: Backend, make: type[Make], matching: FeedFilter, expected: list[str]
) -> None:
    backend.store.commit(
        [
            make.change("A", events=2),
            make.change("B", events=1, event={"type": "u"}),
            make.change("C", events=1, event={"source_id": "shop"}),
            make.change("D", events=1, event={"status": "invalid"}),
            make.change("E", events=1, event={"session_id": "other"}),
            make.change("F", events=1),
        ]
    )
    backend.store.commit([Erasure(Fence("F", 1, 1), THEN)])

    for limit in (1, 100):
        assert shown(backend, matching=matching, limit=limit) == expected
    *_, last = pages(backend, Start.OLDEST, matching)
    assert last.cursor == backend.feed(ALL, FeedRequest(Start.NOW)).cursor


def test_from_now_on_shows_only_what_is_committed_later(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([make.change("A", events=2)])
    now = backend.feed(ALL, FeedRequest(Start.NOW))
    backend.store.commit([make.change("A", (2, 1), events=1)])

    assert (now.records, now.is_last) == (b"", True)
    assert shown(backend, now.cursor) == ["A-3"]


def test_erased_events_leave_no_gap_that_ends_a_feed(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([make.change("A", events=3), make.change("B", events=1)])
    first = cursor_of(backend, 0)
    backend.store.commit([Erasure(Fence("A", 3, 1), THEN)])

    assert shown(backend, first) == ["B-1", tombstone("A")]


def test_the_number_of_an_erasure_is_not_given_again(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([make.change("A", events=2)])
    backend.store.commit([Erasure(Fence("A", 2, 1), THEN)])
    now = backend.feed(ALL, FeedRequest(Start.NOW)).cursor
    backend.store.commit([make.change("A", events=1)])
    backend.store.commit([Erasure(Fence("A", 1, 1), THEN)])

    assert shown(backend, now)[-1] == tombstone("A")
    assert shown(backend)[-1] == tombstone("A")


def test_a_cursor_older_than_the_retention_is_lost_and_the_oldest_one_is_named(
    backend: Backend, make: type[Make]
) -> None:
    backend.store.commit([make.change("A", events=4)])
    second = cursor_of(backend, 1)
    backend.store.commit([DeleteEvents(FAR, 2)])
    assert shown(backend, second) == ["A-3", "A-4"]
    backend.store.commit([DeleteEvents(FAR, 1)])

    page = backend.feed(ALL, FeedRequest(second))

    assert (page.lost, page.records) == (Lost.DELETED, b"")
    assert shown(backend, page.cursor) == shown(backend) == ["A-4"]
    backend.store.commit([DeleteEvents(FAR, 100)])
    assert shown(backend) == []
    assert backend.feed(ALL, FeedRequest(page.cursor)).lost is Lost.DELETED


def test_erasures_are_kept_when_the_retention_deletes_events(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([make.change("A", events=1), make.change("B", events=2)])
    first = cursor_of(backend, 0)
    backend.store.commit([Erasure(Fence("A", 1, 1), THEN)])
    backend.store.commit([make.change("C", events=1)])
    backend.store.commit([DeleteEvents(FAR, 100)])

    assert backend.feed(ALL, FeedRequest(first)).lost is Lost.DELETED
    assert shown(backend, first, FeedFilter(("erased",))) == [tombstone("A")]


@pytest.mark.parametrize(
    ("cursor", "reason"), [(Cursor("f" * 16, 1), Lost.FOREIGN), (None, Lost.AHEAD)], ids=["foreign", "ahead"]
)
def test_a_cursor_of_another_store_is_lost(
    backend: Backend, make: type[Make], cursor: Cursor | None, reason: Lost
) -> None:
    backend.store.commit([make.change("A", events=1)])
    now = backend.feed(ALL, FeedRequest(Start.NOW)).cursor

    page = backend.feed(ALL, FeedRequest(cursor or Cursor(now.history, now.events + 1)))

    assert page.lost is reason
    assert shown(backend, page.cursor) == ["A-1"]


def test_a_filter_that_matches_nothing_examines_a_bounded_number_of_events(
    sqlite_backend: SqliteBackend, make: type[Make], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trackd.storage.sqlite.feed.MAX_EXAMINED", 2)
    sqlite_backend.store.commit([make.change("A", events=5)])
    sqlite_backend.store.commit([Erasure(Fence("A", 5, 1), THEN)])
    sqlite_backend.store.commit([make.change("B", events=5)])

    found = list(pages(sqlite_backend, Start.OLDEST, FeedFilter((EVENT,), type="none")))

    assert [(page.number, page.cursor.events) for page in found] == [(0, 8), (0, 10), (0, 11)]
    assert shown(sqlite_backend) == [tombstone("A"), *(f"B-{seq}" for seq in range(1, 6))]


def test_a_row_that_another_tool_wrote_is_one_line_and_a_damaged_one_is_left_out(
    sqlite_backend: SqliteBackend, make: type[Make]
) -> None:
    sqlite_backend.store.commit([make.change("A", events=3)])
    with sqlite_backend.db.atomic():
        sqlite_backend.db.execute("UPDATE event SET properties = char(123, 10, 13) || '\"a\":1}' WHERE seq = 1")
        sqlite_backend.db.execute("UPDATE event SET type = CAST(x'ff' AS TEXT) WHERE seq = 2")

    assert shown(sqlite_backend) == ["A-1", "A-3"]
