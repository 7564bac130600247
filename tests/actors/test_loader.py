"""Requests that wait for a lookup: what is looked up together, in which order they are decided, and what may change."""

from typing import Any

from tests.support.bare_actors import BareActors, StartActors
from tests.support.making import Make
from tests.support.running_tracker import RunningTracker, seqs
from tests.support.stepped_lookups import SteppedLookups
from tests.support.stores import existing
from trackd.actors.loader import LookedUp
from trackd.actors.messages import Reason
from trackd.core.calls import Track
from trackd.core.changes import Erasure, Fence
from trackd.storage.lookups import Wanted


def track(actors: BareActors, *calls: Track) -> list[int]:
    return [actors.track(call) for call in calls]


def lookups(actors: BareActors) -> SteppedLookups:
    assert actors.lookups is not None
    return actors.lookups


def finish(actors: BareActors) -> None:
    """End all lookups and commits."""
    while lookups(actors).wanted is not None or actors.batches:
        if lookups(actors).wanted is not None:
            lookups(actors).step()
        else:
            actors.commit()


def test_a_call_is_decided_after_a_lookup_of_all_that_it_needs(start_actors: StartActors) -> None:
    actors = start_actors(Make.one_profile(), looks_up=True)

    [number] = track(actors, Make.call("S", [Make.event("own")], profile_id="A"))

    assert not actors.batches
    assert lookups(actors).batches == [
        Wanted(sessions={"S"}, profiles={"A"}, events={("A", "own")}, owned={("S", "own")})
    ]
    finish(actors)
    assert seqs(actors.answers[number]) == [6]
    assert len(lookups(actors).batches) == 1


def test_a_call_whose_profile_and_session_are_in_memory_needs_no_lookup(start_actors: StartActors) -> None:
    actors = start_actors(Make.one_profile(), looks_up=True)
    track(actors, Make.call("S"))
    finish(actors)

    [number] = track(actors, Make.call("S"))
    assert lookups(actors).wanted is None
    actors.commit()
    assert seqs(actors.answers[number]) == [7]


def test_all_calls_that_wait_are_looked_up_together(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(), looks_up=True)

    numbers = track(actors, *(Make.call(f"S{number}") for number in range(10)))
    lookups(actors).step()
    lookups(actors).step()

    assert [len(wanted.sessions) for wanted in lookups(actors).batches] == [1, 9]
    assert actors.tally.lookups.requests == 10
    finish(actors)
    assert len({actors.answers[number].profile_id for number in numbers}) == 10


def test_simultaneous_first_calls_of_a_session_make_one_profile(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(), looks_up=True)

    numbers = track(actors, *(Make.call("S", [Make.event(f"own-{number}")]) for number in range(5)))
    finish(actors)

    assert {actors.answers[number].profile_id for number in numbers} == {"new-1"}
    assert [seqs(actors.answers[number]) for number in numbers] == [[1], [2], [3], [4], [5]]


def test_calls_of_a_session_are_decided_in_the_order_of_their_arrival(start_actors: StartActors) -> None:
    actors = start_actors(Make.one_profile(), looks_up=True)
    track(actors, Make.call("S"))
    finish(actors)

    first, second, other = track(
        actors, Make.call("S", [Make.event("own")]), Make.call("S"), Make.call("T", profile_id="A")
    )
    finish(actors)

    assert [seqs(actors.answers[number]) for number in (first, second, other)] == [[7], [8], [9]]


def test_a_call_that_needs_no_lookup_waits_behind_one_of_its_session_that_does(start_actors: StartActors) -> None:
    actors = start_actors(Make.one_profile(), looks_up=True)
    track(actors, Make.call("S"))
    lookups(actors).step()
    assert actors.batches  # the profile stays in memory until its commit has ended

    first, second = track(actors, Make.call("S", [Make.event("own")]), Make.call("S"))
    finish(actors)

    assert [seqs(actors.answers[number]) for number in (first, second)] == [[7], [8]]


def test_a_copy_of_an_event_whose_commit_ends_during_the_lookup_is_a_duplicate(start_actors: StartActors) -> None:
    store = Make.one_profile()
    actors = start_actors(store, looks_up=True)
    [once] = track(actors, Make.call("S", [Make.event("own")]))
    lookups(actors).step()
    track(actors, Make.call("T", [Make.event("other")], profile_id="A"))  # the next lookup begins

    [again] = track(actors, Make.call("T", [Make.event("own")], profile_id="A"))
    actors.commit()
    lookups(actors).step("begin")
    finish(actors)

    assert (seqs(actors.answers[once]), seqs(actors.answers[again])) == ([6], [6])
    assert [event.id for event in store.events] == ["own", "other"]
    assert [entry.message for entry in actors.answers[again].report.logs] == ["duplicate of event own: seq 6, type t"]


def test_what_another_node_wrote_after_the_lookup_is_found_by_the_fence(start_actors: StartActors) -> None:
    store = Make.one_profile()
    actors = start_actors(store, looks_up=True)
    [number] = track(actors, Make.call("S", 2))
    Make.move(store, "A")
    lookups(actors).step("begin")
    finish(actors)

    assert seqs(actors.answers[number]) == [6, 7]
    assert existing(store.profile("A")).revision == 7
    assert actors.tally.stale_commits["retried"] == 1


