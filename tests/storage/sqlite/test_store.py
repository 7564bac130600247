"""Promises of the SQLite store alone: the file, its write-ahead log, its tables."""

import shutil
from pathlib import Path

import apsw
import pytest

from tests.support.database import open_database
from tests.support.making import Make
from tests.support.stores import SqliteBackend, existing
from trackd.core.changes import Outcome
from trackd.core.documents import Event, Source
from trackd.storage.errors import StoreError
from trackd.storage.sqlite.connection import PAGE_BYTES, USUAL_LOG_PAGES
from trackd.storage.sqlite.store import SqliteStore

STORED, STALE, FAILED = Outcome.STORED, Outcome.STALE, Outcome.FAILED


@pytest.fixture
def backend(sqlite_backend: SqliteBackend) -> SqliteBackend:
    return sqlite_backend


def test_a_reopened_file_has_everything(backend: SqliteBackend, make: type[Make]) -> None:
    change = make.change("A", events=2, session="S", event_ids={"e1": 1, "e2": None}, traits={"public": {"a": 1}})
    backend.put_source(Source("shop", "The shop"))
    backend.store.commit([change])
    sources, version = backend.store.sources(), backend.store.sources_version()

    backend.reopen()

    store = backend.store
    assert store.profile("A") == change.profile
    assert store.session("S") == change.session
    assert store.known_events("A", ["e1", "e2"]) == {"e1": 1, "e2": None}
    assert backend.events() == list(change.events)
    assert (store.sources(), store.sources_version()) == (sources, version)
    assert store.commit([make.change("A", (2, 1), events=1, session="S", previous_owner="A")]) == [STORED]


def test_committed_changes_survive_a_crash(backend: SqliteBackend, make: type[Make], tmp_path: Path) -> None:
    for n in range(5):
        backend.store.commit([make.change("A", (n, n), events=1, session="S", previous_owner="A" if n else None)])
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(f"{backend.path}{suffix}", crashed)

    store = SqliteStore(crashed / backend.path.name)

    assert existing(store.profile("A")).seq == 5
    assert existing(store.session("S")).profile_id == "A"
    store.close()


def test_after_closing_all_is_in_the_one_file(tmp_path: Path, make: type[Make]) -> None:
    store = SqliteStore(tmp_path / "trackd.db")
    store.commit([make.change("A", events=1)])

    store.close()

    assert [file.name for file in tmp_path.iterdir()] == ["trackd.db"]
    shutil.copy(tmp_path / "trackd.db", tmp_path / "copy.db")
    copy = SqliteStore(tmp_path / "copy.db")
    assert existing(copy.profile("A")).seq == 1
    copy.close()


def test_after_closing_all_is_in_the_one_file_though_others_have_it_open(tmp_path: Path, make: type[Make]) -> None:
    store = SqliteStore(tmp_path / "trackd.db")
    store.commit([make.change("A", events=1)])

    with open_database(tmp_path / "trackd.db") as other:
        assert other.table("event").count == 1
        store.close()
        shutil.copy(tmp_path / "trackd.db", tmp_path / "copy.db")

    copy = SqliteStore(tmp_path / "copy.db")
    assert existing(copy.profile("A")).seq == 1
    copy.close()


def test_a_reader_of_the_log_is_no_fault_when_the_store_closes(
    tmp_path: Path, make: type[Make], caplog: pytest.LogCaptureFixture
) -> None:
    store = SqliteStore(tmp_path / "trackd.db")
    store.commit([make.change("A", events=1)])
    store._writer._db.set_busy_timeout(0)
    with open_database(tmp_path / "trackd.db") as other:
        other.execute("BEGIN")
        assert other.execute("SELECT count(*) FROM event").fetchall() == [(1,)]
        store.close()

    assert caplog.records == []


def test_a_store_that_keeps_its_log_closes_without_copying_it(tmp_path: Path, make: type[Make]) -> None:
    path = tmp_path / "trackd.db"
    store = SqliteStore(path)
    store.commit([make.change("A", events=3)])
    assert store.profile("A") is not None
    before = {file: file.stat().st_size for file in (path, path.with_name("trackd.db-wal"))}

    store.close_and_keep_log()

    assert {file: file.stat().st_size for file in before} == before
    reopened = SqliteStore(path)
    assert existing(reopened.profile("A")).seq == 3
    reopened.close()


def test_a_store_is_opened_again_after_it_was_closed_with_its_log(tmp_path: Path, make: type[Make]) -> None:
    store = SqliteStore(tmp_path / "trackd.db")
    store.commit([make.change("A", events=3)])
    store.close_and_keep_log()
    with pytest.raises(StoreError):
        store.profile("A")

    store.reopen()

    assert existing(store.profile("A")).seq == 3
    store.close()
    assert [file.name for file in tmp_path.iterdir()] == ["trackd.db"]


def test_the_log_of_a_store_does_not_grow_without_end(tmp_path: Path, make: type[Make]) -> None:
    store = SqliteStore(tmp_path / "trackd.db", synchronous="OFF")
    for n in range(20):  # 500 pages each time
        store.commit([make.change(f"P{n}", events=500, event={"properties": f'"{"x" * 3_500}"'})])

    assert store.sizes()["wal"] < 2 * USUAL_LOG_PAGES * PAGE_BYTES
    store.close()


