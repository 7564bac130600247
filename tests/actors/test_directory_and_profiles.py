"""Calls through a real Tracker, step by step: who answers, with which numbers, whatever fails."""

import gc
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.actors.conftest import Scene
from tests.support.making import Make
from trackd.actors.directory import ProfileDirectory
from trackd.actors.messages import Failed, Reason, Refused
from trackd.actors.profile import ProfileActor
from trackd.actors.session_owners import SessionOwner, SessionOwners
from trackd.config.settings import Actors
from trackd.core.calls import Tracked
from trackd.core.changes import Changes, Fence, Outcome
from trackd.core.documents import Profile, Session, Source
from trackd.storage.errors import StoreError
from trackd.storage.memory import MemoryStore


class FaultyStore(MemoryStore):
    """Raises when it is asked for these keys, and remembers what it was asked."""

    def __init__(self, sources: list[Source] = ()) -> None:
        super().__init__(sources)
        self.faults = {}
        self.asked = []

    def _check(self, key: str) -> None:
        self.asked.append(key)
        if key in self.faults:
            raise self.faults[key]

    def profile(self, profile_id: str) -> Profile | None:
        self._check(profile_id)
        return super().profile(profile_id)

    def session(self, session_id: str) -> Session | None:
        self._check(session_id)
        return super().session(session_id)

    def known_events(self, profile_id: str, event_ids: list[str]) -> dict[str, Any] | None:
        event_ids = list(event_ids)
        for event_id in event_ids:
            self._check(event_id)
        return super().known_events(profile_id, event_ids)


class ContendedStore(MemoryStore):
    """Somebody else always wins the race for this profile."""

    contended = "A"
    commits = 0

    def commit(self, batch: list[Changes]) -> list[Outcome]:
        self.commits += any(change.fence.profile_id == self.contended for change in batch)
        kept = [change for change in batch if change.fence.profile_id != self.contended]
        outcomes = iter(super().commit(kept))
        return [Outcome.STALE if c.fence.profile_id == self.contended else next(outcomes) for c in batch]


def one_profile(make: type[Make], **store: Any) -> ContendedStore | FaultyStore | MemoryStore:
    """Profile A, whose last event is number 5, with the session S."""
    return make.store(make.profile("A", 5, 5), sessions=[make.session("S", "A")], **store)


def seqs(answer: Tracked) -> list[int]:
    return [event.seq for event in answer.events]


def reason(answer: Refused) -> Reason:
    return answer.reason if isinstance(answer, Refused) else None


def profile_actors() -> int:
    gc.collect()
    return sum(isinstance(thing, ProfileActor) for thing in gc.get_objects())


# Who answers


async def test_simultaneous_first_calls_of_a_session_agree_on_one_profile_and_one_session(
    make: type[Make], scene: type[Scene]
) -> None:
    store = make.store()

    async with scene(store) as stage:
        asked = [stage.ask(make.call("S")) for _ in range(20)]
        await stage.commit_all()
        answers = [future.result() for future in asked]

    assert len({answer.profile_id for answer in answers}) == 1
    assert list(store.profiles) == [answers[0].profile_id]
    assert list(store.sessions) == ["S"]
    assert [seqs(answer) for answer in answers] == [[n] for n in range(1, 21)]
    assert [answer.session_saved for answer in answers] == [True] + [False] * 19
    assert [answer.profile_saved for answer in answers] == [True] + [False] * 19
    assert store.profile(answers[0].profile_id).doc["stats"]["visits"] == 1


NEW = "new"


