"""Profiles that get an actor, and lose it to others."""

import gc

import pytest

from tests.support.faulty_store import FaultyStore
from tests.support.making import Make
from tests.support.running_tracker import RunningTracker, seqs
from trackd.actors.messages import Failed
from trackd.actors.profile import ProfileActor
from trackd.actors.session_owners import SessionOwner, SessionOwners
from trackd.config.settings import Actors


def profile_actors() -> int:
    gc.collect()
    return sum(isinstance(thing, ProfileActor) for thing in gc.get_objects())


async def test_profiles_with_calls_in_flight_are_never_evicted() -> None:
    store = Make.store(*[Make.profile(f"P{n}", 10, 10) for n in range(20)])

    async with RunningTracker(store, actors=Actors(max_active_profiles=1, max_cached_sessions=1)) as tracker:
        pending = [tracker.ask(Make.call(f"S{n}", profile_id=f"P{n}")) for n in range(20)]
        pending += [tracker.ask(Make.call(f"S{n}")) for n in range(20)]
        await tracker.commit_all()
        answers = [future.result() for future in pending]

    assert [answer.profile_id for answer in answers] == [f"P{n}" for n in range(20)] * 2
    assert [seqs(answer) for answer in answers] == [[11]] * 20 + [[12]] * 20


async def test_a_profile_that_was_evicted_continues_its_numbers() -> None:
    store = Make.store()

    async with RunningTracker(store, actors=Actors(max_active_profiles=1, max_cached_sessions=1)) as tracker:
        rounds = [[await tracker.answer(Make.call(f"S{n}")) for n in range(5)] for _ in range(3)]

    assert len({answer.profile_id for answer in rounds[0]}) == 5
    for number, answers in enumerate(rounds, start=1):
        assert [answer.profile_id for answer in answers] == [answer.profile_id for answer in rounds[0]]
        assert [seqs(answer) for answer in answers] == [[number]] * 5


@pytest.mark.parametrize("sessions_in_memory", [1, 10])
async def test_a_call_of_a_profile_that_is_not_in_memory_reads_once(sessions_in_memory: int) -> None:
    sessions = [Make.session("S", "A"), Make.session("T", "B")]
    store = Make.store(Make.profile("A"), Make.profile("B"), sessions=sessions, kind=FaultyStore)
    bounds = Actors(max_active_profiles=1, max_cached_sessions=sessions_in_memory)

    async with RunningTracker(store, actors=bounds) as tracker:
        answers = [await tracker.answer(Make.call(session_id)) for session_id in ("S", "T", "S", "S")]
        result = [answer.profile_id for answer in answers]
    assert result == ["A", "B", "A", "A"]
    assert store.keys_read == ["S", "T", "S"]


async def test_a_fault_between_activation_and_handover_mixes_up_no_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Make.store(Make.profile("A", 5, 5), Make.profile("B", 7, 7))
    assign = SessionOwners.assign
    fails = {"bad"}

    def faulty(self: SessionOwners, session_id: str, profile_id: str, owner: SessionOwner | None) -> SessionOwner:
        if session_id in fails:
            raise ZeroDivisionError
        return assign(self, session_id, profile_id, owner)

    monkeypatch.setattr(SessionOwners, "assign", faulty)

    async with RunningTracker(store, actors=Actors(max_active_profiles=1, max_cached_sessions=10)) as tracker:
        await tracker.answer(Make.call("S", profile_id="A"))
        bad = await tracker.answer(Make.call("bad", profile_id="B"))
        fetched = await tracker.answer(Make.fetch("B"))
        bad, fetched, later = bad, fetched, await tracker.answer(Make.call("T", profile_id="B"))

    assert isinstance(bad, Failed)
    assert (fetched.profile.id, fetched.profile.seq) == ("B", 7)
    assert (later.profile_id, seqs(later)) == ("B", [8])
    assert store.profile("A").seq == 6


async def test_actors_are_reused_for_the_profiles_that_pass_through() -> None:
    store = Make.store()

    before = profile_actors()
    async with RunningTracker(store, actors=Actors(max_active_profiles=5, max_cached_sessions=5)) as tracker:
        for n in range(300):
            await tracker.answer(Make.call(f"S{n}"))
        result = profile_actors() - before
    assert result <= 6
    assert len(store.profiles) == 300


async def test_actors_that_were_created_for_a_burst_are_reused_after_it() -> None:
    store = Make.store()

    before = profile_actors()
    async with RunningTracker(store, actors=Actors(max_active_profiles=5, max_cached_sessions=5)) as tracker:
        for rush in range(3):
            for n in range(50):
                tracker.ask(Make.call(f"S{rush}-{n}"))
            await tracker.commit_all()
        for n in range(100):
            await tracker.answer(Make.call(f"T{n}"))
        result = profile_actors() - before
    assert result <= 55


async def test_a_failed_activation_does_not_use_up_actors() -> None:
    store = Make.store(kind=FaultyStore)
    store.fail["bad"] = ZeroDivisionError("ours")
    store.profiles["A"] = Make.profile("A")

    before = profile_actors()
    async with RunningTracker(store) as tracker:
        for n in range(50):
            await tracker.answer(Make.call(f"S{n}", [Make.event("bad")], profile_id="A"))
            tracker.ask(Make.call(f"T{n}"))
            await tracker.fail()
        result = profile_actors() - before
    assert result <= 2