def test_a_copy_of_a_call_whose_profile_another_node_made_and_erased_since_the_lookup_makes_another_one(
    start_actors: StartActors,
) -> None:
    store = Make.store()
    nodes = [start_actors(store, looks_up=True) for _ in range(2)]
    numbers = []
    for node in nodes:
        call = Make.call("S", [Make.event("own")], save_session=False, derived_profile_id="D")
        numbers += track(node, call)
    lookups(nodes[0]).step("begin")
    finish(nodes[1])
    assert nodes[1].answers[numbers[1]].profile_id == "D"
    nodes[1].tell(nodes[1].wiring.directory, Make.erase("D"))
    finish(nodes[1])

    finish(nodes[0])

    assert nodes[0].answers[numbers[0]].profile_id == "new-1"
    assert [*store.profiles] == ["new-1"]


def read(actors: BareActors, profile_id: str) -> Any:
    """The profile as the node shows it, after a lookup."""
    fetch = Make.fetch(profile_id)
    actors.tell(actors.wiring.directory, fetch)
    finish(actors)
    return actors.answers[fetch.number].profile


def test_a_read_shows_what_another_node_wrote_since_the_profile_is_in_memory(start_actors: StartActors) -> None:
    store = Make.one_profile(merged={"M": "A"})
    actors = start_actors(store, looks_up=True)
    for profile_id in ("A", "M"):
        track(actors, Make.call("S"))
        finish(actors)
        Make.move(store, "A")
        assert read(actors, profile_id) == store.profile("A")

        track(actors, Make.call("S"))
        finish(actors)
        assert actors.tally.stale_commits["retried"] == 0, "it has the state that was read"


def test_a_read_does_not_show_a_profile_that_another_node_erased(start_actors: StartActors) -> None:
    store = Make.one_profile()
    actors = start_actors(store, looks_up=True)
    track(actors, Make.call("S"))
    finish(actors)
    erased = existing(store.profile("A"))
    store.commit([Erasure(Fence("A", erased.seq, erased.revision), Make.now)])

    assert read(actors, "A") is None
    [number] = track(actors, Make.call("S"))
    finish(actors)
    assert (actors.answers[number].profile_id, seqs(actors.answers[number])) == ("new-1", [1])
    assert actors.tally.stale_commits["retried"] == 0


def test_a_profile_that_no_other_node_wrote_stays_in_memory_after_a_read(start_actors: StartActors) -> None:
    store = Make.one_profile()
    actors = start_actors(store, looks_up=True)
    track(actors, Make.call("S"), Make.call("S"))
    finish(actors)

    assert read(actors, "A") == store.profile("A")
    track(actors, Make.call("S"))
    assert lookups(actors).wanted is None


def test_a_read_beside_a_call_in_flight_shows_what_is_committed(start_actors: StartActors) -> None:
    store = Make.one_profile()
    actors = start_actors(store, looks_up=True)
    track(actors, Make.call("S"))
    finish(actors)
    committed = store.profile("A")
    [number], fetch = track(actors, Make.call("S")), Make.fetch("A")
    actors.tell(actors.wiring.directory, fetch)
    lookups(actors).step()

    assert actors.answers[fetch.number].profile == committed
    finish(actors)
    assert seqs(actors.answers[number]) == [7]


async def test_a_tracker_with_lookups_reads_from_the_store() -> None:
    store = Make.one_profile()
    made: list[SteppedLookups] = []

    def make_lookups(looked_up: LookedUp) -> SteppedLookups:
        made.append(SteppedLookups(store, looked_up))
        return made[-1]

    async with RunningTracker(store, make_lookups=make_lookups) as tracker:
        [stepped] = made
        pending = tracker.ask(Make.call("S"))
        await tracker.rest()
        stepped.step()
        await tracker.commit_all()
        assert pending.done()
        Make.move(store, "A")
        fetched = tracker.ask(Make.fetch("A"))
        await tracker.rest()
        stepped.step()
        assert (await fetched).profile == store.profile("A")


def test_calls_whose_lookup_fails_are_refused_and_later_ones_are_stored(start_actors: StartActors) -> None:
    actors = start_actors(Make.one_profile(), looks_up=True)
    failed = track(actors, Make.call("S"), Make.call("S"), Make.call("T"))
    lookups(actors).fail()
    finish(actors)
    [stored] = track(actors, Make.call("S"))
    finish(actors)

    assert actors.reason(failed[0]) is Reason.STORE_FAILED
    assert actors.answers[failed[0]].retry_after_s == 1.0
    assert actors.tally.lookups.failed == 1
    assert seqs(actors.answers[stored]) == [7]


def test_an_erasure_waits_behind_a_call_of_its_profile(start_actors: StartActors) -> None:
    store = Make.one_profile()
    actors = start_actors(store, looks_up=True)
    [number] = track(actors, Make.call("S", profile_id="A"))
    erase = Make.erase("A")
    actors.tell(actors.wiring.directory, erase)
    finish(actors)

    assert seqs(actors.answers[number]) == [6]
    assert actors.answers[erase.number].profile_id == "A"
    assert store.profile("A") is None
