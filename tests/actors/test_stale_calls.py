"""Calls that another node overtook."""

from tests.support.bare_actors import BareActors, StartActors
from tests.support.faulty_store import FaultyStore
from tests.support.making import Make
from tests.support.running_tracker import RunningTracker, reason, seqs
from trackd.actors.messages import Reason
from trackd.actors.retries import MAX_RETRIES, RETRIES_AT_ONCE
from trackd.core.changes import Changes, Fence, Outcome


async def test_a_stale_call_is_run_again_on_the_stored_profile() -> None:
    store = Make.one_profile()

    async with RunningTracker(store) as tracker:
        await tracker.answer(Make.call("S"))
        pending = tracker.ask(Make.call("S", 2))
        Make.move(store, "A")
        await tracker.step()
        assert not pending.done()
        await tracker.step()
        answer = pending.result()

    assert seqs(answer) == [7, 8]
    assert [event.seq for event in store.events] == [6, 7, 8]
    assert store.profile("A").revision == 8


async def test_another_node_that_wrote_as_many_events_in_between_loses_nothing() -> None:
    store = Make.one_profile()

    async with RunningTracker(store) as one, RunningTracker(store) as two:
        one.ask(Make.call("elsewhere"))
        mine = [one.ask(Make.call("S")) for _ in range(2)]
        theirs = await two.answer(Make.call("S"))
        await one.commit_all()
        result = [seqs(theirs), *(seqs(future.result()) for future in mine)]
    assert result == [[6], [7], [8]]
    assert store.profile("A").doc["stats"]["counters"] == {"t": 3}


async def test_calls_behind_a_stale_one_are_run_again_behind_it() -> None:
    store = Make.one_profile()

    async with RunningTracker(store) as tracker:
        pending = [tracker.ask(Make.call("S")) for _ in range(5)]
        Make.move(store, "A")
        await tracker.commit_all()
        result = [future.result() for future in pending]
    assert [seqs(answer) for answer in result] == [[6], [7], [8], [9], [10]]
    assert store.profile("A").doc["stats"]["counters"] == {"t": 5}


async def test_a_profile_made_anew_elsewhere_after_its_erasure_has_nothing_of_the_erased_one() -> None:
    store = Make.store(permanent_profile_id=True)
    erased, anew, later = Make.event(event_type="erased"), Make.event(event_type="anew"), "2026-01-31T12:00:02.000000Z"

    async with RunningTracker(store) as one, RunningTracker(store) as two:
        await two.answer(Make.call("S", [erased], profile_id="P"))
        await one.answer(Make.erase("P"))
        await one.answer(Make.call("S", [anew], profile_id="P", received=Make.later))
        answer = await two.answer(Make.call("S", [anew], profile_id="P", received=later))

    assert (answer.profile_id, seqs(answer)) == ("P", [2])
    assert store.profile("P").doc["stats"]["counters"] == {"anew": 2}


async def test_a_call_that_loses_the_race_for_its_session_answers_with_the_winner() -> None:
    store = Make.store()

    async with RunningTracker(store) as tracker:
        pending = tracker.ask(Make.call("S"))
        winner = Changes(Fence("W", 0, 0), Make.profile("W"), Make.session("S", "W"))
        store.commit([winner])
        await tracker.commit_all()
        answer = pending.result()

    assert (answer.profile_id, seqs(answer)) == ("W", [1])
    assert list(store.profiles) == ["W"]


async def test_a_profile_erased_meanwhile_is_not_brought_back() -> None:
    store = Make.one_profile()

    async with RunningTracker(store) as tracker:
        await tracker.answer(Make.call("S"))
        pending = tracker.ask(Make.call("S"))
        del store.profiles["A"]
        await tracker.commit_all()
        answer = pending.result()

    assert answer.profile_id != "A"
    assert list(store.profiles) == [answer.profile_id]
    assert store.session("S").profile_id == answer.profile_id


async def test_a_profile_merged_meanwhile_answers_as_the_one_that_took_it_in() -> None:
    store = Make.one_profile()
    store.profiles["B"] = Make.profile("B", 2, 2)

    async with RunningTracker(store) as tracker:
        await tracker.answer(Make.call("S"))
        pending = tracker.ask(Make.call("S"))
        del store.profiles["A"]
        store.merged["A"] = "B"
        await tracker.commit_all()
        answer = pending.result()

    assert (answer.profile_id, seqs(answer)) == ("B", [3])


def test_a_call_that_stays_stale_is_run_again_at_once_then_at_ticks_and_then_refused(start_actors: StartActors) -> None:
    store = Make.one_profile(kind=FaultyStore)
    store.outcomes["A"] = Outcome.STALE
    actors = start_actors(store)
    contended, other = actors.track(Make.call("S")), actors.track(Make.call("T"))

    commit_all(actors)
    assert store.commits == 1 + 1 + RETRIES_AT_ONCE  # that of the other call, and all tries
    assert seqs(actors.answers[other]) == [1]
    for _ in range(MAX_RETRIES - RETRIES_AT_ONCE):
        assert contended not in actors.answers
        actors.tick()
        commit_all(actors)

    answer = actors.answers[contended]
    assert reason(answer) is Reason.CONTENDED
    assert answer.retry_after_s is not None
    assert store.commits == 1 + 1 + MAX_RETRIES
    assert store.profile("A").seq == 5
    assert actors.tally.stale_commits == {
        "retried": RETRIES_AT_ONCE,
        "paused": MAX_RETRIES - RETRIES_AT_ONCE,
        "refused": 1,
    }
    assert len(actors.delays) == MAX_RETRIES - RETRIES_AT_ONCE
    assert 0 < actors.delays[0] < max(actors.delays) < 0.5


def test_calls_of_a_profile_that_was_contended_are_committed_at_the_next_tick(start_actors: StartActors) -> None:
    store = Make.one_profile(kind=FaultyStore)
    store.outcomes["A"] = Outcome.STALE
    actors = start_actors(store)
    calls = [actors.track(Make.call("S")) for _ in range(3)]
    commit_all(actors)

    store.outcomes.clear()
    last = actors.track(Make.call("S"))
    commit_all(actors)
    actors.tick()
    commit_all(actors)

    assert sorted(seqs(actors.answers[number]) for number in (*calls, last)) == [[6], [7], [8], [9]]


def test_new_calls_of_a_profile_that_pauses_wait_with_it_and_are_not_tried(start_actors: StartActors) -> None:
    store = Make.one_profile(kind=FaultyStore)
    store.outcomes["A"] = Outcome.STALE
    actors = start_actors(store)
    first = actors.track(Make.call("S"))
    commit_all(actors)
    tried = store.commits

    later = [actors.track(Make.call("S")) for _ in range(3)]
    commit_all(actors)
    assert store.commits == tried
    store.outcomes.clear()
    actors.tick()
    commit_all(actors)

    assert [seqs(actors.answers[number]) for number in (first, *later)] == [[6], [7], [8], [9]]


def commit_all(actors: BareActors) -> None:
    while actors.batches:
        actors.commit()
