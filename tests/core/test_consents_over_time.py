"""When consents are granted, withdrawn and expire."""

import pytest
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.person import CONSENTS, WARY, Person, grants, messages, rules
from tests.support.making import Make
from trackd.config.settings import Limits
from trackd.core.calls import TrackedEvent
from trackd.core.encoding import size_of

REVOKES = grants(name="revokes", event="revoke", steps=[{**grants()["steps"][0], "op": "unset"}])


@pytest.mark.parametrize("at_once", [False, True])
def test_a_consent_that_is_repeated_after_its_withdrawal_is_granted_again(make: type[Make], at_once: bool) -> None:
    ruleset, person = rules(rule=[grants(), REVOKES]), Person()
    grant, revoke = [make.event(event_type=kind, properties={"a": True}) for kind in ("consent", "revoke")]
    for _ in range(3):
        person.send(make.call(events=[grant]), ruleset)
    if at_once:
        person.send(make.call(events=[revoke, grant]), ruleset)
    else:
        person.send(make.call(events=[revoke]), ruleset)
        assert person.doc["consents"] == {}
        person.send(make.call(events=[grant]), ruleset)

    assert list(person.doc["consents"]) == ["a"]


def test_a_clock_that_is_ahead_grants_nothing_in_the_future(make: type[Make]) -> None:
    person = Person()
    events = [
        replace(make.event(event_type="consent", properties={"ahead": True}), created="2031-01-01T00:00:00.000000Z"),
        replace(make.event(event_type="consent", properties={"behind": True}), created="2026-01-31T11:00:00.000000Z"),
    ]

    person.send(make.call("S", events), CONSENTS)

    assert person.doc["consents"] == {
        "ahead": {"granted": make.now},
        "behind": {"granted": "2026-01-31T11:00:00.000000Z"},
    }


def dated(make: type[Make], created: str, event_type: str = "consent", **properties: bool) -> TrackedEvent:
    """An event with its own time."""
    return replace(make.event(event_type=event_type, properties=properties), created=created)


@pytest.mark.parametrize("how", ["consent", "revoke"])
@pytest.mark.parametrize("slow_clock", ["1970-01-01T00:00:00.000000Z", "2026-02-01T11:00:00.000000Z"])
def test_a_queue_that_comes_late_does_not_undo_a_withdrawal(make: type[Make], how: str, slow_clock: str) -> None:
    absent = grants(name="first", event="first", steps=[{**grants()["steps"][0], "op": "set_if_absent"}])
    ruleset, person = rules(rule=[grants(), REVOKES, absent]), Person()
    first, second, third, fourth = (f"2026-02-0{day}T12:00:00.000000Z" for day in range(1, 5))
    person.send(make.call(events=[dated(make, first, a=True, b=True)], received=first), ruleset)
    withdrawn = dated(
        make, slow_clock, how, **({"a": False, "b": False} if how == "consent" else {"a": True, "b": True})
    )
    person.send(make.call(events=[withdrawn], received=third), ruleset)

    queue = [dated(make, second, kind, a=True, b=True) for kind in ("consent", "first")]
    late = person.send(make.call(events=queue, received=fourth), ruleset)

    assert person.doc["consents"] == {}
    assert person.doc["metadata"]["consents"] == [
        *({"id": consent, "change": "granted", "time": first} for consent in "ab"),
        *({"id": consent, "change": "withdrawn", "time": first, "received": third} for consent in "ab"),
    ]
    assert messages(late)[0] == "Skipped set consents.a: it was withdrawn since then."
    assert len(messages(late)) == 4
    person.send(make.call(events=[dated(make, fourth, a=True)], received=fourth), ruleset)
    assert list(person.doc["consents"]) == ["a"]