@pytest.mark.parametrize(
    ("session_id", "claimed", "permanent", "answering"),
    [
        ("unseen", None, False, NEW),
        ("unseen", "X", False, NEW),
        ("unseen", "X", True, "X"),
        ("unseen", "A", False, "A"),
        ("of-A", None, False, "A"),
        ("of-A", "A", False, "A"),
        ("of-A", "B", False, "A"),
        ("of-A", "X", True, "A"),
        ("of-erased", "A", False, "A"),
        ("of-erased", None, False, NEW),
        ("of-erased", "X", False, NEW),
        ("of-erased", "E", True, NEW),
        ("unseen", "M", False, "B"),
        ("of-A", "M", False, "B"),
        ("of-erased", "M", False, "B"),
        ("of-M", None, False, "B"),
        ("of-M", "A", False, "B"),
    ],
)
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
async def test_the_profile_that_answers_is_that_of_the_contract(
    make: type[Make],
    scene: type[Scene],
    session_id: str,
    claimed: str | None,
    permanent: bool,
    answering: str,
    warm: bool,
) -> None:
    """M was merged into B, E is erased, X never was. Warm: the profiles and sessions are in memory already."""
    store = make.store(
        make.profile("A"),
        make.profile("B"),
        sessions=[make.session("of-A", "A"), make.session("of-erased", "E"), make.session("of-M", "M")],
        merged={"M": "B"},
        permanent_profile_id=permanent,
    )

    async with scene(store) as stage:
        if warm:
            for known in ("A", "B"):
                await stage.answer(make.call(f"warm-{known}", profile_id=known))
            await stage.answer(make.call("of-A"))
        answer = await stage.answer(make.call(session_id, profile_id=claimed))

    if answering == NEW:
        assert answer.profile_id not in {"A", "B", "E", "M", "X"}
    else:
        assert answer.profile_id == answering
    assert store.session(session_id).profile_id == answer.profile_id
    assert store.events[-1].profile_id == answer.profile_id
    assert store.profile(answer.profile_id).seq == seqs(answer)[0]


async def test_a_session_of_an_erased_profile_gets_a_new_profile_and_stays_with_it(
    make: type[Make], scene: type[Scene]
) -> None:
    store = make.store(sessions=[make.session("S", "erased", kept=1)])

    async with scene(store) as stage:
        asked = [stage.ask(make.call("S")) for _ in range(3)]
        await stage.commit_all()
        answers = [future.result() for future in asked] + [await stage.answer(make.call("S"))]

    assert len({answer.profile_id for answer in answers}) == 1
    assert store.session("S").profile_id == answers[0].profile_id
    assert store.session("S").context == {"kept": 1}
    assert store.profile(answers[0].profile_id).doc["stats"]["visits"] == 1


async def test_a_session_that_was_linked_again_keeps_its_new_profile(make: type[Make], scene: type[Scene]) -> None:
    store = make.store(sessions=[make.session("S", "erased")])

    async with scene(store) as stage:
        answers = [await stage.answer(make.call("S")) for _ in range(3)]

    assert len({answer.profile_id for answer in answers}) == 1
    assert [seqs(answer) for answer in answers] == [[1], [2], [3]]


async def test_two_sessions_that_bring_the_same_new_id_share_its_profile(make: type[Make], scene: type[Scene]) -> None:
    store = make.store(permanent_profile_id=True)

    async with scene(store) as stage:
        asked = [stage.ask(make.call(f"S{n}", profile_id="X")) for n in range(5)]
        await stage.commit_all()
        answers = [future.result() for future in asked]

    assert [(answer.profile_id, seqs(answer)) for answer in answers] == [("X", [n]) for n in range(1, 6)]
    assert store.profile("X").doc["stats"]["visits"] == 5


async def test_as_many_visits_as_sessions_are_counted(make: type[Make], scene: type[Scene]) -> None:
    store = make.store(make.profile("A"))
    sessions = [f"S{n % 7}" for n in range(30)]

    async with scene(store) as stage:
        for n, session in enumerate(sessions):
            stage.ask(make.call(session, profile_id="A"))
            if n % 4 == 3:
                await stage.step()
        await stage.commit_all()

    assert store.profile("A").doc["stats"]["visits"] == 7
    assert store.profile("A").doc["metadata"]["time"]["visit"]["count"] == 7
    assert store.profile("A").seq == 30


async def test_a_session_that_was_never_written_is_not_known_to_the_next_call(
    make: type[Make], scene: type[Scene]
) -> None:
    store = make.store()

    async with scene(store) as stage:
        first, second = [await stage.answer(make.call("S", save_session=False)) for _ in range(2)]

    assert first.profile_id != second.profile_id
    assert store.sessions == {}
    assert len(store.events) == 2


async def test_a_stored_session_decides_though_a_call_does_not_save_it(make: type[Make], scene: type[Scene]) -> None:
    store = one_profile(make)

    async with scene(store) as stage:
        answer = await stage.answer(make.call("S", save_session=False, context={"new": 1}))

    assert (answer.profile_id, seqs(answer)) == ("A", [6])
    assert store.session("S") == make.session("S", "A")


# Retries


