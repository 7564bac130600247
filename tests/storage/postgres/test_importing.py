"""Exports move from a file into a PostgreSQL database and back; a damaged one leaves nothing behind."""

import io
from pathlib import Path
from typing import Any

import pytest

from tests.storage.transfer.test_importing import FAULTS, edited
from tests.support.database import execute
from tests.support.exports import contents, exported, import_lines
from tests.support.making import Make
from tests.support.stores import PostgresBackend, existing
from trackd.core.changes import Outcome
from trackd.core.documents import tombstone
from trackd.core.retention_changes import DeleteEvents
from trackd.storage.errors import StoreError
from trackd.storage.feed import FeedFilter, FeedRequest, Start
from trackd.storage.postgres.exporting import DatabaseExport
from trackd.storage.postgres.importing import import_into_database
from trackd.storage.postgres.tables import TABLES
from trackd.storage.transfer import import_lines as import_lines_module
from trackd.storage.transfer.import_lines import NotImportedError

ODD = "a\0b\1c\2\uffff\U0001f642'\"\\\\"


def into(backend: PostgresBackend, lines: list[bytes]) -> dict[str, int]:
    backend.close()  # its connections look like those of a server
    return import_into_database(backend.url, io.BytesIO(b"".join(lines)), "export.jsonl", lambda done: None)


def exported_from(backend: PostgresBackend) -> list[bytes]:
    with DatabaseExport(backend.url) as export:
        return list(export.lines())


def rows(backend: PostgresBackend) -> dict[str, list[Any]]:
    return {name: list(table.rows(backend.db)) for name, table in TABLES.items()}


def test_a_file_comes_back_as_it_was_from_a_database(
    postgres_backend: PostgresBackend, stored: Path, tmp_path: Path
) -> None:
    execute(stored, "INSERT INTO merged VALUES ('M', 'A')")
    assert into(postgres_backend, exported(stored)) == {
        "profile": 2, "merged": 1, "session": 2, "event_id": 1, "erased": 1, "event": 5
    }  # fmt: skip
    lines = exported_from(postgres_backend)
    import_lines(tmp_path / "again.db", lines)

    again, before = contents(tmp_path / "again.db"), contents(stored)
    assert [row[1:-1] for row in again["event"]] == [row[1:-1] for row in before["event"]]
    assert [row[:-1] for row in again["profile"]] == [row[:-1] for row in before["profile"]]
    assert {name: again[name] for name in ("merged", "session", "event_id")} == {
        name: before[name] for name in ("merged", "session", "event_id")
    }
    import_lines(tmp_path / "once more.db", exported(tmp_path / "again.db"))
    assert contents(tmp_path / "once more.db") == again
    [(_, _, number)] = again["erased"]
    assert sorted([number, *(row[0] for row in again["event"])]) == list(range(2, 8))


def test_a_database_goes_on_where_the_file_was(
    postgres_backend: PostgresBackend, stored: Path, make: type[Make]
) -> None:
    into(postgres_backend, exported(stored))
    store = postgres_backend.store

    assert (existing(store.profile("A")).seq, store.known_events("A", ["A-1"])) == (3, {"A-1": 1})
    assert store.is_erased("C")
    assert store.commit([make.change("A", (3, 2), events=1)]) == [Outcome.STORED]
    assert [event.id for event in postgres_backend.events()] == ["A-1", "A-2", "B-1", "B-2", "A-3", "A-4"]
    page = postgres_backend.feed(FeedFilter(), FeedRequest(Start.OLDEST))
    assert (page.number, page.is_last) == (7, True)


def test_an_import_keeps_what_is_there_and_readers_of_the_feed_see_what_it_adds(
    postgres_backend: PostgresBackend, stored: Path, make: type[Make]
) -> None:
    backend = postgres_backend
    backend.store.commit([make.change("X", events=2, session="SX")])
    before = backend.feed(FeedFilter(), FeedRequest(Start.OLDEST)).cursor

    into(backend, exported(stored))
    backend.store.commit([make.change("X", (2, 1), events=1)])

    after = backend.feed(FeedFilter(), FeedRequest(before))
    assert (after.number, after.is_last) == (5 + 1 + 1, True)
    assert [event.id for event in backend.events()][-1] == "X-3"


