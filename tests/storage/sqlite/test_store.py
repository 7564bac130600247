import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from tests.storage.conftest import Make, SqliteShelf
from trackd.core.changes import Outcome
from trackd.core.documents import Event, Source
from trackd.storage.errors import StoreError
from trackd.storage.sqlite.store import SqliteStore

STORED, STALE, FAILED = Outcome.STORED, Outcome.STALE, Outcome.FAILED


@pytest.fixture
def shelf(sqlite_shelf: SqliteShelf) -> SqliteShelf:
    return sqlite_shelf


@pytest.fixture
def picky(shelf: SqliteShelf) -> SqliteShelf:
    """The database itself refuses events of the type `bad`."""
    shelf.db.execute(
        "CREATE TRIGGER picky BEFORE INSERT ON event WHEN NEW.type = 'bad' BEGIN SELECT RAISE(ABORT, 'bad event'); END"
    )
    return shelf


def test_one_bad_call_does_not_fail_its_batch(
    picky: SqliteShelf, make: type[Make], caplog: pytest.LogCaptureFixture
) -> None:
    batch = [
        make.change("A", events=2, session="S"),
        make.change("B", events=1, session="T", event={"type": "bad"}, event_ids={"e": 1}),
        make.change("C", events=1, session="U"),
    ]

    assert picky.store.commit(batch) == [STORED, FAILED, STORED]

    assert [event.id for event in picky.events()] == ["A-1", "A-2", "C-1"]
    assert picky.store.profile("B") is None
    assert picky.store.session("T") is None
    assert picky.store.known_events("B", ["e"]) == {}
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_what_is_built_on_a_bad_call_is_stale(picky: SqliteShelf, make: type[Make]) -> None:
    batch = [
        make.change("A", events=1),
        make.change("A", (1, 1), events=1, event={"type": "bad"}),
        make.change("A", (2, 2), events=1),
    ]

    assert picky.store.commit(batch) == [STORED, FAILED, STALE]

    assert picky.store.profile("A").seq == 1


def test_what_is_built_on_a_bad_call_is_stale_though_somebody_else_wrote_as_much(
    picky: SqliteShelf, make: type[Make]
) -> None:
    """As if another process wrote the profile while the calls of a batch are committed one by one."""
    picky.db.execute(
        "CREATE TRIGGER other AFTER INSERT ON event WHEN NEW.type = 'next' BEGIN"
        " INSERT INTO profile (id, seq, revision, doc) VALUES ('A', 1, 1, '{}'); END"
    )
    batch = [
        make.change("A", events=1, event={"type": "bad"}),
        make.change("B", events=1, event={"type": "next"}),
        make.change("A", (1, 1), events=1),
    ]

    assert picky.store.commit(batch) == [FAILED, STORED, STALE]


def test_a_transaction_that_sqlite_itself_rolled_back_is_not_in_the_way(shelf: SqliteShelf, make: type[Make]) -> None:
    shelf.db.execute(
        "CREATE TRIGGER t BEFORE INSERT ON event WHEN NEW.type = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'bad event'); END"
    )

    outcomes = shelf.store.commit([make.change("A", events=1, event={"type": "bad"}), make.change("B", events=1)])

    assert outcomes == [FAILED, STORED]
    assert shelf.store.commit([make.change("A", events=1)]) == [STORED]


@pytest.mark.parametrize(
    "bad",
    [
        {"event": {"type": "\udfff"}},
        {"event": {"created": None}},
        {"event_ids": {"e": 2**63}},
        {"event": {"properties": object()}},
        {"session": "\ud800"},
        {"session": "S", "event_ids": {"\ud800": 1}},
    ],
    ids=[
        "half a character in an event",
        "a hole in an event",
        "a number too large",
        "a value of no type",
        "half a character in a session's id",
        "half a character in an event's id",
    ],
)
def test_what_cannot_be_stored_fails_alone(shelf: SqliteShelf, make: type[Make], bad: dict[str, Any]) -> None:
    outcomes = shelf.store.commit([make.change("A", events=1), make.change("B", events=1, **bad)])

    assert outcomes == [STORED, FAILED]
    assert [event.id for event in shelf.events()] == ["A-1"]
    assert shelf.store.profile("B") is None


