"""Stored refusals: bounded, cleared by erasures, deleted by retention; the same tests for every store."""

import json

import pytest
from msgspec.structs import replace

from tests.support.making import Make
from tests.support.stores import Backend, SqliteBackend
from trackd.core.changes import Erasure, Fence, Outcome
from trackd.core.refusals import PutRefusals, Refusal
from trackd.core.retention_changes import DeleteEvents, DeleteSessions
from trackd.storage.errors import StoreError
from trackd.storage.listings import PageRequest, RefusalFilter
from trackd.storage.sqlite.listings import SqliteListings

NOW, LATER = Make.now, Make.later
STORED = Outcome.STORED
FULL = Refusal(
    NOW,
    422,
    "invalid",
    "source",
    "10.0.0.0/24",
    "t",
    "e",
    "P",
    "R",
    '[{"loc":[],"msg":"é\\u0000🙂","type":"t"}]',
    "é\x00🙂",
    2,
)
PLAIN = Refusal(NOW, 401, "unknown_source")


def put(backend: Backend, *refusals: Refusal, keep: int = 100, bodies: bool = True) -> None:
    assert backend.store.commit([PutRefusals(refusals, keep, bodies)]) == [STORED]


def test_refusals_are_stored_as_they_are(backend: Backend) -> None:
    put(backend, FULL, PLAIN)

    assert backend.refusals() == [FULL, PLAIN]


def test_the_newest_ones_are_kept(backend: Backend) -> None:
    refusals = [replace(PLAIN, left_out=number) for number in range(300)]
    for begin in range(0, 300, 60):
        put(backend, *refusals[begin : begin + 60], keep=100)
    assert backend.refusals() == refusals[200:]

    put(backend, keep=10)
    assert backend.refusals() == refusals[290:]
    put(backend, keep=0)
    assert backend.refusals() == []


def test_bodies_that_were_stored_are_deleted_when_they_shall_not_be_kept(backend: Backend) -> None:
    put(backend, FULL)
    put(backend, bodies=False)

    assert backend.refusals() == [replace(FULL, body=None)]


@pytest.mark.parametrize("keep_events", [False, True])
def test_an_erasure_clears_the_refusals_of_the_profile(backend: Backend, make: type[Make], keep_events: bool) -> None:
    backend.store.commit([make.change("A", session="S"), make.change("B", session="T")])
    backend.store.commit([make.change("Z")])
    backend.merge("Z", "A")
    of_a = [
        replace(FULL, profile_id="A"),
        replace(FULL, session_id="S"),
        replace(FULL, profile_id="Z"),
        replace(FULL, profile_id=None, session_id=None, body='{"profile": {"id": "A"}'),
    ]
    others = [replace(FULL, profile_id="B"), replace(FULL, session_id="T"), replace(FULL, body="A a"), PLAIN]
    put(backend, *of_a, *others)

    erasure = Erasure(Fence("A", 0, 1), LATER, keep_events)
    last = replace(FULL, profile_id="A")  # still waited when the erasure began
    assert backend.store.commit([PutRefusals((last,), 100), erasure]) == [STORED, STORED]

    assert backend.refusals() == [*(each.anonymous() for each in of_a), *others, last.anonymous()]


def test_a_stale_erasure_clears_nothing(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([make.change("A")])
    put(backend, replace(FULL, profile_id="A"))

    assert backend.store.commit([Erasure(Fence("A", 7, 7), LATER)]) == [Outcome.STALE]

    assert backend.refusals() == [replace(FULL, profile_id="A")]


@pytest.mark.parametrize("kind", [DeleteEvents, DeleteSessions])
def test_retention_deletes_those_that_are_older(
    backend: Backend, kind: type[DeleteEvents] | type[DeleteSessions]
) -> None:
    put(backend, PLAIN, replace(PLAIN, time=LATER))

    assert backend.store.commit([kind(LATER)]) == [Outcome.DONE]

    assert [each.time for each in backend.refusals()] == [LATER]


def test_on_a_full_disk_refusals_fail_alone(sqlite_backend: SqliteBackend, make: type[Make]) -> None:
    sqlite_backend.store.commit([make.change("A")])
    large = tuple(replace(FULL, body="x" * 2_048) for _ in range(200))
    sqlite_backend.fill_disk()

    with pytest.raises(StoreError):
        sqlite_backend.store.commit([PutRefusals(large, 1_000)])
    outcomes = sqlite_backend.store.commit([PutRefusals(large, 1_000), make.change("A", (0, 1))])

    assert outcomes == [Outcome.FAILED, STORED]
    assert sqlite_backend.refusals() == []


def test_a_refusal_that_cannot_be_stored_fails_alone(backend: Backend, make: type[Make]) -> None:
    outcomes = backend.store.commit([PutRefusals((replace(FULL, body="\ud800"),), 10), make.change("A")])

    assert outcomes[1] is STORED


def found(listings: SqliteListings, **fields: str | int) -> list[int]:
    """The numbers of the refusals in the first page."""
    page = listings.refusals(RefusalFilter(**fields), PageRequest())  # type: ignore[arg-type]
    return [document["number"] for document in json.loads(page.documents)]


def test_a_list_has_those_that_match_the_newest_first(sqlite_backend: SqliteBackend, listings: SqliteListings) -> None:
    put(sqlite_backend, FULL, replace(PLAIN, time=LATER), replace(FULL, source_id="other", session_id="S2"))

    assert found(listings) == [3, 2, 1]
    assert found(listings, source="source") == [1]
    assert found(listings, status=401) == [2]
    assert found(listings, reason="invalid") == [3, 1]
    assert found(listings, profile="P", session="S2") == [3]
    assert found(listings, type="t") == [3, 1]
    assert found(listings, after=LATER) == [2]
    assert found(listings, before=LATER) == [3, 1]
    assert found(listings, reason="unknown") == []


def test_a_long_body_that_is_not_ascii_is_listed_as_text(
    sqlite_backend: SqliteBackend, listings: SqliteListings
) -> None:
    body = json.dumps({"name": "ü" * 1_100}, ensure_ascii=False)
    put(sqlite_backend, replace(FULL, body=body))

    [document] = json.loads(listings.refusals(RefusalFilter(), PageRequest()).documents)

    assert document["body"] == body


def test_pages_follow_each_other_without_gap_or_repeat(sqlite_backend: SqliteBackend, listings: SqliteListings) -> None:
    put(sqlite_backend, *[FULL, PLAIN] * 10)
    cursor, numbers = None, []
    while True:
        page = listings.refusals(RefusalFilter(reason="invalid"), PageRequest(cursor, 3))
        numbers += [document["number"] for document in json.loads(page.documents)]
        put(sqlite_backend, FULL)  # newer ones move nothing
        if (cursor := page.next) is None:
            break

    assert numbers == list(range(19, 0, -2))


def test_numbers_are_never_used_again(sqlite_backend: SqliteBackend, listings: SqliteListings) -> None:
    put(sqlite_backend, PLAIN, PLAIN)
    put(sqlite_backend, keep=0)
    put(sqlite_backend, PLAIN)

    assert found(listings) == [3]