def test_a_merged_profile_stays_merged(backend: SqliteBackend, make: type[Make]) -> None:
    backend.store.commit([make.change("A", events=1), make.change("B", events=2)])
    backend.merge("A", "B")

    backend.reopen()

    assert existing(backend.store.profile("A")).id == "B"
    assert backend.store.commit([make.change("B", (2, 1), events=1)]) == [STORED]
    assert existing(backend.store.profile("A")).seq == 3


def test_two_servers_on_one_file_cannot_number_twice(backend: SqliteBackend, make: type[Make]) -> None:
    other = SqliteStore(backend.path)

    assert backend.store.commit([make.change("A", events=1)]) == [STORED]
    assert other.commit([make.change("A", events=1)]) == [STALE]
    assert other.commit([make.change("A", (1, 1), events=1)]) == [STORED]
    other.close()

    assert [event.seq for event in backend.events()] == [1, 2]


def test_a_read_that_fails_is_a_store_error(backend: SqliteBackend) -> None:
    for table in ("profile", "session", "event_id"):
        backend.db.execute(f"DROP TABLE {table}")

    for read in (backend.store.profile, backend.store.session, lambda key: backend.store.known_events(key, ["e"])):
        with pytest.raises(StoreError, match="cannot read"):
            read("A")


def test_the_tables_have_the_columns_that_the_contract_names(backend: SqliteBackend) -> None:
    columns = {table: set(backend.db.table(table).columns_dict) for table in ("event", "session", "profile")}

    assert {"id", "seq", "doc"} <= columns["profile"]
    assert {"id", "profile_id"} <= columns["session"]
    assert set(Event._fields) <= columns["event"]


def test_documents_are_json_to_any_sqlite_tool(backend: SqliteBackend, make: type[Make]) -> None:
    backend.store.commit([make.change("A", events=1, session="S", traits={"public": {"name": "Žofie"}})])

    name = backend.db.execute("SELECT json_extract(doc, '$.traits.public.name') FROM profile").fetchone()
    valid = backend.db.execute("SELECT json_valid(properties), json_valid(context), json_valid(config) FROM event")

    assert name == ("Žofie",)
    assert valid.fetchone() == (1, 1, 1)


def test_a_source_that_cannot_be_read_leaves_the_others_as_they_are(
    backend: SqliteBackend, caplog: pytest.LogCaptureFixture
) -> None:
    backend.store._writer._db.execute(
        "INSERT INTO source VALUES ('good', '', '', 1, 0, 0, 0, '[]', NULL, '[]', '', '')"
    )
    backend.store._writer._db.execute(
        "INSERT INTO source VALUES ('bad', '', '', 1, 0, 0, 0, 'nope', NULL, '[]', '', '')"
    )

    assert [source.id for source in backend.store.sources()] == ["good"]
    assert "the source bad is left out" in caplog.text


def test_the_sizes_are_those_of_the_file_and_of_the_write_ahead_log(backend: SqliteBackend, make: type[Make]) -> None:
    backend.store.commit([make.change("A", events=2)])

    log = backend.path.with_name(f"{backend.path.name}-wal")
    assert backend.store.sizes() == {"database": backend.path.stat().st_size, "wal": log.stat().st_size}
    assert log.stat().st_size > 0


def test_behind_a_link_the_sizes_are_those_of_the_file_and_of_its_log(tmp_path: Path, make: type[Make]) -> None:
    real = tmp_path / "data" / "real.db"
    real.parent.mkdir()
    (tmp_path / "trackd.db").symlink_to(real)
    store = SqliteStore(tmp_path / "trackd.db")
    store.commit([make.change("A", events=2)])

    sizes = store.sizes()

    assert sizes == {"database": real.stat().st_size, "wal": real.with_name("real.db-wal").stat().st_size}
    assert sizes["wal"] > 0
    store.close()


def test_a_missing_write_ahead_log_has_the_size_0(backend: SqliteBackend) -> None:
    backend.store.close()

    assert backend.store.sizes()["wal"] == 0

    backend.store = SqliteStore(backend.path)


def test_reads_by_key_prepare_their_statements_once(backend: SqliteBackend, make: type[Make]) -> None:
    """For each new value SQLite prepared the statement again that reads a session with its profile."""
    store, prepared = backend.store, list[str | None]()
    store.commit([make.change(f"P{n}", events=1, session=f"S{n}") for n in range(4)])

    def authorize(operation: int, table: str | None, *_: str | None) -> int:
        """Called for each table and column of a statement that is prepared."""
        prepared.append(table)
        return apsw.SQLITE_OK

    store._reader.authorizer = authorize
    for n in range(4):
        assert existing(store.session_and_profile(f"S{n}"))[0].profile_id == f"P{n}"
        assert existing(store.session(f"S{n}")).profile_id == existing(store.profile(f"P{n}")).id
        assert (store.is_erased(f"P{n}"), store.known_events(f"P{n}", ["x"])) == (False, {})
        if n == 0:
            assert {"session", "profile", "event_id"} <= set(prepared)
            prepared.clear()

    assert prepared == []