def test_a_bad_call_alone_in_its_batch_fails_and_the_store_is_well(
    picky: SqliteShelf, make: type[Make], caplog: pytest.LogCaptureFixture
) -> None:
    assert picky.store.commit([make.change("A", events=1, event={"type": "bad"})]) == [FAILED]

    assert picky.store.profile("A") is None
    assert "bad event" in caplog.text
    assert picky.store.commit([make.change("A", events=1)]) == [STORED]


def test_a_full_disk_fails_the_whole_batch_and_nothing_of_it_stays(shelf: SqliteShelf, make: type[Make]) -> None:
    shelf.store.commit([make.change("A", events=1)])
    batch = [make.change("A", (1, 1), events=1), make.change("B", events=100, event={"properties": "x" * 10_000})]
    shelf.fill_disk()

    with pytest.raises(StoreError, match="full"):
        shelf.store.commit(batch)

    assert shelf.store.profile("A").seq == 1
    assert shelf.store.profile("B") is None
    assert [event.id for event in shelf.events()] == ["A-1"]


def test_a_batch_that_found_the_disk_full_is_stored_once_there_is_room(shelf: SqliteShelf, make: type[Make]) -> None:
    batch = [make.change("B", events=100, session="S", event={"properties": "x" * 10_000})]
    shelf.fill_disk()
    with pytest.raises(StoreError):
        shelf.store.commit(batch)

    shelf.free_disk()

    assert shelf.store.commit(batch) == [STORED]
    assert len(shelf.events()) == 100


def test_a_heartbeat_writes_and_leaves_the_documents_alone(shelf: SqliteShelf, make: type[Make]) -> None:
    shelf.store.commit([make.change("A", events=1)])
    beats = shelf.db.execute("SELECT beats FROM heartbeat").fetchone()[0]

    assert shelf.store.commit([]) == []

    assert shelf.db.execute("SELECT beats FROM heartbeat").fetchone()[0] == beats + 1
    assert shelf.store.profile("A") == make.profile("A", 1)


def test_a_store_that_cannot_write_has_no_heartbeat(shelf: SqliteShelf) -> None:
    shelf.db.execute("DROP TABLE heartbeat")

    with pytest.raises(StoreError, match="cannot commit"):
        shelf.store.commit([])


def test_reopening_finds_everything(shelf: SqliteShelf, make: type[Make]) -> None:
    change = make.change("A", events=2, session="S", event_ids={"e1": 1, "e2": None}, traits={"public": {"a": 1}})
    shelf.put_source(Source("shop", "The shop"))
    shelf.store.commit([change])
    sources, version = shelf.store.sources(), shelf.store.sources_version()

    shelf.reopen()

    store = shelf.store
    assert store.profile("A") == change.profile
    assert store.session("S") == change.session
    assert store.known_events("A", ["e1", "e2"]) == {"e1": 1, "e2": None}
    assert shelf.events() == list(change.events)
    assert (store.sources(), store.sources_version()) == (sources, version)
    assert store.commit([make.change("A", (2, 1), events=1, session="S", previous_owner="A")]) == [STORED]


def test_what_was_committed_is_there_after_a_crash(shelf: SqliteShelf, make: type[Make], tmp_path: Path) -> None:
    for n in range(5):
        shelf.store.commit([make.change("A", (n, n), events=1, session="S", previous_owner="A" if n else None)])
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(f"{shelf.path}{suffix}", crashed)

    store = SqliteStore(crashed / shelf.path.name)

    assert store.profile("A").seq == 5
    assert store.session("S").profile_id == "A"
    store.close()


def test_after_closing_all_is_in_the_one_file(tmp_path: Path, make: type[Make]) -> None:
    store = SqliteStore(tmp_path / "trackd.db")
    store.commit([make.change("A", events=1)])

    store.close()

    assert [file.name for file in tmp_path.iterdir()] == ["trackd.db"]
    shutil.copy(tmp_path / "trackd.db", tmp_path / "copy.db")
    copy = SqliteStore(tmp_path / "copy.db")
    assert copy.profile("A").seq == 1
    copy.close()