async def test_a_retry_is_answered_only_once_the_first_copy_is_on_disk(make: type[Make], scene: type[Scene]) -> None:
    store = one_profile(make)

    async with scene(store) as stage:
        first = stage.ask(make.call("S", [make.event("e")]))
        retry = stage.ask(make.call("S", [make.event("e")]))
        await stage.rest()
        assert (first.done(), retry.done()) == (False, False)
        await stage.step()
        assert (first.done(), retry.done()) == (True, False)
        await stage.step()
        first, retry = first.result(), retry.result()

    assert [(event.seq, event.saved) for event in first.events] == [(6, True)]
    assert [(event.seq, event.saved) for event in retry.events] == [(6, False)]
    assert [event.id for event in store.events] == ["e"]
    assert store.profile("A").doc["stats"]["counters"] == {"t": 1}


async def test_a_retry_whose_first_copy_fails_is_refused_with_it(make: type[Make], scene: type[Scene]) -> None:
    store = one_profile(make)

    async with scene(store) as stage:
        asked = [stage.ask(make.call("S", [make.event("e")])) for _ in range(2)]
        await stage.fail()
        refused = [future.result() for future in asked]
        refused, later = refused, await stage.answer(make.call("S", [make.event("e")]))

    assert [reason(answer) for answer in refused] == [Reason.STORE_FAILED] * 2
    assert [(event.seq, event.saved) for event in later.events] == [(6, True)]


async def test_a_retry_finds_its_first_copy_on_disk(make: type[Make], scene: type[Scene]) -> None:
    store = one_profile(make)
    call = [make.event("e1"), make.event("e2", store=False)]

    async def story() -> tuple[Tracked, Tracked]:
        async with scene(store, actors=Actors(max_active_profiles=1)) as stage:
            await stage.answer(make.call("S", call))
            warm = await stage.answer(make.call("S", call))
            await stage.answer(make.call("elsewhere"))
            cold = await stage.answer(make.call("S", call))
            return warm, cold

    for answer in await story():
        assert [(event.id, event.seq, event.saved) for event in answer.events] == [("e1", 6, False)]
    assert store.profile("A").doc["stats"]["counters"] == {"t": 2}


async def test_what_is_on_disk_is_looked_up_there_and_not_kept_in_memory(make: type[Make], scene: type[Scene]) -> None:
    store = one_profile(make, kind=FaultyStore)
    own = [[make.event(f"e{n}")] for n in range(3)]

    async with scene(store) as stage:
        for call in own:
            await stage.answer(make.call("S", call))
        await stage.answer(make.call("S"))
        store.asked.clear()
        answers = [await stage.answer(make.call("S", call)) for call in own]

    assert [seqs(answer) for answer in answers] == [[6], [7], [8]]
    assert [key for key in store.asked if key.startswith("e")] == ["e0", "e1", "e2"]


# A commit that fails


async def test_after_a_failed_commit_calls_work_and_continue_from_what_is_stored(
    make: type[Make], scene: type[Scene]
) -> None:
    store = one_profile(make)

    async with scene(store) as stage:
        await stage.answer(make.call("S", 2))
        lost, behind = stage.ask(make.call("S", 3)), stage.ask(make.call("S", 1))
        await stage.fail()
        lost, behind, later = lost.result(), behind.result(), await stage.answer(make.call("S", 2))

    assert (reason(lost), reason(behind)) == (Reason.STORE_FAILED, Reason.STORE_FAILED)
    assert seqs(later) == [8, 9]
    assert [event.seq for event in store.events] == [6, 7, 8, 9]
    assert store.profile("A").doc["stats"]["counters"] == {"t": 4}


async def test_a_failed_commit_fails_what_is_queued_of_its_profiles_and_no_other(
    make: type[Make], scene: type[Scene]
) -> None:
    store = one_profile(make)

    async with scene(store) as stage:
        asked = [stage.ask(make.call(session)) for session in ("S", "T", "S", "U", "S", "T")]
        await stage.fail()
        await stage.commit_all()
        answers = [future.result() for future in asked]

    of_s = [answers[n] for n in (0, 2, 4)]
    assert [reason(answer) for answer in of_s] == [Reason.STORE_FAILED] * 3
    assert [seqs(answers[n]) for n in (1, 3, 5)] == [[1], [1], [2]]
    assert store.profile("A").seq == 5


