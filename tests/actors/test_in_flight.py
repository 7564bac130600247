"""Calls for large profiles wait while many bytes of documents are in flight; each is answered all the same."""

import itertools
from collections.abc import Sequence

import pytest

from tests.support.bare_actors import BareActors, StartActors
from tests.support.faulty_store import FaultyStore
from tests.support.making import Make
from trackd.actors import event_writer
from trackd.actors.messages import Failed
from trackd.config.settings import Limits
from trackd.core.calls import Tracked
from trackd.core.changes import Change
from trackd.core.documents import Profile

LARGE = 2**20
LIMIT = 4 * LARGE


def large(*names: str) -> list[Profile]:
    return [Make.profile(name, pii={"text": "x" * LARGE}) for name in names]


@pytest.fixture
def actors(start_actors: StartActors) -> BareActors:
    """Large profiles A to J, and small ones."""
    store = Make.store(*large(*"ABCDEFGHIJ"), Make.profile("small"), kind=FaultyStore)
    return start_actors(store, limits=Limits(max_queued_bytes=2 * LIMIT))


def calls_of(batches: Sequence[Sequence[Change]]) -> int:
    return sum(map(len, batches))


def finish(actors: BareActors) -> None:
    while actors.batches:
        actors.commit()


def track(actors: BareActors, *profile_ids: str) -> list[int]:
    """Send a call for each profile, while the first commit is under way."""
    return [actors.track(Make.call(f"S-{profile_id}", profile_id=profile_id)) for profile_id in profile_ids]


def profile_ids(actors: BareActors, numbers: Sequence[int]) -> list[str]:
    return [actors.answers[number].profile_id for number in numbers]


def test_calls_for_large_profiles_wait_and_are_answered_in_their_order(actors: BareActors) -> None:
    numbers = track(actors, *"ABCDEFGHIJ")
    actors.commit()  # of the first one
    assert calls_of(actors.batches) < 9

    finish(actors)

    assert profile_ids(actors, numbers) == [*"ABCDEFGHIJ"]
    assert list(actors.answers) == numbers


def test_no_more_than_the_limit_is_in_flight_at_any_time(actors: BareActors) -> None:
    numbers = track(actors, *"ABCDEFGHIJ")
    most = 0
    while actors.batches:
        most = max(most, calls_of(actors.batches))
        actors.commit()

    assert len(actors.answers) == len(numbers)
    assert most <= 5  # the one that passes the limit is the last


def test_calls_for_small_profiles_do_not_wait(actors: BareActors) -> None:
    waiting = track(actors, *"ABCDEFGHIJ")
    numbers = [*track(actors, "small"), actors.track(Make.call("new"))]
    actors.commit()
    actors.commit()

    assert all(isinstance(actors.answers.get(number), Tracked) for number in numbers)
    assert waiting[-1] not in actors.answers
    finish(actors)


def test_many_small_calls_for_one_large_profile_wait_too(actors: BareActors) -> None:
    numbers = track(actors, *["A"] * 20)
    actors.commit()
    assert calls_of(actors.batches) <= 5

    finish(actors)

    assert [actors.answers[number].events[0].seq for number in numbers] == [*range(1, 21)]


def test_calls_wait_no_longer_when_those_before_them_fail(actors: BareActors) -> None:
    numbers = track(actors, *"ABCDEFGHIJ")
    actors.fail()
    while actors.batches:
        actors.fail()

    assert sorted(actors.answers) == numbers


def test_calls_that_cannot_be_read_when_their_turn_comes_leave_the_others_their_turn(actors: BareActors) -> None:
    numbers = track(actors, *"ABCDEFGHIJ")
    actors.reads.fail["profile"] = ZeroDivisionError()
    finish(actors)

    assert sorted(actors.answers) == numbers
    assert isinstance(actors.answers[numbers[0]], Tracked)
    assert any(isinstance(answer, Failed) for answer in actors.answers.values())


@pytest.fixture
def slow_actors(start_actors: StartActors) -> BareActors:
    """Profiles A to J of 10 KB, and a small one; each decision takes 30 ms."""
    profiles = [Make.profile(name, pii={"text": "x" * 10_000}) for name in "ABCDEFGHIJ"]
    actors = start_actors(Make.store(*profiles, Make.profile("small"), kind=FaultyStore))
    observe = actors.tally.decisions.observe

    def observe_longer(seconds: float, source_id: str, events: int) -> None:
        observe(0.03, source_id, events)

    actors.tally.decisions.observe = observe_longer  # type: ignore[method-assign]
    return actors


def test_calls_whose_decisions_take_long_wait_for_the_next_commit_and_small_ones_pass(slow_actors: BareActors) -> None:
    numbers = track(slow_actors, *"ABCDEFGHIJ")
    small = track(slow_actors, "small")
    decided = []
    while slow_actors.batches:
        decided.append(slow_actors.tally.decisions.seconds.total)
        slow_actors.commit()

    assert decided[0] == pytest.approx(0.03 * 3)  # of A, B and the small one
    assert all(after - before < 0.07 for before, after in itertools.pairwise(decided))
    assert profile_ids(slow_actors, numbers) == [*"ABCDEFGHIJ"]
    assert list(slow_actors.answers) == [*numbers[:2], *small, *numbers[2:]]


def test_a_call_does_not_wait_when_nothing_is_in_flight(slow_actors: BareActors) -> None:
    slow_actors.tally.decisions.seconds.observe(1.0)  # of calls that were rejected
    [number] = track(slow_actors, "A")
    finish(slow_actors)

    assert isinstance(slow_actors.answers[number], Tracked)


def test_an_erasure_of_a_profile_whose_call_waits_comes_first(actors: BareActors) -> None:
    numbers = track(actors, *"ABCDEFGHIJ")
    actors.tell(actors.wiring.directory, Make.erase("J"))
    finish(actors)

    answer = actors.answers[numbers[-1]]
    assert isinstance(answer, Tracked)
    assert answer.profile_id not in ("J", "A")
    assert actors.reads.profile("J") is None


def test_a_batch_has_few_large_documents(start_actors: StartActors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_writer, "MAX_BATCH_BYTES", 3 * LARGE)
    actors = start_actors(Make.store(*large(*"ABCDEFGHIJ"), Make.profile("small")))
    numbers = track(actors, *"ABCDEFGHIJ", *["small"] * 20)
    lengths = []
    while actors.batches:
        lengths.append(len(actors.batches[0]))
        actors.commit()

    assert lengths[:5] == [1, 2, 2, 2, 2]
    assert len(actors.answers) == len(numbers)


def test_a_batch_has_one_call_at_least(start_actors: StartActors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_writer, "MAX_BATCH_BYTES", 1)
    actors = start_actors(Make.store(*large(*"AB")))
    numbers = track(actors, *"AABB")
    finish(actors)

    assert [type(actors.answers[number]) for number in numbers] == [Tracked] * 4
