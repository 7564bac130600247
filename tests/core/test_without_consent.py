"""A source that requires consent, and a profile that has granted none."""

from typing import Any

import pytest
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.person import CONSENTS, NO_RULES, PLAIN, WARY, Person, grants, rules, statuses
from tests.support.making import Make
from trackd.core.event_report import NO_CONSENT


def test_without_consent_only_events_that_change_consents_pass(make: type[Make]) -> None:
    person = Person(WARY)
    events = [
        make.event("e1", "page-view"),
        make.event("e2", "consent", properties={"marketing": False}),
        make.event("e3", "page-view"),
    ]

    decision = person.send(make.call("S", events), CONSENTS)

    assert statuses(decision) == [("e2", 1, "collected")]
    assert person.doc["consents"] == {}
    assert person.doc["stats"] == {"visits": 1, "views": 0, "counters": {"consent": 1}}
    assert decision.answer.report.dropped == (NO_CONSENT, NO_CONSENT)
    assert [(entry.type, entry.event_id) for entry in decision.answer.report.logs] == [("info", "e1"), ("info", "e3")]
    assert [event.id for event in decision.answer.events] == ["e2"]


def test_a_retry_of_an_event_dropped_without_consent_changes_nothing_after_the_consent(make: type[Make]) -> None:
    person = Person(WARY)
    dropped = person.send(make.call("S", [make.event("e", "page-view"), make.event(None, "page-view")]), CONSENTS)
    person.send(make.call("S", [make.event("c", "consent", properties={"general": True})]), CONSENTS)
    before = person.profile

    duplicate = person.send(make.call("S", [make.event("e", "page-view")]), CONSENTS)

    assert dropped.changes.event_ids == {"e": None}
    assert person.profile == before
    assert (duplicate.changes.events, duplicate.answer.events, duplicate.answer.report.dropped) == ((), (), ())


def test_a_consent_lets_the_events_behind_it_pass_and_its_withdrawal_stops_them(make: type[Make]) -> None:
    person = Person(WARY)
    events = [
        make.event("e1", "page-view"),
        make.event("e2", "consent", properties={"general": True}),
        make.event("e3", "page-view"),
        make.event("e4", "consent", properties={"general": False}),
        make.event("e5", "page-view"),
    ]

    decision = person.send(make.call("S", events), CONSENTS)

    assert [event.id for event in decision.changes.events] == ["e2", "e3", "e4"]
    assert person.event_ids == {"e1": None, "e2": 1, "e3": 2, "e4": 3, "e5": None}
    assert person.doc["stats"]["views"] == 1
    assert decision.answer.report.dropped == (NO_CONSENT, NO_CONSENT)


def test_a_source_without_required_consent_accepts_everything(make: type[Make]) -> None:
    person = Person(PLAIN)

    decision = person.send(make.call("S", [make.event("e", "page-view")]), CONSENTS)

    assert statuses(decision) == [("e", 1, "collected")]


def test_a_rule_set_without_consents_lets_nothing_pass_where_consent_is_required(make: type[Make]) -> None:
    person = Person(WARY)

    decision = person.send(make.call("S", [make.event("e", "consent", properties={"general": True})]), NO_RULES)

    assert decision.changes.events == ()
    assert decision.answer.report.dropped == (NO_CONSENT,)


def test_a_session_stays_empty_without_consent(make: type[Make]) -> None:
    person, content = Person(WARY), {"context": {"ip": "::1"}, "properties": {"a": 1}}

    decision = person.send(make.call("S", [make.event()], **content), CONSENTS)

    assert (person.sessions["S"].context, person.sessions["S"].properties) == ({}, {})
    (entry,) = decision.answer.logs
    assert (entry.type, "no consent" in entry.message) == ("info", True)


