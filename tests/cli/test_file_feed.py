import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.database import execute
from tests.support.making import Make
from trackd.cli import newest_records
from trackd.cli.errors import CommandError
from trackd.cli.file_feed import FileFeed
from trackd.core.changes import Erasure, Fence
from trackd.core.feed_cursor import Cursor
from trackd.core.refusals import PutRefusals, Refusal
from trackd.storage.feed import KINDS, FeedFilter, Start
from trackd.storage.sqlite.connection import DatabaseError
from trackd.storage.sqlite.store import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trackd.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """With the events A-1 to A-3 and B-1 to B-3."""
    store = SqliteStore(path)
    store.commit([Make.change("A", events=3), Make.change("B", events=3, event={"type": "b"})])
    yield store
    store.close()


def ids(records: list[bytes]) -> list[str]:
    return [json.loads(record).get("id", json.loads(record)["kind"]) for record in records]


def read_all(feed: FileFeed) -> list[str]:
    found, is_last = [], False
    while not is_last:
        records, is_last = feed.read()
        found.extend(ids(records))
    return found


@pytest.mark.parametrize(
    ("number", "matching", "newest"),
    [
        (0, FeedFilter(), []),
        (2, FeedFilter(), ["B-2", "B-3"]),
        (2, FeedFilter(type="t"), ["A-2", "A-3"]),
        (9, FeedFilter(profile="A"), ["A-1", "A-2", "A-3"]),
        (1, FeedFilter(type="none"), []),
    ],
)
def test_the_newest_records_are_followed_by_those_that_are_committed_later(
    store: SqliteStore, path: Path, number: int, matching: FeedFilter, newest: list[str]
) -> None:
    feed = FileFeed(path, matching, Start.NOW)
    assert ids(feed.newest(number)) == newest
    assert feed.read() == ([], True)
    store.commit([Make.change("C", events=1), Make.change("A", was=(3, 1), events=1, event={"type": "none"})])
    matched = {None: ["C-1", "A-4"], "t": ["C-1"], "none": ["A-4"]}[matching.type]
    assert read_all(feed) == (["A-4"] if matching.profile else matched)
    assert feed.read() == ([], True)


def test_more_is_searched_for_the_newest_records_when_few_match(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newest_records, "EXAMINED", (1, 2, 4))
    assert ids(FileFeed(path, FeedFilter(type="t"), Start.NOW).newest(1)) == ["A-3"]
    monkeypatch.setattr(newest_records, "EXAMINED", (1, 2))
    assert FileFeed(path, FeedFilter(type="t"), Start.NOW).newest(1) == []


def test_the_newest_records_begin_with_the_oldest_that_the_retention_has_kept(store: SqliteStore, path: Path) -> None:
    execute(path, "DELETE FROM event WHERE number <= 4")
    execute(path, "UPDATE event_numbers SET deleted_up_to = 4")
    feed = FileFeed(path, FeedFilter(), Start.NOW)
    assert ids(feed.newest(10)) == ["B-2", "B-3"]
    assert feed.read() == ([], True)


def test_an_erasure_is_a_record(store: SqliteStore, path: Path) -> None:
    feed = FileFeed(path, FeedFilter(), Start.NOW)
    feed.newest(1)
    store.commit([Erasure(Fence("A", 3, 1), Make.now)])
    assert read_all(feed) == ["erased"]


def put_refusals(store: SqliteStore, number: int, time: str = Make.later) -> None:
    store.commit([PutRefusals(tuple(Refusal(time, 401, "unknown_source") for _ in range(number)), 100)])


@pytest.mark.parametrize(
    ("number", "time", "newest"),
    [
        (1, Make.later, ["refusal"]),
        (3, Make.later, ["B-3", "refusal", "refusal"]),
        (3, "2026-01-31T11:00:00.000000Z", ["B-1", "B-2", "B-3"]),
        (9, Make.later, ["A-1", "A-2", "A-3", "B-1", "B-2", "B-3", "refusal", "refusal"]),
    ],
)
def test_the_newest_refusals_are_among_the_newest_records_on_request(
    store: SqliteStore, path: Path, number: int, time: str, newest: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newest_records, "EXAMINED", (1, 10))
    put_refusals(store, 2, time)
    feed = FileFeed(path, FeedFilter(KINDS), Start.NOW)

    assert ids(feed.newest(number)) == newest
    assert feed.read() == ([], True)
    put_refusals(store, 1)
    store.commit([Make.change("C", events=1)])
    assert read_all(feed) == ["C-1", "refusal"]
    without = FileFeed(path, FeedFilter(), Start.NOW)
    assert ids(without.newest(1)) == ["C-1"]


def test_all_is_read_from_the_oldest_on_or_after_a_cursor_page_after_page(store: SqliteStore, path: Path) -> None:
    store.commit([Make.change("C", events=1_100)])
    all_ids = [f"{name}-{seq}" for name, number in (("A", 3), ("B", 3), ("C", 1_100)) for seq in range(1, number + 1)]
    assert read_all(FileFeed(path, FeedFilter(), Start.OLDEST)) == all_ids
    records, _ = FileFeed(path, FeedFilter(), Start.OLDEST).read()
    cursor = Cursor.read(json.loads(records[1])["cursor"])
    assert read_all(FileFeed(path, FeedFilter(), cursor)) == all_ids[2:]


def test_a_file_goes_on_after_its_server_has_stopped_and_another_has_started(store: SqliteStore, path: Path) -> None:
    feed = FileFeed(path, FeedFilter(), Start.NOW)
    feed.newest(1)
    store.close()
    assert feed.read() == ([], True)
    other = SqliteStore(path)
    other.commit([Make.change("C", events=1)])
    assert read_all(feed) == ["C-1"]
    other.close()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE event_numbers SET deleted_up_to = 7", "the retention has deleted events that followed this position"),
        ("INSERT INTO feed_history (id, begins_after) VALUES ('0123456789abcdef', 2)", "a backup was restored"),
        ("DELETE FROM event WHERE number > 1", None),
        ("UPDATE feed_history SET id = '0123456789abcdef'", "this position is of another database"),
    ],
)
def test_a_lost_position_is_an_error_with_its_reason_and_the_way_on(
    store: SqliteStore, path: Path, change: str, reason: str | None
) -> None:
    feed = FileFeed(path, FeedFilter(), Start.NOW)
    feed.newest(1)
    store.commit([Make.change("C", events=2)])
    execute(path, change)
    if reason is None:
        feed = FileFeed(path, FeedFilter(), _ahead(path))
        reason = "this position is ahead of all that is stored"
    with pytest.raises(CommandError, match=reason) as raised:
        feed.read()
    assert str(raised.value).endswith("; --after 0 begins with the oldest.")


def _ahead(path: Path) -> Cursor:
    records, _ = FileFeed(path, FeedFilter(), Start.OLDEST).read()
    return Cursor(Cursor.read(json.loads(records[0])["cursor"]).history, 99)


def test_a_file_that_is_missing_is_named(path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"There is no database .*trackd\.db: start `trackd serve` first"):
        FileFeed(path, FeedFilter(), Start.NOW).newest(1)
