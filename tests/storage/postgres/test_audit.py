"""The audit of a PostgreSQL database finds what a file's audit finds."""

from typing import Any

import pytest

from tests.support.making import Make
from tests.support.stores import PostgresBackend
from trackd.core.changes import Changes, Erasure, Fence
from trackd.core.documents import tombstone
from trackd.core.retention_changes import DeleteEvents
from trackd.storage.audit.audit import MAX_SHOWN
from trackd.storage.postgres.audit import audit_database, database_checks

ALL = database_checks(rules_change_counters=False)
FIRST_DAY, SECOND_DAY = "2026-01-01T00:00:00.000000Z", "2026-01-02T00:00:00.000000Z"
ODD = "odd\0"
SET_SEQ = "UPDATE profile SET seq = {0}, doc = replace(doc::text, '\"seq\":3', '\"seq\":{0}')::json WHERE id = 'B'"


@pytest.fixture
def sound(postgres_backend: PostgresBackend, make: type[Make]) -> PostgresBackend:
    """Profiles with five and three events, sessions, ids, one that was merged and one that was erased."""

    def change(profile_id: str, seq: int, revision: int, events: int, **more: Any) -> Changes:
        time = {"insert": FIRST_DAY, "update": FIRST_DAY, "visit": {"count": 0, "last": None, "current": None}}
        stats = {"visits": 0, "views": 0, "counters": {"t": seq + events, "\0": 1}}
        return make.change(profile_id, (seq, revision), events=events, stats=stats, metadata={"time": time}, **more)

    commit = postgres_backend.store.commit
    commit([change("A", 0, 0, 2, session="S", event_ids={"A-1": 1}), change("B", 0, 0, 1), change("C", 0, 0, 1)])
    commit([change("A", 2, 1, 3), change("B", 1, 1, 2), change("D", 0, 0, 0, session="T"), change(ODD, 0, 0, 0)])
    commit([Erasure(Fence("C", 1, 1), SECOND_DAY, keep_events=True)])
    postgres_backend.merge("M", "A")
    return postgres_backend


def faults(backend: PostgresBackend) -> set[tuple[str, str]]:
    histories = {str(key) for (key,) in backend.db.rows("SELECT id FROM feed_history")}
    return {
        (findings.check.name, "HISTORY" if key in histories else key.split(" ")[-1])
        for findings in audit_database(backend.url, ALL)
        for key, _ in findings.first
    }


def test_a_sound_database_has_no_findings(sound: PostgresBackend) -> None:
    assert faults(sound) == set()


