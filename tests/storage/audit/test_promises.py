import hashlib
from typing import Any

import pytest

from tests.support.making import Make
from tests.support.stores import SqliteBackend
from trackd.core.changes import Changes, Erasure, Fence
from trackd.core.documents import tombstone
from trackd.core.retention_changes import DeleteEvents
from trackd.storage.audit.audit import MAX_SHOWN, audit, checks

ALL = checks(rules_change_counters=False)
FIRST_DAY, SECOND_DAY = "2026-01-01T00:00:00.000000Z", "2026-01-02T00:00:00.000000Z"


def document(counted: int) -> dict[str, Any]:
    """Fields of a profile's document."""
    visit = {"count": 0, "last": None, "current": None}
    return {
        "stats": {"visits": 0, "views": 0, "counters": {"t": counted}},
        "metadata": {"time": {"insert": FIRST_DAY, "update": FIRST_DAY, "visit": visit}},
    }


@pytest.fixture
def sound(sqlite_backend: SqliteBackend, make: type[Make]) -> SqliteBackend:
    """A file with two profiles, five and three events, sessions, ids, a merged profile and one that was erased."""

    def change(profile_id: str, seq: int, revision: int, events: int, **more: Any) -> Changes:
        return make.change(profile_id, (seq, revision), events=events, **document(seq + events), **more)

    commit = sqlite_backend.store.commit
    commit([change("A", 0, 0, 2, session="S", event_ids={"A-1": 1}), change("B", 0, 0, 1), change("C", 0, 0, 1)])
    commit([change("A", 2, 1, 3), change("B", 1, 1, 2), change("D", 0, 0, 0, session="T")])
    commit([Erasure(Fence("C", 1, 1), SECOND_DAY, keep_events=True)])
    sqlite_backend.merge("M", "A")
    return sqlite_backend


def faults(backend: SqliteBackend) -> set[tuple[str, str]]:
    [[history]] = [*backend.db.execute("SELECT id FROM feed_history")] or [[None]]
    return {
        (findings.check.name, "HISTORY" if key == history else key)
        for findings in audit(backend.path, ALL)
        for key, _ in findings.first
    }


def test_a_sound_file_has_no_findings(sound: SqliteBackend) -> None:
    assert faults(sound) == set()


def test_an_empty_file_has_no_findings(sqlite_backend: SqliteBackend) -> None:
    assert faults(sqlite_backend) == set()


