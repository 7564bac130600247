"""Old events and sessions are deleted when no call waits; a call of a deleted session begins a new one."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.bare_actors import BareActors, StartActors
from tests.support.making import Make
from tests.support.running_tracker import RunningTracker
from trackd.config.settings import Actors, Retention
from trackd.core.calls import Tracked
from trackd.core.changes import Changes
from trackd.core.retention import STEP_S
from trackd.core.retention_changes import DeleteEvents, DeleteSessions
from trackd.storage.writer import commit

EVENTS, SESSIONS = Retention(events_keep_days=30), Retention(sessions_keep_days=30)
OLD = "2025-12-01T12:00:00.000000Z"
AT_LIMIT = "2026-01-01T12:00:00.000000Z"  # 30 days before the actors' time
LATEST = "2026-01-31T12:01:00.000000Z"


def kinds(actors: BareActors) -> list[Any]:
    """The kinds of the changes that were submitted and are not committed yet."""
    return [[type(change) for change in batch] for batch in actors.batches]


def commit_within(actors: BareActors, seconds: float) -> None:
    """Commit the next batch, and report that it took so long."""
    actors.finish(replace(commit(actors.reads, actors.batches.popleft()), seconds=seconds))


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
    assert list(actors.batches) == [[DeleteEvents(AT_LIMIT, latest=LATEST)]]
    actors.commit()

    assert list(actors.batches) == [[DeleteSessions(AT_LIMIT, latest=LATEST)]]


def test_steps_follow_each_other_until_nothing_is_left(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(), retention=EVENTS)
    with_old_events(actors, 2500)

    left = []
    actors.tick()
    while actors.batches:
        actors.tick()
        assert kinds(actors) == [[DeleteEvents]]
        commit_within(actors, STEP_S)
        left.append(len(actors.reads.events))

    assert left == [1500, 500, 0]
    actors.tick()
    assert not actors.batches


def test_steps_that_take_little_time_become_larger(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(), retention=EVENTS)
    with_old_events(actors, 8000)

    limits = []
    actors.tick()
    while actors.batches:
        [step] = actors.batches[0]
        assert isinstance(step, DeleteEvents)
        limits.append(step.limit)
        commit_within(actors, 0.001)

    assert limits == [1000, 2000, 4000, 8000]


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
    actors.time_of_day += timedelta(days=30)

    actors.tick()
    actors.commit()  # the time that is trusted

    [[step]] = actors.batches
    assert step == DeleteEvents(Make.now, latest="2026-03-02T12:01:00.000000Z")


def test_while_calls_wait_deletions_take_a_quarter_of_the_time(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(), retention=EVENTS)
    with_old_events(actors, 5000)
    taken: list[type] = []

    actors.now = 100.0
    actors.tick()
    for _ in range(12):
        actors.track(Make.call())
        taken.append(kinds(actors)[0][0])
        actors.now += 0.25
        commit_within(actors, 0.25)

    assert taken == 3 * [DeleteEvents, Changes, Changes, Changes]
    assert all(isinstance(answer, Tracked) for answer in actors.answers.values())


def test_a_sweep_of_more_than_a_minute_takes_half_of_the_time(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(), retention=EVENTS)
    with_old_events(actors, 5000)
    taken: list[type] = []

    actors.now = 100.0
    actors.tick()
    for _ in range(10):
        actors.track(Make.call())
        taken.append(kinds(actors)[0][0])
        actors.now += 64.0
        commit_within(actors, 64.0)

    assert taken == [DeleteEvents, Changes, Changes, Changes, *3 * [DeleteEvents, Changes]]


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
