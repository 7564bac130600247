import logging
from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.bare_actors import StartActors
from tests.support.faulty_store import FaultyStore
from tests.support.making import Make
from tests.support.polling import eventually
from tests.support.running_tracker import RunningTracker, reason
from trackd.actors.messages import Failed, Reason, Refused
from trackd.core.calls import Tracked
from trackd.core.changes import Change, Changes, Fence, Outcome
from trackd.storage.errors import StoreError
from trackd.storage.writer import BatchResult


def two_profiles(**store: Any) -> Any:
    """Profiles A and B with their sessions a and b."""
    return Make.store(
        Make.profile("A", seq=1),
        Make.profile("B", seq=1),
        sessions=[Make.session("a", "A"), Make.session("b", "B")],
        **store,
    )


def two_profiles_of_which_a_fails() -> Any:
    store = two_profiles(kind=FaultyStore)
    store.outcomes["A"] = Outcome.FAILED
    return store


def fences_of(batch: Sequence[Change]) -> list[Fence]:
    return [change.fence for change in batch if isinstance(change, Changes)]


def test_a_first_call_is_written_at_once(start_actors: StartActors) -> None:
    actors = start_actors(two_profiles())

    actors.track(Make.call("a"))

    assert [len(batch) for batch in actors.batches] == [1]


def test_calls_that_arrive_during_a_commit_are_the_next_batch_in_order(start_actors: StartActors) -> None:
    actors = start_actors(two_profiles())
    numbers = [actors.track(Make.call(session)) for session in "abaabb"]
    assert [len(batch) for batch in actors.batches] == [1]

    actors.commit()

    assert [len(batch) for batch in actors.batches] == [5]
    fences = [(fence.profile_id, fence.seq) for fence in fences_of(actors.batches[0])]
    assert fences == [("B", 1), ("A", 2), ("A", 3), ("B", 2), ("B", 3)]
    assert list(actors.answers) == numbers[:1]


def test_no_call_is_answered_before_its_commit(start_actors: StartActors) -> None:
    actors = start_actors(two_profiles())
    numbers = [actors.track(Make.call("a", events)) for events in (1, 0, 2)]
    assert actors.answers == {}

    actors.commit()
    assert list(actors.answers) == numbers[:1]
    actors.commit()

    assert list(actors.answers) == numbers
    assert all(isinstance(answer, Tracked) for answer in actors.answers.values())


def test_without_calls_nothing_is_written(start_actors: StartActors) -> None:
    actors = start_actors(two_profiles())
    actors.track(Make.call("a"))
    actors.commit()

    actors.tick()

    assert not actors.batches


def test_a_batch_is_bounded(start_actors: StartActors) -> None:
    actors = start_actors(two_profiles())
    numbers = [actors.track(Make.call("a", 0)) for _ in range(2500)]

    sizes = []
    while actors.batches:
        sizes.append(len(actors.batches[0]))
        actors.commit()

    assert sum(sizes) == 2500
    assert max(sizes) == 1000
    assert list(actors.answers) == numbers


def test_a_failed_batch_cascades_to_the_queued_calls_of_its_profiles(start_actors: StartActors) -> None:
    actors = start_actors(two_profiles())
    first, behind, other = (actors.track(Make.call(session)) for session in ("a", "a", "b"))

    actors.fail()

    assert (actors.reason(first), actors.reason(behind)) == (Reason.STORE_FAILED, Reason.STORE_FAILED)
    assert actors.answers[first].retry_after_s is not None
    assert other not in actors.answers
    actors.commit()
    assert isinstance(actors.answers[other], Tracked)
    assert not actors.batches
    assert [event.profile_id for event in actors.reads.events] == ["B"]


def test_one_failed_call_takes_only_its_own_profile_with_it(start_actors: StartActors) -> None:
    actors = start_actors(two_profiles_of_which_a_fails())
    numbers = [actors.track(Make.call(session)) for session in ("b", "a", "b", "a")]

    actors.commit()
    actors.commit()

    reasons = [actors.reason(number) for number in numbers]
    assert reasons == [None, Reason.STORE_FAILED, None, Reason.STORE_FAILED]
    assert actors.reads.profile("B").seq == 3
    assert actors.reads.profile("A").seq == 1


def test_calls_behind_a_failed_call_of_their_profile_fail_with_it_though_they_are_of_a_later_batch(
    start_actors: StartActors,
) -> None:
    actors = start_actors(two_profiles_of_which_a_fails())
    bad, behind, other = (actors.track(Make.call(session)) for session in ("a", "a", "b"))

    actors.commit()

    assert [actors.reason(number) for number in (bad, behind)] == [Reason.STORE_FAILED] * 2
    assert [fence.profile_id for fence in fences_of(actors.batches[0])] == ["B"]
    actors.commit()
    assert isinstance(actors.answers[other], Tracked)