def test_a_session_is_filled_once_there_is_consent(make: type[Make]) -> None:
    person, content = Person(WARY), {"context": {"ip": "::1"}, "properties": {"a": 1}}
    consent = make.event(event_type="consent", properties={"general": True})

    decision = person.send(make.call("S", [consent], **content), CONSENTS)

    assert (person.sessions["S"].context, person.sessions["S"].properties) == ({"ip": "::1"}, {"a": 1})
    assert decision.answer.logs == ()


def test_a_session_keeps_its_content_when_the_consent_is_withdrawn(make: type[Make]) -> None:
    person = Person(WARY)
    granted, withdrawn = ([make.event(event_type="consent", properties={"general": on})] for on in (True, False))
    person.send(make.call("S", granted, context={"a": 1}), CONSENTS)

    person.send(make.call("S", withdrawn, context={"a": 2, "b": 3}), CONSENTS)

    assert person.sessions["S"].context == {"a": 1}


@pytest.mark.parametrize("fields", [{"save_session": False, "context": {"a": 1}}, {}], ids=["unsaved", "silent"])
def test_a_session_with_nothing_to_add_is_not_logged(make: type[Make], fields: dict[str, Any]) -> None:
    assert Person(WARY).send(make.call("S", **fields), CONSENTS).answer.logs == ()


def test_without_consent_an_invalid_consent_is_not_stored_and_other_rules_do_not_run(make: type[Make]) -> None:
    takes = {"name": "takes", "event": "*", "steps": [{"target": "pii.email", "from": "properties.email"}]}
    booleans = {"type": "object", "additionalProperties": {"type": ["boolean", "null"]}}
    ruleset = rules(rule=[grants(), takes])
    checked = rules(rule=[grants(), takes], event={"consent": {"schema": booleans}})
    content = make.event("e", "consent", properties={"general": False, "email": "a@b.example"})
    person = Person(WARY)

    decision = person.send(make.call("S", [content]), checked)
    assert (decision.changes.events, decision.answer.report.dropped) == ((), (NO_CONSENT,))
    assert decision.changes.event_ids == {"e": None}
    person.send(make.call("S", [replace(content, id="f")]), ruleset)
    assert (person.doc["pii"], person.doc["stats"]["counters"]) == ({}, {"consent": 1})
    agrees = replace(content, id="g", properties={"general": True, "email": "a@b.example"})
    person.send(make.call("S", [agrees]), ruleset)
    assert person.doc["pii"] == {"email": "a@b.example"}


def test_a_consent_that_has_expired_when_it_arrives_lets_nothing_pass(make: type[Make]) -> None:
    person = Person(WARY)
    now = make.event(event_type="consent", properties={"a": True})
    late = replace(now, created="2020-01-01T00:00:00.000000Z")

    decision = person.send(make.call("S", [late, make.event()]), rules(rule=[grants(valid_for_days=1)]))

    assert person.doc["consents"] == {}
    assert [entry["change"] for entry in person.doc["metadata"]["consents"]] == ["granted", "expired"]
    assert decision.answer.report.dropped == (NO_CONSENT,)


@pytest.mark.parametrize(("agrees", "city"), [(False, {}), (True, {"city": "Brno"})])
def test_without_consent_a_rule_reads_an_empty_session(make: type[Make], agrees: bool, city: dict[str, Any]) -> None:
    where = {"name": "city", "event": "*", "steps": [{"target": "pii.city", "from": "session.context.city"}]}
    ruleset = rules(rule=[grants(), where])
    person = Person(WARY)

    consent = make.event(event_type="consent", properties={"a": agrees})
    person.send(make.call("S", [consent, make.event()], context={"city": "Brno"}), ruleset)

    assert person.doc["pii"] == city


properties = st.dictionaries(st.sampled_from(["n", "m", "forget"]), st.integers(0, 3) | st.booleans() | st.just("text"))
events = st.lists(st.tuples(st.sampled_from(["set", "like", "page-view", "consent", "other"]), properties), max_size=4)
