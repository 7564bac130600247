"""A session that goes from one profile to another while calls of it are in flight, here or on another node."""

from typing import Any

from msgspec.structs import replace

from tests.support.bare_actors import StartActors
from tests.support.making import Make
from tests.support.running_tracker import RunningTracker
from trackd.actors.messages import Erased, Reason
from trackd.config.settings import Actors
from trackd.core.changes import Erasure, Fence
from trackd.storage.errors import StoreError
from trackd.storage.memory import MemoryStore
from trackd.storage.writer import BatchResult, commit


def two_profiles(**store: Any) -> Any:
    """A with the session S, and B, into which M was merged."""
    sessions = [Make.session("S", "A")]
    return Make.store(Make.profile("A"), Make.profile("B"), sessions=sessions, merged={"M": "B"}, **store)


def move_elsewhere(store: MemoryStore, session_id: str, profile_id: str) -> None:
    """Another node makes the profile the owner of the session."""
    was = store.sessions[session_id]
    session = replace(was, profile_id=profile_id, updated=Make.later)
    Make.move(store, profile_id, session=session, previous_owner=was.profile_id)


async def test_the_context_of_a_call_in_flight_is_kept_when_the_session_moves() -> None:
    store = two_profiles()

    async with RunningTracker(store) as tracker:
        stays = tracker.ask(Make.call("S", context={"theme": 1}, received=Make.later))
        moves = tracker.ask(Make.call("S", profile_id="M"))
        await tracker.commit_all()
        result = stays.result().profile_id, moves.result().profile_id
    assert result == ("A", "B")
    assert store.sessions["S"].profile_id == "B"
    assert store.sessions["S"].context == {"theme": 1}


async def test_a_session_that_began_in_flight_is_one_visit_when_it_moves() -> None:
    store = two_profiles()

    async with RunningTracker(store) as tracker:
        tracker.ask(Make.call("new", profile_id="A", context={"theme": 1}))
        tracker.ask(Make.call("new", profile_id="M"))
        await tracker.commit_all()

    assert [store.profiles[one].doc["stats"]["visits"] for one in "AB"] == [1, 0]
    assert store.sessions["new"].context == {"theme": 1}


async def test_a_session_that_another_node_moved_stays_where_it_is() -> None:
    """The tracker still has the previous owner in memory, and reads the session again."""
    store = two_profiles()

    async with RunningTracker(store, actors=Actors(max_active_profiles=1)) as tracker:
        await tracker.answer(Make.call("S"))
        await tracker.answer(Make.call("other"))
        move_elsewhere(store, "S", "B")
        result = (await tracker.answer(Make.call("S"))).profile_id
    assert result == "B"
    assert store.sessions["S"].profile_id == "B"


def test_a_failed_call_that_did_not_keep_the_session_leaves_those_in_flight_their_session(
    start_actors: StartActors,
) -> None:
    """The first call is of a new profile, the second of B: only the first fails."""
    store = two_profiles()
    actors = start_actors(store)
    failed = actors.track(Make.call("new", save_session=False))
    actors.track(Make.call("new", profile_id="M"))
    actors.fail()

    last = actors.track(Make.call("new", save_session=False))
    while actors.batches:
        actors.commit()

    assert actors.reason(failed) is Reason.STORE_FAILED
    assert actors.answers[last].profile_id == "B"


def test_an_erasure_that_was_reported_as_failed_and_is_on_disk_leaves_no_session(
    start_actors: StartActors,
) -> None:
    store = two_profiles(permanent_profile_id=True)
    actors = start_actors(store)
    actors.track(Make.call("S"))
    actors.commit()
    erase = Make.erase("A")
    actors.tell(actors.wiring.directory, erase)
    commit(store, actors.batches.popleft())
    actors.finish(BatchResult(error=StoreError("the writer ended")))
    assert actors.reason(erase.number) is Reason.STORE_FAILED

    again = actors.track(Make.call("S", save_session=False, profile_id="A"))
    actors.commit()

    assert actors.answers[again].profile_id == "A", "a source with ids of its own begins it anew"


def test_an_erasure_after_one_of_another_node_finds_no_profile(start_actors: StartActors) -> None:
    store = two_profiles()
    actors = start_actors(store)
    actors.track(Make.call("S"))
    actors.commit()
    standing = store.profiles["A"]
    store.commit([Erasure(Fence("A", standing.seq, standing.revision), Make.now)])
    erase = Make.erase("A")
    actors.tell(actors.wiring.directory, erase)
    actors.commit()

    assert actors.answers[erase.number] == Erased(erase.number, None)
