"""Any calls, commits and failures, on two nodes of one store."""

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.making import Make
from tests.support.running_tracker import RunningTracker, reason, seqs
from trackd.actors.messages import Reason
from trackd.config.settings import Actors
from trackd.core.calls import Tracked

nodes = st.integers(0, 1)
acts = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), nodes, st.integers(0, 4), st.integers(0, 3)),
        st.tuples(st.just("ask"), nodes, st.integers(0, 4), st.integers(0, 3)),
        st.tuples(st.just("retry"), nodes, st.integers(0, 4), st.integers(0, 9)),
        st.tuples(st.just("step"), nodes, st.just(0), st.just(0)),
        st.tuples(st.just("fail"), nodes, st.just(0), st.just(0)),
    ),
    max_size=40,
)


@given(acts, st.sampled_from([1, 2, 100]))
async def test_in_any_history_answered_events_are_stored_once_and_numbers_have_no_gap(
    acts: list[tuple[str, int, int, int]], size: int
) -> None:
    """Two nodes on one store; batches are committed and fail in any order."""
    store = Make.store(Make.profile("A"), Make.profile("B"))
    bounds = Actors(max_active_profiles=size, max_cached_sessions=size)
    report = []

    async def played() -> list[Any]:
        async with RunningTracker(store, actors=bounds) as one, RunningTracker(store, actors=bounds) as two:
            for act, node, number, more in acts:
                tracker = (one, two)[node]
                if act == "ask":
                    call = Make.call(f"S{number}", more, profile_id=[None, "A", "B"][number % 3])
                    report.append((call, tracker.ask(call)))
                elif act == "retry":
                    call = Make.call(f"S{number}", [Make.event(f"own-{more}")])
                    report.append((call, tracker.ask(call)))
                elif tracker.writer.batches:
                    await (tracker.step() if act == "step" else tracker.fail())
            await one.commit_all()
            await two.commit_all()
            return [(call, future.result()) for call, future in report]

    answers = await played()

    stored = {(event.profile_id, event.seq): event for event in store.events}
    assert len(stored) == len(store.events)
    for profile in store.profiles.values():
        numbers = sorted(seq for profile_id, seq in stored if profile_id == profile.id)
        assert numbers == list(range(1, profile.seq + 1))
        assert sum(profile.doc["stats"]["counters"].values()) == profile.seq
        sessions = [session for session in store.sessions.values() if session.profile_id == profile.id]
        assert profile.doc["stats"]["visits"] == len(sessions)
    kept = {event.id for event in store.events if event.id.startswith("made-")}
    for call, answer in answers:
        made = {event.id for event in call.events if not event.own_id}
        if isinstance(answer, Tracked):
            assert store.session(call.session_id).profile_id == answer.profile_id
            assert [stored[answer.profile_id, event.seq].id for event in answer.events] == [e.id for e in call.events]
            kept -= made
        else:
            assert reason(answer) in (Reason.STORE_FAILED, Reason.CONTENDED)
    assert kept == set(), "of a refused call nothing is stored"
    own = [(event.profile_id, event.id) for event in store.events if event.id.startswith("own-")]
    assert len(own) == len(set(own))


async def test_numbers_follow_the_order_of_the_answers() -> None:
    store = Make.one_profile()
    dice = random.Random(7)

    highest = 5
    async with RunningTracker(store) as tracker:
        for _ in range(50):
            pending = [tracker.ask(Make.call("S", dice.randint(1, 3))) for _ in range(dice.randint(1, 4))]
            await tracker.commit_all()
            numbers = [seq for future in pending for seq in seqs(future.result())]
            assert min(numbers) > highest
            highest = max(numbers)
