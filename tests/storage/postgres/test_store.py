"""What is stored in PostgreSQL is read as it was written, whatever texts, numbers and keys it has."""

from msgspec import Raw

from tests.support.making import Make
from tests.support.stores import PostgresBackend, existing
from trackd.core.changes import Changes, Fence, Outcome
from trackd.core.documents import Profile, Session
from trackd.core.retention_changes import LATEST

NOW = "2026-01-31T12:00:00.000000Z"


def test_ids_and_types_may_have_any_character(postgres_backend: PostgresBackend, make: type[Make]) -> None:
    odd = "a\0b\1c\2\uffff\U0001f642'\"\\"
    change = make.change(odd, events=2, session=odd, event={"type": odd, "source_id": odd}, event_ids={odd: 1})
    store = postgres_backend.store

    assert store.commit([change]) == [Outcome.STORED]

    assert store.session_and_profile(odd) == (change.session, change.profile)
    assert store.known_events(odd, [odd]) == {odd: 1}
    assert postgres_backend.events() == list(change.events)
    assert store.commit([make.change(odd, (2, 1), session=odd, previous_owner=odd)]) == [Outcome.STORED]


def test_events_between_two_positions_are_counted_for_their_numbers_have_gaps(
    postgres_backend: PostgresBackend, make: type[Make]
) -> None:
    listings = postgres_backend.listings
    before = listings.feed_head().events
    for seq in range(3):
        postgres_backend.store.commit([make.change("A", (seq, seq), events=1)])
    after = listings.feed_head().events

    assert after - before > 3
    assert listings.events_between(before, after) == 3
    assert listings.events_between(after, after) == 0


def test_ids_of_profiles_are_in_the_order_of_their_characters(
    postgres_backend: PostgresBackend, make: type[Make]
) -> None:
    ids = ["\0", "\0a", "\1", "\2", "A", "a", "é", "\uffff", "\U0001f642"]
    postgres_backend.store.commit([make.change(key) for key in reversed(ids)])

    assert postgres_backend.listings.profile_ids("", 20, False) == ids
    assert postgres_backend.listings.profile_ids("\0a", 2, False) == ["\1", "\2"]


def test_documents_keep_their_numbers_their_keys_and_their_escapes(postgres_backend: PostgresBackend) -> None:
    doc = Raw(b'{"b":12345678901234567890,"a":1.0,"c":1e400,"d":"\\u0000\\ud800","a2":{"z":-0.0,"y":[1.10]}}')
    session = Session("S", "A", NOW, NOW, doc, doc)
    store = postgres_backend.store

    assert store.commit([Changes(Fence("A", 0, 0), Profile("A", 0, 1, doc), session)]) == [Outcome.STORED]

    assert bytes(existing(store.profile("A")).doc_json) == bytes(doc)
    assert store.session("S") == session


def test_a_change_that_the_server_refuses_fails_alone(postgres_backend: PostgresBackend, make: type[Make]) -> None:
    no_json = make.change("B", events=1, event={"properties": "no JSON"})
    no_time = make.change("C", events=1, event={"created": "no time"})
    lone = make.change("D", events=1, event={"type": "\ud800"})

    outcomes = postgres_backend.store.commit([make.change("A", events=1), no_json, no_time, lone, make.change("E")])

    failed = Outcome.FAILED
    assert outcomes == [Outcome.STORED, failed, failed, failed, Outcome.STORED]
    assert [event.id for event in postgres_backend.events()] == ["A-1"]


def test_the_newest_time_is_found_though_all_are_ahead_of_the_clock(
    postgres_backend: PostgresBackend, make: type[Make]
) -> None:
    postgres_backend.store.commit([make.change("A", events=1)])
    assert postgres_backend.store.newest_time("2026-01-01T00:00:00.000000Z") is None
    assert postgres_backend.store.newest_time(LATEST) == make.now
