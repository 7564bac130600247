"""The counts of the Tally, made by the actors and by the Tracker."""

import sys
from typing import Any

import pytest

from tests.support.bare_actors import StartActors
from tests.support.making import Make
from tests.support.running_tracker import RunningTracker
from trackd.actors.directory import ProfileDirectory
from trackd.actors.event_writer import EventWriter
from trackd.actors.profile import ProfileActor
from trackd.actors.source_auth import SourceAuth
from trackd.actors.tracker import Tracker
from trackd.config.settings import Limits
from trackd.core.calls import Rejected, Track, Tracked
from trackd.core.rules.compiling import compile_rules
from trackd.core.rules.ruleset import RuleSet
from trackd.storage.memory import MemoryStore
from trackd.telemetry.histogram import Histogram

ORDERS = {
    "event": {"order": {"schema": {"type": "object", "required": ["total"]}}},
    "unwanted": [{"name": "scrolling", "types": ["scroll-*"]}],
}


def rules(**content: Any) -> RuleSet:
    return compile_rules(content, Limits())


async def events_after(*calls: Track, rules: RuleSet, store: MemoryStore | None = None) -> tuple[Any, ...]:
    """The counts of events after these calls, committed one after another."""

    async with RunningTracker(store or Make.store(), rules=rules) as tracker:
        kinds = [type(await tracker.answer(call)) for call in calls]
        return dict(tracker.tally.events), kinds


async def test_every_event_of_an_answered_call_has_one_outcome() -> None:
    first = Make.call("S", [Make.event("own"), Make.event()])
    second = Make.call(
        "S",
        [
            Make.event("own"),
            Make.event(),
            Make.event(store=False),
            Make.event(event_type="scroll-down"),
            Make.event(event_type="order"),
            Make.event(event_type="order", store=False),
            Make.event(event_type="order", properties={"total": 1}),
        ],
    )

    events, _ = await events_after(first, second, rules=rules(**ORDERS))

    assert {outcome: number for (_, outcome), number in events.items()} == {
        "stored": 4,
        "duplicate": 1,
        "not_kept": 1,
        "unwanted": 1,
        "invalid": 2,
    }
    assert {source for source, _ in events} == {"source"}


async def test_events_without_consent_and_unwanted_events_are_counted_separately() -> None:
    call = Make.call("S", [Make.event(), Make.event(event_type="scroll-down")])

    events, _ = await events_after(call, rules=rules(**ORDERS), store=Make.store(consent=True))

    assert events == {("source", "without_consent"): 1, ("source", "unwanted"): 1}


async def test_all_events_of_a_call_are_rejected_with_the_invalid_one() -> None:
    call = Make.call("S", [Make.event(), Make.event(event_type="order")])

    events, kinds = await events_after(call, rules=rules(validation={"refuse": ["*"]}, **ORDERS))

    assert kinds == [Rejected]
    assert events == {("source", "rejected"): 2}


async def test_events_that_did_not_reach_the_disk_are_not_counted_and_an_empty_call_has_none() -> None:
    async with RunningTracker(Make.store()) as tracker:
        failed = tracker.ask(Make.call("S", 3))
        await tracker.fail()
        assert not isinstance(failed.result(), Tracked)
        await tracker.answer(Make.call("S", 0))
        result = dict(tracker.tally.events)
    assert sum(result.values()) == 0


async def test_an_unknown_source_never_becomes_a_label() -> None:
    events, _ = await events_after(Make.call("S", source_id="made up"), rules=rules())

    assert events == {}


async def test_a_call_that_is_stale_and_runs_again_counts_once() -> None:
    store = Make.store(Make.profile("A"), sessions=[Make.session("S", "A")])

    async with RunningTracker(store) as tracker:
        tracker.ask(Make.call("S", 2))
        Make.move(store, "A")
        await tracker.commit_all()
        result = dict(tracker.tally.events)
    assert result == {("source", "stored"): 2}


