"""Erasing a profile: in one order with its calls, without an effect on other profiles."""

import pytest
from msgspec.structs import replace

from tests.support.making import Make
from tests.support.running_tracker import RunningTracker
from trackd.actors.messages import Erased, Reason, Refused
from trackd.core.calls import Tracked
from trackd.core.documents import Source
from trackd.storage.memory import MemoryStore

SOURCE = Source("source", "test")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore([SOURCE])


async def test_an_erased_profile_is_removed_and_the_next_call_of_its_session_gets_another(
    store: MemoryStore,
) -> None:
    async with RunningTracker(store) as tracker:
        first = await tracker.answer(Make.call(events=3))
        erasing = tracker.ask(Make.erase(first.profile_id))
        await tracker.commit_all()

        assert erasing.result() == Erased(erasing.result().number, first.profile_id)
        assert (await tracker.ask(Make.fetch(first.profile_id))).profile is None
        after = await tracker.answer(Make.call())
        assert after.profile_id != first.profile_id
        assert [event.seq for event in after.events] == [1]
        assert store.profiles[after.profile_id].doc["metadata"]["time"]["visit"]["count"] == 1


async def test_erasing_an_unknown_profile_finds_none(
    store: MemoryStore,
) -> None:
    async with RunningTracker(store) as tracker:
        answer = await tracker.ask(Make.erase("unknown"))
        assert answer.profile_id is None
        assert not tracker.writer.batches


async def test_calls_before_the_erasure_are_answered_and_erased_calls_after_it_get_a_new_profile(
    store: MemoryStore,
) -> None:
    async with RunningTracker(store) as tracker:
        known = (await tracker.answer(Make.call())).profile_id
        before = tracker.ask(Make.call())
        erasing = tracker.ask(Make.erase(known))
        after = [tracker.ask(Make.call()), tracker.ask(Make.call("T", profile_id=known))]
        await tracker.commit_all()

        assert before.result().profile_id == known
        assert erasing.result().profile_id == known
        assert known not in {answer.result().profile_id for answer in after}
        assert {event.profile_id for event in store.events} == {answer.result().profile_id for answer in after}


async def test_calls_of_other_profiles_do_not_wait_for_an_erasure(
    store: MemoryStore,
) -> None:
    async with RunningTracker(store) as tracker:
        known = (await tracker.answer(Make.call())).profile_id
        erasing = tracker.ask(Make.erase(known))
        waits, other = tracker.ask(Make.call("S")), tracker.ask(Make.call("other"))
        assert len(tracker.writer.batches[0]) == 1
        await tracker.step()
        assert [future.done() for future in (erasing, waits, other)] == [True, False, False]
        await tracker.step()
        assert [future.done() for future in (waits, other)] == [False, True]


async def test_a_second_erasure_waits_for_the_first_and_finds_no_profile(
    store: MemoryStore,
) -> None:
    async with RunningTracker(store) as tracker:
        known = (await tracker.answer(Make.call())).profile_id
        first, second = tracker.ask(Make.erase(known)), tracker.ask(Make.erase(known))
        await tracker.commit_all()
        assert (first.result().profile_id, second.result().profile_id) == (known, None)


async def test_an_erasure_that_fails_changes_nothing_and_the_queued_calls_go_on(
    store: MemoryStore,
) -> None:
    async with RunningTracker(store) as tracker:
        known = (await tracker.answer(Make.call(events=2))).profile_id
        erasing, after = tracker.ask(Make.erase(known)), tracker.ask(Make.call())
        await tracker.fail()
        await tracker.commit_all()

        assert erasing.result().reason is Reason.STORE_FAILED
        assert after.result().profile_id == known
        assert [event.seq for event in after.result().events] == [3]


async def test_an_erasure_fails_with_the_commits_that_it_depends_on(
    store: MemoryStore,
) -> None:
    async with RunningTracker(store) as tracker:
        known = (await tracker.answer(Make.call())).profile_id
        calls = [tracker.ask(Make.call()), tracker.ask(Make.call())]
        erasing = tracker.ask(Make.erase(known))
        await tracker.fail()
        await tracker.commit_all()

        assert all(isinstance(one.result(), Refused) for one in [*calls, erasing])
        assert (await tracker.ask(Make.fetch(known))).profile.seq == 1


async def test_a_stale_erasure_is_handed_over_again(
    store: MemoryStore,
) -> None:
    async with RunningTracker(store) as tracker:
        known = (await tracker.answer(Make.call())).profile_id
        await tracker.rest()
        moved = store.profiles[known]
        store.profiles[known] = replace(moved, revision=moved.revision + 1)
        erasing = tracker.ask(Make.erase(known))
        waits = tracker.ask(Make.call())
        await tracker.commit_all()

        assert erasing.result().profile_id == known
        assert isinstance(waits.result(), Tracked)
        assert waits.result().profile_id != known


async def test_a_fetch_shows_what_is_committed_and_nothing_else(
    store: MemoryStore,
) -> None:
    async with RunningTracker(store) as tracker:
        known = (await tracker.answer(Make.call())).profile_id
        tracker.ask(Make.call())
        assert (await tracker.ask(Make.fetch(known))).profile.seq == 1
        await tracker.commit_all()
        assert (await tracker.ask(Make.fetch(known))).profile.seq == 2
        assert (await tracker.ask(Make.fetch("unknown"))).profile is None


async def test_the_sessions_of_an_erased_profile_are_erased_with_it() -> None:
    """A source with permanent ids gets the id again, as with a new session."""
    store = MemoryStore([Source("source", "test", permanent_profile_id=True)])

    async with RunningTracker(store) as tracker:
        assert (await tracker.answer(Make.call(profile_id="X", events=2))).profile_id == "X"
        tracker.ask(Make.erase("X"))
        await tracker.commit_all()

        again = await tracker.answer(Make.call(profile_id="X"))
        assert (again.profile_id, [event.seq for event in again.events]) == ("X", [1])
