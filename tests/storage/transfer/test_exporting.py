"""Exports of a database file, and the rows that an import makes of them."""

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.database import execute
from tests.support.exports import contents, exported, import_lines
from tests.support.making import NOW, Make
from tests.support.older_file import make_older_file
from trackd.core.documents import Event, tombstone
from trackd.core.encoding import json_text
from trackd.core.profile_document import new_profile
from trackd.storage.sqlite.connection import DatabaseError
from trackd.storage.sqlite.database import open_for_writing
from trackd.storage.sqlite.dbapi import sqlite_utils_database
from trackd.storage.sqlite.event_chain import chained
from trackd.storage.sqlite.read_only_file import ReadOnlyFile
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.transfer.exporting import RANGE, Export, Part
from trackd.storage.transfer.records import RECORDS, EventRecord, ProfileRecord, SessionRecord

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
times = st.datetimes().map(lambda moment: moment.isoformat(timespec="microseconds") + "Z")
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
objects = st.dictionaries(texts, values, max_size=2)
lists = st.lists(texts, max_size=2)
reason_lists = st.lists(texts, min_size=1, max_size=2)


@st.composite
def databases(draw: Callable[..., Any]) -> dict[str, Any]:
    """Rows of every table; profiles whose oldest events were deleted, events whose profile was erased."""
    profiles = draw(st.lists(texts, min_size=1, max_size=4, unique=True))
    seqs = {profile_id: draw(st.integers(0, 3)) for profile_id in profiles}
    events = []
    for number, profile_id in enumerate(draw(st.lists(st.sampled_from([*profiles, ""]), max_size=8))):
        seq = 0
        if profile_id:
            seq = seqs[profile_id] = seqs[profile_id] + 1
        details = [json_text(draw(objects)) for _ in range(3)]
        status = draw(st.sampled_from(["collected", "validated", "invalid"]))
        ip, reasons = draw(st.none() | texts), draw(st.none() | reason_lists.map(json_text))
        rules = draw(st.none() | st.just('[{"id":"r","changed":[" "]}]'))
        session_id, source_id, kind = draw(texts) if profile_id else "", draw(texts), draw(texts)
        key = f"{number}{draw(texts)}"
        columns = (key, profile_id, seq, session_id, source_id, kind, draw(times), draw(times), status, ip)
        events.append(Event._make([*columns, *details, json_text(draw(lists)), reasons, rules]))
    named = [event for event in events if event.profile_id]
    rows, last = chained(events, {}, draw(st.integers(0, 5)))
    chain = [(*row[:-1], None if row[2] == "" else row[-1]) for row in rows]  # events without a profile have no chain
    docs = {
        profile_id: {**new_profile(profile_id, NOW), "seq": seqs[profile_id], "pii": draw(objects)}
        for profile_id in profiles
    }
    return {
        "profile": [
            (profile_id, seqs[profile_id], draw(st.integers(1, 9)), json_text(docs[profile_id]), last.get(profile_id))
            for profile_id in profiles
        ],
        "merged": [
            (f"m{number}{draw(texts)}", draw(st.sampled_from(profiles))) for number in range(draw(st.integers(0, 2)))
        ],
        "session": [
            (f"{number}{draw(texts)}", draw(texts), draw(times), draw(times), *(json_text(draw(objects)) for _ in "cp"))
            for number in range(draw(st.integers(0, 3)))
        ],
        "event_id": [(event.profile_id, event.id, draw(st.sampled_from([event.seq, None]))) for event in named],
        "erased": [(tombstone(text), draw(times), None) for text in draw(st.sets(texts, max_size=2))],
        "event": chain,
    }


def fill(path: Path, database: dict[str, Any]) -> None:
    db = sqlite_utils_database(open_for_writing(path))
    with db.atomic():
        for record in RECORDS:
            for row in database[record.table()]:
                db.table(record.table()).insert(dict(zip(record.columns, row, strict=True)))
    db.close()


