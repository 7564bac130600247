"""Refusals in the feed of every store: each test that takes `backend` runs on all of them."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.making import Make
from tests.support.refusals_in_feed import ALL, EVENTS, REFUSALS, add, name, now, pages, put, records, shown, time
from tests.support.stores import Backend, MemoryBackend, SqliteBackend
from trackd.core.changes import Erasure, Fence
from trackd.core.documents import tombstone
from trackd.core.feed_cursor import Cursor
from trackd.core.retention_changes import DeleteEvents
from trackd.storage.feed import ERASED, KINDS, MISSED, PAGE_BYTES, REFUSAL, FeedFilter, FeedRequest, Lost, Start


def test_refusals_are_shown_on_request_among_the_events_by_time(backend: Backend, make: type[Make]) -> None:
    add(backend, make, "A", 2, second=1)
    put(backend, "r1", "r2", second=3)
    add(backend, make, "B", second=2)
    add(backend, make, "C", second=4)
    backend.store.commit([Erasure(Fence("A", 2, 1), time(5))])
    put(backend, "r3", second=6)

    assert shown(backend) == ["B-1", "r1", "r2", "C-1", tombstone("A"), "r3"]
    assert shown(backend, Start.OLDEST, REFUSALS) == ["r1", "r2", "r3"]
    assert shown(backend, Start.OLDEST, FeedFilter()) == ["B-1", "C-1", tombstone("A")]
    assert shown(backend, Start.OLDEST, FeedFilter((ERASED, REFUSAL))) == ["r1", "r2", tombstone("A"), "r3"]


def test_a_record_has_the_document_of_the_refusal_with_its_kind_and_cursor(backend: Backend) -> None:
    put(backend, "S", event_type="t", faults='[{"loc":["a"],"msg":"\\n","type":"t"}]', body="é\n🙂", left_out=2)

    [page] = pages(backend)
    [line] = page.records.split(b"\n")[:-1]
    found = json.loads(line)

    assert list(found)[:3] == ["kind", "cursor", "number"]
    assert (found["kind"], found["cursor"], found["number"]) == (REFUSAL, page.cursor.text, 1)
    assert page.cursor == Cursor(page.cursor.history, 0, 1)
    assert (found["event"], found["body"], found["left_out"]) == ({"id": None, "type": "t"}, "é\n🙂", 2)
    assert found["faults"] == [{"loc": ["a"], "msg": "\n", "type": "t"}]


def test_a_long_body_that_is_not_ascii_is_shown_as_text(backend: Backend) -> None:
    put(backend, "S", body=json.dumps({"name": "ü" * 1_100}, ensure_ascii=False))

    [record] = records(backend)

    assert json.loads(record["body"]) == {"name": "ü" * 1_100}


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
def test_pages_of_any_size_show_each_record_once(backend: Backend, make: type[Make], limit: int) -> None:
    add(backend, make, "A", 3, second=1)
    put(backend, "r1", "r2", "r3", "r4", second=2)
    add(backend, make, "B", 2, second=3)
    put(backend, "r5", second=0)  # it was kept back
    expected = ["A-1", "A-2", "A-3", "r1", "r2", "r3", "r4", "r5", "B-1", "B-2"]
    cursors = [Cursor.read(record["cursor"]) for record in records(backend)]

    for bounds in ({"limit": limit}, {"max_bytes": limit}):
        assert shown(backend, **bounds) == expected
        for position, cursor in enumerate(cursors):
            assert shown(backend, cursor, **bounds) == expected[position + 1 :]


TIMES = st.lists(st.integers(0, 5), max_size=4)


@given(TIMES, TIMES, st.integers(1, 4), st.sampled_from([1, 900, PAGE_BYTES]), st.booleans())
def test_each_record_is_shown_once_in_its_order_from_any_cursor(
    event_times: Sequence[int], refusal_times: Sequence[int], limit: int, max_bytes: int, are_sorted: bool
) -> None:
    backend = MemoryBackend()
    if are_sorted:
        event_times, refusal_times = sorted(event_times), sorted(refusal_times)
    for place, second in enumerate(event_times):
        add(backend, Make, f"E{place}", second=second)
    for place, second in enumerate(refusal_times):
        put(backend, f"r{place}", second=second)
    bounds = {"limit": limit, "max_bytes": max_bytes}

    found = records(backend, **bounds)
    names = [name(record) for record in found]

    assert [each for each in names if each[0] == "E"] == [f"E{place}-1" for place in range(len(event_times))]
    assert [each for each in names if each[0] == "r"] == [f"r{place}" for place in range(len(refusal_times))]
    if are_sorted:
        times = {f"E{place}-1": second for place, second in enumerate(event_times)}
        times |= {f"r{place}": second for place, second in enumerate(refusal_times)}
        assert [times[each] for each in names] == sorted(times[each] for each in names)
    for position, record in enumerate(found):
        following = shown(backend, Cursor.read(record["cursor"]), **bounds)
        assert following == names[position + 1 :]


@pytest.mark.parametrize(
    ("matching", "expected"),
    [
        (FeedFilter(KINDS, type="u"), ["B-1", "typed"]),
        (FeedFilter(KINDS, source="shop"), ["of shop"]),
        (FeedFilter(KINDS, profile="P"), ["of P"]),
        (FeedFilter(KINDS, session="plain"), ["plain"]),
        (FeedFilter(KINDS, status="invalid"), ["plain", "typed", "of shop", "of P"]),  # it is that of events
        (FeedFilter((REFUSAL,), type="u", source="shop"), []),
    ],
)
def test_filters_select_refusals_and_the_position_moves_on_all_the_same(
    backend: Backend, make: type[Make], matching: FeedFilter, expected: list[str]
) -> None:
    add(backend, make, "A", 2)
    add(backend, make, "B", type="u")
    put(backend, "plain", second=1)
    put(backend, "typed", second=2, event_type="u")
    put(backend, "of shop", second=3, source_id="shop")
    put(backend, "of P", second=4, profile_id="P")

    for limit in (1, 100):
        assert shown(backend, Start.OLDEST, matching, limit=limit) == expected
    *_, last = pages(backend, Start.OLDEST, matching)
    assert last.cursor == now(backend)
    assert last.cursor.refusals == 4


def test_from_now_on_shows_only_refusals_that_are_committed_later(backend: Backend) -> None:
    put(backend, "r1")
    cursor = now(backend)
    put(backend, "r2")

    assert shown(backend, cursor) == ["r2"]
    assert now(backend, FeedFilter()).refusals is None


def test_a_cursor_of_a_feed_without_refusals_is_followed_by_all_that_are_kept(
    backend: Backend, make: type[Make]
) -> None:
    add(backend, make, "A")
    put(backend, "r1")
    cursor = now(backend, FeedFilter())
    add(backend, make, "B", second=1)

    assert shown(backend, cursor) == ["r1", "B-1"]


def test_a_feed_without_refusals_keeps_the_position_among_them(backend: Backend, make: type[Make]) -> None:
    put(backend, "r1")
    cursor = now(backend)
    put(backend, "r2")
    add(backend, make, "A")

    [page] = pages(backend, cursor, EVENTS)

    assert (page.number, page.cursor.refusals) == (1, cursor.refusals)
    assert shown(backend, page.cursor) == ["r2"]


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_refusals_that_newer_ones_displaced_before_they_were_read_are_counted(
    backend: Backend, make: type[Make], limit: int
) -> None:
    put(backend, "r1", "r2")
    cursor = now(backend)
    add(backend, make, "A", second=1)
    put(backend, *(f"r{number}" for number in range(3, 10)), keep=3)

    assert shown(backend, limit=limit) == ["r7", "r8", "r9", "A-1"]  # one that begins has missed none
    found = records(backend, cursor, limit=limit)
    assert [name(record) for record in found] == ["4 missed", "r7", "r8", "r9", "A-1"]
    assert found[0] == {"kind": MISSED, "cursor": f"1.{cursor.history}.e0.r6", "refusals": 4}
    for place, record in enumerate(found):
        following = shown(backend, Cursor.read(record["cursor"]), limit=limit)
        assert following == [name(each) for each in found[place + 1 :]]


def test_missed_refusals_are_counted_when_none_is_left_and_when_none_matches(backend: Backend) -> None:
    put(backend, "r1")
    cursor = now(backend)
    put(backend, "r2", "r3", keep=1)
    assert shown(backend, cursor, FeedFilter(KINDS, type="none")) == ["1 missed"]
    assert shown(backend, cursor, EVENTS) == []

    put(backend, keep=0)

    assert (shown(backend, cursor), shown(backend)) == (["2 missed"], [])
    assert now(backend).refusals == 3
    put(backend, "r4")
    assert shown(backend, cursor) == ["2 missed", "r4"]
    assert shown(backend) == ["r4"]


def test_an_erasure_clears_refusals_that_are_not_read_yet(backend: Backend, make: type[Make]) -> None:
    add(backend, make, "A")
    put(backend, "S", profile_id="A", event_id="e", body='"A"', network="10.0.0.0/24")
    cursor = now(backend)
    backend.store.commit([Erasure(Fence("A", 1, 1), time(9))])

    [refusal, erasure] = records(backend)

    empty = dict.fromkeys(("profile", "session", "network", "body"))
    assert refusal == refusal | empty | {"event": {"id": None, "type": None}, "faults": []}
    assert (refusal["number"], name(erasure)) == (1, tombstone("A"))
    assert shown(backend, cursor) == [tombstone("A")]
    assert shown(backend, Start.OLDEST, FeedFilter((REFUSAL,), profile="A")) == []


def test_retention_leaves_a_gap_among_refusals_and_keeps_the_position_at_that_of_events(
    backend: Backend, make: type[Make]
) -> None:
    add(backend, make, "A", 2)
    put(backend, "old")
    put(backend, "r2", second=5)
    first = Cursor.read(records(backend)[0]["cursor"])
    read = Cursor(first.history, first.events, 1)
    last_event = now(backend).events
    backend.store.commit([DeleteEvents(time(3), 10)])

    assert shown(backend, read, REFUSALS) == shown(backend, Start.OLDEST, REFUSALS) == ["r2"]
    assert shown(backend, Cursor(first.history, first.events, 0), REFUSALS) == ["1 missed", "r2"]
    page = backend.feed(ALL, FeedRequest(read))
    assert (page.lost, page.cursor) == (Lost.DELETED, Cursor(first.history, last_event, 1))


def test_a_position_ahead_of_all_refusals_goes_on_with_those_that_come(backend: Backend, make: type[Make]) -> None:
    add(backend, make, "A")
    put(backend, "r1")
    ahead = Cursor(now(backend).history, 0, 7)

    [page] = pages(backend, ahead)

    assert (page.number, page.cursor) == (1, now(backend))
    put(backend, "r2")
    assert shown(backend, page.cursor) == ["r2"]
    assert shown(backend, Cursor(ahead.history, now(backend).events, 7), EVENTS) == []


def test_a_lost_position_keeps_the_part_for_refusals(backend: Backend, make: type[Make]) -> None:
    add(backend, make, "A")
    put(backend, "r1", "r2")

    last = now(backend)
    page = backend.feed(ALL, FeedRequest(Cursor(last.history, last.events + 1, 1)))

    assert (page.lost, page.cursor.events, page.cursor.refusals) == (Lost.AHEAD, 0, 1)
    assert shown(backend, page.cursor) == ["A-1", "r2"]


def test_many_refusals_do_not_wait_for_events_that_no_filter_matches_for_ever(
    sqlite_backend: SqliteBackend, make: type[Make], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trackd.storage.sqlite.feed.MAX_EXAMINED", 2)
    add(sqlite_backend, make, "A", 5)
    put(sqlite_backend, "r1", "r2", event_type="none")

    found = list(pages(sqlite_backend, Start.OLDEST, FeedFilter(KINDS, type="none"), limit=1))

    assert [page.number for page in found] == [0, 0, 1, 1]
    assert found[-1].cursor == now(sqlite_backend)


def test_a_damaged_refusal_is_left_out(sqlite_backend: SqliteBackend) -> None:
    put(sqlite_backend, "r1", "r2", "r3")
    with sqlite_backend.db.atomic():
        sqlite_backend.db.execute("UPDATE refusal SET reason = CAST(x'ff' AS TEXT) WHERE number = 2")
        sqlite_backend.db.execute("UPDATE refusal SET faults = 'x', time = 7 WHERE number = 3")

    for limit in (1, 100):
        assert shown(sqlite_backend, limit=limit) == ["r1", "r3"]
