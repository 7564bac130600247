"""Calls that take more than their allowance of work have no effect, and are answered at once."""

from typing import Any

import pytest

from tests.support.bare_actors import StartActors
from tests.support.making import Make
from tests.support.running_tracker import RunningTracker, seqs
from trackd.actors.messages import Reason
from trackd.core.calls import Rejected, Track, Tracked
from trackd.core.changes import Outcome
from trackd.core.work import CALL, LONG_CALL, Allowance

LITTLE = Allowance(CALL)
REPEATED = Allowance(is_repeated=True)


def little(*arguments: Any, **fields: Any) -> Track:
    """A call that takes more than it may."""
    return Make.call(*arguments, allowance=LITTLE, **fields)


async def test_a_postponed_call_has_no_effect_and_its_answer_is_there_when_it_was_submitted() -> None:
    store = Make.one_profile()

    async with RunningTracker(store) as tracker:
        pending = tracker.ask(little("S", context={"a": 1}))
        assert (pending.done(), list(tracker.writer.batches)) == (True, [])
        postponed = pending.result()
        assert isinstance(postponed, Rejected)
        assert postponed.is_postponed
        assert not dict(tracker.tally.events)
        assert tracker.queue.calls == tracker.queue.size == 0
        later = await tracker.answer(Make.call("S", allowance=REPEATED))

    assert seqs(later) == [6]
    assert store.session("S") == Make.session("S", "A")


async def test_a_first_call_of_a_session_that_is_postponed_makes_neither_profile_nor_session() -> None:
    store = Make.store()

    async with RunningTracker(store) as tracker:
        pending = tracker.ask(little("S"))
        assert pending.result().is_postponed
        later = await tracker.answer(Make.call("S", allowance=REPEATED))

    assert seqs(later) == [1]
    assert list(store.profiles) == [later.profile_id]


def test_a_postponed_call_behind_others_of_its_profile_takes_nothing_of_them_away(start_actors: StartActors) -> None:
    actors = start_actors(Make.one_profile())
    before, postponed, after = (
        actors.track(call) for call in (Make.call("S"), little("S", context={"a": 1}), Make.call("S"))
    )
    assert list(actors.answers) == [postponed]
    actors.commit()
    actors.commit()
    assert [seqs(actors.answers[number]) for number in (before, after)] == [[6], [7]]
    assert actors.reads.session("S").context == {}


def test_a_call_that_was_handed_over_later_has_the_full_allowance(start_actors: StartActors) -> None:
    actors = start_actors(Make.one_profile())
    erasing = actors.track(Make.call("S"))
    actors.tell(actors.wiring.directory, Make.erase("A"))
    queued = actors.track(little("S"))
    assert queued not in actors.answers
    while actors.batches:
        actors.commit()
    assert isinstance(actors.answers[erasing], Tracked)
    assert isinstance(actors.answers[queued], Tracked)


async def test_a_stale_call_is_not_postponed_when_it_is_run_again() -> None:
    store = Make.one_profile()

    async with RunningTracker(store) as tracker:
        await tracker.answer(Make.call("S"))
        pending = tracker.ask(Make.call("S", allowance=Allowance(LONG_CALL)))
        stored = store.profile("A")
        moved = Make.change("A", (stored.seq, stored.revision), pii={"text": "x" * 100_000})
        assert [*store.commit([moved])] == [Outcome.STORED]
        await tracker.commit_all()

    assert seqs(pending.result()) == [7]


@pytest.mark.parametrize("allowance", [Allowance(), LITTLE])
def test_the_rate_limit_of_a_source_counts_a_postponed_call_once(
    start_actors: StartActors, allowance: Allowance
) -> None:
    actors = start_actors(Make.store(rate_limit=2.0))
    for number in range(2):
        actors.track(Make.call(f"S{number}", allowance=allowance))
        actors.track(Make.call(f"S{number}", allowance=REPEATED))
    assert actors.reason(actors.track(Make.call("S3"))) is Reason.RATE_LIMITED
    assert Reason.RATE_LIMITED not in map(actors.reason, list(actors.answers)[:-1])


def test_the_work_of_a_postponed_call_is_that_which_it_was_allowed(start_actors: StartActors) -> None:
    actors = start_actors(Make.one_profile())
    event = Make.event(properties={"text": "x" * 1_000_000})
    actors.track(Make.call("S", [event]))
    assert actors.tally.long_call_work > LONG_CALL + 1
    number = actors.track(Make.call("S", [event], allowance=Allowance(LONG_CALL + 1)))
    assert (actors.tally.long_call, actors.tally.long_call_work) == (number, LONG_CALL + 1)
