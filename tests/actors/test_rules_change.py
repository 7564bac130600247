"""Rules that change while calls are under way, and calls that rules reject, through the actors."""

from collections.abc import Callable
from typing import Any

from tests.actors.conftest import Scene, Troupe
from tests.support.making import Make
from trackd.actors.messages import RulesChanged
from trackd.config.settings import Actors, Limits
from trackd.core.calls import Rejected, Track, Tracked
from trackd.core.rules.compiling import compile_rules
from trackd.core.rules.ruleset import RuleSet
from trackd.storage.memory import MemoryStore

NUMBER = {"type": "object", "required": ["price"], "properties": {"price": {"type": "number"}}}


def rules(**content: Any) -> RuleSet:
    return compile_rules(content, Limits())


def noting(name: str) -> RuleSet:
    """Rules under which each event notes that they were in force."""
    steps = [{"target": "traits.public.under", "op": "append", "value": name}]
    return rules(rule=[{"name": name, "event": "*", "steps": steps}])


REFUSING = rules(event={"buy": {"schema": NUMBER}}, validation={"refuse": ["source"]})


def one_profile(make: type[Make], **store: Any) -> MemoryStore:
    """Profile A with the session S."""
    return make.store(make.profile("A"), sessions=[make.session("S", "A")], **store)


def under(store: MemoryStore, profile_id: str = "A") -> list[str]:
    return store.profile(profile_id).doc["traits"]["public"]["under"]


def rules_of(answer: Tracked) -> list[str]:
    return [rule for rules in answer.report.execution.values() for rule in rules]


def seqs(answer: Tracked) -> list[int]:
    return [event.seq for event in answer.events]


# New rules


async def test_calls_in_flight_keep_their_rules_and_the_next_come_under_the_new_ones(
    make: type[Make], scene: type[Scene]
) -> None:
    store = one_profile(make)

    async with scene(store, rules=noting("old")) as stage:
        asked = [stage.ask(make.call("S")) for _ in range(2)]
        stage.tracker.use_rules(noting("new"))
        asked += [stage.ask(make.call("S")) for _ in range(2)]
        await stage.commit_all()
        answers = [future.result() for future in asked]

    assert [rules_of(answer) for answer in answers] == [["old"], ["old"], ["new"], ["new"]]
    assert under(store) == ["old", "old", "new", "new"]


async def test_a_stale_call_is_run_again_under_the_rules_that_it_came_under(
    make: type[Make], scene: type[Scene]
) -> None:
    store = one_profile(make)

    async with scene(store, rules=noting("old")) as stage:
        before = stage.ask(make.call("S"))
        stage.tracker.use_rules(noting("new"))
        after = stage.ask(make.call("S"))
        make.move(store, "A")
        await stage.step()
        assert not before.done()
        await stage.commit_all()
        answers = before.result(), after.result(), await stage.answer(make.call("S"))

    assert [rules_of(answer) for answer in answers] == [["old"], ["new"], ["new"]]
    assert [seqs(answer) for answer in answers] == [[1], [2], [3]]
    assert under(store) == ["old", "new", "new"]


async def test_a_call_that_is_stale_time_and_again_keeps_its_rules(make: type[Make], scene: type[Scene]) -> None:
    store = one_profile(make)

    async with scene(store, rules=noting("first")) as stage:
        asked = stage.ask(make.call("S"))
        for name in ("second", "third"):
            stage.tracker.use_rules(noting(name))
            make.move(store, "A")
            await stage.step()
            assert not asked.done()
        await stage.commit_all()
        result = asked.result()
    assert rules_of(result) == ["first"]
    assert under(store) == ["first"]


async def test_rules_that_change_before_the_start_are_those_that_it_starts_with(
    make: type[Make], scene: type[Scene]
) -> None:
    store = one_profile(make)

    stage = scene(store, rules=noting("old"))
    stage.tracker.use_rules(noting("new"))
    async with stage:
        await stage.answer(make.call("S"))

    assert under(store) == ["new"]


async def test_segments_are_looked_at_again_under_new_rules(make: type[Make], scene: type[Scene]) -> None:
    store = one_profile(make)

    def seen(views: int) -> RuleSet:
        return rules(segment=[{"name": "seen", "when": f"profile.stats.visits >= {views}"}])

    async with scene(store, rules=seen(0)) as stage:
        entered = await stage.answer(make.call("S"))
        stage.tracker.use_rules(seen(100))
        answers = entered, await stage.answer(make.call("S")), await stage.answer(make.call("S"))

    assert [answer.report.segments for answer in answers] == [("seen",), ("seen",), ()]
    assert store.profile("A").doc["segments"] == []


def test_new_rules_are_those_of_every_profile(make: type[Make], troupe: Callable[..., Troupe]) -> None:
    store = make.store(make.profile("A"), make.profile("B"))
    actors = troupe(store, rules=noting("old"))
    for profile_id in ("A", "B"):
        actors.track(make.call(f"S{profile_id}", profile_id=profile_id))

    actors.tell(actors.wiring.source_auth, RulesChanged(noting("new")))
    for profile_id in ("A", "B"):
        actors.track(make.call(f"S{profile_id}", profile_id=profile_id))
    while actors.batches:
        actors.commit()

    assert under(store, "A") == under(store, "B") == ["old", "new"]


# Calls that rules reject


def bad(make: type[Make], session_id: str, **fields: Any) -> Track:
    return make.call(session_id, [make.event("ok"), make.event("bad", "buy")], **fields)


def good(make: type[Make], session_id: str, **fields: Any) -> Track:
    events = [make.event("ok"), make.event("bad", "buy", properties={"price": 1})]
    return make.call(session_id, events, **fields)


