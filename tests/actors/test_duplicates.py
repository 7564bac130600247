"""Calls that are sent again with the same event ids."""

from typing import Any

from tests.support.faulty_store import FaultyStore
from tests.support.making import Make
from tests.support.running_tracker import RunningTracker, reason, seqs
from trackd.actors.messages import Reason
from trackd.config.settings import Actors


async def test_a_retry_is_answered_only_once_the_first_copy_is_on_disk() -> None:
    store = Make.one_profile()

    async with RunningTracker(store) as tracker:
        first = tracker.ask(Make.call("S", [Make.event("e")]))
        retry = tracker.ask(Make.call("S", [Make.event("e")]))
        await tracker.rest()
        assert (first.done(), retry.done()) == (False, False)
        await tracker.step()
        assert (first.done(), retry.done()) == (True, False)
        await tracker.step()
        first, retry = first.result(), retry.result()

    assert [(event.seq, event.saved) for event in first.events] == [(6, True)]
    assert [(event.seq, event.saved) for event in retry.events] == [(6, False)]
    assert [event.id for event in store.events] == ["e"]
    assert store.profile("A").doc["stats"]["counters"] == {"t": 1}


async def test_a_retry_whose_first_copy_fails_is_refused_with_it() -> None:
    store = Make.one_profile()

    async with RunningTracker(store) as tracker:
        pending = [tracker.ask(Make.call("S", [Make.event("e")])) for _ in range(2)]
        await tracker.fail()
        refused = [future.result() for future in pending]
        refused, later = refused, await tracker.answer(Make.call("S", [Make.event("e")]))

    assert [reason(answer) for answer in refused] == [Reason.STORE_FAILED] * 2
    assert [(event.seq, event.saved) for event in later.events] == [(6, True)]


async def test_a_retry_finds_its_first_copy_on_disk() -> None:
    store = Make.one_profile()
    call = [Make.event("e1"), Make.event("e2", store=False)]

    async with RunningTracker(store, actors=Actors(max_active_profiles=1)) as tracker:
        await tracker.answer(Make.call("S", call))
        warm = await tracker.answer(Make.call("S", call))
        await tracker.answer(Make.call("elsewhere"))
        cold = await tracker.answer(Make.call("S", call))

    for answer in (warm, cold):
        assert [(event.id, event.seq, event.saved) for event in answer.events] == [("e1", 6, False)]
    assert store.profile("A").doc["stats"]["counters"] == {"t": 2}


async def test_event_ids_that_are_durable_are_read_from_disk_and_not_kept_in_memory() -> None:
    store = Make.one_profile(kind=FaultyStore)
    own = [[Make.event(f"e{n}")] for n in range(3)]

    async with RunningTracker(store) as tracker:
        for call in own:
            await tracker.answer(Make.call("S", call))
        await tracker.answer(Make.call("S"))
        store.keys_read.clear()
        answers = [await tracker.answer(Make.call("S", call)) for call in own]

    assert [seqs(answer) for answer in answers] == [[6], [7], [8]]
    assert [key for key in store.keys_read if key.startswith("e")] == ["e0", "e1", "e2"]


async def test_new_event_ids_of_a_profile_that_began_in_memory_are_not_looked_up() -> None:
    store = Make.store(kind=FaultyStore)
    own = [[Make.event(f"e{n}")] for n in range(3)]

    async with RunningTracker(store, actors=Actors(max_active_profiles=1)) as tracker:
        for call in own:
            await tracker.answer(Make.call("S", call))
        looked_up = [key for key in store.keys_read if key.startswith("e")]
        warm = [await tracker.answer(Make.call("S", call)) for call in own]
        await tracker.answer(Make.call("elsewhere"))
        cold = [await tracker.answer(Make.call("S", call)) for call in own]

    assert looked_up == []
    assert [seqs(answer) for answer in warm] == [[1], [2], [3]] == [seqs(answer) for answer in cold]
    assert [event.id for event in store.events][:3] == ["e0", "e1", "e2"]
    assert len(store.events) == 4


async def test_an_event_that_another_node_stored_is_found_though_its_id_looks_new_here() -> None:
    store = Make.store()

    async with RunningTracker(store) as one, RunningTracker(store) as two:
        await one.answer(Make.call("S", [Make.event("e1")]))
        theirs = await two.answer(Make.call("S", [Make.event("e2")]))
        retry = await one.answer(Make.call("S", [Make.event("e2")]))

    assert (seqs(theirs), seqs(retry)) == ([2], [2])
    assert [event.id for event in store.events] == ["e1", "e2"]


async def test_each_duplicate_is_logged_with_its_first_copy_in_flight_on_disk_and_in_the_same_call() -> None:
    store = Make.one_profile()
    call = [
        Make.event("e1", "a"),
        Make.event(),
        Make.event("e2", "b"),
        Make.event("e3", store=False),
        Make.event("e2", "c"),
    ]

    async with RunningTracker(store) as tracker:
        first, in_flight = (tracker.ask(Make.call("S", call)) for _ in range(2))
        await tracker.commit_all()
        on_disk = await tracker.answer(Make.call("S", call))

    e1, e2, e3 = (f"duplicate of event {text}" for text in ("e1: seq 6, type a", "e2: seq 8, type b", "e3: not stored"))
    assert logged(first.result()) == [("warning", e2)]
    assert logged(in_flight.result()) == [("info", e1), ("info", e2), ("info", e3), ("warning", e2)]
    assert logged(on_disk) == logged(in_flight.result())


def logged(answer: Any) -> list[tuple[str, str]]:
    return [(entry.type, entry.message) for entry in answer.report.logs]
