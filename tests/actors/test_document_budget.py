"""The documents in memory are bounded in bytes: large ones are evicted first, and what is in flight counts."""

from typing import Any

import pytest

from tests.support.bare_actors import BareActors, StartActors
from tests.support.faulty_store import FaultyStore
from tests.support.making import Make
from trackd.core.calls import Tracked
from trackd.core.encoding import json_raw
from trackd.core.session_document import NOTHING

KB = 1_000
BUDGET = 100 * KB


def context(size: int) -> dict[str, str]:
    return {"text": "x" * size}


def in_memory(actors: BareActors) -> int:
    actors.tick()
    return actors.tally.document_bytes


def track(actors: BareActors, session: str, **fields: Any) -> Tracked:
    number = actors.track(Make.call(session, **fields))
    actors.commit()
    answer = actors.answers[number]
    assert isinstance(answer, Tracked)
    return answer


def test_new_sessions_with_large_contexts_take_no_more_than_the_budget(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(), max_document_bytes=BUDGET)
    for number in range(30):
        track(actors, f"S{number}", context=context(20 * KB))
        assert in_memory(actors) <= BUDGET

    assert in_memory(actors) > BUDGET // 2
    assert len(actors.reads.sessions) == 30


def test_sessions_that_are_read_again_take_no_more_than_the_budget(start_actors: StartActors) -> None:
    """As after a restart: the calls are small, their sessions are not."""
    profiles = [Make.profile(f"P{number}") for number in range(30)]
    sessions = [Make.session(f"S{number}", f"P{number}", **context(20 * KB)) for number in range(30)]
    actors = start_actors(Make.store(*profiles, sessions=sessions), max_document_bytes=BUDGET)

    for number in range(30):
        track(actors, f"S{number}")
        assert in_memory(actors) <= BUDGET


@pytest.mark.parametrize("pii", ["large", "small"])
def test_large_documents_of_profiles_count(start_actors: StartActors, pii: str) -> None:
    size = 20 * KB if pii == "large" else 10
    store = Make.store(*[Make.profile(f"P{number}", pii=context(size)) for number in range(30)])
    actors = start_actors(store, max_document_bytes=BUDGET)

    for number in range(30):
        track(actors, f"S{number}", profile_id=f"P{number}")
    actors.tick()

    assert actors.tally.document_bytes <= BUDGET
    assert (actors.tally.active_profiles < 6) is (pii == "large")


def test_small_documents_stay_when_large_ones_are_evicted(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(kind=FaultyStore), max_document_bytes=BUDGET)
    small = [track(actors, f"small{number}").profile_id for number in range(20)]
    for number in range(30):
        track(actors, f"large{number}", context=context(20 * KB))
    actors.reads.keys_read.clear()

    assert [track(actors, f"small{number}").profile_id for number in range(20)] == small
    assert actors.reads.keys_read == []


def test_what_is_in_flight_counts_and_is_not_evicted(start_actors: StartActors) -> None:
    profiles = [Make.profile(f"P{number}", pii=context(20 * KB)) for number in range(10)]
    actors = start_actors(Make.store(*profiles), max_document_bytes=BUDGET)
    track(actors, "idle")
    numbers = [actors.track(Make.call(f"S{number}", profile_id=f"P{number}")) for number in range(10)]
    assert in_memory(actors) > 10 * 20 * KB

    actors.commit()  # the first of them
    actors.tick()
    assert actors.tally.active_profiles == 9  # neither the first, nor the idle one
    actors.commit()

    assert [actors.answers[number].profile_id for number in numbers] == [f"P{number}" for number in range(10)]
    assert in_memory(actors) <= BUDGET


def test_ids_of_events_count_until_the_next_call(start_actors: StartActors) -> None:
    """The profile's actor keeps them until then, although they are on disk."""
    actors = start_actors(Make.store(), max_document_bytes=BUDGET)
    for number in range(10):
        track(actors, f"S{number}", events=[Make.event(f"{number}-{event}" + "x" * 100) for event in range(40)])
        assert in_memory(actors) <= BUDGET


def test_ids_of_sessions_take_at_most_a_quarter_of_the_budget(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(), max_document_bytes=BUDGET, max_cached_sessions=1_000, max_active_profiles=10)
    for number in range(500):
        track(actors, f"{number}" + "x" * 250)
        assert in_memory(actors) <= BUDGET

    assert 10 < actors.tally.cached_sessions < BUDGET / 250


def test_a_session_that_is_not_written_is_committed_without_its_content(start_actors: StartActors) -> None:
    store = Make.store(Make.profile("A"), sessions=[Make.session("S", "A", **context(20 * KB))])
    actors = start_actors(store)
    actors.track(Make.call("S"))

    (change,) = actors.batches[0]
    assert change.session.context_json == NOTHING  # type: ignore[union-attr]
    actors.commit()

    assert store.session("S").context == context(20 * KB)
    track(actors, "S", context={"more": 1})
    assert store.session("S").context == {**context(20 * KB), "more": 1}
    assert store.session("S").properties_json == json_raw({})