@given(databases())
def test_an_import_makes_the_same_rows_in_every_table(database: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        old, new = Path(folder, "old.db"), Path(folder, "new.db")
        fill(old, database)

        counts = import_lines(new, exported(old))

        assert counts == {table: len(rows) for table, rows in database.items()}
        assert contents(new) == contents(old)
        assert exported(new) == exported(old)


def test_an_export_begins_with_its_format_and_ends_with_its_counts(stored: Path) -> None:
    lines = [json.loads(line) for line in exported(stored)]

    assert lines[0] == {"format": "trackd-export", "version": 3, "last_number": 7}
    counts = {"profile": 2, "merged": 0, "session": 2, "event_id": 1, "erased": 1, "event": 5}
    assert lines[-1] == {"table": "end", "counts": counts}
    assert [line["table"] for line in lines[1:-1]] == [table for table in counts for _ in range(counts[table])]


def test_events_are_exported_as_the_documents_of_the_contract(stored: Path) -> None:
    with Export(stored) as export:
        first = json.loads(next(export.documents(EventRecord)))

    time = "2026-01-31T12:00:00.000000Z"
    assert first == {
        "id": "A-1",
        "seq": 1,
        "type": "t",
        "profile": {"id": "A"},
        "session": {"id": "S"},
        "source": {"id": "source"},
        "metadata": {
            "time": {"create": time, "insert": time},
            "status": "collected",
            "ip": None,
            "reasons": [],
            "rules": [],
        },
        "properties": {},
        "context": {},
        "config": {},
        "tags": [],
    }


@pytest.mark.parametrize("size", [1, RANGE - 1, RANGE, RANGE + 1, 3 * RANGE + 7])
def test_an_export_of_events_alone_has_each_event_that_was_stored_at_its_start(
    tmp_path: Path, make: type[Make], size: int
) -> None:
    path = tmp_path / "trackd.db"
    store = SqliteStore(path)
    store.commit([make.change("A", events=size)])
    with Export(path) as export:
        rows = export.rows(EventRecord)
        seqs = [next(rows)[3]]
        store.commit([make.change("A", (size, 1), events=5)])  # after the start
        seqs += [row[3] for row in rows]

    assert seqs == list(range(1, size + 1))
    store.close()


def test_the_log_can_restart_during_an_export_of_events_alone_but_not_of_everything(
    tmp_path: Path, make: type[Make]
) -> None:
    path = tmp_path / "trackd.db"
    store = SqliteStore(path)
    store.commit([make.change("A", events=3 * RANGE)])
    writer = open_for_writing(path)
    for of_events_alone in (True, False):
        with Export(path) as export:
            rows: Iterator[Any] = export.rows(EventRecord) if of_events_alone else export.lines()
            for _ in range(10):
                next(rows)
            writer.execute("UPDATE heartbeat SET beats = beats + 1")
            writer.execute("PRAGMA busy_timeout = 0")
            assert next(writer.execute("PRAGMA wal_checkpoint(TRUNCATE)"))[0] == int(not of_events_alone)
    writer.close()
    store.close()


def test_an_empty_database_is_exported_and_imported(tmp_path: Path) -> None:
    open_for_writing(tmp_path / "old.db").close()
    with Export(tmp_path / "old.db") as export:
        assert list(export.rows(EventRecord)) == []

    counts = import_lines(tmp_path / "new.db", exported(tmp_path / "old.db"))

    assert set(counts.values()) == {0}
    assert contents(tmp_path / "new.db") == contents(tmp_path / "old.db")


@pytest.mark.parametrize(
    ("record", "table"), [(ProfileRecord, "profile"), (SessionRecord, "session"), (EventRecord, "event")]
)
def test_an_export_can_be_limited_to_documents_that_were_stored_or_changed_in_a_time(
    stored: Path, record: type[Any], table: str
) -> None:
    later = "2026-03-01T00:00:00.000000Z"
    with Export(stored) as export:
        assert len(list(export.rows(record, Part("2026-01-31T12:00:00.000000Z")))) == len(contents(stored)[table])
        assert list(export.rows(record, Part(later))) == []
    changes = {
        "profile": "UPDATE profile SET doc = json_set(doc, '$.metadata.time.update', ?) WHERE id = 'B'",
        "session": "UPDATE session SET updated = ? WHERE id = 'SB'",
        "event": "UPDATE event SET inserted = ? WHERE id = 'B-2'",
    }
    execute(stored, changes[table], later)

    with Export(stored) as export:
        changed = list(export.documents(record, Part(later)))
        others = list(export.documents(record, Part(until=later)))
        assert len(changed) == 1
        assert changed + others != changed
        assert sorted(changed + others) == sorted(export.documents(record))
        assert list(export.documents(record, Part(later, later))) == []


def test_json_that_another_tool_stored_on_several_lines_is_exported_on_one(tmp_path: Path, stored: Path) -> None:
    execute(stored, "UPDATE event SET properties = ? WHERE id = 'A-1'", '{\n  "a": 1\r\n}')

    import_lines(tmp_path / "new.db", exported(stored))

    assert json.loads(contents(tmp_path / "new.db")["event"][0][11]) == {"a": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "UPDATE event SET tags = '{}' WHERE id = 'A-2'",
            "event that is not as trackd writes them (number 2, id 'A-2'",
        ),
        ("UPDATE event SET config = '{' WHERE id = 'A-2'", "(number 2, id 'A-2': EOF"),
        ("UPDATE session SET context = '3' WHERE id = 'SB'", "(id 'SB': '3' is not JSON of an object): mend it first."),
        ("UPDATE profile SET doc = '{}' WHERE id = 'B'", "(id 'B': Object missing required field `id`"),
        ("UPDATE profile SET seq = 9 WHERE id = 'B'", "(id 'B': `doc` has another `id` or `seq`)"),
    ],
)
def test_an_export_names_a_row_that_an_import_would_refuse(stored: Path, change: str, message: str) -> None:
    execute(stored, change)

    with pytest.raises(DatabaseError) as refused:
        exported(stored)

    assert message in str(refused.value)


def test_a_file_of_an_older_trackd_is_exported_with_the_tables_of_this_one(tmp_path: Path) -> None:
    make_older_file(tmp_path / "old.db")
    lines = exported(tmp_path / "old.db")

    SqliteStore(tmp_path / "old.db").close()

    assert lines == exported(tmp_path / "old.db")
    assert json.loads(lines[-1])["counts"]["event"] == 2


def test_a_connection_for_reading_cannot_write(stored: Path) -> None:
    with ReadOnlyFile(stored) as file, pytest.raises(Exception, match="readonly"):
        file.connection.execute("DELETE FROM event")
