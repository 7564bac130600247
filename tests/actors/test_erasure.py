"""Erasing a profile: in one order with its calls, and nobody else's business."""

import pytest

from tests.actors.conftest import Scene
from tests.support.making import Make
from trackd.actors.messages import Erased, Reason, Refused
from trackd.core.calls import Tracked
from trackd.core.documents import Source
from trackd.storage.memory import MemoryStore

SOURCE = Source("source", "test")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore([SOURCE])


async def test_an_erased_profile_is_gone_and_the_next_call_of_its_session_begins_another(
    store: MemoryStore, make: type[Make]
) -> None:
    async with Scene(store) as scene:
        first = await scene.answer(make.call(events=3))
        erasing = scene.tracker.ask(make.erase(first.profile_id))
        await scene.commit_all()

        assert erasing.result() == Erased(erasing.result().number, first.profile_id)
        assert (await scene.tracker.ask(make.fetch(first.profile_id))).profile is None
        after = await scene.answer(make.call())
        assert after.profile_id != first.profile_id
        assert [event.seq for event in after.events] == [1]
        assert store.profiles[after.profile_id].doc["metadata"]["time"]["visit"]["count"] == 1


async def test_nobody_that_is_not_there_can_be_erased(store: MemoryStore, make: type[Make]) -> None:
    async with Scene(store) as scene:
        answer = await scene.tracker.ask(make.erase("unknown"))
        assert answer.profile_id is None
        assert not scene.writer.batches


async def test_calls_before_the_erasure_are_answered_and_erased_calls_after_it_get_a_new_profile(
    store: MemoryStore, make: type[Make]
) -> None:
    async with Scene(store) as scene:
        known = (await scene.answer(make.call())).profile_id
        before = scene.ask(make.call())
        erasing = scene.tracker.ask(make.erase(known))
        after = [scene.ask(make.call()), scene.ask(make.call("T", profile_id=known))]
        await scene.commit_all()

        assert before.result().profile_id == known
        assert erasing.result().profile_id == known
        assert known not in {answer.result().profile_id for answer in after}
        assert {event.profile_id for event in store.events} == {answer.result().profile_id for answer in after}


async def test_calls_of_other_profiles_do_not_wait_for_an_erasure(store: MemoryStore, make: type[Make]) -> None:
    async with Scene(store) as scene:
        known = (await scene.answer(make.call())).profile_id
        erasing = scene.tracker.ask(make.erase(known))
        waits, other = scene.ask(make.call("S")), scene.ask(make.call("other"))
        assert len(scene.writer.batches[0]) == 1
        await scene.step()
        assert [future.done() for future in (erasing, waits, other)] == [True, False, False]
        await scene.step()
        assert [future.done() for future in (waits, other)] == [False, True]


async def test_a_second_erasure_waits_for_the_first_and_finds_nobody(store: MemoryStore, make: type[Make]) -> None:
    async with Scene(store) as scene:
        known = (await scene.answer(make.call())).profile_id
        first, second = scene.tracker.ask(make.erase(known)), scene.tracker.ask(make.erase(known))
        await scene.commit_all()
        assert (first.result().profile_id, second.result().profile_id) == (known, None)


async def test_an_erasure_that_the_disk_refuses_changes_nothing_and_holds_nobody_back(
    store: MemoryStore, make: type[Make]
) -> None:
    async with Scene(store) as scene:
        known = (await scene.answer(make.call(events=2))).profile_id
        erasing, after = scene.tracker.ask(make.erase(known)), scene.ask(make.call())
        await scene.fail()
        await scene.commit_all()

        assert erasing.result().reason is Reason.STORE_FAILED
        assert after.result().profile_id == known
        assert [event.seq for event in after.result().events] == [3]


async def test_what_an_erasure_was_built_on_takes_it_along_when_it_fails(store: MemoryStore, make: type[Make]) -> None:
    async with Scene(store) as scene:
        known = (await scene.answer(make.call())).profile_id
        calls = [scene.ask(make.call()), scene.ask(make.call())]
        erasing = scene.tracker.ask(make.erase(known))
        await scene.fail()
        await scene.commit_all()

        assert all(isinstance(one.result(), Refused) for one in [*calls, erasing])
        assert (await scene.tracker.ask(make.fetch(known))).profile.seq == 1


async def test_an_erasure_that_another_process_outran_is_done_again(store: MemoryStore, make: type[Make]) -> None:
    async with Scene(store) as scene:
        known = (await scene.answer(make.call())).profile_id
        await scene.rest()
        moved = store.profiles[known]
        store.profiles[known] = type(moved)(known, moved.seq, moved.revision + 1, moved.doc)
        erasing = scene.tracker.ask(make.erase(known))
        waits = scene.ask(make.call())
        await scene.commit_all()

        assert erasing.result().profile_id == known
        assert isinstance(waits.result(), Tracked)
        assert waits.result().profile_id != known


async def test_a_fetch_shows_what_is_committed_and_nothing_else(store: MemoryStore, make: type[Make]) -> None:
    async with Scene(store) as scene:
        known = (await scene.answer(make.call())).profile_id
        scene.ask(make.call())
        assert (await scene.tracker.ask(make.fetch(known))).profile.seq == 1
        await scene.commit_all()
        assert (await scene.tracker.ask(make.fetch(known))).profile.seq == 2
        assert (await scene.tracker.ask(make.fetch("unknown"))).profile is None


async def test_a_session_of_an_erased_profile_is_as_unknown_as_its_profile(make: type[Make]) -> None:
    """Who brings ids of its own gets the id again, as with a session that never was."""
    store = MemoryStore([Source("source", "test", permanent_profile_id=True)])

    async with Scene(store) as scene:
        assert (await scene.answer(make.call(profile_id="X", events=2))).profile_id == "X"
        scene.tracker.ask(make.erase("X"))
        await scene.commit_all()

        again = await scene.answer(make.call(profile_id="X"))
        assert (again.profile_id, [event.seq for event in again.events]) == ("X", [1])
