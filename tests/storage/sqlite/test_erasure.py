"""Erasure, and sources that are changed through the store: the same tests for every store."""

import hashlib

import pytest
from msgspec.structs import replace

from tests.support.making import Make
from tests.support.stores import Backend, SqliteBackend, existing
from trackd.core.changes import Change, Erasure, Fence, Outcome
from trackd.core.documents import Source, source_metadata
from trackd.core.source_changes import AddSource, EditSource, RemoveSource

STORED, STALE = Outcome.STORED, Outcome.STALE
THEN = "2026-02-01T00:00:00.000000Z"


@pytest.fixture
def two_people(backend: Backend, make: type[Make]) -> Backend:
    """A with 3 events and two sessions, one event id, and a merged id; B with one of each."""
    backend.store.commit([make.change("A", events=2, session="S", event_ids={"e": 1}), make.change("B", events=1)])
    backend.store.commit([make.change("A", (2, 1), events=1, session="T"), make.change("B", (1, 1), session="U")])
    backend.merge("Z", "A")
    return backend


def test_an_erased_profile_takes_its_sessions_events_and_ids_with_it(two_people: Backend) -> None:
    store = two_people.store

    assert store.commit([Erasure(Fence("A", 3, 2), THEN)]) == [STORED]

    assert [store.profile(key) for key in ("A", "Z")] == [None, None]
    assert [store.session(key) for key in ("S", "T")] == [None, None]
    assert store.known_events("A", ["e"]) == {}
    assert [event.profile_id for event in two_people.events()] == ["B"]


def test_an_erasure_leaves_other_profiles_unchanged(two_people: Backend) -> None:
    store = two_people.store
    before = store.profile("B"), store.session("U")

    store.commit([Erasure(Fence("A", 3, 2), THEN)])

    assert (store.profile("B"), store.session("U")) == before


@pytest.mark.parametrize("fence", [Fence("A", 2, 2), Fence("A", 3, 1), Fence("unknown", 0, 0)])
def test_an_erasure_built_on_another_state_is_stale_and_erases_nothing(two_people: Backend, fence: Fence) -> None:
    before = two_people.events()

    assert two_people.store.commit([Erasure(fence, THEN)]) == [STALE]

    assert existing(two_people.store.profile("A")).seq == 3
    assert two_people.events() == before


def test_kept_events_are_anonymous(two_people: Backend, make: type[Make]) -> None:
    details = {"ip": "::1", "properties": '{"email":"a@b.c"}', "context": '{"url":"/a"}', "config": '{"x":1}'}
    two_people.store.commit(
        [make.change("A", (3, 2), events=1, event={**details, "reasons": '["a@b.c"]', "rules": '["r"]', "id": "own"})]
    )

    assert two_people.store.commit([Erasure(Fence("A", 4, 3), THEN, keep_events=True)]) == [STORED]

    kept = [event for event in two_people.events() if event.profile_id != "B"]
    assert len(kept) == 4
    assert {(event.profile_id, event.session_id, event.seq) for event in kept} == {("", "", 0)}
    assert {(event.ip, event.reasons, event.rules) for event in kept} == {(None, None, None)}
    assert {(event.properties, event.context, event.config) for event in kept} == {("{}", "{}", "{}")}
    assert {(event.type, event.source_id) for event in kept} == {("t", "source")}
    assert len({event.id for event in kept} - {"own", "A-1", "A-2", "A-3"}) == 4


def test_a_call_before_an_erasure_in_the_batch_is_erased_and_one_after_it_begins_anew(
    backend: Backend, make: type[Make]
) -> None:
    batch: list[Change] = [
        make.change("A", events=2, session="S"),
        Erasure(Fence("A", 2, 1), THEN),
        make.change("A", events=1, session="S"),
        make.change("B", events=1),
    ]

    assert backend.store.commit(batch) == [STORED] * 4

    assert existing(backend.store.profile("A")).seq == 1
    assert [(event.profile_id, event.seq) for event in backend.events()] == [("A", 1), ("B", 1)]


def test_a_source_is_added_once_edited_field_by_field_and_removed_once(backend: Backend) -> None:
    version = backend.store.sources_version()
    added = Source("s", "shop", origins=("https://a.b",), rate_limit=2.5)
    edits = [
        EditSource("s", {"name": "store", "tags": ["x"]}, THEN),
        EditSource("s", {"enabled": False, "rate_limit": None}, THEN),
    ]

    assert backend.store.commit([AddSource(added), AddSource(Source("s", "other"))]) == [STORED, STALE]
    assert backend.store.sources() == [added]
    assert backend.store.commit([*edits, EditSource("unknown", {"name": "x"}, THEN)]) == [STORED, STORED, STALE]

    edited = Source("s", "store", enabled=False, origins=("https://a.b",), tags=("x",))
    assert backend.store.sources() == [replace(edited, metadata=source_metadata("", THEN))]
    assert backend.store.sources_version() > version

    assert backend.store.commit([RemoveSource("s"), RemoveSource("s")]) == [STORED, STALE]
    assert backend.store.sources() == []


def test_only_the_hash_of_an_erased_id_is_left(sqlite_backend: SqliteBackend, make: type[Make]) -> None:
    sqlite_backend.store.commit([make.change("A", events=1), make.change("B")])
    sqlite_backend.merge("Z", "A")

    sqlite_backend.store.commit([Erasure(Fence("A", 1, 1), THEN)])

    hashes = {hashlib.sha256(key.encode()).hexdigest() for key in ("A", "Z")}
    assert {tuple(row) for row in sqlite_backend.db.execute("SELECT hash, erased FROM erased")} == {
        (key, THEN) for key in hashes
    }


@pytest.mark.parametrize("keep_events", [False, True])
def test_the_bytes_of_an_erased_profile_are_overwritten_in_the_file(
    sqlite_backend: SqliteBackend, make: type[Make], keep_events: bool
) -> None:
    secret = {"properties": '{"email":"erase-me"}', "context": '{"c":"erase-me"}', "ip": "erase-me", "id": "erase-me"}
    for seq in range(50):
        batch = [make.change("erase-me-too", (seq, seq), events=1, event=secret, traits="erase-me")]
        batch.append(make.change("B", (seq, seq), events=1, event={"properties": '{"kept":"leave-me"}'}))
        sqlite_backend.store.commit(batch)

    outcomes = sqlite_backend.store.commit([Erasure(Fence("erase-me-too", 50, 50), THEN, keep_events)])
    sqlite_backend.reopen()

    assert outcomes == [STORED]
    stored = sqlite_backend.path.read_bytes()
    assert stored.count(b"leave-me") == 50
    assert b"erase-me" not in stored
