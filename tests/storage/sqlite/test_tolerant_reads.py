"""Lists of a file with texts that are not UTF-8: the other rows are listed, and the damaged ones are logged."""

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from tests.storage.sqlite.test_retention import arrived
from tests.support.making import Make
from tests.support.stores import SqliteBackend, existing
from trackd.storage.errors import DamagedRowError
from trackd.storage.feed import FeedFilter, FeedRequest, Start
from trackd.storage.listings import EventFilter, Page, PageRequest, ProfileFilter
from trackd.storage.sqlite import tolerant_reads
from trackd.storage.sqlite.listings import SqliteListings
from trackd.storage.sqlite.tolerant_reads import DamagedText, TolerantReads, sound
from trackd.telemetry.rate_limited_log import RateLimitedLog

NOT_UTF_8 = "CAST(x'61ff62' AS TEXT)"
DOCUMENT = f"replace(doc, 'damaged later', {NOT_UTF_8})"
TRAITS = {"public": {"k": 1, "other": "damaged later"}, "private": {}}
TIMES = [f"2026-01-{day:02}T12:00:00.000000Z" for day in range(1, 10)]
Read = Callable[[SqliteListings, PageRequest], Page | None]
LISTS: dict[str, tuple[str, Read]] = {
    "events": ("event", lambda lists, request: lists.events(EventFilter(), request)),
    "events of a type": ("event", lambda lists, request: lists.events(EventFilter(type="t"), request)),
    "events by creation": ("event", lambda lists, request: lists.events(EventFilter(created_after="2000"), request)),
    "events of a profile": ("event", lambda lists, request: lists.profile_events("A", request)),
    "events of a session": ("event", lambda lists, request: lists.session_events("S", request)),
    "sessions of a profile": ("session", lambda lists, request: lists.profile_sessions("A", request)),
    "profiles": ("profile", lambda lists, request: lists.profiles(ProfileFilter(), request)),
    "profiles by a trait": ("profile", lambda lists, request: lists.profiles(ProfileFilter(trait=("k",)), request)),
}


@pytest.fixture(autouse=True)
def new_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tolerant_reads, "limited_log", RateLimitedLog())


@pytest.fixture
def filled(sqlite_backend: SqliteBackend, make: type[Make]) -> SqliteBackend:
    sqlite_backend.store.commit([arrived(make, "A", TIMES, session="S")])
    for number in range(1, 10):
        sqlite_backend.store.commit([make.change(f"P{number}", session=f"S{number}", traits=TRAITS)])
    sqlite_backend.db.execute("UPDATE session SET profile_id = 'A'")
    return sqlite_backend


def pages(lists: SqliteListings, read: Read, limit: int) -> list[Any]:
    """The documents of all pages."""
    found: list[Any] = []
    request: PageRequest | None = PageRequest(limit=limit)
    while request is not None:
        page = existing(read(lists, request))
        found += json.loads(page.documents)
        request = None if page.next is None else PageRequest(page.next, limit)
    return found


@pytest.mark.parametrize("limit", [1, 3, 100])
@pytest.mark.parametrize("name", LISTS)
def test_a_list_has_all_rows_but_the_damaged_ones(
    filled: SqliteBackend, listings: SqliteListings, name: str, limit: int, caplog: pytest.LogCaptureFixture
) -> None:
    table, read = LISTS[name]
    before = pages(listings, read, 100)
    assert len(before) >= 9
    column, value = {"event": ("source_id", NOT_UTF_8), "session": ("context", NOT_UTF_8)}.get(table, ("doc", DOCUMENT))
    damaged = [before[0]["id"], before[4]["id"], before[5]["id"]]
    for row_id in damaged:
        filled.db.execute(f"UPDATE {table} SET {column} = {value} WHERE id = ?", (row_id,))

    assert pages(listings, read, limit) == [document for document in before if document["id"] not in damaged]
    [line] = [record.message for record in caplog.records]
    assert f"of {table} is left out of a list, it has a text that is not UTF-8: `trackd verify` names" in line