def test_a_repeated_withdrawal_holds_against_a_late_grant_also_when_it_came_twice_in_a_call(make: type[Make]) -> None:
    person = Person()
    days = [f"2026-02-0{day}T12:00:00.000000Z" for day in range(1, 6)]
    for day in (days[0], days[0], days[3]):
        person.send(make.call(events=[dated(make, day, a=False)] * 2, received=day), CONSENTS)

    person.send(make.call(events=[dated(make, days[2], a=True)], received=days[4]), CONSENTS)

    assert person.doc["consents"] == {}
    person.send(make.call(events=[dated(make, days[4], a=True)], received=days[4]), CONSENTS)
    assert list(person.doc["consents"]) == ["a"]


def test_a_consent_expires_with_the_next_call(make: type[Make]) -> None:
    person, thirty_days = Person(WARY), rules(rule=[grants(valid_for_days=30)])
    person.send(make.call("S", [make.event(event_type="consent", properties={"general": True})]), thirty_days)
    over = "2026-03-02T12:00:00.000001Z"

    at_the_end = person.send(make.call("S", 1, received="2026-03-02T12:00:00.000000Z"), thirty_days)
    assert person.doc["consents"] == {
        "general": {"granted": make.now, "expires": "2026-03-02T12:00:00.000000Z"},
    }
    without_events = person.send(make.call("S", 0, received=over, context={"late": 1}), thirty_days)
    after = person.send(make.call("S", 1, received=over), thirty_days)

    assert person.doc["consents"] == {}
    assert person.sessions["S"].context == {}
    assert person.doc["metadata"]["consents"][-1] == {"id": "general", "change": "expired", "time": over}
    assert [len(decision.changes.events) for decision in (at_the_end, without_events, after)] == [1, 0, 0]
    assert [decision.answer.profile_saved for decision in (at_the_end, without_events, after)] == [False, True, False]


def test_a_consent_can_be_withdrawn_however_full_the_profile_is(make: type[Make]) -> None:
    gives = {**grants(), "event": ["consent", "also"]}
    gives["steps"] = [*gives["steps"], {"target": "pii.note", "from": "properties.note"}]
    fill = {"target": "traits.public.text", "op": "set_if_absent", "from": "properties.text"}
    fills = {"name": "fills", "event": "fill", "steps": [fill]}
    person = Person(limits=Limits(max_profile_bytes=4096))
    agrees = make.event(event_type="consent", properties={"general": True})
    full = [make.event(event_type="fill", properties={"text": "x" * length}) for length in range(4096, 0, -1)]
    person.send(make.call("S", [agrees, *full]), rules(rule=[gives, fills]))
    assert size_of(person.profile.doc_json) > 4080

    no = make.event(event_type="consent", properties={"general": False, "new": True, "note": "x"})
    decision = person.send(make.call("S", [no]), rules(rule=[gives, fills]))

    assert person.doc["consents"] == {}
    assert person.doc["metadata"]["consents"][-1]["change"] == "withdrawn"
    assert person.doc["pii"] == {}
    assert "limits.max_profile_bytes" in messages(decision)[0]
    assert decision.answer.report.execution["consent"] == {gives["name"]: ("consents.general",)}
    person.send(make.call("S", [no], received=make.later), rules(rule=[gives, fills]))
    assert person.doc["metadata"]["consents"][-1]["received"] == make.later


def test_the_history_of_consents_keeps_its_youngest_entries(make: type[Make]) -> None:
    person = Person(limits=Limits(max_consent_history=3))
    events = [make.event(event_type="consent", properties={"general": n % 2 == 0}) for n in range(9)]

    decision = person.send(make.call("S", events), CONSENTS)

    changes = [entry["change"] for entry in person.doc["metadata"]["consents"]]
    assert changes == ["granted", "withdrawn", "granted"]
    assert decision.answer.profile_saved


properties = st.dictionaries(st.sampled_from(["n", "m", "forget"]), st.integers(0, 3) | st.booleans() | st.just("text"))
events = st.lists(st.tuples(st.sampled_from(["set", "like", "page-view", "consent", "other"]), properties), max_size=4)
