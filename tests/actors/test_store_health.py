"""The health of the store, as the EventWriter sees it: failing, hanging, or moved away."""

import logging
from typing import Any

import pytest

from tests.support.bare_actors import BareActors, StartActors
from tests.support.faulty_store import FaultyStore
from tests.support.making import Make
from trackd.actors.messages import Reason
from trackd.config.settings import Limits
from trackd.core.calls import Tracked
from trackd.core.changes import Erasure, Fence
from trackd.storage.errors import StoreError


@pytest.fixture
def actors(start_actors: StartActors, caplog: pytest.LogCaptureFixture) -> BareActors:
    caplog.set_level(logging.INFO)
    store: Any = Make.store(Make.profile("A", seq=1), sessions=[Make.session("a", "A")], kind=FaultyStore)
    return start_actors(store, limits=Limits(slow_commit_s=3))


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.message) for record in caplog.records]


def pass_time(actors: BareActors, seconds: float) -> None:
    actors.now += seconds
    actors.tick()


def test_a_commit_that_takes_too_long_is_reported_once_and_so_is_its_end(
    actors: BareActors, caplog: pytest.LogCaptureFixture
) -> None:
    number = actors.track(Make.call("a"))
    pass_time(actors, 3.0)
    assert actors.health == []

    for _ in range(5):
        pass_time(actors, 0.5)
    assert actors.health == [False]
    assert [level for level, _ in lines(caplog)] == ["ERROR"]
    assert "a commit has been under way for more than 3 s, the disk or the writer process hangs" in caplog.text
    waiting = actors.track(Make.call("a"))
    assert not actors.answers

    actors.commit()

    assert isinstance(actors.answers[number], Tracked)
    assert actors.health == [False, True]
    assert lines(caplog)[1:] == [("INFO", "the store takes writes again")]
    actors.commit()
    assert isinstance(actors.answers[waiting], Tracked)


def test_a_commit_that_hung_and_then_failed_is_reported_as_a_failure_too(
    actors: BareActors, caplog: pytest.LogCaptureFixture
) -> None:
    actors.track(Make.call("a"))
    pass_time(actors, 3.5)
    actors.fail()
    assert actors.health == [False]
    assert lines(caplog)[1] == ("ERROR", "the store does not take writes, calls are answered 503: the disk is full")


def test_commits_that_each_end_in_time_are_never_slow(actors: BareActors) -> None:
    for _ in range(5):
        actors.track(Make.call("a"))
        pass_time(actors, 2.0)
        actors.commit()
    pass_time(actors, 60.0)
    assert actors.health == []
    assert not actors.batches


@pytest.mark.parametrize("kind", ["heartbeat", "erasure"])
def test_other_commits_that_hang_are_reported_too(actors: BareActors, kind: str) -> None:
    if kind == "heartbeat":
        actors.track(Make.call("a"))
        actors.fail()
        actors.tick()
        pass_time(actors, 3.5)
        assert (actors.health, list(actors.batches)) == ([False], [[]])
    else:
        actors.tell(actors.wiring.directory, Make.erase("A"))
        assert actors.batches[0] == [Erasure(Fence("A", 1, 1), Make.now)]
        pass_time(actors, 3.5)
        assert actors.health == [False]


def test_the_age_of_the_commit_under_way_is_counted(actors: BareActors) -> None:
    assert actors.tally.commit_began is None
    actors.now = 7.0
    actors.track(Make.call("a"))
    actors.track(Make.call("a"))
    assert actors.tally.commit_began == 7.0
    actors.now = 9.0
    actors.commit()
    assert actors.tally.commit_began == 9.0
    actors.commit()
    assert actors.tally.commit_began is None


def test_an_idle_store_is_tried_only_while_somebody_asks_and_not_at_each_tick(actors: BareActors) -> None:
    pass_time(actors, 60.0)
    assert not actors.batches

    actors.observed = True
    actors.tick()
    assert list(actors.batches) == [[]]
    actors.commit()
    for _ in range(5):
        pass_time(actors, 0.5)
    assert not actors.batches
    pass_time(actors, 0.5)
    assert list(actors.batches) == [[]]
    pass_time(actors, 3.5)
    assert actors.health == [False]


def test_after_the_store_was_moved_away_nothing_is_committed_until_it_is_back(
    actors: BareActors, caplog: pytest.LogCaptureFixture
) -> None:
    store: Any = actors.reads
    store.fail["check"] = StoreError("the file was moved away")
    actors.tick()
    assert actors.health == [False]
    assert list(actors.batches) == [[]]  # the writer may save something
    actors.fail()
    numbers = [actors.track(Make.call("a")) for _ in range(3)]
    for _ in range(3):
        actors.tick()
    assert [actors.reason(number) for number in numbers] == [Reason.STORE_FAILED] * 3
    assert not actors.batches
    assert lines(caplog) == [
        ("ERROR", "the store does not take writes, calls are answered 503: the file was moved away")
    ]

    del store.fail["check"]
    actors.tick()
    assert list(actors.batches) == [[]]
    actors.commit()
    assert actors.health == [False, True]
    again = actors.track(Make.call("a"))
    actors.commit()
    assert [event.seq for event in actors.answers[again].events] == [2]


def test_a_commit_that_ended_before_the_store_was_moved_away_is_answered(actors: BareActors) -> None:
    store: Any = actors.reads
    number = actors.track(Make.call("a"))
    behind = actors.track(Make.call("a"))
    store.fail["check"] = StoreError("the file was moved away")
    actors.tick()

    actors.commit()

    assert isinstance(actors.answers[number], Tracked)
    assert actors.reason(behind) is Reason.STORE_FAILED
    assert actors.health == [False]
