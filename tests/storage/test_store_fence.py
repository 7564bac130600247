"""The fence as every store applies it: changes that are stale, and changes that build on others."""

import itertools
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.making import Make
from tests.support.stores import Backend, existing
from trackd.core.changes import Change, Changes, Erasure, Fence, Outcome
from trackd.core.documents import Source
from trackd.core.retention_changes import DeleteSessions
from trackd.core.source_changes import AddSource
from trackd.storage.memory import MemoryStore
from trackd.storage.sqlite.store import SqliteStore

NOW = "2026-01-31T12:00:00.000000Z"


STORED, STALE = Outcome.STORED, Outcome.STALE


def test_a_change_may_build_on_one_before_it_in_the_batch(backend: Backend, make: type[Make]) -> None:
    batch = [
        make.change("A", (0, 0), events=1, session="S", step=1),
        make.change("A", (1, 1), events=2, session="S", previous_owner="A", step=2),
        make.change("A", (3, 2), step=3),
    ]

    assert backend.store.commit(batch) == [STORED, STORED, STORED]

    assert backend.store.profile("A") == make.profile("A", 3, 3, step=3)
    assert [event.seq for event in backend.events()] == [1, 2, 3]


def test_a_later_commit_continues_from_the_stored_state(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([make.change("A", events=1, session="S")])

    assert backend.store.commit([make.change("A", (1, 1), events=1, session="S", previous_owner="A")]) == [STORED]

    assert existing(backend.store.profile("A")).seq == 2


@pytest.mark.parametrize(
    "was",
    [(0, 0), (1, 2), (3, 2), (2, 1), (2, 3)],
    ids=["not stored", "older seq", "newer seq", "older revision", "newer revision"],
)
def test_a_change_built_on_another_state_of_the_profile_is_stale_and_writes_nothing(
    backend: Backend, make: type[Make], was: tuple[int, int]
) -> None:
    backend.store.commit([make.change("A", events=1), make.change("A", (1, 1), events=1)])
    before = backend.store.profile("A"), list(backend.events())

    assert backend.store.commit([make.change("A", was, events=1, session="S", event_ids={"e": 1})]) == [STALE]

    assert (backend.store.profile("A"), backend.events()) == before
    assert backend.store.session("S") is None
    assert backend.store.known_events("A", ["e"]) == {}


def test_a_change_is_stale_if_the_profile_that_must_be_absent_is_stored_or_written_before_it_in_the_batch(
    backend: Backend, make: type[Make]
) -> None:
    def change(profile_id: str, absent: str) -> Changes:
        return msgspec.structs.replace(make.change(profile_id, events=1), absent_profile=absent)

    assert backend.store.commit([change("A", "D"), change("B", "D"), make.change("D"), change("C", "D")]) == [
        *[STORED] * 3,
        STALE,
    ]
    assert backend.store.commit([change("C", "D"), change("E", "none")]) == [STALE, STORED]
    assert backend.store.profile("C") is None


def test_a_new_profile_whose_id_is_derived_from_its_call_is_stale_if_one_with_this_id_was_erased(
    backend: Backend, make: type[Make]
) -> None:
    def derived(profile_id: str) -> Changes:
        return msgspec.structs.replace(make.change(profile_id, events=1), is_derived=True)

    erasure = Erasure(Fence("D", 1, 1), make.now)
    assert backend.store.commit([derived("D"), erasure, derived("D"), derived("E")]) == [STORED, STORED, STALE, STORED]
    assert backend.store.commit([derived("F"), derived("D")]) == [STORED, STALE]
    assert backend.store.profile("D") is None
    assert backend.store.commit([make.change("D")]) == [STORED]  # a client may choose the id again


def test_a_change_of_a_profile_that_does_not_exist_is_stale(backend: Backend, make: type[Make]) -> None:
    assert backend.store.commit([make.change("A", (1, 1), events=1)]) == [STALE]
    assert backend.store.profile("A") is None


@pytest.mark.parametrize("previous_owner", [None, "B"])
def test_a_change_is_stale_when_the_session_belongs_to_another_profile(
    backend: Backend, make: type[Make], previous_owner: str | None
) -> None:
    backend.store.commit([make.change("A", session="S")])

    assert backend.store.commit([make.change("B", events=1, session="S", previous_owner=previous_owner)]) == [STALE]

    assert existing(backend.store.session("S")).profile_id == "A"
    assert backend.store.profile("B") is None
    assert backend.events() == []


def test_a_change_is_stale_when_its_session_does_not_exist(backend: Backend, make: type[Make]) -> None:
    assert backend.store.commit([make.change("A", session="S", previous_owner="A")]) == [STALE]


def test_a_session_moves_from_another_profile_only_if_it_was_not_updated_meanwhile(
    backend: Backend, make: type[Make]
) -> None:
    backend.store.commit([make.change("A", session="S")])
    seen = existing(backend.store.session("S")).updated
    over = make.change("B", session="S", previous_owner="A")

    for not_so in ("", "2026-01-01T00:00:00.000000Z"):
        assert backend.store.commit([msgspec.structs.replace(over, previous_updated=not_so)]) == [STALE]
    assert backend.store.commit([msgspec.structs.replace(over, previous_updated=seen)]) == [STORED]


@pytest.mark.parametrize(
    "between", [AddSource(Source("other", "other")), DeleteSessions("2020-01-01T00:00:00.000000Z"), None]
)
def test_a_change_built_on_a_stale_one_is_stale_whatever_stands_between_them(
    backend: Backend, make: type[Make], between: DeleteSessions | AddSource | None
) -> None:
    """Another node has written just as much: the numbers are true by accident."""
    backend.store.commit([make.change("A", events=1)])
    lost, built_on_it = make.change("A", events=1), make.change("A", (1, 1), events=1)
    other: Change = between or Erasure(Fence("other", 0, 0), "2026-01-31T12:00:00.000000Z")

    outcomes = backend.store.commit([lost, other, built_on_it, other, Erasure(Fence("A", 1, 1), "2026")])

    assert [outcomes[place] for place in (0, 2, 4)] == [STALE] * 3
    assert [event.seq for event in backend.events()] == [1]


def test_a_session_can_be_linked_to_another_profile(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([make.change("A", session="S")])

    assert backend.store.commit([make.change("B", session="S", previous_owner="A")]) == [STORED]

    assert existing(backend.store.session("S")).profile_id == "B"


def test_the_second_of_two_first_calls_of_a_session_in_one_batch_is_stale(backend: Backend, make: type[Make]) -> None:
    assert backend.store.commit([make.change("A", session="S"), make.change("B", session="S")]) == [STORED, STALE]

    assert existing(backend.store.session("S")).profile_id == "A"
    assert backend.store.profile("B") is None


def test_a_change_built_on_a_stale_one_is_stale_and_the_rest_of_the_batch_is_stored(
    backend: Backend, make: type[Make]
) -> None:
    backend.store.commit([make.change("A", events=1)])
    batch = [
        make.change("B", events=1),
        make.change("A", (0, 0), events=1),
        make.change("A", (1, 2), events=1),
        make.change("B", (1, 1), events=1),
    ]

    assert backend.store.commit(batch) == [STORED, STALE, STALE, STORED]

    assert (existing(backend.store.profile("A")).seq, existing(backend.store.profile("B")).seq) == (1, 2)
    assert [event.id for event in backend.events()] == ["A-1", "B-1", "B-2"]


def test_a_change_built_on_a_stale_one_is_stale_even_if_another_process_wrote_as_much(
    backend: Backend, make: type[Make]
) -> None:
    backend.store.commit([make.change("A", events=1, by="both")])
    backend.store.commit([make.change("A", (1, 1), events=1, by="them")])

    mine = [make.change("A", (1, 1), events=1, by="me"), make.change("A", (2, 2), events=1, by="me")]
    assert backend.store.commit(mine) == [STALE, STALE]

    assert backend.store.profile("A") == make.profile("A", 2, 2, by="them")


def test_a_change_that_writes_nothing_is_still_checked(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([make.change("A", events=1)])

    outcomes = backend.store.commit([Changes(Fence("A", 1, 1)), Changes(Fence("A", 1, 2)), Changes(Fence("B", 0, 0))])

    assert outcomes == [STORED, STALE, STORED]
    assert backend.store.profile("B") is None


def test_a_change_of_a_profile_that_was_merged_away_meanwhile_is_stale(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([make.change("A", events=1), make.change("B")])

    backend.merge("A", "B")

    assert backend.store.commit([make.change("A", (1, 1), events=1)]) == [STALE]


step = st.tuples(
    st.sampled_from("AB"),
    st.sampled_from(["right", "right", "right", "off"]),
    st.integers(0, 2),
    st.sampled_from([None, "S", "T"]),
    st.sampled_from([None, "A", "B"]),
)


@given(st.lists(st.lists(step, max_size=5), max_size=4))
def test_both_stores_come_to_the_same_outcomes_and_the_same_content(make: type[Make], batches: list[Any]) -> None:
    memory = MemoryStore()
    fresh = itertools.count()
    with tempfile.TemporaryDirectory() as folder:
        sqlite = SqliteStore(Path(folder) / "trackd.db", synchronous="NORMAL")
        for steps in batches:
            state = {key: (p.seq, p.revision) for key, p in memory.profiles.items()}
            batch = []
            for profile_id, fence, events, session, previous_owner in steps:
                seq, revision = state.get(profile_id, (0, 0))
                was = (seq, revision) if fence == "right" else (seq, revision + 1)
                batch.append(
                    make.change(
                        profile_id,
                        was,
                        events=events,
                        session=session,
                        previous_owner=previous_owner,
                        event_ids={f"id{next(fresh)}": None},
                    )
                )
                state[profile_id] = (was[0] + events, was[1] + 1)

            assert sqlite.commit(batch) == memory.commit(batch)

            assert {key: sqlite.profile(key) for key in memory.profiles} == memory.profiles
            assert {key: sqlite.session(key) for key in memory.sessions} == memory.sessions
        ids = [f"id{n}" for n in range(next(fresh))]
        assert all(sqlite.known_events(p, ids) == memory.known_events(p, ids) for p in "AB")
        sqlite.close()


def test_a_session_that_is_only_read_is_fenced_and_not_written(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([make.change("A", events=1, session="S")])
    before = backend.store.session("S")
    look = make.change("A", (1, 1), events=1, session="S", previous_owner="A", step=2)
    look = msgspec.structs.replace(look, writes_session=False)

    assert backend.store.commit([look]) == [STORED]
    assert backend.store.session("S") == before
    assert backend.store.commit([msgspec.structs.replace(look, fence=Fence("A", 2, 2), previous_owner="B")]) == [STALE]