def test_events_that_retention_deleted_are_not_missed(sound: SqliteBackend) -> None:
    for _ in range(4):
        sound.store.commit([DeleteEvents("9999", 1)])
        assert faults(sound) == set()
    sound.store.commit([DeleteEvents("9999", 1000)])
    assert faults(sound) == set()
    assert sound.events() == []


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("UPDATE profile SET doc = 'x' WHERE id = 'B'", {("rows of profile", "B")}),
        ("UPDATE profile SET doc = json_set(doc, '$.seq', 4) WHERE id = 'A'", {("rows of profile", "A")}),
        ("UPDATE profile SET doc = json_remove(doc, '$.id') WHERE id = 'D'", {("rows of profile", "D")}),
        ("DELETE FROM event WHERE profile_id = 'B' AND seq = 1", {("first event", "B")}),
        ("DELETE FROM event WHERE profile_id = 'A' AND seq = 3", {("first event", "A")}),
        ("UPDATE event SET previous = NULL WHERE profile_id = 'A' AND seq = 2", {("first event", "A")}),
        ("UPDATE event SET seq = 6 WHERE profile_id = 'A' AND seq = 4", {("numbers", "A"), ("last event", "A")}),
        (
            "UPDATE event SET seq = 3 WHERE profile_id = 'A' AND seq = 4",
            {("numbers", "A"), ("no number twice", "A")},
        ),
        ("UPDATE event SET id = 'A-1' WHERE id = 'A-5'", {("no number twice", "A"), ("event ids", "A")}),
        ("DELETE FROM event WHERE profile_id = 'A' AND seq = 5", {("last event", "A")}),
        ("UPDATE profile SET last_event = NULL WHERE id = 'B'", {("last event", "B")}),
        ("UPDATE profile SET last_event = 1 WHERE id = 'B'", {("last event", "B")}),
        (
            "UPDATE profile SET seq = 2, doc = json_set(doc, '$.seq', 2) WHERE id = 'B'",
            {("last event", "B")},
        ),
        ("DELETE FROM profile WHERE id = 'B'", {("living", "B")}),
        ("DELETE FROM profile WHERE id = 'D'", {("living", "D")}),
        ("UPDATE merged SET into_id = 'missing'", {("living", "missing")}),
        ("INSERT INTO event_id VALUES ('missing', 'e', 1)", {("living", "missing")}),
        ("UPDATE event_id SET seq = 2", {("event ids", "A")}),
        ("UPDATE profile SET doc = json_set(doc, '$.stats.counters.t', 4) WHERE id = 'A'", {("counters", "A")}),
        (f"INSERT INTO erased VALUES ('{tombstone('B')}', '{SECOND_DAY}', NULL)", {("erased", "B")}),
        ("UPDATE erased SET number = 3", {("positions", tombstone("C"))}),
        ("UPDATE erased SET number = 99", {("positions", tombstone("C"))}),
        ("UPDATE event_numbers SET deleted_up_to = 1", {("positions", "A-1")}),
        ("UPDATE feed_history SET begins_after = 99", {("positions", "HISTORY")}),
        ("UPDATE feed_history SET id = 'x'", {("rows of feed_history", "1")}),
        ("DELETE FROM feed_history", {("positions", "")}),
    ],
)
def test_a_broken_promise_is_found(sound: SqliteBackend, damage: str, expected: set[tuple[str, str]]) -> None:
    sound.db.execute(damage)

    assert faults(sound) == expected


def test_a_profile_that_was_recreated_under_its_erased_id_is_no_fault(sound: SqliteBackend) -> None:
    sound.db.execute(
        "INSERT INTO erased VALUES (?, '2025-12-31T00:00:00.000000Z', NULL)", [hashlib.sha256(b"B").hexdigest()]
    )

    assert faults(sound) == set()


@pytest.mark.parametrize("profile_id", ["C", "Ç/\0"])
def test_a_profile_that_was_made_after_its_erasure_by_a_clock_set_back_is_no_fault(
    sound: SqliteBackend, make: type[Make], profile_id: str
) -> None:
    sound.store.commit([make.change(profile_id, events=1, **document(1))])
    sound.store.commit([Erasure(Fence(profile_id, 1, 1), SECOND_DAY)])
    sound.store.commit([make.change(profile_id, events=2, **document(2))])

    assert faults(sound) == set()


def test_a_profile_that_goes_on_with_its_numbers_after_its_erasure_is_found(
    sound: SqliteBackend, make: type[Make]
) -> None:
    sound.store.commit([make.change("B", (3, 2), events=1, **document(4))])
    sound.db.execute("UPDATE erased SET hash = ?", [tombstone("B")])

    assert faults(sound) == {("erased", "B")}


def test_pages_that_are_broken_are_found(sound: SqliteBackend) -> None:
    sound.store.close()
    pages = bytearray(sound.path.read_bytes())
    root = sound.db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'session_by_profile'").fetchone()[0]
    pages[(root - 1) * 4096 + 3 : (root - 1) * 4096 + 5] = b"\x00\x00"  # an index without entries
    sound.path.write_bytes(pages)

    assert {name for name, _ in faults(sound)} == {"integrity"}


def test_the_first_of_many_faults_are_listed_and_all_are_counted(
    sqlite_backend: SqliteBackend, make: type[Make]
) -> None:
    sqlite_backend.store.commit([make.change(f"P{n}", events=1) for n in range(MAX_SHOWN + 50)])
    sqlite_backend.db.execute("DELETE FROM profile")

    living = next(findings for findings in audit(sqlite_backend.path, ALL) if findings.check.name == "living")

    assert (living.number, len(living.first)) == (MAX_SHOWN + 50, MAX_SHOWN)
