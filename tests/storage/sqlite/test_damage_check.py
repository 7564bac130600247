"""Damaged pages and damaged rows are the same error for SQLite: the check finds out which."""

import itertools

import pytest

from tests.support.database import open_database
from tests.support.making import Make
from tests.support.stores import SqliteBackend, existing
from trackd.core.changes import Outcome
from trackd.storage.errors import StoreError
from trackd.storage.sqlite import checks_in_parts
from trackd.storage.sqlite.checks_in_parts import ChecksInParts
from trackd.storage.sqlite.damage_check import EVERY_S, DamageCheck, check_pages
from trackd.storage.sqlite.log_frames import log_of
from trackd.storage.sqlite.soundness import UnsoundError, check_after_unclean_end
from trackd.storage.sqlite.store import SqliteStore

PAGE = 4096
STORED, UNREADABLE = Outcome.STORED, Outcome.UNREADABLE


@pytest.fixture(autouse=True)
def no_check_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """It finds the damage first, because the connection of these tests keeps the log of the file."""
    monkeypatch.setattr("trackd.storage.sqlite.store.check_after_unclean_end", lambda path: [])


@pytest.fixture
def filled(sqlite_backend: SqliteBackend, make: type[Make]) -> SqliteBackend:
    """A closed file with two profiles, whose rows are on one page, and their sessions."""
    sqlite_backend.store.commit(
        [make.change(name, events=1, session=f"S-{name}", event_ids={f"{name}-1": 1}) for name in "AB"]
    )
    sqlite_backend.store.close()
    return sqlite_backend


def write(backend: SqliteBackend, place: int, content: bytes) -> None:
    with backend.path.open("rb+") as file:
        file.seek(place)
        file.write(content)


def root_of(backend: SqliteBackend, name: str) -> int:
    """Where the first page of a table or index begins in the file."""
    page = backend.db.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", [name]).fetchone()[0]
    return int(page - 1) * PAGE


def damage_pages(backend: SqliteBackend, name: str) -> None:
    place = root_of(backend, name)
    write(backend, place + 3, b"\xff\xff")  # more cells than a page holds


def damage_row(backend: SqliteBackend, profile_id: str) -> None:
    """In the head of the row its document becomes longer than the row."""
    document = backend.path.read_bytes().index(f'{{"id":"{profile_id}"'.encode())
    write(backend, document - 6, b"\x8f")


def reopened(backend: SqliteBackend) -> SqliteStore:
    backend.store = SqliteStore(backend.path)
    return backend.store


def test_a_sound_file_has_no_damage(filled: SqliteBackend) -> None:
    assert check_pages(filled.path, None, lambda: False) == []


def test_a_damaged_row_fails_its_own_changes_alone(
    filled: SqliteBackend, make: type[Make], caplog: pytest.LogCaptureFixture
) -> None:
    damage_row(filled, "A")
    store = reopened(filled)

    with pytest.raises(StoreError, match="malformed"):
        store.profile("A")
    outcomes = store.commit([make.change("A", (1, 1), events=1), make.change("B", (1, 1), events=1)])
    store._damage_check.wait()

    assert outcomes == [UNREADABLE, STORED]
    store.check()
    assert existing(store.profile("B")).seq == 2
    assert "`trackd verify` names it" in caplog.text


@pytest.mark.parametrize("name", ["profile", "session_by_profile", "event_id"])
def test_damaged_pages_are_found_after_a_change_that_met_them(
    filled: SqliteBackend, make: type[Make], name: str
) -> None:
    damage_pages(filled, name)
    store = reopened(filled)
    change = make.change("A", (1, 1), events=1, session="new", event_ids={"A-2": 2})

    assert store.commit([change]) == [UNREADABLE]
    store.check_damage()
    store._damage_check.wait()

    with pytest.raises(StoreError, match=f"{filled.path} is damaged .+ `trackd restore BACKUP"):
        store.check()


def test_reads_find_damaged_pages_too(filled: SqliteBackend) -> None:
    damage_pages(filled, "session")
    store = reopened(filled)

    with pytest.raises(StoreError):
        store.session("S-A")
    store._damage_check.wait()

    with pytest.raises(StoreError, match="is damaged"):
        store.check()


def test_a_damaged_key_of_a_table_without_row_numbers_is_damage_of_pages(filled: SqliteBackend) -> None:
    """It lies between the keys of others, which cannot be compared with it."""
    reopened(filled)
    page = filled.path.read_bytes()[root_of(filled, "event_id") :][:PAGE]
    write(filled, root_of(filled, "event_id") + page.index(b"AA-1") - 2, b"\x7f")

    with pytest.raises(UnsoundError):
        check_pages(filled.path, None, lambda: False)


def test_a_file_is_checked_at_most_once_a_minute(filled: SqliteBackend) -> None:
    reopened(filled)
    now = 0.0
    check = DamageCheck(filled.path, lambda: now)
    check.request()
    check.wait()
    damage_pages(filled, "profile")

    check.request()
    check.wait()
    assert check.fault is None

    now += EVERY_S
    check.request()
    check.wait()
    assert check.fault is not None


def test_a_long_check_is_made_a_tenth_of_the_time(filled: SqliteBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    now, checks = 0.0, 0

    def take_long(*_: object) -> list[str]:
        nonlocal now, checks
        now, checks = now + 300, checks + 1
        return []

    monkeypatch.setattr("trackd.storage.sqlite.damage_check.ChecksInParts.run", take_long)
    check = DamageCheck(filled.path, lambda: now)
    for later, expected in ((0, 1), (2_900, 1), (200, 2)):
        now += later
        check.request()
        check.wait()
        assert checks == expected


def test_a_check_can_be_ended(filled: SqliteBackend, make: type[Make]) -> None:
    store = reopened(filled)
    for number in range(20):
        store.commit([make.change(f"P-{number}-{each}", events=5) for each in range(20)])

    assert "event" in check_pages(filled.path, None, lambda: True)

    check = DamageCheck(filled.path)
    check.request()
    check.stop()
    assert check.fault is None


def test_a_check_that_keeps_the_log_from_starting_over_ends_with_the_tables_that_are_left(
    filled: SqliteBackend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reopened(filled)
    monkeypatch.setattr(checks_in_parts, "PAUSE_S", 0.0)
    states = itertools.cycle([False, True])  # short, and long once it reads
    monkeypatch.setattr(ChecksInParts, "_is_log_long", lambda self: next(states))

    check = DamageCheck(filled.path)
    check.request()
    check.wait()

    assert check.fault is None
    assert "`trackd verify` checks the tables that are left (sqlite_schema, " in caplog.text


def test_damage_of_the_list_of_free_pages_is_found(filled: SqliteBackend) -> None:
    """Each row can be read, but whatever needs another page fails."""
    store = reopened(filled)
    with open_database(filled.path) as db:
        db.execute("CREATE TABLE large (content)")
        db.execute("INSERT INTO large VALUES (zeroblob(100000))")
        db.execute("DROP TABLE large")
    store.close()
    trunk = int.from_bytes(filled.path.read_bytes()[32:36])
    write(filled, (trunk - 1) * PAGE + 8, b"\xff\xff\xff\xff")

    with pytest.raises(UnsoundError, match="Freelist"):
        check_pages(filled.path, None, lambda: False)
    log_of(filled.path).touch()  # as after a kill
    with pytest.raises(UnsoundError, match="Freelist"):
        check_after_unclean_end(filled.path)