def test_events_that_retention_deleted_are_not_missed(sound: PostgresBackend) -> None:
    for limit in (1, 1, 1, 1, 1_000):
        sound.store.commit([DeleteEvents("9999-01-01T00:00:00.000000Z", limit)])
        assert faults(sound) == set()
    assert sound.events() == []


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("UPDATE profile SET doc = '[]' WHERE id = 'B'", {("rows of profile", "B")}),
        ("UPDATE profile SET seq = 4 WHERE id = 'A'", {("rows of profile", "A"), ("last event", "A")}),
        ("DELETE FROM event WHERE profile_id = 'B' AND seq = 1", {("first event", "B")}),
        ("DELETE FROM event WHERE profile_id = 'A' AND seq = 3", {("numbers", "A")}),
        ("UPDATE event SET seq = 6 WHERE profile_id = 'A' AND seq = 4", {("numbers", "A"), ("last event", "A")}),
        (
            "UPDATE event SET seq = 3 WHERE profile_id = 'A' AND seq = 4",
            {("numbers", "A"), ("no number twice", "A")},
        ),
        ("UPDATE event SET id = 'A-1' WHERE id = 'A-5'", {("no number twice", "A"), ("event ids", "A")}),
        ("DELETE FROM event WHERE profile_id = 'A' AND seq = 5", {("last event", "A")}),
        (SET_SEQ.format(2), {("last event", "B")}),
        ("DELETE FROM profile WHERE id = 'B'", {("living", "B")}),
        ("DELETE FROM profile WHERE id = 'D'", {("living", "D")}),
        ("UPDATE merged SET into_id = 'missing'", {("living", "missing")}),
        ("INSERT INTO event_id VALUES ('missing', 'e', 1)", {("living", "missing")}),
        ("UPDATE event_id SET seq = 2", {("event ids", "A")}),
        (
            """UPDATE profile SET doc = replace(doc::text, '"t":5', '"t":4')::json WHERE id = 'A'""",
            {("counters", "A")},
        ),
        (f"INSERT INTO erased VALUES ('{tombstone('B')}', '{SECOND_DAY}', -1)", {("erased", "B")}),
        (f"INSERT INTO erased VALUES ('{tombstone(ODD)}', '{SECOND_DAY}', -1)", {("erased", ODD)}),
        ("UPDATE erased SET number = (SELECT min(number) FROM event)", {("positions", tombstone("C"))}),
        ("UPDATE erased SET number = 1::bigint << 60", {("positions", tombstone("C"))}),
        (
            "UPDATE event_numbers SET deleted_up_to = (SELECT min(number) FROM event)",
            {("positions", "A-1")},
        ),
        ("UPDATE feed_history SET begins_after = 1::bigint << 60", {("positions", "HISTORY")}),
        ("UPDATE source SET origins = '{}'", {("rows of source", "shop")}),
        ("DELETE FROM installation", {("counts", "installation")}),
    ],
)
def test_a_broken_promise_is_found(sound: PostgresBackend, damage: str, expected: set[tuple[str, str]]) -> None:
    sound.put_source(Make.source("shop"))
    assert faults(sound) == set()
    [(number, page)] = sound.db.rows("SELECT number, page FROM installation")
    histories = sound.db.rows("SELECT id, begins_after FROM feed_history")
    try:
        sound.execute(damage)
        assert faults(sound) == expected
    finally:
        sound.db.run("INSERT INTO installation VALUES (1, %s, %s) ON CONFLICT DO NOTHING", [number, page])
        for key, begins_after in histories:
            sound.db.run("UPDATE feed_history SET begins_after = %s WHERE id = %s", [begins_after, key])


@pytest.mark.parametrize("profile_id", ["C", ODD])
def test_a_profile_that_was_made_after_an_erasure_by_a_node_with_a_clock_ahead_is_no_fault(
    sound: PostgresBackend, make: type[Make], profile_id: str
) -> None:
    erased = "2099-01-01T00:00:00.000000Z"
    first = [] if profile_id == "C" else [Erasure(Fence(ODD, 0, 1), erased)]
    sound.store.commit([*first, make.change(profile_id, events=1, stats={"counters": {"t": 1}})])
    sound.execute(f"UPDATE erased SET erased = '{erased}'")
    assert ("erased", profile_id) not in faults(sound)

    sound.db.run("UPDATE event SET seq = 2 WHERE profile_id = %s", [profile_id])
    assert ("erased", profile_id) in faults(sound)  # as it was before, with its numbers


def test_missing_columns_indexes_and_triggers_are_found(sound: PostgresBackend) -> None:
    changes = (
        "ALTER TABLE event RENAME COLUMN rules TO other",
        "DROP INDEX pii_by_value",
        "DROP TRIGGER token_made ON token",
    )
    back = (
        "ALTER TABLE event RENAME COLUMN other TO rules",
        "CREATE INDEX pii_by_value ON pii (name, md5(value))",
        "CREATE TRIGGER token_made AFTER INSERT ON token FOR EACH STATEMENT EXECUTE FUNCTION token_made()",
    )
    try:
        for change in changes:
            sound.execute(change)
        found = faults(sound)
    finally:
        for change in back:
            sound.execute(change)
    assert {("tables", "event"), ("tables", "pii_by_value"), ("tables", "token_made")} <= found
    assert ("rows of event", "") in found  # the check stopped, and the others go on
    assert faults(sound) == set()


def test_the_first_of_many_faults_are_listed_and_all_are_counted(
    postgres_backend: PostgresBackend, make: type[Make]
) -> None:
    postgres_backend.store.commit([make.change(f"P{n}", events=1) for n in range(MAX_SHOWN + 50)])
    postgres_backend.execute("DELETE FROM profile")

    living = next(each for each in audit_database(postgres_backend.url, ALL) if each.check.name == "living")

    assert (living.number, len(living.first)) == (MAX_SHOWN + 50, MAX_SHOWN)
