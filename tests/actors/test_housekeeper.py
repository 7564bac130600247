"""Old events and sessions are deleted when no call waits; a call of a deleted session begins a new one."""

from typing import Any

import pytest

from tests.support.bare_actors import BareActors, StartActors
from tests.support.making import Make
from tests.support.running_tracker import RunningTracker
from trackd.config.settings import Actors, Retention
from trackd.core.calls import Tracked
from trackd.core.changes import Changes, DeleteEvents, DeleteSessions

EVENTS, SESSIONS = Retention(events_keep_days=30), Retention(sessions_keep_days=30)
OLD = "2025-12-01T12:00:00.000000Z"
AT_LIMIT = "2026-01-01T12:00:00.000000Z"  # 30 days before the actors' time


def kinds(actors: BareActors) -> list[Any]:
    """The kinds of the changes that were submitted and are not committed yet."""
    return [[type(change) for change in batch] for batch in actors.batches]


def with_old_events(actors: BareActors, count: int) -> None:
    """Stores events in calls of 500, and commits them."""
    for _ in range(count // 500):
        actors.track(Make.call(events=500, received=OLD))
        actors.commit()


def test_without_a_limit_the_writer_receives_no_deletion(start_actors: StartActors) -> None:
    actors = start_actors(Make.store())

    actors.tick()

    assert not actors.batches


def test_at_a_tick_a_step_of_each_deletion_is_taken_in_batches_of_their_own(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(), retention=Retention(events_keep_days=30, sessions_keep_days=30))

    actors.tick()
    assert list(actors.batches) == [[DeleteEvents(AT_LIMIT)]]
    actors.commit()

    assert list(actors.batches) == [[DeleteSessions(AT_LIMIT)]]


def test_steps_are_taken_one_at_a_tick_until_nothing_is_left(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(), retention=EVENTS)
    with_old_events(actors, 2500)

    left = []
    for _ in range(3):
        actors.tick()
        actors.tick()
        assert kinds(actors) == [[DeleteEvents]]
        actors.commit()
        assert not actors.batches
        left.append(len(actors.reads.events))

    assert left == [1500, 500, 0]
    actors.tick()
    assert not actors.batches


def test_when_nothing_is_left_the_next_step_is_a_minute_later(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(), retention=EVENTS)
    actors.tick()
    actors.commit()

    actors.now = 59.0
    actors.tick()
    assert not actors.batches
    actors.now = 60.0
    actors.tick()

    assert kinds(actors) == [[DeleteEvents]]


def test_the_limit_of_a_deletion_follows_the_time_of_day(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(), retention=EVENTS)
    actors.time_of_day = actors.time_of_day.replace(year=2027)

    actors.tick()

    assert list(actors.batches) == [[DeleteEvents(AT_LIMIT.replace("2026", "2027"))]]


def test_a_deletion_waits_until_no_call_does(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(), retention=EVENTS)
    numbers = [actors.track(Make.call()), actors.track(Make.call())]

    actors.tick()
    assert kinds(actors) == [[Changes]]
    actors.commit()
    assert kinds(actors) == [[Changes]]
    numbers.append(actors.track(Make.call()))
    actors.commit()
    assert kinds(actors) == [[Changes]]
    actors.commit()

    assert kinds(actors) == [[DeleteEvents]]
    assert all(isinstance(actors.answers[number], Tracked) for number in numbers)


def test_calls_that_come_during_a_deletion_are_the_next_batch(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(), retention=Retention(events_keep_days=30, sessions_keep_days=30))
    actors.tick()
    number = actors.track(Make.call())

    actors.commit()
    assert kinds(actors) == [[Changes]]
    actors.commit()

    assert isinstance(actors.answers[number], Tracked)
    assert kinds(actors) == [[DeleteSessions]]


def test_a_deletion_that_fails_is_retried_a_minute_later_and_fails_no_call(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(), retention=EVENTS)
    actors.tick()
    number = actors.track(Make.call())
    actors.fail()
    actors.commit()
    assert isinstance(actors.answers[number], Tracked)

    actors.tick()
    assert not actors.batches
    actors.now = 60.0
    actors.tick()

    assert kinds(actors) == [[DeleteEvents]]


def test_a_deletion_that_cannot_be_submitted_is_retried(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(), retention=EVENTS)
    actors.takes_batches = False
    actors.tick()
    actors.takes_batches = True
    actors.tick()
    assert kinds(actors) == [[]]  # the heartbeat of a store that failed
    actors.commit()

    actors.now = 60.0
    actors.tick()

    assert kinds(actors) == [[DeleteEvents]]


def test_the_numbers_of_a_profile_go_on_when_its_events_were_deleted(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(), retention=EVENTS)
    with_old_events(actors, 500)
    actors.tick()
    actors.commit()
    assert actors.reads.events == []

    number = actors.track(Make.call())
    actors.commit()

    assert [event.seq for event in actors.answers[number].events] == [501]


async def test_a_deleted_session_begins_anew_and_counts_a_visit_though_an_actor_has_it_in_memory() -> None:
    store = Make.store()

    async with RunningTracker(store) as tracker:
        first = await tracker.answer(Make.call())
        store.commit([DeleteSessions("2027")])
        assert store.sessions == {}

        again = await tracker.answer(Make.call(profile_id=first.profile_id, context={"a": 1}))

        assert again.profile_id == first.profile_id
        assert [event.seq for event in again.events] == [2]
        assert again.session_saved
        assert store.sessions["S"].context == {"a": 1}
        assert store.profiles[first.profile_id].doc["stats"]["visits"] == 2


async def test_a_deleted_session_begins_anew_though_the_directory_has_its_owner_in_memory() -> None:
    store = Make.store()

    async with RunningTracker(store, actors=Actors(max_active_profiles=1)) as tracker:
        first = await tracker.answer(Make.call())
        await tracker.answer(Make.call("other"))
        store.commit([DeleteSessions("2027")])

        again = await tracker.answer(Make.call())

        assert (again.profile_id, again.session_saved) == (first.profile_id, True)
        assert store.sessions["S"].profile_id == first.profile_id
        assert store.profiles[first.profile_id].doc["stats"]["visits"] == 2


@pytest.mark.parametrize("known", [False, True], ids=["without a claimed profile", "with a claimed profile"])
async def test_calls_in_flight_are_stale_together_when_their_session_is_deleted(known: bool) -> None:
    store = Make.store()

    async with RunningTracker(store) as tracker:
        first = await tracker.answer(Make.call())
        profile_id = first.profile_id if known else None
        calls = [tracker.ask(Make.call(profile_id=profile_id)) for _ in range(20)]
        store.commit([DeleteSessions("2027")])
        await tracker.commit_all()

        answers = [call.result() for call in calls]
        assert {type(answer) for answer in answers} == {Tracked}
        [answering] = {answer.profile_id for answer in answers}
        assert (answering == first.profile_id) is known
        assert store.sessions["S"].profile_id == answering
        begin = 2 if known else 1
        assert sorted(answer.events[0].seq for answer in answers) == list(range(begin, begin + 20))
        assert sum(answer.session_saved for answer in answers) == 1
