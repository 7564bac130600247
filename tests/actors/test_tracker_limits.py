"""The limits of calls that wait: their number, their bytes, and their time."""

import asyncio

from tests.support.making import Make
from tests.support.running_tracker import RunningTracker, reason
from trackd.actors.messages import Reason
from trackd.config.settings import Limits
from trackd.core.calls import Tracked


async def test_calls_beyond_the_limit_are_refused_until_others_are_answered() -> None:
    async with RunningTracker(Make.store(), limits=Limits(max_queued_calls=3)) as tracker:
        pending = [tracker.ask(Make.call(f"S{n}")) for n in range(5)]
        refused = [future.result() for future in pending if future.done()]
        await tracker.commit_all()
        refused, taken, later = (
            refused,
            [future.result() for future in pending[:3]],
            await tracker.answer(Make.call("S")),
        )

    assert [reason(answer) for answer in refused] == [Reason.OVERLOADED] * 2
    assert all(answer.retry_after_s for answer in refused)
    assert all(isinstance(answer, Tracked) for answer in [*taken, later])


async def test_bytes_beyond_the_limit_are_refused_until_others_are_answered() -> None:
    store = Make.store()

    async with RunningTracker(store, limits=Limits(max_queued_bytes=1024)) as tracker:
        pending = [tracker.ask(Make.call("S"), size) for size in (1000, 25, 24, 1)]
        done = [future.done() for future in pending]
        await tracker.commit_all()
        later = tracker.ask(Make.call("S"), 1024)
        await tracker.commit_all()
        done, answers, later = done, [future.result() for future in pending], later.result()

    assert done == [False, True, False, True]
    assert [reason(answer) for answer in answers] == [None, Reason.OVERLOADED, None, Reason.OVERLOADED]
    assert isinstance(later, Tracked)
    assert len(store.events) == 3


async def test_a_refused_call_makes_room_too() -> None:
    async with RunningTracker(Make.store(), limits=Limits(max_queued_calls=1, max_queued_bytes=1024)) as tracker:
        for _ in range(3):
            unknown = tracker.ask(Make.call(source_id="nobody"), 1024)
            assert reason(unknown.result()) is Reason.UNKNOWN_SOURCE
            lost = tracker.ask(Make.call("S"), 1024)
            await tracker.fail()
            assert reason(lost.result()) is Reason.STORE_FAILED
        result = await tracker.answer(Make.call("S"))

    assert isinstance(result, Tracked)


async def test_a_call_that_waits_too_long_is_refused_and_still_stored_whole() -> None:
    store = Make.store()
    at_once = Limits().model_copy(update={"call_timeout_s": 0})

    async with RunningTracker(store, limits=at_once) as tracker:
        pending = [tracker.ask(Make.call("S", 2)) for _ in range(2)]
        timed_out = await asyncio.gather(*pending)
        await tracker.commit_all()
        timed_out, later = timed_out, await tracker.answer(Make.call("S"))

    assert [reason(answer) for answer in timed_out] == [Reason.TIMED_OUT] * 2
    assert all(answer.retry_after_s for answer in timed_out)
    assert [event.seq for event in later.events] == [5]
    assert len(store.events) == 5


async def test_a_call_that_timed_out_counts_towards_the_limit_until_its_commit_ends() -> None:
    at_once = Limits(max_queued_calls=1).model_copy(update={"call_timeout_s": 0})

    async with RunningTracker(Make.store(), limits=at_once) as tracker:
        await tracker.ask(Make.call("S"))
        refused = tracker.ask(Make.call("S")).result()
        await tracker.commit_all()
        refused, later = refused, await tracker.answer(Make.call("S"))

    assert reason(refused) is Reason.OVERLOADED
    assert isinstance(later, Tracked)