def test_a_failing_store_is_reported_once_and_so_is_its_recovery(
    start_actors: StartActors, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    actors = start_actors(two_profiles())
    for _ in range(3):
        actors.track(Make.call("a"))
        actors.fail()
    assert actors.health == [False]

    actors.track(Make.call("a"))
    actors.commit()

    assert actors.health == [False, True]
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


def test_a_stale_or_failed_call_does_not_change_the_health_of_the_store(start_actors: StartActors) -> None:
    actors = start_actors(two_profiles_of_which_a_fails())
    actors.track(Make.call("b"))
    actors.track(Make.call("a"))
    Make.move(actors.reads, "B")

    while actors.batches:
        actors.commit()

    assert actors.health == []


def test_a_store_that_failed_gets_a_heartbeat_at_each_tick_until_it_works(start_actors: StartActors) -> None:
    actors = start_actors(two_profiles())
    actors.track(Make.call("a"))
    actors.fail()

    actors.tick()
    assert list(actors.batches) == [[]]
    actors.fail()
    assert actors.health == [False]
    actors.tick()
    actors.tick()
    assert list(actors.batches) == [[]]
    actors.commit()

    assert actors.health == [False, True]
    actors.tick()
    assert not actors.batches


def test_a_call_that_comes_during_a_heartbeat_is_written_after_it(start_actors: StartActors) -> None:
    actors = start_actors(two_profiles())
    actors.track(Make.call("a"))
    actors.fail()
    actors.tick()

    number = actors.track(Make.call("a"))
    assert [len(batch) for batch in actors.batches] == [0]
    actors.commit()
    actors.commit()

    assert [event.seq for event in actors.answers[number].events] == [2]


def test_calls_that_cannot_be_submitted_are_refused_and_the_writer_is_tried_at_the_next_tick(
    start_actors: StartActors,
) -> None:
    actors = start_actors(two_profiles())
    actors.takes_batches = False

    first = actors.track(Make.call("a"))
    assert actors.reason(first) is Reason.STORE_FAILED
    assert actors.health == [False]

    actors.takes_batches = True
    second = actors.track(Make.call("a"))
    actors.commit()
    assert isinstance(actors.answers[second], Tracked)
    assert actors.health == [False, True]


def test_without_a_writer_queued_calls_are_refused_too(start_actors: StartActors) -> None:
    actors = start_actors(two_profiles())
    numbers = [actors.track(Make.call(session)) for session in "abb"]
    actors.takes_batches = False

    actors.commit()

    assert [actors.reason(number) for number in numbers] == [None, Reason.STORE_FAILED, Reason.STORE_FAILED]


def test_without_a_writer_any_number_of_queued_calls_is_refused(start_actors: StartActors) -> None:
    actors = start_actors(two_profiles())
    numbers = [actors.track(Make.call(session, 0)) for session in "a" * 1500 + "b"]
    actors.takes_batches = False

    actors.commit()

    assert [number for number in numbers if number not in actors.answers] == []


def test_a_result_that_does_not_fit_its_batch_still_answers_every_caller(start_actors: StartActors) -> None:
    actors = start_actors(two_profiles())
    numbers = [actors.track(Make.call("a"))]
    actors.batches.popleft()

    actors.finish(BatchResult([Outcome.STORED, Outcome.STORED]))

    assert all(isinstance(actors.answers.get(number), Refused | Failed) for number in numbers)
    later = actors.track(Make.call("a"))
    actors.commit()
    assert isinstance(actors.answers[later], Tracked)


def test_the_error_of_the_store_is_logged_and_not_answered(start_actors: StartActors) -> None:
    actors = start_actors(two_profiles())
    number = actors.track(Make.call("a"))
    actors.batches.popleft()

    actors.finish(BatchResult(error=StoreError("/var/lib/trackd.db: no space")))

    assert actors.answers[number] == Refused(number, Reason.STORE_FAILED, 1.0)


async def test_a_store_with_damaged_pages_takes_nothing_any_more_and_the_tracker_is_not_ready(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = two_profiles(kind=DamagedStore)
    store.outcomes["A"] = Outcome.UNREADABLE
    async with RunningTracker(store) as tracker:
        assert reason(await tracker.answer(Make.call("a"))) is Reason.STORE_FAILED
        assert store.is_checked
        assert tracker.ready, "one row may be damaged"
        assert isinstance(await tracker.answer(Make.call("b")), Tracked)

        store.damage = "pages are damaged"
        await eventually(lambda: not tracker.ready, "the store is polled")
        await tracker.commit_all()
        assert not tracker.ready, "a heartbeat shows nothing of the pages"
        for session in "abab":
            future = tracker.ask(Make.call(session))
            await eventually(future.done, "the call is answered")
            assert reason(future.result()) is Reason.STORE_FAILED
        assert not tracker.writer.batches

    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [
        "the store does not take writes, calls are answered 503: pages are damaged"
    ]


class DamagedStore(FaultyStore):
    damage: str | None = None
    is_checked = False

    def check(self) -> None:
        if self.damage is not None:
            raise StoreError(self.damage)

    def check_damage(self) -> None:
        self.is_checked = True