def test_ids_with_any_character_and_documents_with_any_text_move_as_they_are(
    postgres_backend: PostgresBackend, stored: Path, tmp_path: Path, make: type[Make]
) -> None:
    pii = {"email": "ann\0@example.com"}
    change = make.change(ODD, events=2, session=ODD, event={"type": ODD, "source_id": ODD}, event_ids={ODD: 1}, pii=pii)
    postgres_backend.store.commit([change])

    import_lines(tmp_path / "file.db", exported_from(postgres_backend))
    before = rows(postgres_backend)
    for table in ("profile", "session", "event", "event_id", "pii"):
        postgres_backend.execute(f"DELETE FROM {table}")
    into(postgres_backend, exported(tmp_path / "file.db"))

    after = rows(postgres_backend)
    assert {name: after[name] for name in ("session", "event_id")} == {
        name: before[name] for name in ("session", "event_id")
    }
    assert after["pii"] == [('["email"]', "ann\0@example.com", ODD)]
    assert [row[1:-1] for row in after["event"]] == [row[1:-1] for row in before["event"]]
    assert existing(postgres_backend.store.profile(ODD)).doc["pii"] == pii


def test_events_that_retention_deleted_are_not_missed_by_a_file(
    postgres_backend: PostgresBackend, tmp_path: Path, make: type[Make]
) -> None:
    store = postgres_backend.store
    for change in (make.change("A", events=2), make.change("B", events=1), make.change("A", (2, 1), events=1)):
        store.commit([change])
    store.commit([DeleteEvents("9999-01-01T00:00:00.000000Z", 3)])

    import_lines(tmp_path / "file.db", exported_from(postgres_backend))

    found = contents(tmp_path / "file.db")
    assert [(row[0], row[1], row[-1]) for row in found["event"]] == [(2, "A-3", 1)]
    assert [(row[0], row[-1]) for row in found["profile"]] == [("A", 2), ("B", 1)]


FOUND_BY_THE_DATABASE = (
    "seq leaps",
    "chain",
    "seq ends",
    "no profile",
    "event twice",
    "profile twice",
    "session twice",
)


@pytest.mark.parametrize("fault", [*FOUND_BY_THE_DATABASE, "a line less"])
def test_a_damaged_file_is_refused_with_line_and_fault_and_nothing_of_it_is_kept(
    postgres_backend: PostgresBackend, stored: Path, fault: str
) -> None:
    damage, message = FAULTS[fault]
    before = rows(postgres_backend)
    with pytest.raises(NotImportedError) as refused:
        into(postgres_backend, damage(exported(stored)))
    assert str(refused.value).startswith(f"export.jsonl is not imported, {message}")
    assert rows(postgres_backend) == before


def test_a_fault_is_found_wherever_batches_end_and_rows_that_exist_are_refused(
    postgres_backend: PostgresBackend, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_lines_module, "BATCH_ROWS", 2)
    for name in FOUND_BY_THE_DATABASE:
        damage, message = FAULTS[name]
        with pytest.raises(NotImportedError) as refused:
            into(postgres_backend, damage(exported(stored)))
        assert message in str(refused.value)
    into(postgres_backend, exported(stored))
    with pytest.raises(NotImportedError, match="line 2: the table profile has a row 'A' already"):
        into(postgres_backend, exported(stored))


def test_an_erased_profile_does_not_come_back_and_tombstones_need_no_number(
    postgres_backend: PostgresBackend, stored: Path
) -> None:
    execute(stored, "UPDATE erased SET number = NULL")
    into(postgres_backend, exported(stored))
    assert postgres_backend.feed(FeedFilter(), FeedRequest(Start.OLDEST)).number == 5
    assert [number for _, _, number in rows(postgres_backend)["erased"]] == [None]

    lines = edited(exported(stored), 1, document__id="C")
    postgres_backend.execute("DELETE FROM profile")
    with pytest.raises(NotImportedError, match=r"line 2: profile 'C' was erased in this database\."):
        into(postgres_backend, lines)
    assert tombstone("C")


def test_a_database_with_a_server_is_refused(postgres_backend: PostgresBackend, stored: Path) -> None:
    postgres_backend.store.check()
    with pytest.raises(StoreError, match=r"Servers run on postgresql://.*: stop them first\."):
        import_into_database(postgres_backend.url, io.BytesIO(b"".join(exported(stored))), "x", lambda done: None)
