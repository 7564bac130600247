"""Each row of a file: what an export refuses, an import would refuse, or the server cannot use, is found."""

from collections.abc import Iterable

import pytest

from tests.support.making import Make
from tests.support.stores import SqliteBackend
from trackd.core.changes import Erasure, Fence
from trackd.core.documents import Token, TokenScope
from trackd.core.jobs import AddJob
from trackd.core.refusals import PutRefusals, Refusal
from trackd.storage.audit.audit import audit, checks
from trackd.storage.audit.documents import document_checks
from trackd.storage.sqlite.connection import DatabaseError
from trackd.storage.transfer.exporting import Export


@pytest.fixture
def full(sqlite_backend: SqliteBackend, make: type[Make]) -> SqliteBackend:
    """A file with rows in all tables."""
    event = {"properties": '{"a":"b"}', "ip": "10.0.0.1", "status": "invalid", "reasons": '["r"]', "tags": '["x"]'}
    changes = [make.change("A", events=2, session="S", event_ids={"A-1": 1}, event=event, stats=stats(2))]
    changes += [make.change("B", events=1, stats=stats(1))]
    sqlite_backend.store.commit([*changes, AddJob("kind", {"a": 1}, make.now)])
    sqlite_backend.store.commit([Erasure(Fence("B", 1, 1), make.later)])
    sqlite_backend.put_source(make.source("one", origins=("https://a.example",), rate_limit=2.5))
    sqlite_backend.put_token(Token("t", "0" * 64, (TokenScope.READ,), make.now))
    sqlite_backend.merge("M", "A")
    sqlite_backend.db.execute("INSERT INTO pii VALUES ('email', 'x', 'A')")
    sqlite_backend.db.execute(
        "INSERT INTO login (name, hash, scopes, inserted, expires, is_link) VALUES ('l', ?, 'admin', ?, ?, 1)",
        ("1" * 64, make.now, make.later),
    )
    sqlite_backend.store.commit([PutRefusals((Refusal(make.now, 422, "invalid", body="{}"),), keep=9)])
    return sqlite_backend


def stats(number: int) -> dict[str, object]:
    return {"visits": 0, "views": 0, "counters": {"t": number}}


def found(backend: SqliteBackend) -> list[tuple[str, str]]:
    return [
        (findings.check.name, where)
        for findings in audit(backend.path, document_checks())
        for where, _ in findings.first
    ]


def refused_by_export(backend: SqliteBackend) -> bool:
    try:
        with Export(backend.path) as source:
            for _ in source.lines():
                pass
    except DatabaseError:
        return True
    return False


def test_a_file_with_rows_in_all_tables_is_sound(full: SqliteBackend) -> None:
    assert [each.first for each in audit(full.path, checks(rules_change_counters=False)) if each.number] == []
    assert not refused_by_export(full)