@pytest.mark.parametrize("which", [{}, {"segment": "s"}, {"trait": ("k",)}, {"seen_after": "2000"}])
@pytest.mark.parametrize("document", ["doc || ']'", "json_array(doc, 's', 'k')", "CAST(doc AS BLOB)"])
def test_profiles_whose_document_is_no_json_object_are_left_out_and_named(
    filled: SqliteBackend,
    listings: SqliteListings,
    which: dict[str, Any],
    document: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    filled.db.execute("UPDATE profile SET doc = json_set(doc, '$.segments', json_array('s'))")
    before = pages(listings, lambda lists, request: lists.profiles(ProfileFilter(**which), request), 100)
    assert len(before) >= 9
    damaged = before[4]["id"]
    filled.db.execute(f"UPDATE profile SET doc = {document} WHERE id = ?", (damaged,))

    for limit in (1, 100):
        found = pages(listings, lambda lists, request: lists.profiles(ProfileFilter(**which), request), limit)
        assert found == [each for each in before if each["id"] != damaged]
    if document != "json_array(doc, 's', 'k')" or not which:  # sound JSON that no filter finds is left out
        [line] = [record.message for record in caplog.records]
        assert "of profile is left out of a list, it has a document that is no JSON object: `trackd verify` n" in line


def test_damaged_ids_and_segments_are_left_out(filled: SqliteBackend, listings: SqliteListings) -> None:
    ids = listings.profile_ids("", 100, False)
    filled.db.execute(f"UPDATE profile SET id = {NOT_UTF_8} WHERE id = ?", (ids[3],))
    filled.db.execute("UPDATE profile SET id = CAST(x'ff' AS TEXT) WHERE id = ?", (ids[-1],))
    left = [key for key in ids[:-1] if key != ids[3]]
    assert listings.profile_ids("", len(left), False) == left
    assert listings.profile_ids("", 1, True) == left[-1:]

    in_segment = "CAST(json_object('segments', json_array('a' || {0} || 'b')) AS TEXT)"
    filled.db.execute(f"UPDATE profile SET doc = {in_segment.format(NOT_UTF_8)} WHERE id = ?", (ids[0],))
    filled.db.execute(f"UPDATE profile SET doc = {in_segment.format('1')} WHERE id = ?", (ids[1],))
    assert listings.segment_members() == {"a1b": 1}


def test_a_row_with_a_text_that_is_not_utf_8_is_damaged_for_reads_by_key(
    sqlite_backend: SqliteBackend, listings: SqliteListings, make: type[Make]
) -> None:
    sqlite_backend.store.commit([make.change("A", session="S", events=1, event={"id": "e"})])
    for sql in ("UPDATE session SET context = {}", "UPDATE event SET properties = {}", "UPDATE profile SET doc = {}"):
        sqlite_backend.db.execute(sql.format("CAST(x'ff' AS TEXT)"))
    for read, key in ((listings.session, "S"), (listings.event, "e"), (sqlite_backend.store.profile, "A")):
        with pytest.raises(DamagedRowError, match="a row has a text that is not UTF-8, `trackd verify` names it"):
            read(key)


def test_a_row_that_sqlite_cannot_read_is_damaged_for_reads_by_key_and_for_lists(
    sqlite_backend: SqliteBackend, listings: SqliteListings, make: type[Make]
) -> None:
    sqlite_backend.store.commit([make.change("A", session="S", events=1, event={"id": "e"})])
    sqlite_backend.store.close()
    content = sqlite_backend.path.read_bytes()
    document = content.index(b'{"id":"A"')
    sqlite_backend.path.write_bytes(content[: document - 6] + b"\x8f" + content[document - 5 :])
    with closing(SqliteListings(sqlite_backend.path)) as lists:
        with pytest.raises(DamagedRowError, match="malformed, `trackd verify` names what is damaged"):
            lists.profiles(ProfileFilter(), PageRequest())
        assert lists.session("S") is not None


@pytest.mark.parametrize("sql", ["DELETE FROM feed_history", "UPDATE event_numbers SET deleted_up_to = 'x'"])
def test_the_feed_of_a_file_whose_own_rows_are_damaged_is_an_error_that_names_the_remedy(
    filled: SqliteBackend, listings: SqliteListings, sql: str
) -> None:
    filled.db.execute(sql)
    reads: list[Callable[[], object]] = [
        listings.feed_head,
        lambda: listings.feed(FeedFilter(), FeedRequest(Start.OLDEST)),
    ]
    for read in reads:
        with pytest.raises(DamagedRowError, match="`trackd verify` names it"):
            read()


def test_rows_that_arrive_while_a_query_begins_anew_are_not_seen(filled: SqliteBackend, make: type[Make]) -> None:
    filled.db.execute(f"UPDATE event SET type = {NOT_UTF_8} WHERE number = 3")
    rows = TolerantReads(filled.store._reader).execute("SELECT type, number FROM event ORDER BY number DESC")
    first = next(rows)
    filled.store.commit([make.change("Z", events=1)])
    numbers = [first[-1], *(row[-1] for row in rows)]
    assert numbers == sorted(set(numbers), reverse=True)
    assert max(numbers) == first[-1]


def test_a_damaged_text_is_handed_over_with_other_characters_in_place_of_what_cannot_be_read(
    filled: SqliteBackend,
) -> None:
    rows = TolerantReads(filled.store._reader).execute(f"SELECT {NOT_UTF_8}, 5, NULL, 'é', x'c3a9', 1.5")
    [row] = rows
    assert list(row) == ["a\ufffdb", 5, None, "é", "é", 1.5]
    assert [type(value) for value in row][:1] == [DamagedText]
    assert list(sound([row], "event")) == []
