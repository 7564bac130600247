"""Calls with invalid events that the rules refuse."""

from typing import Any

from tests.support.making import Make
from tests.support.running_tracker import RunningTracker, seqs
from trackd.config.settings import Actors, Limits
from trackd.core.calls import Rejected, Track, Tracked
from trackd.core.rules.compiling import compile_rules
from trackd.core.rules.ruleset import RuleSet
from trackd.storage.memory import MemoryStore

NUMBER = {"type": "object", "required": ["price"], "properties": {"price": {"type": "number"}}}


def rules(**content: Any) -> RuleSet:
    return compile_rules(content, Limits())


REFUSING = rules(event={"buy": {"schema": NUMBER}}, validation={"refuse": ["source"]})


def under(store: MemoryStore, profile_id: str = "A") -> Any:
    """The rules that changed the profile, in their order."""
    return store.profiles[profile_id].doc["traits"]["public"]["under"]


def bad(session_id: str, **fields: Any) -> Track:
    return Make.call(session_id, [Make.event("ok"), Make.event("bad", "buy")], **fields)


def good(session_id: str, **fields: Any) -> Track:
    events = [Make.event("ok"), Make.event("bad", "buy", properties={"price": 1})]
    return Make.call(session_id, events, **fields)


async def test_nothing_of_a_rejected_call_is_stored() -> None:
    store = Make.one_profile()

    async with RunningTracker(store, rules=REFUSING) as tracker:
        pending = tracker.ask(bad("S", context={"bad": 1}))
        assert (pending.done(), list(tracker.writer.batches)) == (True, [])
        rejected, later = pending.result(), await tracker.answer(Make.call("S"))

    assert isinstance(rejected, Rejected)
    assert [invalid.position for invalid in rejected.events] == [1]
    assert seqs(later) == [6]
    assert store.session("S") == Make.session("S", "A")
    assert store.profile("A").doc["stats"]["counters"] == {"t": 1}


async def test_a_session_is_new_after_its_first_call_was_rejected() -> None:
    store = Make.store(Make.profile("A"))

    async with RunningTracker(store, rules=REFUSING) as tracker:
        rejected = await tracker.answer(bad("S", profile_id="A"))
        rejected, later = rejected, await tracker.answer(Make.call("S"))

    assert isinstance(rejected, Rejected)
    assert later.profile_id != "A"
    assert later.session_saved
    assert store.profile("A") == Make.profile("A")


async def test_a_profile_does_not_exist_after_its_first_call_was_rejected() -> None:
    store = Make.store(permanent_profile_id=True)
    store.put_source(Make.source("plain"))

    async with RunningTracker(store, rules=REFUSING) as tracker:
        rejected = await tracker.answer(bad("S", profile_id="X"))
        rejected, later = rejected, await tracker.answer(Make.call("T", source_id="plain", profile_id="X"))

    assert isinstance(rejected, Rejected)
    assert later.profile_id != "X"
    assert list(store.profiles) == [later.profile_id]
    assert list(store.sessions) == ["T"]


async def test_a_rejected_call_that_is_corrected_and_sent_again_is_stored() -> None:
    store = Make.store()

    async with RunningTracker(store, rules=REFUSING) as tracker:
        await tracker.answer(bad("S"))
        mended, again = await tracker.answer(good("S")), await tracker.answer(good("S"))

    assert [(event.id, event.seq, event.saved) for event in mended.events] == [("ok", 1, True), ("bad", 2, True)]
    assert [(event.id, event.seq, event.saved) for event in again.events] == [("ok", 1, False), ("bad", 2, False)]
    assert store.profile(mended.profile_id).doc["stats"]["visits"] == 1


async def test_a_rejected_call_leaves_calls_of_its_profile_in_flight_alone() -> None:
    store = Make.store()

    async with RunningTracker(store, rules=REFUSING) as tracker:
        before = tracker.ask(Make.call("S", context={"a": 1}))
        rejected = tracker.ask(bad("S", context={"bad": 1}))
        after = tracker.ask(Make.call("S", context={"b": 2}))
        assert (before.done(), rejected.done(), after.done()) == (False, True, False)
        await tracker.commit_all()
        before, rejected, after, later = (
            before.result(),
            rejected.result(),
            after.result(),
            await tracker.answer(Make.call("S")),
        )

    assert isinstance(rejected, Rejected)
    assert [seqs(answer) for answer in (before, after, later)] == [[1], [2], [3]]
    assert len({answer.profile_id for answer in (before, after, later)}) == 1
    assert store.session("S").context == {"a": 1, "b": 2}
    assert store.profile(later.profile_id).doc["stats"]["visits"] == 1


async def test_a_rejected_call_does_not_move_a_session_to_another_profile() -> None:
    """M was merged into B, so that a call which names it takes the session along."""
    store = Make.one_profile(merged={"M": "B"})
    store.profiles["B"] = Make.profile("B")

    async with RunningTracker(store, rules=REFUSING) as tracker:
        in_flight = tracker.ask(Make.call("S"))
        rejected = tracker.ask(bad("S", profile_id="M"))
        await tracker.commit_all()
        in_flight, rejected, later = in_flight.result(), rejected.result(), await tracker.answer(Make.call("S"))

    assert isinstance(rejected, Rejected)
    assert (in_flight.profile_id, later.profile_id) == ("A", "A")
    assert store.session("S").profile_id == "A"


async def test_rejected_calls_leave_room_in_memory_for_other_profiles() -> None:
    store = Make.store(*[Make.profile(f"P{n}") for n in range(20)])
    bounds = Actors(max_active_profiles=1, max_cached_sessions=1)

    async with RunningTracker(store, rules=REFUSING, actors=bounds) as tracker:
        rejected = [await tracker.answer(bad(f"S{n}", profile_id=f"P{n}")) for n in range(20)]
        taken = [await tracker.answer(good(f"S{n}", profile_id=f"P{n}")) for n in range(20)]

    assert {type(answer) for answer in rejected} == {Rejected}
    assert [(answer.profile_id, seqs(answer)) for answer in taken] == [(f"P{n}", [1, 2]) for n in range(20)]


async def test_a_call_is_rejected_by_the_rules_that_it_was_admitted_under() -> None:
    store = Make.one_profile()

    async with RunningTracker(store) as tracker:
        taken = tracker.ask(bad("S"))
        tracker.use_rules(REFUSING)
        rejected = tracker.ask(Make.call("S", [Make.event("worse", "buy")]))
        Make.move(store, "A")
        await tracker.commit_all()
        taken, rejected = taken.result(), rejected.result()

    assert isinstance(taken, Tracked)
    assert seqs(taken) == [6, 7]
    assert isinstance(rejected, Rejected)
    assert [event.status for event in store.events] == ["collected", "collected"]
