"""Refusals on their way to the store: beside the commits, before an erasure, and never a reason to refuse a call."""

from collections.abc import Sequence

import pytest

from tests.actors.test_event_writer import two_profiles
from tests.support.bare_actors import BareActors, StartActors
from tests.support.making import Make
from trackd.actors.messages import Erased
from trackd.core.calls import Tracked
from trackd.core.changes import Change, Erasure, Outcome
from trackd.core.refusal_queue import RefusalQueue
from trackd.core.refusals import PutRefusals, Refusal
from trackd.storage.errors import StoreError
from trackd.storage.writer import BatchResult


def of(session_id: str, time: str = Make.now) -> Refusal:
    return Refusal(time, 401, "unknown_source", session_id=session_id, body="b")


@pytest.fixture
def queue() -> RefusalQueue:
    return RefusalQueue()


@pytest.fixture
def actors(start_actors: StartActors, queue: RefusalQueue) -> BareActors:
    return start_actors(two_profiles(), refusals=queue)


def kinds(batch: Sequence[Change]) -> list[str]:
    return [type(change).__name__ for change in batch]


def test_refusals_are_written_at_a_tick(actors: BareActors, queue: RefusalQueue) -> None:
    queue.add(of("a"))
    assert not actors.batches

    actors.tick()
    actors.commit()
    actors.tick()

    assert actors.reads.refusals == [of("a")]
    assert not actors.batches


def test_a_commit_under_way_is_not_disturbed(actors: BareActors, queue: RefusalQueue) -> None:
    number = actors.track(Make.call("a"))
    queue.add(of("a"))
    actors.tick()
    assert [kinds(batch) for batch in actors.batches] == [["Changes"]]

    actors.commit()
    assert isinstance(actors.answers[number], Tracked)
    actors.commit()

    assert actors.reads.refusals == [of("a")]


@pytest.mark.parametrize(
    "result", [BatchResult(error=StoreError("the disk is full")), BatchResult([Outcome.FAILED])], ids=["disk", "row"]
)
def test_refusals_that_cannot_be_written_are_counted_and_change_nothing_else(
    actors: BareActors, queue: RefusalQueue, result: BatchResult
) -> None:
    queue.add(of("a"))
    actors.tick()
    number = actors.track(Make.call("a"))

    actors.batches.popleft()
    actors.finish(result)
    actors.commit()

    assert isinstance(actors.answers[number], Tracked)
    assert actors.health == []
    assert queue.left_out == 1


def test_nothing_is_tried_while_the_store_takes_no_writes(actors: BareActors, queue: RefusalQueue) -> None:
    actors.track(Make.call("a"))
    actors.fail()
    queue.add(of("a"))

    actors.tick()

    assert [kinds(batch) for batch in actors.batches] == [[]]  # a heartbeat
    actors.commit()
    actors.tick()
    assert [kinds(batch) for batch in actors.batches] == [["PutRefusals"]]


def test_refusals_that_wait_are_written_before_an_erasure_clears_them(actors: BareActors, queue: RefusalQueue) -> None:
    actors.track(Make.call("a"))
    queue.add(of("a"))
    queue.add(of("b"))
    erase = Make.erase("A")
    actors.tell(actors.wiring.directory, erase)
    queue.add(of("a"))  # of a call before the erasure
    queue.add(of("a", Make.later))

    actors.commit()
    [batch] = actors.batches
    assert [type(change) for change in batch] == [PutRefusals, Erasure]
    actors.commit()
    actors.tick()
    actors.commit()

    assert actors.answers[erase.number] == Erased(erase.number, "A")
    assert [refusal.session_id for refusal in actors.reads.refusals] == [None, "b", None, "a"]
    assert [refusal.body for refusal in actors.reads.refusals] == [None, "b", None, "b"]