async def test_of_a_rejected_call_nothing_is_stored(make: type[Make], scene: type[Scene]) -> None:
    store = one_profile(make)

    async with scene(store, rules=REFUSING) as stage:
        asked = stage.ask(bad(make, "S", context={"bad": 1}))
        assert (asked.done(), list(stage.writer.batches)) == (True, [])
        rejected, later = asked.result(), await stage.answer(make.call("S"))

    assert isinstance(rejected, Rejected)
    assert [invalid.position for invalid in rejected.events] == [1]
    assert seqs(later) == [1]
    assert store.session("S") == make.session("S", "A")
    assert store.profile("A").doc["stats"]["counters"] == {"t": 1}


async def test_a_new_session_whose_call_was_rejected_is_not_linked(make: type[Make], scene: type[Scene]) -> None:
    store = make.store(make.profile("A"))

    async with scene(store, rules=REFUSING) as stage:
        rejected = await stage.answer(bad(make, "S", profile_id="A"))
        rejected, later = rejected, await stage.answer(make.call("S"))

    assert isinstance(rejected, Rejected)
    assert later.profile_id != "A"
    assert later.session_saved
    assert store.profile("A") == make.profile("A")


async def test_a_profile_whose_first_call_was_rejected_is_unknown_as_before(
    make: type[Make], scene: type[Scene]
) -> None:
    store = make.store(permanent_profile_id=True)
    store.put_source(make.source("plain"))

    async with scene(store, rules=REFUSING) as stage:
        rejected = await stage.answer(bad(make, "S", profile_id="X"))
        rejected, later = rejected, await stage.answer(make.call("T", source_id="plain", profile_id="X"))

    assert isinstance(rejected, Rejected)
    assert later.profile_id != "X"
    assert list(store.profiles) == [later.profile_id]
    assert list(store.sessions) == ["T"]


async def test_a_rejected_call_that_is_sent_again_with_its_faults_mended_is_new(
    make: type[Make], scene: type[Scene]
) -> None:
    store = make.store()

    async with scene(store, rules=REFUSING) as stage:
        await stage.answer(bad(make, "S"))
        mended, again = await stage.answer(good(make, "S")), await stage.answer(good(make, "S"))

    assert [(event.id, event.seq, event.saved) for event in mended.events] == [("ok", 1, True), ("bad", 2, True)]
    assert [(event.id, event.seq, event.saved) for event in again.events] == [("ok", 1, False), ("bad", 2, False)]
    assert store.profile(mended.profile_id).doc["stats"]["visits"] == 1


async def test_a_rejected_call_disturbs_none_of_its_profile_that_is_in_flight(
    make: type[Make], scene: type[Scene]
) -> None:
    store = make.store()

    async with scene(store, rules=REFUSING) as stage:
        before = stage.ask(make.call("S", context={"a": 1}))
        rejected = stage.ask(bad(make, "S", context={"bad": 1}))
        after = stage.ask(make.call("S", context={"b": 2}))
        assert (before.done(), rejected.done(), after.done()) == (False, True, False)
        await stage.commit_all()
        before, rejected, after, later = (
            before.result(),
            rejected.result(),
            after.result(),
            await stage.answer(make.call("S")),
        )

    assert isinstance(rejected, Rejected)
    assert [seqs(answer) for answer in (before, after, later)] == [[1], [2], [3]]
    assert len({answer.profile_id for answer in (before, after, later)}) == 1
    assert store.session("S").context == {"a": 1, "b": 2}
    assert store.profile(later.profile_id).doc["stats"]["visits"] == 1


async def test_a_rejected_call_does_not_move_a_session_to_another_profile(make: type[Make], scene: type[Scene]) -> None:
    """M was merged into B, so that a call which names it takes the session along."""
    store = one_profile(make, merged={"M": "B"})
    store.profiles["B"] = make.profile("B")

    async with scene(store, rules=REFUSING) as stage:
        in_flight = stage.ask(make.call("S"))
        rejected = stage.ask(bad(make, "S", profile_id="M"))
        await stage.commit_all()
        in_flight, rejected, later = in_flight.result(), rejected.result(), await stage.answer(make.call("S"))

    assert isinstance(rejected, Rejected)
    assert (in_flight.profile_id, later.profile_id) == ("A", "A")
    assert store.session("S").profile_id == "A"


async def test_rejected_calls_leave_room_in_memory_for_other_profiles(make: type[Make], scene: type[Scene]) -> None:
    store = make.store(*[make.profile(f"P{n}") for n in range(20)])
    bounds = Actors(max_active_profiles=1, max_cached_sessions=1)

    async with scene(store, rules=REFUSING, actors=bounds) as stage:
        rejected = [await stage.answer(bad(make, f"S{n}", profile_id=f"P{n}")) for n in range(20)]
        taken = [await stage.answer(good(make, f"S{n}", profile_id=f"P{n}")) for n in range(20)]

    assert {type(answer) for answer in rejected} == {Rejected}
    assert [(answer.profile_id, seqs(answer)) for answer in taken] == [(f"P{n}", [1, 2]) for n in range(20)]


async def test_a_call_is_rejected_by_the_rules_that_it_came_under_alone(make: type[Make], scene: type[Scene]) -> None:
    store = one_profile(make)

    async with scene(store) as stage:
        taken = stage.ask(bad(make, "S"))
        stage.tracker.use_rules(REFUSING)
        rejected = stage.ask(make.call("S", [make.event("worse", "buy")]))
        make.move(store, "A")
        await stage.commit_all()
        taken, rejected = taken.result(), rejected.result()

    assert isinstance(taken, Tracked)
    assert seqs(taken) == [1, 2]
    assert isinstance(rejected, Rejected)
    assert [event.status for event in store.events] == ["collected", "collected"]