def test_after_closing_all_is_in_the_one_file_though_others_have_it_open(tmp_path: Path, make: type[Make]) -> None:
    store = SqliteStore(tmp_path / "trackd.db")
    store.commit([make.change("A", events=1)])

    with Database(tmp_path / "trackd.db") as other:
        assert other.table("event").count == 1
        store.close()
        shutil.copy(tmp_path / "trackd.db", tmp_path / "copy.db")

    copy = SqliteStore(tmp_path / "copy.db")
    assert copy.profile("A").seq == 1
    copy.close()


def test_a_merged_profile_stays_merged(shelf: SqliteShelf, make: type[Make]) -> None:
    shelf.store.commit([make.change("A", events=1), make.change("B", events=2)])
    shelf.merge("A", "B")

    shelf.reopen()

    assert shelf.store.profile("A").id == "B"
    assert shelf.store.commit([make.change("B", (2, 1), events=1)]) == [STORED]
    assert shelf.store.profile("A").seq == 3


def test_two_servers_on_one_file_cannot_number_twice(shelf: SqliteShelf, make: type[Make]) -> None:
    other = SqliteStore(shelf.path)

    assert shelf.store.commit([make.change("A", events=1)]) == [STORED]
    assert other.commit([make.change("A", events=1)]) == [STALE]
    assert other.commit([make.change("A", (1, 1), events=1)]) == [STORED]
    other.close()

    assert [event.seq for event in shelf.events()] == [1, 2]


def test_a_read_that_fails_is_a_store_error(shelf: SqliteShelf) -> None:
    for table in ("profile", "session", "event_id"):
        shelf.db.execute(f"DROP TABLE {table}")

    for read in (shelf.store.profile, shelf.store.session, lambda key: shelf.store.known_events(key, ["e"])):
        with pytest.raises(StoreError, match="cannot read"):
            read("A")


def test_the_tables_have_the_columns_that_the_contract_names(shelf: SqliteShelf) -> None:
    columns = {table: set(shelf.db.table(table).columns_dict) for table in ("event", "session", "profile")}

    assert {"id", "seq", "doc"} <= columns["profile"]
    assert {"id", "profile_id"} <= columns["session"]
    assert set(Event._fields) <= columns["event"]


def test_documents_are_json_to_any_sqlite_tool(shelf: SqliteShelf, make: type[Make]) -> None:
    shelf.store.commit([make.change("A", events=1, session="S", traits={"public": {"name": "Žofie"}})])

    name = shelf.db.execute("SELECT json_extract(doc, '$.traits.public.name') FROM profile").fetchone()
    valid = shelf.db.execute("SELECT json_valid(properties), json_valid(context), json_valid(config) FROM event")

    assert name == ("Žofie",)
    assert valid.fetchone() == (1, 1, 1)


def test_a_source_that_cannot_be_read_leaves_the_others_as_they_are(
    shelf: SqliteShelf, caplog: pytest.LogCaptureFixture
) -> None:
    shelf.store._writer._db.execute("INSERT INTO source VALUES ('good', '', '', 1, 0, 0, 0, '[]', NULL, '[]', '', '')")
    shelf.store._writer._db.execute("INSERT INTO source VALUES ('bad', '', '', 1, 0, 0, 0, 'nope', NULL, '[]', '', '')")

    assert [source.id for source in shelf.store.sources()] == ["good"]
    assert "the source bad is left out" in caplog.text


def test_its_parts_are_the_file_and_the_write_ahead_log(shelf: SqliteShelf, make: type[Make]) -> None:
    shelf.store.commit([make.change("A", events=2)])

    log = shelf.path.with_name(f"{shelf.path.name}-wal")
    assert shelf.store.sizes() == {"database": shelf.path.stat().st_size, "wal": log.stat().st_size}
    assert log.stat().st_size > 0


def test_a_write_ahead_log_that_is_not_there_takes_nothing(shelf: SqliteShelf) -> None:
    shelf.store.close()

    assert shelf.store.sizes()["wal"] == 0

    shelf.store = SqliteStore(shelf.path)
