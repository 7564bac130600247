"""Rules that change while calls are in flight."""

from typing import Any

import pytest

from tests.support.bare_actors import StartActors
from tests.support.making import Make
from tests.support.running_tracker import RunningTracker, seqs
from trackd.actors.messages import RulesChanged
from trackd.config.settings import Limits
from trackd.core.calls import Tracked
from trackd.core.rules.compiling import compile_rules
from trackd.core.rules.conditions import Condition
from trackd.core.rules.ruleset import RuleSet
from trackd.storage.memory import MemoryStore


def rules(**content: Any) -> RuleSet:
    return compile_rules(content, Limits())


def noting(name: str) -> RuleSet:
    """Rules under which each event notes that they were in force."""
    steps = [{"target": "traits.public.under", "op": "append", "value": name}]
    return rules(rule=[{"name": name, "event": "*", "steps": steps}])


def under(store: MemoryStore, profile_id: str = "A") -> Any:
    """The rules that changed the profile, in their order."""
    return store.profiles[profile_id].doc["traits"]["public"]["under"]


def rules_of(answer: Tracked) -> list[str]:
    return [rule for rules in answer.report.execution.values() for rule in rules]


async def test_calls_in_flight_keep_their_rules_and_the_next_come_under_the_new_ones() -> None:
    store = Make.one_profile()

    async with RunningTracker(store, rules=noting("old")) as tracker:
        pending = [tracker.ask(Make.call("S")) for _ in range(2)]
        tracker.use_rules(noting("new"))
        pending += [tracker.ask(Make.call("S")) for _ in range(2)]
        await tracker.commit_all()
        answers = [future.result() for future in pending]

    assert [rules_of(answer) for answer in answers] == [["old"], ["old"], ["new"], ["new"]]
    assert under(store) == ["old", "old", "new", "new"]


async def test_a_stale_call_is_run_again_under_the_rules_that_it_was_admitted_under() -> None:
    store = Make.one_profile()

    async with RunningTracker(store, rules=noting("old")) as tracker:
        before = tracker.ask(Make.call("S"))
        tracker.use_rules(noting("new"))
        after = tracker.ask(Make.call("S"))
        Make.move(store, "A")
        await tracker.step()
        assert not before.done()
        await tracker.commit_all()
        answers = before.result(), after.result(), await tracker.answer(Make.call("S"))

    assert [rules_of(answer) for answer in answers] == [["old"], ["new"], ["new"]]
    assert [seqs(answer) for answer in answers] == [[6], [7], [8]]
    assert under(store) == ["old", "new", "new"]


async def test_a_call_that_is_stale_several_times_keeps_its_rules() -> None:
    store = Make.one_profile()

    async with RunningTracker(store, rules=noting("first")) as tracker:
        pending = tracker.ask(Make.call("S"))
        for name in ("second", "third"):
            tracker.use_rules(noting(name))
            Make.move(store, "A")
            await tracker.step()
            assert not pending.done()
        await tracker.commit_all()
        result = pending.result()
    assert rules_of(result) == ["first"]
    assert under(store) == ["first"]


async def test_rules_that_change_before_the_start_are_in_force_from_the_start() -> None:
    store = Make.one_profile()

    tracker = RunningTracker(store, rules=noting("old"))
    tracker.use_rules(noting("new"))
    async with tracker:
        await tracker.answer(Make.call("S"))

    assert under(store) == ["new"]


async def test_segments_are_evaluated_again_under_new_rules() -> None:
    store = Make.one_profile()

    def seen(views: int) -> RuleSet:
        return rules(segment=[{"name": "seen", "when": f"profile.stats.visits >= {views}"}])

    async with RunningTracker(store, rules=seen(0)) as tracker:
        entered = await tracker.answer(Make.call("S"))
        tracker.use_rules(seen(100))
        answers = entered, await tracker.answer(Make.call("S")), await tracker.answer(Make.call("S"))

    assert [answer.report.segments for answer in answers] == [("seen",), ("seen",), ()]
    assert store.profile("A").doc["segments"] == []


def test_new_rules_are_in_force_for_every_profile(start_actors: StartActors) -> None:
    store = Make.store(Make.profile("A"), Make.profile("B"))
    actors = start_actors(store, rules=noting("old"))
    for profile_id in ("A", "B"):
        actors.track(Make.call(f"S{profile_id}", profile_id=profile_id))

    actors.tell(actors.wiring.source_auth, RulesChanged(noting("new")))
    for profile_id in ("A", "B"):
        actors.track(Make.call(f"S{profile_id}", profile_id=profile_id))
    while actors.batches:
        actors.commit()

    assert under(store, "A") == under(store, "B") == ["old", "new"]


async def test_the_memo_of_a_call_spares_the_next_call_an_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Make.one_profile()

    async with RunningTracker(
        store, rules=rules(segment=[{"name": "s", "when": "profile.stats.views == 0"}])
    ) as tracker:
        await tracker.answer(Make.call("S"))
        monkeypatch.setattr(Condition, "unmet", None)
        answer = await tracker.answer(Make.call("S"))

    assert isinstance(answer, Tracked)
    assert store.profiles["A"].doc["segments"] == ["s"]
