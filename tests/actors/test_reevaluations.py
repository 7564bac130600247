"""Re-evaluations pass through the profile's actor and the writer, in one order with its calls."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.core.person import rules
from tests.support.faulty_store import FaultyStore
from tests.support.making import LATER, Make, numbers
from tests.support.running_tracker import RunningTracker, reason, seqs
from trackd.actors.messages import Reason, Reevaluate, Reevaluated
from trackd.config.settings import Actors
from trackd.core.rules.rule import SegmentChange
from trackd.core.rules.ruleset import RuleSet
from trackd.storage.memory import MemoryStore

VIEWERS = rules(segment=[{"name": "Viewers", "when": "'t' in profile.stats.counters"}])
ENTERED = (SegmentChange("viewers", entered=True),)


def reevaluation(profile_id: str, ruleset: RuleSet = VIEWERS) -> Reevaluate:
    return Reevaluate(next(numbers), profile_id, ruleset, LATER)


def profile(profile_id: str = "A", **more: Any) -> Any:
    return Make.profile(profile_id, 5, 5, stats={"visits": 1, "views": 0, "counters": {"t": 5}}, **more)


@pytest.fixture
def store() -> MemoryStore:
    found: MemoryStore = Make.store(profile(), sessions=[Make.session("S", "A")], merged={"old": "A"})
    return found


@pytest.mark.parametrize("named", ["A", "old"])
async def test_the_profile_is_written_with_its_segments_and_nothing_else(store: MemoryStore, named: str) -> None:
    before = store.profiles["A"]
    async with RunningTracker(store) as tracker:
        answer = await tracker.answer(reevaluation(named))
    assert answer == Reevaluated(answer.number, "A", ENTERED)
    after = store.profiles["A"]
    assert (after.doc, after.seq, after.revision) == ({**before.doc, "segments": ["viewers"]}, 5, 6)
    assert store.events == []


async def test_an_unknown_profile_is_not_made(store: MemoryStore) -> None:
    async with RunningTracker(store) as tracker:
        assert (await tracker.ask(reevaluation("unknown"))).profile_id is None
        assert not tracker.writer.batches
    assert store.profiles.keys() == {"A"}


async def test_calls_before_and_after_it_are_numbered_without_a_gap(store: MemoryStore) -> None:
    async with RunningTracker(store) as tracker:
        asked = [tracker.ask(Make.call()), tracker.ask(reevaluation("A")), tracker.ask(Make.call(events=2))]
        await tracker.commit_all()
        first, between, last = (future.result() for future in asked)
    assert (seqs(first), between.segment_changes, seqs(last)) == ([6], ENTERED, [7, 8])
    assert store.profiles["A"].doc["segments"] == []  # the last call came under rules without segments


async def test_one_that_changes_nothing_is_answered_after_the_commit_that_it_depends_on(store: MemoryStore) -> None:
    async with RunningTracker(store, rules=VIEWERS) as tracker:
        call, asked = tracker.ask(Make.call()), tracker.ask(reevaluation("A"))
        assert not asked.done()
        await tracker.fail()
        await tracker.commit_all()
        assert reason(call.result()) is Reason.STORE_FAILED
        assert reason(asked.result()) is Reason.STORE_FAILED
        assert (await tracker.answer(reevaluation("A"))).segment_changes == ENTERED


async def test_a_stale_one_is_done_again_on_the_stored_profile(store: MemoryStore) -> None:
    async with RunningTracker(store) as tracker:
        asked = tracker.ask(reevaluation("A"))
        Make.move(store, "A")
        await tracker.commit_all()
        assert asked.result().segment_changes == ENTERED
    assert (store.profiles["A"].revision, store.profiles["A"].doc["segments"]) == (7, ["viewers"])


async def test_one_behind_an_erasure_finds_no_profile(store: MemoryStore) -> None:
    async with RunningTracker(store) as tracker:
        erasing, asked = tracker.ask(Make.erase("A")), tracker.ask(reevaluation("A"))
        await tracker.commit_all()
        assert (erasing.result().profile_id, asked.result().profile_id) == ("A", None)
    assert store.profiles == {}


async def test_a_pass_over_all_profiles_evicts_none_that_calls_use() -> None:
    store = Make.store(*(profile(f"p{number}") for number in range(20)), kind=FaultyStore)
    async with RunningTracker(store, actors=Actors(max_active_profiles=3)) as tracker:
        for number in range(2):
            await tracker.answer(Make.call(f"S{number}", profile_id=f"p{number}"))
        for number in range(20):
            await tracker.answer(reevaluation(f"p{number}"))
        store.keys_read.clear()
        for number in range(2):
            await tracker.answer(Make.call(f"S{number}", profile_id=f"p{number}"))
        assert store.keys_read == []
    assert sum(found.doc["segments"] == ["viewers"] for found in store.profiles.values()) == 18


async def test_an_actor_that_raises_answers_and_holds_what_is_stored(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> Callable[..., Any]:
        raise ZeroDivisionError

    async with RunningTracker(store) as tracker:
        with monkeypatch.context() as patch:
            patch.setattr("trackd.actors.profile.reevaluate", fails)
            answer = await tracker.ask(reevaluation("A"))
        assert type(answer).__name__ == "Failed"
        assert (await tracker.answer(reevaluation("A"))).segment_changes == ENTERED
