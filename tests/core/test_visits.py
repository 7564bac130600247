"""Visits of a session that a client keeps for weeks (`sessions.end_after_s`)."""

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from tests.core.person import NO_RULES, Person, rules
from tests.support.making import NOW, Make
from trackd.core.decision import Decision
from trackd.core.documents import timestamp

HALF_AN_HOUR = 1800


def at(seconds: float) -> str:
    return timestamp(datetime.fromisoformat(NOW) + timedelta(seconds=seconds))


def send(person: Person, make: type[Make], seconds: float, events: int = 1, **call: object) -> Decision:
    return person.send(make.call("S", events, received=at(seconds), **call), NO_RULES)


def visits(person: Person) -> tuple[int, int, str, str | None]:
    visit = person.doc["metadata"]["time"]["visit"]
    return visit["count"], person.doc["stats"]["visits"], visit["current"], visit["last"]


@pytest.mark.parametrize("events", [0, 1])
def test_a_call_after_the_silence_is_a_new_visit_of_the_same_session(make: type[Make], events: int) -> None:
    person = Person(end_after_s=HALF_AN_HOUR)
    send(person, make, 0)
    assert visits(person) == (1, 1, NOW, None)
    shortly_before = send(person, make, 1799.999999, events)
    assert visits(person) == (1, 1, NOW, None)

    later = send(person, make, 1799.999999 + 1800, events)

    assert visits(person) == (2, 2, at(3599.999999), NOW)
    assert [decision.answer.profile_saved for decision in (shortly_before, later)] == [False, True]
    assert [decision.answer.session_saved for decision in (shortly_before, later)] == [False, False]
    assert later.changes.profile is not None
    session = person.sessions["S"]
    assert (session.inserted, session.updated) == (NOW, at(3599.999999))


def test_without_the_setting_a_session_is_one_visit_for_ever(make: type[Make]) -> None:
    person = Person()
    for day in range(30):
        send(person, make, day * 86_400)
    assert visits(person) == (1, 1, NOW, None)


def test_the_silence_is_exact_also_between_calls_that_follow_each_other_closely(make: type[Make]) -> None:
    person = Person(end_after_s=10)
    for seconds in range(0, 100, 9):
        decision = send(person, make, seconds)
        assert decision.changes.writes_session
        assert decision.changes.profile is not None  # the fence guards the time: it decides on the next visit
    assert visits(person)[0] == 1
    send(person, make, 99 + 9.999999)
    assert visits(person)[0] == 1
    send(person, make, 99 + 9.999999 + 10)
    assert visits(person)[0] == 2


def test_the_servers_clock_measures_the_silence_whatever_the_times_of_the_events_are(make: type[Make]) -> None:
    person = Person(end_after_s=HALF_AN_HOUR)
    send(person, make, 0)
    old, ahead = (replace(make.event(), created=at(hours * 3600)) for hours in (-100, 100))
    person.send(make.call("S", [old, ahead], received=at(60)), NO_RULES)
    assert visits(person)[0] == 1


def test_a_call_that_is_applied_late_is_no_visit_and_does_not_move_the_session_back(make: type[Make]) -> None:
    person = Person(end_after_s=HALF_AN_HOUR)
    for seconds in (0, 1700, 100, 3400):
        send(person, make, seconds, context={"at": seconds})
    assert visits(person)[0] == 1
    assert person.sessions["S"].updated == at(3400)
    send(person, make, -5000)
    assert (visits(person)[0], person.sessions["S"].updated) == (1, at(3400))


def test_a_call_that_keeps_no_session_neither_begins_a_visit_nor_breaks_the_silence(make: type[Make]) -> None:
    person = Person(end_after_s=HALF_AN_HOUR)
    send(person, make, 0)
    send(person, make, 1799, save_session=False)
    assert visits(person)[0] == 1
    send(person, make, 1800)
    assert visits(person)[0] == 2


def test_the_rules_of_the_call_see_its_visit(make: type[Make]) -> None:
    step = {"target": "traits.public.came_back", "from": "event.metadata.time.insert"}
    frequent = {"name": "Frequent", "when": "profile.stats.visits >= 2"}
    content = rules(
        rule=[{"name": "back", "event": "t", "when": "profile.metadata.time.visit.count == 2", "steps": [step]}],
        segment=[frequent],
    )
    person = Person(end_after_s=HALF_AN_HOUR)
    person.send(make.call("S"), content)
    assert (person.doc["traits"]["public"], person.doc["segments"]) == ({}, [])

    person.send(make.call("S", received=at(1800)), content)

    assert (person.doc["traits"]["public"], person.doc["segments"]) == ({"came_back": at(1800)}, ["frequent"])