async def test_who_takes_a_session_from_a_profile_that_fails_fails_with_it(
    make: type[Make], scene: type[Scene]
) -> None:
    """Whether that profile lives tells if the session's visit is to be counted again."""
    sessions = [make.session("lost", "gone")]
    store = make.store(make.profile("A", 5, 5), sessions=sessions, merged={"M": "A"}, permanent_profile_id=True)

    async with scene(store) as stage:
        begun_anew = stage.ask(make.call("T", profile_id="gone"))
        takes = stage.ask(make.call("lost", profile_id="M"))
        built_on_that = stage.ask(make.call("lost"))
        other = stage.ask(make.call("U"))
        await stage.fail()
        await stage.commit_all()
        answers = [future.result() for future in (begun_anew, takes, built_on_that, other)]
        answers, later = answers, await stage.answer(make.call("lost", profile_id="A"))

    assert [reason(answer) for answer in answers[:3]] == [Reason.STORE_FAILED] * 3
    assert seqs(answers[3]) == [1]
    assert (later.profile_id, later.profile_saved) == ("A", True)


async def test_a_session_whose_first_commit_failed_is_new_again(make: type[Make], scene: type[Scene]) -> None:
    store = make.store()

    async with scene(store) as stage:
        lost = stage.ask(make.call("S"))
        await stage.fail()
        lost, later = lost.result(), await stage.answer(make.call("S"))

    assert reason(lost) is Reason.STORE_FAILED
    assert (later.session_saved, later.profile_saved, seqs(later)) == (True, True, [1])
    assert list(store.profiles) == [later.profile_id]
    assert store.profile(later.profile_id).doc["stats"]["visits"] == 1


async def test_a_call_that_arrives_between_failure_and_recovery_is_not_built_on_what_was_lost(
    make: type[Make], scene: type[Scene]
) -> None:
    store = one_profile(make)

    async with scene(store) as stage:
        for _ in range(3):
            lost = stage.ask(make.call("S", 2, context={"lost": 1}))
            await stage.fail()
            assert reason(lost.result()) is Reason.STORE_FAILED
        result = await stage.answer(make.call("S"))
    assert seqs(result) == [6]
    assert store.session("S").context == {}


# A change that is stale


async def test_a_stale_call_is_run_again_on_what_is_stored_now(make: type[Make], scene: type[Scene]) -> None:
    store = one_profile(make)

    async with scene(store) as stage:
        await stage.answer(make.call("S"))
        asked = stage.ask(make.call("S", 2))
        make.move(store, "A")
        await stage.step()
        assert not asked.done()
        await stage.step()
        answer = asked.result()

    assert seqs(answer) == [7, 8]
    assert [event.seq for event in store.events] == [6, 7, 8]
    assert store.profile("A").revision == 8


async def test_another_node_that_wrote_just_as_much_meanwhile_loses_nothing(
    make: type[Make], scene: type[Scene]
) -> None:
    store = one_profile(make)

    async with scene(store) as one, scene(store) as two:
        one.ask(make.call("elsewhere"))
        mine = [one.ask(make.call("S")) for _ in range(2)]
        theirs = await two.answer(make.call("S"))
        await one.commit_all()
        result = [seqs(theirs), *(seqs(future.result()) for future in mine)]
    assert result == [[6], [7], [8]]
    assert store.profile("A").doc["stats"]["counters"] == {"t": 3}


async def test_calls_behind_a_stale_one_are_run_again_behind_it(make: type[Make], scene: type[Scene]) -> None:
    store = one_profile(make)

    async with scene(store) as stage:
        asked = [stage.ask(make.call("S")) for _ in range(5)]
        make.move(store, "A")
        await stage.commit_all()
        result = [future.result() for future in asked]
    assert [seqs(answer) for answer in result] == [[6], [7], [8], [9], [10]]
    assert store.profile("A").doc["stats"]["counters"] == {"t": 5}


async def test_a_call_that_loses_the_race_for_its_session_answers_with_the_winner(
    make: type[Make], scene: type[Scene]
) -> None:
    store = make.store()

    async with scene(store) as stage:
        asked = stage.ask(make.call("S"))
        winner = Changes(Fence("W", 0, 0), make.profile("W"), make.session("S", "W"))
        store.commit([winner])
        await stage.commit_all()
        answer = asked.result()

    assert (answer.profile_id, seqs(answer)) == ("W", [1])
    assert list(store.profiles) == ["W"]