def test_messages_are_counted_by_the_actor_that_handled_them(start_actors: StartActors) -> None:
    actors = start_actors(Make.store())
    before = dict(actors.tally.messages)

    actors.track(Make.call("S"))
    actors.commit()

    handled = {
        actor: number - before.get(actor, 0)
        for actor, number in actors.tally.messages.items()
        if number > before.get(actor, 0)
    }
    # The profile's actor is new: its wiring, and the call, which activates it. The writer: the commit, and its end.
    assert handled == {SourceAuth: 1, ProfileDirectory: 2, ProfileActor: 2, EventWriter: 2}
    assert actors.tally.faults == {}


def test_a_message_on_which_an_actor_raised_is_a_fault_and_was_not_handled(start_actors: StartActors) -> None:
    actors = start_actors(Make.store())
    before = actors.tally.messages[EventWriter]

    actors.tell(actors.wiring.event_writer, "nonsense")

    assert actors.tally.faults == {EventWriter: 1}
    assert actors.tally.messages[EventWriter] == before


def test_batches_and_failed_commits_are_counted(start_actors: StartActors) -> None:
    actors = start_actors(Make.store())
    for session in ("S", "T", "U"):
        actors.track(Make.call(session))

    actors.commit()
    actors.fail()

    assert (sizes(actors.tally.batch_calls), actors.tally.failed_commits) == ({1.0: 1, 2.0: 1}, 1)
    assert actors.tally.commit_seconds.total > 0


def test_a_heartbeat_counts_as_a_commit_and_not_as_a_batch(start_actors: StartActors) -> None:
    actors = start_actors(Make.store())
    actors.track(Make.call("S"))
    actors.fail()

    actors.tick()
    actors.fail()
    actors.tick()
    actors.commit()

    assert (sizes(actors.tally.batch_calls), actors.tally.failed_commits) == ({1.0: 1}, 2)


def test_a_batch_that_cannot_be_submitted_is_a_failed_commit_without_a_time(start_actors: StartActors) -> None:
    actors = start_actors(Make.store())
    actors.takes_batches = False

    actors.track(Make.call("S"))

    assert (actors.tally.failed_commits, sizes(actors.tally.commit_seconds)) == (1, {})


def test_the_directory_reports_its_sizes_at_each_tick(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(), max_active_profiles=2)
    for session in ("S", "T", "U"):
        actors.track(Make.call(session))
        actors.commit()

    actors.tick()

    documents = [actors.reads.profile(answer.profile_id) for answer in actors.answers.values()]
    ids = 3 * sys.getsizeof("S")
    assert (actors.tally.active_profiles, actors.tally.cached_sessions) == (2, 3)
    assert actors.tally.document_bytes == sum(profile.size for profile in documents[1:]) + 2 * len("{}{}") + ids


async def test_the_queue_has_the_waiting_calls_and_the_limits() -> None:
    async with RunningTracker(Make.store(), limits=Limits(max_queued_calls=7, max_queued_bytes=4096)) as tracker:
        for size in (100, 20):
            tracker.ask(Make.call("S"), size)
        full = tracker.queue
        await tracker.commit_all()
        full, empty = full, tracker.queue
    assert (full.calls, full.size, full.max_calls, full.max_size) == (2, 120, 7, 4096)
    assert (empty.calls, empty.size) == (0, 0)


@pytest.mark.parametrize(("status", "seconds"), [(200, 0.003), (503, 40.0)])
def test_a_call_counts_by_its_status_and_its_time(status: int, seconds: float) -> None:
    tally = Tracker(MemoryStore()).tally

    tally.call_answered(status, seconds, "shop")

    assert tally.calls == {("shop", status): 1}
    assert tally.call_seconds.total == seconds


def sizes(histogram: Histogram) -> dict[Any, Any]:
    """The number of values in each bucket that is not empty."""
    found, below = {}, 0
    for bound, number in histogram.cumulative():
        if number > below:
            found[bound] = number - below
        below = number
    return found