NOT_UTF_8 = "CAST(x'22ff22' AS TEXT)"
OF_EXPORT = [
    *(
        (f"UPDATE {table} SET {column} = {value}", f"rows of {table}", place)
        for table, columns, place in (
            ("profile", ("doc",), "A"),
            ("session", ("context", "properties"), "S"),
            ("event", ("properties", "context", "config", "tags", "reasons"), "1 A-1"),
        )
        for column in columns
        for value in ("'{'", "''", "'5'", "'null'", "x'7b7d'", NOT_UTF_8, '\'{"a":"\\ud800"}\'', "'{\"a\":NaN}'")
    ),
    ("UPDATE profile SET doc = json_remove(doc, '$.stats')", "rows of profile", "A"),
    ("UPDATE profile SET doc = json_set(doc, '$.seq', 7)", "rows of profile", "A"),
    ("UPDATE profile SET doc = json_set(doc, '$.metadata.time.update', 'x')", "rows of profile", "A"),
    (f"UPDATE event SET ip = {NOT_UTF_8}", "rows of event", "1 A-1"),
    (f"UPDATE session SET profile_id = {NOT_UTF_8}", "rows of session", "S"),
]
OTHERS = [
    ("UPDATE session SET updated = 'x'", "rows of session", "S"),
    ("UPDATE session SET inserted = '2026-01-31'", "rows of session", "S"),
    ("UPDATE session SET profile_id = ''", "rows of session", "S"),
    ("UPDATE session SET profile_id = x'41'", "rows of session", "S"),
    ("UPDATE event SET created = 'x'", "rows of event", "1 A-1"),
    ("UPDATE event SET inserted = 5", "rows of event", "1 A-1"),
    ("UPDATE event SET status = 'x'", "rows of event", "1 A-1"),
    ("UPDATE event SET seq = -1", "rows of event", "1 A-1"),
    ("UPDATE event SET seq = 'x'", "rows of event", "1 A-1"),
    ("UPDATE event SET previous = 9", "rows of event", "1 A-1"),
    ("UPDATE event SET type = x'41'", "rows of event", "1 A-1"),
    ("UPDATE profile SET revision = 'x'", "rows of profile", "A"),
    ("UPDATE profile SET last_event = 0.5", "rows of profile", "A"),
    ("UPDATE event_id SET seq = 'x'", "rows of event_id", "A-1"),
    ("UPDATE merged SET into_id = ''", "rows of merged", "M"),
    (f"UPDATE merged SET into_id = {NOT_UTF_8}", "rows of merged", "M"),
    ("UPDATE erased SET erased = 'x'", "rows of erased", None),
    ("UPDATE source SET origins = 'x'", "rows of source", "one"),
    ("UPDATE source SET tags = '{}'", "rows of source", "one"),
    ("UPDATE source SET origins = '[1]'", "rows of source", "one"),
    ("UPDATE source SET enabled = 7", "rows of source", "one"),
    ("UPDATE source SET rate_limit = 'x'", "rows of source", "one"),
    (f"UPDATE source SET name = {NOT_UTF_8}", "rows of source", "one"),
    ("UPDATE source SET updated = 'x'", "rows of source", "one"),
    ("UPDATE token SET hash = 'x'", "rows of token", "t"),
    ("UPDATE token SET scopes = x'41'", "rows of token", "t"),
    ("UPDATE token SET expires = 'x'", "rows of token", "t"),
    ("UPDATE job SET arguments = '['", "rows of job", "1"),
    ("UPDATE job SET state = 'x'", "rows of job", "1"),
    ("UPDATE job SET done = 'x'", "rows of job", "1"),
    ("UPDATE refusal SET faults = 'x'", "rows of refusal", "1"),
    (f"UPDATE refusal SET body = {NOT_UTF_8}", "rows of refusal", "1"),
    ("UPDATE refusal SET time = 'x'", "rows of refusal", "1"),
    ("UPDATE feed_history SET begins_after = 'x'", "rows of feed_history", "1"),
    ("UPDATE login SET expires = '5'", "rows of login", "l"),
    ("UPDATE retention SET stopped_after = '7'", "rows of retention", "1"),
    ("UPDATE retention SET trusted = 'x'", "rows of retention", "1"),
    (f"UPDATE installation SET page = {NOT_UTF_8}", "rows of installation", "1"),
    (f"UPDATE pii SET value = {NOT_UTF_8}", "rows of pii", "A email"),
]


@pytest.mark.parametrize(("damage", "check", "place"), OF_EXPORT)
def test_what_an_export_refuses_is_found(full: SqliteBackend, damage: str, check: str, place: str) -> None:
    full.db.execute(damage)

    assert refused_by_export(full)
    assert (check, place) in found(full)


@pytest.mark.parametrize(("damage", "check", "place"), OTHERS)
def test_what_an_import_would_refuse_or_the_server_cannot_use_is_found(
    full: SqliteBackend, damage: str, check: str, place: str | None
) -> None:
    full.db.execute(damage)

    assert check in [name for name, _ in found(full)]
    assert place is None or (check, place) in found(full)


def test_the_rows_behind_a_damaged_one_are_checked_too(sqlite_backend: SqliteBackend, make: type[Make]) -> None:
    sqlite_backend.store.commit([make.change(f"P{n}", events=1, session=f"S{n}") for n in range(9)])
    for row, value in ((2, NOT_UTF_8), (4, "'{'"), (6, NOT_UTF_8), (8, "x'00'")):
        sqlite_backend.db.execute(f"UPDATE session SET context = {value} WHERE id = 'S{row}'")

    assert found(sqlite_backend) == [("rows of session", f"S{row}") for row in (2, 4, 6, 8)]


def test_a_fault_does_not_show_a_long_document(full: SqliteBackend) -> None:
    full.db.execute("UPDATE session SET context = ?", ["{" + "x" * 10_000])

    [(_, fault)] = faults_of(full, "rows of session")

    assert len(fault) < 300


def faults_of(backend: SqliteBackend, check: str) -> Iterable[tuple[str, str]]:
    return next(each.first for each in audit(backend.path, document_checks()) if each.check.name == check)