async def test_a_profile_erased_meanwhile_is_not_brought_back(make: type[Make], scene: type[Scene]) -> None:
    store = one_profile(make)

    async with scene(store) as stage:
        await stage.answer(make.call("S"))
        asked = stage.ask(make.call("S"))
        del store.profiles["A"]
        await stage.commit_all()
        answer = asked.result()

    assert answer.profile_id != "A"
    assert list(store.profiles) == [answer.profile_id]
    assert store.session("S").profile_id == answer.profile_id


async def test_a_profile_merged_meanwhile_answers_as_the_one_that_took_it_in(
    make: type[Make], scene: type[Scene]
) -> None:
    store = one_profile(make)
    store.profiles["B"] = make.profile("B", 2, 2)

    async with scene(store) as stage:
        await stage.answer(make.call("S"))
        asked = stage.ask(make.call("S"))
        del store.profiles["A"]
        store.merged["A"] = "B"
        await stage.commit_all()
        answer = asked.result()

    assert (answer.profile_id, seqs(answer)) == ("B", [3])


async def test_a_call_that_stays_stale_is_run_three_times_more_and_then_refused(
    make: type[Make], scene: type[Scene]
) -> None:
    store = one_profile(make, kind=ContendedStore)

    async with scene(store) as stage:
        contended, other = stage.ask(make.call("S")), stage.ask(make.call("T"))
        await stage.commit_all()
        contended, other = contended.result(), other.result()

    assert reason(contended) is Reason.CONTENDED
    assert contended.retry_after_s is not None
    assert store.commits == 4
    assert seqs(other) == [1]
    assert store.profile("A").seq == 5


async def test_after_contention_calls_work(make: type[Make], scene: type[Scene]) -> None:
    store = one_profile(make, kind=ContendedStore)

    async with scene(store) as stage:
        await stage.answer(make.call("S"))
        store.contended = None
        result = await stage.answer(make.call("S"))
    assert seqs(result) == [6]


# A handler that raises


FAULTS = pytest.mark.parametrize(
    ("fault", "kind"), [(ZeroDivisionError("ours"), Failed), (StoreError("the disk's"), Refused)], ids=["fault", "disk"]
)


@FAULTS
@pytest.mark.parametrize("broken", ["S", "P"], ids=["session", "profile"])
async def test_a_read_that_fails_answers_its_caller_once_and_disturbs_nobody(
    make: type[Make], scene: type[Scene], fault: Exception, kind: type[Any], broken: str
) -> None:
    store = one_profile(make, kind=FaultyStore)
    store.faults[broken] = fault

    async with scene(store) as stage:
        other = stage.ask(make.call("T"))
        bad = stage.ask(make.call("S" if broken == "S" else "new", profile_id="P"))
        await stage.rest()
        assert bad.done()
        await stage.commit_all()
        asked_once = store.asked.count(broken)
        store.faults.clear()
        again = await stage.answer(make.call("S"))
        bad, other, asked, again = bad.result(), other.result(), asked_once, again

    assert isinstance(bad, kind)
    assert asked == 1
    assert seqs(other) == [1]
    assert (again.profile_id, seqs(again)) == ("A", [6])
    assert "new" not in store.sessions


@FAULTS
async def test_a_profile_whose_handler_raises_is_as_it_was(
    make: type[Make], scene: type[Scene], fault: Exception, kind: type[Any]
) -> None:
    store = one_profile(make, kind=FaultyStore)
    store.faults["bad"] = fault

    async with scene(store) as stage:
        before = stage.ask(make.call("S"))
        bad = stage.ask(make.call("S", [make.event(), make.event("bad")], context={"bad": 1}))
        after = stage.ask(make.call("S"))
        await stage.rest()
        assert (before.done(), bad.done(), after.done()) == (False, True, False)
        await stage.commit_all()
        later = await stage.answer(make.call("S"))
        before, bad, after, later = before.result(), bad.result(), after.result(), later

    assert isinstance(bad, kind)
    assert store.asked.count("bad") == 1
    assert [seqs(answer) for answer in (before, after, later)] == [[6], [7], [8]]
    assert store.session("S").context == {}
    assert store.profile("A").doc["stats"]["counters"] == {"t": 3}


