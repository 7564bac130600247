"""Events and their schemas."""

import copy

import pytest
from hypothesis import strategies as st

from tests.core.person import (
    CHECKED,
    NO_RULES,
    NUMBER,
    Person,
    adds_price,
    messages,
    rules,
    statuses,
)
from tests.support.making import Make
from trackd.core.calls import InvalidEvent, Rejected
from trackd.core.rules.faults import Fault


def test_an_invalid_event_is_stored_with_its_reasons_and_changes_nothing(make: type[Make]) -> None:
    person = Person()
    events = [
        make.event("e1", "buy", properties={"price": "much"}, properties_json='{"price":"much"}'),
        make.event("e2", "buy", properties={"price": 3}),
        make.event("e3", "other"),
    ]

    decision = person.send(make.call("S", events), CHECKED)

    assert statuses(decision) == [("e1", 1, "invalid"), ("e2", 2, "validated"), ("e3", 3, "collected")]
    invalid, valid, _ = decision.changes.events
    assert invalid.reasons == '["properties.price: \\"much\\" is not of type \\"number\\""]'
    assert (invalid.properties, invalid.tags, valid.tags, valid.reasons) == (
        '{"price":"much"}',
        '["sales"]',
        '["sales"]',
        None,
    )
    assert person.doc["stats"]["counters"] == {"buy": 1, "other": 1}
    assert person.doc["traits"]["private"] == {"revenue": 3}
    (entry,) = decision.answer.report.logs
    assert (entry.type, entry.event_id) == ("error", "e1")
    assert 'properties.price: "much" is not of type "number"' in entry.message
    assert [event.seq for event in decision.answer.events] == [1, 2, 3]


def test_an_invalid_event_alone_is_bookkeeping(make: type[Make]) -> None:
    person = Person()
    person.send(make.call("S", 0), CHECKED)

    decision = person.send(make.call("S", [make.event("e", "buy")]), CHECKED)

    assert person.profile.seq == person.doc["seq"] == 1
    assert person.doc["stats"]["counters"] == {}
    assert not decision.answer.profile_saved


def test_an_invalid_event_changes_no_segment(make: type[Make]) -> None:
    person = Person()
    content = {"segment": [{"name": "Seen", "when": "true"}], "event": {"buy": {"schema": NUMBER}}}

    decision = person.send(make.call("S", [make.event(event_type="buy")]), rules(**content))

    assert person.doc["segments"] == []
    assert decision.answer.report.segments == ()


def test_the_id_of_an_invalid_event_is_kept_although_the_event_is_not_stored(make: type[Make]) -> None:
    person = Person()

    first = person.send(make.call("S", [make.event("e", "buy", store=False)]), CHECKED)
    duplicate = person.send(make.call("S", [make.event("e", "buy", properties={"price": 1})]), CHECKED)

    assert (first.changes.events, first.changes.event_ids, first.answer.events) == ((), {"e": None}, ())
    assert len(messages(first)) == 1
    assert person.profile.seq == 0
    assert (duplicate.changes.profile, duplicate.answer.events) == (None, ())


def test_a_valid_event_that_is_not_stored_is_applied(make: type[Make]) -> None:
    person = Person()

    decision = person.send(make.call("S", [make.event("e", "buy", store=False, properties={"price": 4})]), CHECKED)

    assert (decision.changes.events, person.profile.seq) == ((), 0)
    assert person.doc["traits"]["private"] == {"revenue": 4}
    assert decision.answer.profile_saved


@pytest.mark.parametrize("refuse", ["source", "*"])
def test_a_call_with_invalid_events_is_rejected_with_all_of_their_faults(make: type[Make], refuse: str) -> None:
    content = {"event": {"buy": {"schema": NUMBER}}, "validation": {"refuse": [refuse]}}
    person = Person()
    events = [
        make.event("e0", "other"),
        make.event("e1", "buy"),
        make.event("e2", "buy", properties={"price": 1}),
        make.event("e3", "buy", properties={"price": "much"}),
    ]
    call = make.call("S", events)

    rejected = person.decide(call, rules(**content))

    assert isinstance(rejected, Rejected)
    assert rejected == Rejected(
        call.number,
        (
            InvalidEvent(1, (Fault((), '"price" is a required property'),)),
            InvalidEvent(3, (Fault(("price",), '"much" is not of type "number"'),)),
        ),
        work=rejected.work,
    )


def test_a_rejected_call_leaves_the_profile_as_it_was(make: type[Make]) -> None:
    content = {"rule": [adds_price()], "event": {"buy": {"schema": NUMBER}}, "validation": {"refuse": "source"}}
    person, refusing = Person(), rules(**content)
    person.send(make.call("S", [make.event("e1", "buy", properties={"price": 1})]), refusing)
    before = copy.deepcopy(person.profile)

    rejected = person.decide(
        make.call("S", [make.event("e2", "buy", properties={"price": 1}), make.event(None, "buy")]), refusing
    )
    after = person.profile
    later = person.send(make.call("S", [make.event("e2", "buy", properties={"price": 1})]), refusing)

    assert isinstance(rejected, Rejected)
    assert after == before
    assert statuses(later) == [("e2", 2, "validated")]
    assert person.doc["traits"]["private"] == {"revenue": 2}


def test_invalid_events_of_other_sources_are_stored(make: type[Make]) -> None:
    content = {"event": {"buy": {"schema": NUMBER}}, "validation": {"refuse": ["shop"]}}

    decision = Person().send(make.call("S", [make.event("e", "buy")]), rules(**content))

    assert statuses(decision) == [("e", 1, "invalid")]


def test_dropped_events_and_duplicates_are_not_validated(make: type[Make]) -> None:
    content = {
        "event": {"buy": {"schema": NUMBER}},
        "validation": {"refuse": "*"},
        "unwanted": [{"name": "of the shop", "types": ["buy"], "source": ["shop"]}],
    }
    person = Person()
    person.send(make.call("S", [make.event("e", "buy")]), NO_RULES)

    known = person.send(make.call("S", [make.event("e", "buy")]), rules(**content))
    dropped = Person(make.source("shop")).send(
        make.call("S", [make.event("f", "buy")], source_id="shop"), rules(**content)
    )

    assert [(event.seq, event.saved) for event in known.answer.events] == [(1, False)]
    assert dropped.answer.report.dropped == ("unwanted (of the shop)",)


properties = st.dictionaries(st.sampled_from(["n", "m", "forget"]), st.integers(0, 3) | st.booleans() | st.just("text"))
events = st.lists(st.tuples(st.sampled_from(["set", "like", "page-view", "consent", "other"]), properties), max_size=4)
