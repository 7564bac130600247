"""Calls that do not keep their session, sent again: the id of the profile that they make is derived from the call."""

from typing import Any

from tests.support.making import Make
from tests.support.running_tracker import RunningTracker, seqs
from trackd.config.settings import Actors
from trackd.core.calls import Track


def unkept(session_id: str = "S", derived: str = "D", **fields: Any) -> Track:
    """A call with one event of its own id."""
    return Make.call(session_id, [Make.event("e")], save_session=False, derived_profile_id=derived, **fields)


async def test_ten_copies_at_once_make_one_profile_with_one_event() -> None:
    store = Make.store()

    async with RunningTracker(store) as tracker:
        pending = [tracker.ask(unkept()) for _ in range(10)]
        await tracker.commit_all()
        answers = [future.result() for future in pending]

    assert {answer.profile_id for answer in answers} == {"D"}
    assert [seqs(answer) for answer in answers] == [[1]] * 10
    assert [event.saved for answer in answers for event in answer.events] == [True] + [False] * 9
    assert [answer.profile_saved for answer in answers] == [True] + [False] * 9
    assert list(store.profiles) == ["D"]
    assert store.profiles["D"].doc["stats"]["counters"] == {"t": 1}
    assert (len(store.events), store.sessions) == (1, {})


async def test_a_copy_after_an_eviction_or_a_restart_finds_the_profile() -> None:
    store = Make.store()

    async with RunningTracker(store, actors=Actors(max_active_profiles=1)) as tracker:
        await tracker.answer(unkept())
        await tracker.answer(Make.call("elsewhere"))
        evicted = await tracker.answer(unkept())
    async with RunningTracker(store) as tracker:
        restarted = await tracker.answer(unkept())

    assert [(one.profile_id, seqs(one), one.profile_saved) for one in (evicted, restarted)] == [("D", [1], False)] * 2
    assert len(store.profiles) == 2


async def test_a_copy_finds_the_profile_though_another_call_stored_the_session_since() -> None:
    store = Make.store()

    async with RunningTracker(store) as tracker:
        await tracker.answer(unkept())
        kept = await tracker.answer(Make.call("S"))
        again = await tracker.answer(unkept())

    assert kept.profile_id != "D"
    assert (again.profile_id, seqs(again)) == ("D", [1])
    assert len(store.events) == 2


async def test_a_copy_leads_to_the_profile_that_the_first_ones_was_merged_into() -> None:
    store = Make.store(Make.profile("B"), merged={"D": "B"})

    async with RunningTracker(store) as tracker:
        assert (await tracker.answer(unkept())).profile_id == "B"


async def test_a_stored_session_and_a_known_profile_answer_as_before() -> None:
    store = Make.store(Make.profile("A"), Make.profile("B"), sessions=[Make.session("of-A", "A")])

    async with RunningTracker(store) as tracker:
        by_session = await tracker.answer(unkept("of-A", "D1", profile_id="B"))
        by_claim = await tracker.answer(unkept("S", "D2", profile_id="B"))
        by_unknown_claim = await tracker.answer(unkept("S", "D3", profile_id="X"))

    assert [one.profile_id for one in (by_session, by_claim, by_unknown_claim)] == ["A", "B", "D3"]


async def test_a_source_with_permanent_profile_ids_determines_the_id() -> None:
    store = Make.store(permanent_profile_id=True)

    async with RunningTracker(store) as tracker:
        answers = [await tracker.answer(unkept(profile_id="X")) for _ in range(2)]

    assert [(answer.profile_id, seqs(answer)) for answer in answers] == [("X", [1])] * 2


async def test_a_copy_after_the_erasure_of_its_profile_gets_a_random_id() -> None:
    store = Make.store()

    async with RunningTracker(store) as tracker:
        await tracker.answer(unkept())
        erasing, queued = tracker.ask(Make.erase("D")), tracker.ask(unkept())
        await tracker.commit_all()
        later = await tracker.answer(unkept())

    assert erasing.result().profile_id == "D"
    assert "D" not in {queued.result().profile_id, later.profile_id}
    assert "D" not in store.profiles
    assert {event.profile_id for event in store.events} == {queued.result().profile_id, later.profile_id}


async def test_a_copy_whose_first_one_failed_is_stored() -> None:
    store = Make.store()

    async with RunningTracker(store) as tracker:
        tracker.ask(unkept())
        await tracker.fail()
        again = await tracker.answer(unkept())

    assert (again.profile_id, seqs(again), again.events[0].saved) == ("D", [1], True)


async def test_copies_on_two_nodes_make_one_profile() -> None:
    store = Make.store()

    async with RunningTracker(store) as one, RunningTracker(store) as other:
        first, second = one.ask(unkept()), other.ask(unkept())
        await one.commit_all()
        await other.commit_all()

    assert [(answer.profile_id, answer.events[0].saved) for answer in (first.result(), second.result())] == [
        ("D", True),
        ("D", False),
    ]
    assert len(store.events) == 1


async def test_a_copy_on_another_node_finds_the_profile_though_that_node_has_the_session_in_memory() -> None:
    store = Make.store()

    async with RunningTracker(store) as one, RunningTracker(store) as other:
        first = one.ask(unkept())
        kept, second = other.ask(Make.call("S")), other.ask(unkept())
        await one.commit_all()
        await other.commit_all()

    assert [one.result().profile_id for one in (first, second)] == ["D", "D"]
    assert kept.result().profile_id != "D"
    assert len(store.events) == 2