async def test_a_new_session_whose_only_call_raised_is_new_again(make: type[Make], scene: type[Scene]) -> None:
    store = one_profile(make, kind=FaultyStore)
    store.faults["bad"] = ZeroDivisionError("ours")

    async with scene(store) as stage:
        bad = await stage.answer(make.call("new", [make.event("bad")], profile_id="A"))
        bad, later = bad, await stage.answer(make.call("new"))

    assert isinstance(bad, Failed)
    assert later.profile_id != "A"
    assert later.session_saved
    assert store.profile("A").seq == 5


async def test_a_profile_whose_first_call_raised_is_unknown_as_before(make: type[Make], scene: type[Scene]) -> None:
    store = make.store(permanent_profile_id=True)
    store.put_source(make.source("plain"))

    async with scene(store) as stage:
        bad = await stage.answer(make.call("S", profile_id="X", context={"not JSON": object()}))
        bad, later = bad, await stage.answer(make.call("T", source_id="plain", profile_id="X"))

    assert isinstance(bad, Failed)
    assert later.profile_id != "X"
    assert list(store.profiles) == [later.profile_id]


async def test_a_call_that_raised_does_not_move_a_session_that_is_in_flight(
    make: type[Make], scene: type[Scene]
) -> None:
    store = one_profile(make, kind=FaultyStore, merged={"M": "B"})
    store.profiles["B"] = make.profile("B")
    store.faults["bad"] = ZeroDivisionError("ours")

    async with scene(store) as stage:
        in_flight = stage.ask(make.call("S"))
        bad = stage.ask(make.call("S", [make.event("bad")], profile_id="M"))
        await stage.commit_all()
        in_flight, bad, later = in_flight.result(), bad.result(), await stage.answer(make.call("S"))

    assert isinstance(bad, Failed)
    assert (in_flight.profile_id, later.profile_id) == ("A", "A")
    assert store.session("S").profile_id == "A"


# Activation and passivation


async def test_what_is_in_flight_is_never_evicted(make: type[Make], scene: type[Scene]) -> None:
    store = make.store(*[make.profile(f"P{n}", 10, 10) for n in range(20)])

    async with scene(store, actors=Actors(max_active_profiles=1, max_cached_sessions=1)) as stage:
        asked = [stage.ask(make.call(f"S{n}", profile_id=f"P{n}")) for n in range(20)]
        asked += [stage.ask(make.call(f"S{n}")) for n in range(20)]
        await stage.commit_all()
        answers = [future.result() for future in asked]

    assert [answer.profile_id for answer in answers] == [f"P{n}" for n in range(20)] * 2
    assert [seqs(answer) for answer in answers] == [[11]] * 20 + [[12]] * 20


async def test_a_profile_that_was_passivated_continues_where_it_was(make: type[Make], scene: type[Scene]) -> None:
    store = make.store()

    async with scene(store, actors=Actors(max_active_profiles=1, max_cached_sessions=1)) as stage:
        rounds = [[await stage.answer(make.call(f"S{n}")) for n in range(5)] for _ in range(3)]

    assert len({answer.profile_id for answer in rounds[0]}) == 5
    for number, answers in enumerate(rounds, start=1):
        assert [answer.profile_id for answer in answers] == [answer.profile_id for answer in rounds[0]]
        assert [seqs(answer) for answer in answers] == [[number]] * 5


@pytest.mark.parametrize("sessions_in_memory", [1, 10])
async def test_a_call_of_a_profile_that_is_not_in_memory_reads_once(
    make: type[Make], scene: type[Scene], sessions_in_memory: int
) -> None:
    sessions = [make.session("S", "A"), make.session("T", "B")]
    store = make.store(make.profile("A"), make.profile("B"), sessions=sessions, kind=FaultyStore)
    bounds = Actors(max_active_profiles=1, max_cached_sessions=sessions_in_memory)

    async with scene(store, actors=bounds) as stage:
        answers = [await stage.answer(make.call(session_id)) for session_id in ("S", "T", "S", "S")]
        result = [answer.profile_id for answer in answers]
    assert result == ["A", "B", "A", "A"]
    assert store.asked == ["S", "T", "S"]


