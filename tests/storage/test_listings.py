"""Lists of every store on a disk: pages, cursors and filters."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.making import Make
from tests.support.stores import Backend, ListedBackend, SqliteBackend, existing
from trackd.core.changes import Erasure, Fence
from trackd.core.pii_values import pii_name, searched_values
from trackd.storage.listings import MAX_PAGE_BYTES, EventFilter, Page, PageRequest, ProfileFilter


@pytest.fixture
def few_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for backend in ("sqlite", "postgres"):
        for module in ("listings", "searching"):
            monkeypatch.setattr(f"trackd.storage.{backend}.{module}.MAX_EXAMINED", 10)


def documents(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(page.documents)
    return found


def through(
    read: Callable[..., Any],
    *arguments: EventFilter | ProfileFilter | str,
    limit: int = 3,
    max_bytes: int = MAX_PAGE_BYTES,
) -> tuple[Any, ...]:
    """All documents, page after page, and the sizes of the pages."""
    found, sizes, request = [], [], PageRequest(None, limit, max_bytes)
    while True:
        page = read(*arguments, request)
        found += documents(page)
        sizes.append(len(documents(page)))
        if page.next is None:
            return found, sizes
        assert request.cursor is None or page.next < request.cursor, "cursors must fall, or the pages never end"
        request = PageRequest(page.next, limit, max_bytes)


def day(number: int) -> str:
    return f"2026-01-{number:02}T00:00:00.000000Z"


def store_days(backend: Backend, make: type[Make], days: range, **event: Any) -> None:
    """One event of A on each day, in one commit each, between those of B."""
    for seq, number in enumerate(days):
        for profile_id, revision in (("A", seq), ("B", seq)):
            moment = {"inserted": day(number), "type": "even" if number % 2 == 0 else "odd", **event}
            change = make.change(profile_id, (seq, revision), events=1, event=moment)
            assert backend.store.commit([change])


def test_a_document_that_does_not_exist_is_none(lists: ListedBackend) -> None:
    assert lists.listings.session("S") is None
    assert lists.listings.event("e") is None
    assert lists.listings.profile_events("A", PageRequest()) is None
    assert lists.listings.profile_sessions("A", PageRequest()) is None
    assert lists.listings.session_events("S", PageRequest()) is None


def test_lists_of_an_empty_file_are_empty_and_the_last_page(lists: ListedBackend) -> None:
    for page in (
        lists.listings.events(EventFilter(), PageRequest()),
        lists.listings.profiles(ProfileFilter(), PageRequest()),
    ):
        assert (page.documents, page.next) == (b"[]", None)
    assert [lists.listings.count(kind) for kind in ("profile", "session", "event")] == [0, 0, 0]


@pytest.mark.parametrize("limit", [1, 3, 7, 8, 100])
def test_the_events_of_a_profile_come_in_pages_the_newest_first(
    lists: ListedBackend, make: type[Make], limit: int
) -> None:
    for seq in range(7):
        lists.store.commit([make.change("A", (seq, seq), events=1), make.change("B", (seq, seq), events=1)])

    found, sizes = through(lists.listings.profile_events, "A", limit=limit)

    assert [event["seq"] for event in found] == [7, 6, 5, 4, 3, 2, 1]
    assert max(sizes) <= limit
    assert 0 not in sizes


def test_a_merged_id_leads_to_the_events_and_sessions_of_the_profile_it_went_into(
    lists: ListedBackend, make: type[Make]
) -> None:
    lists.store.commit([make.change("B", events=2, session="S")])
    lists.merge("A", "B")

    assert len(documents(existing(lists.listings.profile_events("A", PageRequest())))) == 2
    assert len(documents(existing(lists.listings.profile_sessions("A", PageRequest())))) == 1


def test_a_cursor_of_another_profile_shows_nothing(lists: ListedBackend, make: type[Make]) -> None:
    lists.store.commit([make.change("A", events=1), make.change("B", events=1)])

    page = existing(lists.listings.profile_events("A", PageRequest(cursor=2)))

    assert (page.documents, page.next) == (b"[]", None)


def test_the_sessions_of_a_profile_come_in_pages_the_newest_first(lists: ListedBackend, make: type[Make]) -> None:
    for number in range(5):
        batch = [make.change(key, (0, number), session=f"{key}{number}") for key in "AB"]
        lists.store.commit(batch)

    found, sizes = through(lists.listings.profile_sessions, "A", limit=2)

    assert [session["id"] for session in found] == ["A4", "A3", "A2", "A1", "A0"]
    assert sizes == [2, 2, 1]


@pytest.mark.usefixtures("few_rows_at_a_time")
def test_the_events_of_a_session_are_found_among_others_of_its_profile(lists: ListedBackend, make: type[Make]) -> None:
    for seq in range(40):
        moment = {"session_id": "S" if seq % 8 == 0 else "T", "inserted": make.stored_event("A", 1).inserted}
        lists.store.commit(
            [make.change("A", (seq, seq), events=1, event=moment, session="S", previous_owner="A" if seq else None)]
        )

    found, sizes = through(lists.listings.session_events, "S")

    assert [event["seq"] for event in found] == [33, 25, 17, 9, 1]
    assert len(sizes) <= 6


@pytest.mark.usefixtures("few_rows_at_a_time")
def test_the_search_for_a_sessions_events_ends_where_the_session_began(lists: ListedBackend, make: type[Make]) -> None:
    for seq in range(40):
        moment = {"session_id": "T", "inserted": "2020-01-01T00:00:00.000000Z"}
        lists.store.commit([make.change("A", (seq, seq), events=1, event=moment)])
    lists.store.commit([make.change("A", (40, 40), events=1, session="S", event={"session_id": "S"})])

    found, sizes = through(lists.listings.session_events, "S")

    assert ([event["seq"] for event in found], len(sizes)) == ([41], 1)


@pytest.mark.usefixtures("few_rows_at_a_time")
def test_a_page_of_a_sessions_events_begins_after_the_last_of_the_page_before(
    lists: ListedBackend, make: type[Make]
) -> None:
    lists.store.commit([make.change("A", events=25, session="S", event={"session_id": "S"})])

    found, sizes = through(lists.listings.session_events, "S", limit=20)

    assert [event["seq"] for event in found] == list(range(25, 0, -1))
    assert sizes == [10, 10, 5]


def test_events_are_listed_the_newest_first_and_filtered(lists: ListedBackend, make: type[Make]) -> None:
    store_days(lists, make, range(1, 9))

    everything, _ = through(lists.listings.events, EventFilter())
    even, _ = through(lists.listings.events, EventFilter(type="even"))

    assert [event["metadata"]["time"]["insert"] for event in everything] == [
        day(n) for n in range(8, 0, -1) for _ in "AB"
    ]
    assert [event["metadata"]["time"]["insert"] for event in even] == [day(n) for n in (8, 6, 4, 2) for _ in "AB"]
    for nothing in (EventFilter(source="other"), EventFilter(status="invalid"), EventFilter(type="x")):
        assert through(lists.listings.events, nothing)[0] == []
    assert len(through(lists.listings.events, EventFilter(source="source", status="collected"))[0]) == 16


@pytest.mark.parametrize(
    ("after", "before", "days"),
    [
        (None, day(3), [2, 1]),
        (day(6), None, [8, 7, 6]),
        (day(3), day(5), [4, 3]),
        (day(20), None, []),
        (None, day(1), []),
        ("0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z", [8, 7, 6, 5, 4, 3, 2, 1]),
    ],
)
def test_events_are_found_by_time_without_examining_all_others(
    lists: ListedBackend,
    make: type[Make],
    after: str | None,
    before: str | None,
    days: list[int],
) -> None:
    store_days(lists, make, range(1, 9))
    for place in (0, 4, 13):  # erased: numbers have gaps
        lists.execute(
            f"DELETE FROM event WHERE number = (SELECT number FROM event ORDER BY number LIMIT 1 OFFSET {place})"
        )

    found, sizes = through(lists.listings.events, EventFilter(after=after, before=before), limit=2)

    expected = [event for event in lists.events() if event.inserted in {day(number) for number in days}]
    assert [event["id"] for event in found] == [event.id for event in reversed(expected)]
    assert len(sizes) <= len(days) + 2


@pytest.mark.usefixtures("few_rows_at_a_time")
def test_a_rare_type_is_found_page_by_page_each_examining_few_rows(lists: ListedBackend, make: type[Make]) -> None:
    lists.store.commit([make.change("A", events=1, event={"type": "rare"})])
    lists.store.commit([make.change("A", (1, 1), events=35)])

    found, sizes = through(lists.listings.events, EventFilter(type="rare"))

    assert [event["type"] for event in found] == ["rare"]
    assert sizes == [0, 0, 0, 1]


def test_profiles_are_listed_the_newest_first_and_filtered(lists: ListedBackend, make: type[Make]) -> None:
    def seen(number: int) -> dict[str, Any]:
        return {"time": {"update": day(number)}}

    people: dict[str, dict[str, Any]] = {
        "A": {"segments": ["vip"], "metadata": seen(1), "traits": {"public": {"plan": "gold"}, "private": {}}},
        "B": {
            "segments": [],
            "metadata": seen(2),
            "traits": {"public": {}, "private": {"plan": "5", "deep": {"x.y": True}}},
        },
        "C": {"segments": ["vip", "new"], "metadata": seen(3), "traits": {"public": {"plan": 5}, "private": {}}},
    }
    for key, doc in people.items():
        lists.store.commit([make.change(key, **doc)])

    def ids(**which: Any) -> str:
        return "".join(
            profile["id"] for profile in through(lists.listings.profiles, ProfileFilter(**which), limit=1)[0]
        )

    assert ids() == "CBA"
    assert (ids(segment="vip"), ids(segment="new"), ids(segment="v")) == ("CA", "C", "")
    assert (ids(trait=("plan",)), ids(trait=("none",))) == ("CBA", "")
    assert (ids(trait=("plan",), value="gold"), ids(trait=("plan",), value="5")) == ("A", "CB")
    assert (ids(trait=("deep", "x.y"), value="true"), ids(trait=("deep",))) == ("B", "B")
    assert (ids(seen_after=day(2)), ids(seen_after=day(4))) == ("CB", "")
    assert ids(segment="vip", trait=("plan",), value="5", seen_after=day(3)) == "C"


def test_counts_are_those_of_stored_documents(lists: ListedBackend, make: type[Make]) -> None:
    lists.store.commit([make.change("A", events=3, session="S"), make.change("B", session="T")])
    assert [lists.listings.count(kind) for kind in ("profile", "session", "event")] == [2, 2, 3]

    lists.store.commit([Erasure(Fence("A", 3, 1), day(9))])
    assert [lists.listings.count(kind) for kind in ("profile", "session", "event")] == [1, 1, 0]


def test_ids_of_profiles_follow_each_other(lists: ListedBackend, make: type[Make]) -> None:
    assert lists.listings.profile_ids("", 5, False) == []
    lists.store.commit([make.change(key) for key in ("b", "a", "ž", "c")])
    assert lists.listings.profile_ids("", 2, False) == ["a", "b"]
    assert lists.listings.profile_ids("b", 5, False) == ["c", "ž"]
    assert lists.listings.profile_ids("", 1, True) == ["ž"]


def test_members_of_segments_are_counted_whatever_else_a_document_has(lists: ListedBackend, make: type[Make]) -> None:
    assert lists.listings.segment_members() == {}
    members = {"a": ["x", "y"], "b": [], "c": ["x"], "d": None, "e": [5, "x"]}
    traits = {"public": {"segments": ["y"]}, "private": {"segments": ["\0"]}}
    lists.store.commit([make.change(key, segments=each, traits=traits) for key, each in members.items()])
    assert lists.listings.segment_members() == {"x": 3, "y": 1}


def test_a_document_that_is_no_json_has_no_segments(sqlite_backend: SqliteBackend, make: type[Make]) -> None:
    sqlite_backend.store.commit([make.change("a", segments=["x"]), make.change("b", segments=["x"])])
    sqlite_backend.execute("UPDATE profile SET doc = 'no JSON' WHERE id = 'b'")
    assert sqlite_backend.listings.segment_members() == {"x": 1}


def test_profiles_are_found_by_their_personal_data(lists: ListedBackend, make: type[Make]) -> None:
    long = "x" * 999 + "ž"
    for key, value in {"A": "a@b.example", "B": "A@B.example", "C": long, "D": "5.0"}.items():
        name, found = pii_name(("email",)), searched_values(value)[0]
        lists.store.commit([replace(make.change(key), pii=((name, found),))])

    def ids(value: str, *path: str) -> str:
        which = ProfileFilter(pii=(path or ("email",), value))
        return "".join(profile["id"] for profile in through(lists.listings.profiles, which, limit=1)[0])

    assert ids("x" * 2_000) == ""  # too long to be found
    assert (ids("A@b.EXAMPLE"), ids(long), ids("x"), ids("a@b.example", "other")) == ("BA", "C", "", "")
