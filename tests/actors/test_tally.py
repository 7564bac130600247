"""What is counted where it happens: by the actors, and by whoever puts the calls in."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.actors.conftest import Scene, Troupe
from tests.support.making import Make
from trackd.actors.directory import ProfileDirectory
from trackd.actors.event_writer import EventWriter
from trackd.actors.guardian import Guardian
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


async def events_after(
    make: type[Make], scene: type[Scene], *calls: Track, rules: RuleSet, store: MemoryStore | None = None
) -> tuple[Any, ...]:
    """What was counted of the events of these calls, one committed after the other."""

    async with scene(store or make.store(), rules=rules) as play:
        kinds = [type(await play.answer(call)) for call in calls]
        return dict(play.tracker.tally.events), kinds


async def test_every_event_of_an_answered_call_has_one_outcome(make: type[Make], scene: type[Scene]) -> None:
    first = make.call("S", [make.event("own"), make.event()])
    second = make.call(
        "S",
        [
            make.event("own"),
            make.event(),
            make.event(store=False),
            make.event(event_type="scroll-down"),
            make.event(event_type="order"),
            make.event(event_type="order", store=False),
            make.event(event_type="order", properties={"total": 1}),
        ],
    )

    events, _ = await events_after(make, scene, first, second, rules=rules(**ORDERS))

    assert {outcome: number for (_, outcome), number in events.items()} == {
        "stored": 4,
        "duplicate": 1,
        "not_kept": 1,
        "unwanted": 1,
        "invalid": 2,
    }
    assert {source for source, _ in events} == {"source"}


async def test_events_without_consent_are_told_apart_from_unwanted_ones(make: type[Make], scene: type[Scene]) -> None:
    call = make.call("S", [make.event(), make.event(event_type="scroll-down")])

    events, _ = await events_after(make, scene, call, rules=rules(**ORDERS), store=make.store(consent=True))

    assert events == {("source", "without_consent"): 1, ("source", "unwanted"): 1}


async def test_all_events_of_a_call_are_rejected_with_the_invalid_one(make: type[Make], scene: type[Scene]) -> None:
    call = make.call("S", [make.event(), make.event(event_type="order")])

    events, kinds = await events_after(make, scene, call, rules=rules(validation={"refuse": ["*"]}, **ORDERS))

    assert kinds == [Rejected]
    assert events == {("source", "rejected"): 2}


async def test_events_that_did_not_reach_the_disk_are_not_counted_and_an_empty_call_has_none(
    make: type[Make], scene: type[Scene]
) -> None:
    async with scene(make.store()) as play:
        failed = play.ask(make.call("S", 3))
        await play.fail()
        assert not isinstance(failed.result(), Tracked)
        await play.answer(make.call("S", 0))
        result = dict(play.tracker.tally.events)
    assert sum(result.values()) == 0


async def test_an_unknown_source_never_becomes_a_label(make: type[Make], scene: type[Scene]) -> None:
    events, _ = await events_after(make, scene, make.call("S", source_id="made up"), rules=rules())

    assert events == {}


async def test_a_call_that_is_stale_and_runs_again_counts_once(make: type[Make], scene: type[Scene]) -> None:
    store = make.store(make.profile("A"), sessions=[make.session("S", "A")])

    async with scene(store) as play:
        play.ask(make.call("S", 2))
        make.move(store, "A")
        await play.commit_all()
        result = dict(play.tracker.tally.events)
    assert result == {("source", "stored"): 2}


def test_messages_are_counted_by_the_actor_that_handled_them(make: type[Make], troupe: Callable[..., Troupe]) -> None:
    actors = troupe(make.store())
    before = dict(actors.tally.messages)

    actors.track(make.call("S"))
    actors.commit()

    handled = {
        actor: number - before.get(actor, 0)
        for actor, number in actors.tally.messages.items()
        if number > before.get(actor, 0)
    }
    # The profile's actor is new: its wiring, and the call, which activates it. The writer: the commit, and its end.
    assert handled == {SourceAuth: 1, ProfileDirectory: 2, ProfileActor: 2, EventWriter: 2, Guardian: 1}
    assert actors.tally.faults == {}


def test_a_message_on_which_an_actor_raised_is_a_fault_and_was_not_handled(
    make: type[Make], troupe: Callable[..., Troupe]
) -> None:
    actors = troupe(make.store())
    before = actors.tally.messages[EventWriter]

    actors.tell(actors.wiring.event_writer, "nonsense")

    assert actors.tally.faults == {EventWriter: 1}
    assert actors.tally.messages[EventWriter] == before


def test_batches_and_failed_commits_are_counted(make: type[Make], troupe: Callable[..., Troupe]) -> None:
    actors = troupe(make.store())
    for session in ("S", "T", "U"):
        actors.track(make.call(session))

    actors.commit()
    actors.fail()

    assert (sizes(actors.tally.batch_calls), actors.tally.failed_commits) == ({1.0: 1, 2.0: 1}, 1)
    assert actors.tally.commit_seconds.total > 0


def test_a_heartbeat_is_no_batch_but_a_commit_that_may_fail(make: type[Make], troupe: Callable[..., Troupe]) -> None:
    actors = troupe(make.store())
    actors.track(make.call("S"))
    actors.fail()

    actors.tick()
    actors.fail()
    actors.tick()
    actors.commit()

    assert (sizes(actors.tally.batch_calls), actors.tally.failed_commits) == ({1.0: 1}, 2)


def test_a_writer_that_takes_nothing_is_a_failed_commit_that_took_no_time(
    make: type[Make], troupe: Callable[..., Troupe]
) -> None:
    actors = troupe(make.store())
    actors.takes_batches = False

    actors.track(make.call("S"))

    assert (actors.tally.failed_commits, sizes(actors.tally.commit_seconds)) == (1, {})


def test_the_directory_tells_with_its_tick_what_is_in_memory(make: type[Make], troupe: Callable[..., Troupe]) -> None:
    actors = troupe(make.store(), max_active_profiles=2)
    for session in ("S", "T", "U"):
        actors.track(make.call(session))
        actors.commit()

    actors.tick()

    assert (actors.tally.active_profiles, actors.tally.cached_sessions) == (2, 3)


async def test_the_queue_is_what_waits_and_what_may(make: type[Make], scene: type[Scene]) -> None:
    async with scene(make.store(), limits=Limits(max_queued_calls=7, max_queued_bytes=4096)) as play:
        for size in (100, 20):
            play.ask(make.call("S"), size)
        full = play.tracker.queue
        await play.commit_all()
        full, empty = full, play.tracker.queue
    assert (full.calls, full.size, full.max_calls, full.max_size) == (2, 120, 7, 4096)
    assert (empty.calls, empty.size) == (0, 0)


@pytest.mark.parametrize(("status", "seconds"), [(200, 0.003), (503, 40.0)])
def test_a_call_counts_by_its_status_and_its_time(status: int, seconds: float) -> None:
    tally = Tracker(MemoryStore()).tally

    tally.call_answered(status, seconds)

    assert tally.calls == {status: 1}
    assert tally.call_seconds.total == seconds


def sizes(histogram: Histogram) -> dict[Any, Any]:
    """How many values are in each bucket that has any."""
    found, below = {}, 0
    for bound, number in histogram.cumulative():
        if number > below:
            found[bound] = number - below
        below = number
    return found