async def test_a_fault_before_an_actor_heard_whose_it_is_mixes_up_no_profiles(
    make: type[Make], scene: type[Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make.store(make.profile("A", 5, 5), make.profile("B", 7, 7))
    assign = SessionOwners.assign
    fails = {"bad"}

    def faulty(self: ProfileDirectory, session_id: str, *others: str | None) -> SessionOwner | None:
        if session_id in fails:
            raise ZeroDivisionError
        return assign(self, session_id, *others)

    monkeypatch.setattr(SessionOwners, "assign", faulty)

    async with scene(store, actors=Actors(max_active_profiles=1, max_cached_sessions=10)) as stage:
        await stage.answer(make.call("S", profile_id="A"))
        bad = await stage.answer(make.call("bad", profile_id="B"))
        fetched = await stage.answer(make.fetch("B"))
        bad, fetched, later = bad, fetched, await stage.answer(make.call("T", profile_id="B"))

    assert isinstance(bad, Failed)
    assert (fetched.profile.id, fetched.profile.seq) == ("B", 7)
    assert (later.profile_id, seqs(later)) == ("B", [8])
    assert store.profile("A").seq == 6


async def test_actors_are_reused_for_the_profiles_that_pass_through(make: type[Make], scene: type[Scene]) -> None:
    store = make.store()

    before = profile_actors()
    async with scene(store, actors=Actors(max_active_profiles=5, max_cached_sessions=5)) as stage:
        for n in range(300):
            await stage.answer(make.call(f"S{n}"))
        result = profile_actors() - before
    assert result <= 6
    assert len(store.profiles) == 300


async def test_actors_that_a_rush_needed_serve_the_calls_after_it(make: type[Make], scene: type[Scene]) -> None:
    store = make.store()

    before = profile_actors()
    async with scene(store, actors=Actors(max_active_profiles=5, max_cached_sessions=5)) as stage:
        for rush in range(3):
            for n in range(50):
                stage.ask(make.call(f"S{rush}-{n}"))
            await stage.commit_all()
        for n in range(100):
            await stage.answer(make.call(f"T{n}"))
        result = profile_actors() - before
    assert result <= 55


async def test_a_failed_activation_does_not_use_up_actors(make: type[Make], scene: type[Scene]) -> None:
    store = make.store(kind=FaultyStore)
    store.faults["bad"] = ZeroDivisionError("ours")
    store.profiles["A"] = make.profile("A")

    before = profile_actors()
    async with scene(store) as stage:
        for n in range(50):
            await stage.answer(make.call(f"S{n}", [make.event("bad")], profile_id="A"))
            stage.ask(make.call(f"T{n}"))
            await stage.fail()
        result = profile_actors() - before
    assert result <= 2


# Everything at once

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


@settings(max_examples=100, deadline=None)
@given(acts, st.sampled_from([1, 2, 100]))
async def test_whatever_happens_what_is_answered_is_stored_once_and_numbers_have_no_gap(
    make: type[Make], scene: type[Scene], acts: list[tuple[str, int, int, int]], size: int
) -> None:
    """Two nodes on one store; batches are committed and fail in any order."""
    store = make.store(make.profile("A"), make.profile("B"))
    bounds = Actors(max_active_profiles=size, max_cached_sessions=size)
    report = []

    async def story() -> list[Any]:
        async with scene(store, actors=bounds) as one, scene(store, actors=bounds) as two:
            for act, node, number, more in acts:
                stage = (one, two)[node]
                if act == "ask":
                    call = make.call(f"S{number}", more, profile_id=[None, "A", "B"][number % 3])
                    report.append((call, stage.ask(call)))
                elif act == "retry":
                    call = make.call(f"S{number}", [make.event(f"own-{more}")])
                    report.append((call, stage.ask(call)))
                elif stage.writer.batches:
                    await (stage.step() if act == "step" else stage.fail())
            await one.commit_all()
            await two.commit_all()
            return [(call, future.result()) for call, future in report]

    answers = await story()

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


async def test_numbers_follow_the_order_of_the_answers(make: type[Make], scene: type[Scene]) -> None:
    store = one_profile(make)
    dice = random.Random(7)

    highest = 5
    async with scene(store) as stage:
        for _ in range(50):
            asked = [stage.ask(make.call("S", dice.randint(1, 3))) for _ in range(dice.randint(1, 4))]
            await stage.commit_all()
            numbers = [seq for future in asked for seq in seqs(future.result())]
            assert min(numbers) > highest
            highest = max(numbers)
