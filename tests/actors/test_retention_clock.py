"""A wrong clock stops the retention before it deletes anything, and it goes on when the clock is confirmed or right."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.support.bare_actors import BareActors, StartActors
from tests.support.making import NOW, Make
from trackd.config.settings import Retention
from trackd.core.retention_changes import DeleteEvents, PutRetentionStop, RetentionStop
from trackd.storage.memory import MemoryStore

EVENTS = Retention(events_keep_days=60)
YEARS = timedelta(days=3650)
IN_YEARS = "2036-01-29T12:00:00.000000Z"


def with_event(arrived: str = NOW) -> MemoryStore:
    store: MemoryStore = Make.store()
    change = Make.change("A", events=1)
    store.commit([replace(change, events=tuple(event._replace(inserted=arrived) for event in change.events))])
    return store


def tick(actors: BareActors) -> list[type]:
    """Let half a second pass, commit everything, and return the kinds of changes that were made."""
    actors.now += 0.5
    actors.time_of_day += timedelta(seconds=0.5)
    actors.tick()
    made: list[type] = []
    while actors.batches:
        made += [type(change) for change in actors.batches[0]]
        actors.commit()
    return made


def test_a_start_with_a_clock_that_is_years_ahead_deletes_nothing(
    start_actors: StartActors, caplog: pytest.LogCaptureFixture
) -> None:
    actors = start_actors(with_event(), retention=EVENTS, ahead=YEARS)

    assert tick(actors) == [PutRetentionStop]
    assert tick(actors) == []

    assert len(actors.reads.events) == 1
    assert actors.reads.retention_stop() == RetentionStop(NOW)
    assert actors.tally.retention_stopped
    assert caplog.messages == [
        "retention is stopped and deletes nothing: this clock (2036-01-29T12:00:00.500000Z) is 3650 days ahead of the "
        "newest event or session (2026-01-31T12:00:00.000000Z). If it is right, run `trackd retention confirm`; if it "
        "is wrong, set it"
    ]


def test_events_that_arrive_under_the_wrong_clock_do_not_make_it_trusted_and_neither_does_a_restart(
    start_actors: StartActors,
) -> None:
    store = with_event()
    actors = start_actors(store, retention=EVENTS, ahead=YEARS)
    actors.track(Make.call(received=IN_YEARS))
    assert PutRetentionStop in tick(actors)
    assert tick(start_actors(store, retention=EVENTS, ahead=YEARS)) == [PutRetentionStop]

    assert len(store.events) == 2


def test_a_confirmation_lets_the_retention_go_on(start_actors: StartActors, caplog: pytest.LogCaptureFixture) -> None:
    store = with_event()
    actors = start_actors(store, retention=EVENTS, ahead=YEARS)
    tick(actors)

    store.confirm_clock(IN_YEARS)

    assert tick(actors) == [PutRetentionStop, DeleteEvents]
    assert store.events == []
    assert not actors.tally.retention_stopped
    assert store.retention_stop() == RetentionStop(None, IN_YEARS)


def test_a_confirmation_before_the_start_counts(start_actors: StartActors) -> None:
    store = with_event()
    store.confirm_clock(IN_YEARS)

    assert tick(start_actors(store, retention=EVENTS, ahead=YEARS)) == [DeleteEvents]


def test_a_confirmation_between_the_start_and_the_first_tick_counts_for_the_stop_of_the_server_before(
    start_actors: StartActors,
) -> None:
    store = with_event()
    assert tick(start_actors(store, retention=EVENTS, ahead=YEARS)) == [PutRetentionStop]
    actors = start_actors(store, retention=EVENTS, ahead=YEARS)
    store.confirm_clock(IN_YEARS)

    assert tick(actors) == [PutRetentionStop, DeleteEvents]


def test_a_confirmation_that_meets_the_stop_on_its_way_wins(start_actors: StartActors) -> None:
    store = with_event()
    actors = start_actors(store, retention=EVENTS, ahead=YEARS)
    actors.tick()
    store.confirm_clock(IN_YEARS)

    assert tick(actors) == [PutRetentionStop, DeleteEvents]
    assert store.retention_stop() == RetentionStop(None, IN_YEARS)


def test_a_confirmation_while_nothing_is_stopped_does_not_confirm_a_later_clock(start_actors: StartActors) -> None:
    store = with_event()
    actors = start_actors(store, retention=EVENTS)
    tick(actors)
    store.confirm_clock(NOW)
    actors.now, actors.time_of_day = 60.0, actors.time_of_day + YEARS

    assert tick(actors) == [PutRetentionStop]
    assert tick(actors) == []

    assert len(store.events) == 1
    assert store.retention_stop() == RetentionStop("2026-01-31T12:00:00.500000Z", NOW)
    assert actors.tally.retention_stopped
    store.confirm_clock(IN_YEARS)
    assert tick(actors) == [PutRetentionStop, DeleteEvents]


def test_the_time_is_written_also_after_a_confirmation_while_nothing_was_stopped(start_actors: StartActors) -> None:
    store = with_event()
    actors = start_actors(store, retention=EVENTS)
    tick(actors)
    store.confirm_clock(NOW)
    actors.now, actors.time_of_day = 86_400.0, actors.time_of_day + timedelta(days=1)

    assert PutRetentionStop in tick(actors)
    assert store.retention_stop().trusted is not None


def test_a_stop_that_cannot_be_written_is_written_later(start_actors: StartActors) -> None:
    actors = start_actors(with_event(), retention=EVENTS, ahead=YEARS)
    actors.tick()
    actors.fail()

    assert PutRetentionStop in tick(actors)
    assert actors.reads.retention_stop() == RetentionStop(NOW)


def test_a_clock_that_jumps_ahead_while_the_server_runs_stops_the_retention_until_it_is_right_again(
    start_actors: StartActors,
) -> None:
    actors = start_actors(with_event(), retention=EVENTS)
    assert tick(actors) == [DeleteEvents]
    actors.now, actors.time_of_day = 60.0, actors.time_of_day + YEARS

    assert tick(actors) == [PutRetentionStop]
    actors.time_of_day -= YEARS

    assert tick(actors) == [PutRetentionStop, DeleteEvents]
    assert len(actors.reads.events) == 1
    assert actors.reads.retention_stop() == RetentionStop()


def test_a_stop_of_an_earlier_server_ends_when_the_clock_is_right(start_actors: StartActors) -> None:
    store = with_event()
    tick(start_actors(store, retention=EVENTS, ahead=YEARS))

    assert tick(start_actors(store, retention=EVENTS)) == [PutRetentionStop, DeleteEvents]
    assert store.retention_stop() == RetentionStop()


def test_a_server_that_runs_for_months_without_calls_deletes_what_becomes_old(start_actors: StartActors) -> None:
    actors = start_actors(with_event(), retention=EVENTS)
    for _ in range(61):
        actors.now += 86_400
        actors.time_of_day += timedelta(days=1)
        tick(actors)

    assert actors.reads.events == []
    assert not actors.tally.retention_stopped


def test_a_clock_that_jumps_back_and_forward_again_stops_nothing(start_actors: StartActors) -> None:
    actors = start_actors(with_event(), retention=EVENTS)
    for jump in (-YEARS, YEARS):
        actors.now += 60.0
        actors.time_of_day += jump
        assert tick(actors) == [DeleteEvents]
    assert len(actors.reads.events) == 1


def test_a_machine_that_gets_the_time_after_the_start_stops_nothing(start_actors: StartActors) -> None:
    store, since_1970 = with_event(), timedelta(days=56 * 365)
    actors = start_actors(store, retention=EVENTS, ahead=-since_1970)
    assert tick(actors) == [DeleteEvents]
    actors.now += 60.0
    actors.time_of_day += since_1970

    assert tick(actors) == [DeleteEvents]
    assert len(store.events) == 1
    actors.time_of_day += YEARS
    assert tick(actors) == [PutRetentionStop]


def test_rows_ahead_of_the_clock_do_not_make_it_trusted(start_actors: StartActors) -> None:
    store = with_event("2025-01-01T12:00:00.000000Z")
    store.events.append(store.events[0]._replace(inserted="2099-01-01T00:00:00.000000Z", seq=2))

    assert tick(start_actors(store, retention=EVENTS)) == [PutRetentionStop]


def test_without_retention_the_clock_is_not_checked(start_actors: StartActors) -> None:
    assert tick(start_actors(with_event(), ahead=YEARS)) == []


def test_a_server_without_calls_for_months_is_not_stopped_after_a_restart_and_writes_the_time_once_a_day(
    start_actors: StartActors,
) -> None:
    store = with_event()
    actors = start_actors(store, retention=Retention(events_keep_days=400))
    written = 0
    for _ in range(4 * 90):
        actors.now += 21_600
        actors.time_of_day += timedelta(hours=6)
        written += tick(actors).count(PutRetentionStop)
    assert 85 <= written <= 90
    assert len(store.events) == 1

    for idle in (timedelta(days=91), timedelta(days=90 + 29)):
        again = start_actors(store, retention=EVENTS, ahead=idle)
        tick(again)
        assert not again.tally.retention_stopped
    far = start_actors(store, retention=EVENTS, ahead=timedelta(days=365))
    tick(far)
    assert far.tally.retention_stopped
