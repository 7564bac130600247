"""A profile at its limits."""

import pytest
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.person import NO_RULES, Person, adds_price, messages, rules
from tests.support.making import Make
from trackd.config.settings import Limits
from trackd.core.documents import Profile
from trackd.core.encoding import json_raw
from trackd.core.json_values import TOO_LARGE


def test_a_condition_is_charged_only_for_the_objects_that_it_reads(make: type[Make]) -> None:
    buys = {**adds_price(), "when": "event.properties.price > 0"}
    person = Person(limits=Limits(max_call_work=100_000_000))
    person.send(make.call("S", 0), NO_RULES)
    large = {**person.doc, "traits": {"public": {"text": "x" * 100_000}, "private": {}}}
    person.profile = replace(person.profile, doc_json=json_raw(large))

    person.send(
        make.call("S", [make.event(event_type="buy", properties={"price": 1}) for _ in range(1000)]), rules(rule=[buys])
    )

    assert person.doc["traits"]["private"]["revenue"] == 1000


def test_an_event_past_the_limit_of_counters_is_logged_and_not_counted(make: type[Make]) -> None:
    person = Person(limits=Limits(max_profile_counters=2))
    events = [make.event("e1", "a"), make.event("e2", "b"), make.event("e3", "page-view"), make.event("e4", "a")]

    decision = person.send(make.call("S", events), NO_RULES)

    assert person.doc["stats"] == {"visits": 1, "views": 1, "counters": {"a": 2, "b": 1}}
    assert [event.seq for event in decision.changes.events] == [1, 2, 3, 4]
    (entry,) = decision.answer.report.logs
    assert (entry.type, entry.event_id) == ("warning", "e3")
    assert "limits.max_profile_counters" in entry.message


def test_a_rule_may_not_add_a_counter_past_the_limit_either(make: type[Make]) -> None:
    person = Person(limits=Limits(max_profile_counters=1))

    decision = person.send(
        make.call("S", [make.event("e", "buy", properties={"price": 2})]),
        rules(rule=[adds_price(target="stats.counters.revenue")]),
    )

    assert person.doc["stats"]["counters"] == {"buy": 1}
    assert ["limits.max_profile_counters" in message for message in messages(decision)] == [True]


def test_a_list_does_not_grow_past_its_limit_and_the_other_steps_are_taken(make: type[Make]) -> None:
    person = Person(limits=Limits(max_list_items=2))
    steps = [
        {"target": "pii.seen", "op": "append", "from": "properties.n"},
        {"target": "pii.last", "from": "properties.n"},
    ]
    events = [make.event(f"e{n}", properties={"n": n}) for n in range(4)]

    decision = person.send(make.call("S", events), rules(rule=[{"name": "seen", "event": "t", "steps": steps}]))

    assert person.doc["pii"] == {"seen": [0, 1], "last": 3}
    assert len(decision.changes.events) == 4
    logs = decision.answer.report.logs
    assert [(entry.type, entry.event_id, entry.rule) for entry in logs] == [
        ("warning", e, "seen") for e in ("e2", "e3")
    ]
    assert all("limits.max_list_items" in entry.message for entry in logs)


def test_a_rule_that_would_make_the_document_too_large_is_left_out_whole(make: type[Make]) -> None:
    person = Person(limits=Limits(max_profile_bytes=4096))
    steps = [
        {"target": "traits.public.kept.n", "op": "increment"},
        {"target": "traits.public.kept.text", "from": "properties.text"},
    ]
    ruleset = rules(rule=[{"name": "keeps", "event": "t", "steps": steps}])
    small, big, smaller = (make.event(f"e{n}", properties={"text": "x" * n}) for n in (10, 4096, 9))

    decision = person.send(make.call("S", [small, big, smaller]), ruleset)

    assert person.doc["traits"]["public"] == {"kept": {"n": 2, "text": "x" * 9}}
    assert person.doc["stats"]["counters"] == {"t": 3}
    (entry,) = decision.answer.report.logs
    assert (entry.type, entry.event_id, entry.rule) == ("warning", "e4096", "keeps")
    assert "limits.max_profile_bytes" in entry.message


def test_a_profile_at_its_largest_counts_no_new_types_and_is_made_smaller_by_rules(make: type[Make]) -> None:
    person = Person(limits=Limits(max_profile_bytes=4096))
    doc = {**make.profile("A").doc, "pii": {"text": "x" * 5000}}
    person.profile = Profile("A", 0, 1, json_raw(doc))
    steps = [{"target": "pii.text", "value": "y" * 4500}]
    ruleset = rules(rule=[{"name": "shorter", "event": "shorten", "steps": steps}])

    decision = person.send(make.call("S", [make.event("e", "shorten")]), ruleset)

    assert person.doc["pii"] == {"text": "y" * 4500}
    assert person.doc["stats"]["counters"] == {}
    assert ["limits.max_profile_bytes" in message for message in messages(decision)] == [True]
    assert len(decision.changes.events) == 1


@pytest.mark.parametrize(
    ("start", "after", "counted"),
    [
        (-10, -9, True),
        (-1, 0, True),
        (0, 1, True),
        (9, 10, True),
        (0.5, 1.5, True),
        (2**63 - 1, 2**63, True),
        (10**19 - 1, 10**19, True),
        (TOO_LARGE - 1, TOO_LARGE - 1, False),
    ],
)
def test_a_counter_that_a_rule_made_another_number_is_counted_on(
    make: type[Make], start: float, after: float, counted: bool
) -> None:
    sets = {"name": "sets", "event": "set", "steps": [{"target": "stats.counters.t", "value": start}]}
    person = Person()

    decision = person.send(make.call("S", [make.event(event_type="set"), make.event()]), rules(rule=[sets]))

    assert person.doc["stats"]["counters"] == {"set": 1, "t": after}
    assert (messages(decision) == []) is counted


properties = st.dictionaries(st.sampled_from(["n", "m", "forget"]), st.integers(0, 3) | st.booleans() | st.just("text"))
events = st.lists(st.tuples(st.sampled_from(["set", "like", "page-view", "consent", "other"]), properties), max_size=4)


@pytest.mark.parametrize("op", ["append", "append_unique", "remove"])
def test_a_list_that_is_too_long_is_not_converted(op: str) -> None:
    step = {"target": "traits.public.l", "op": op, "from": "properties.l", "as": "number"}
    ruleset = rules(rule=[{"name": "converts", "event": "t", "steps": [step]}])
    call = Make.call("S", [Make.event("e", properties={"l": ["1", "a"] * 2})])
    [entry] = Person(limits=Limits(max_list_items=3)).send(call, ruleset).answer.report.logs
    assert "a list of more than 3 items is not converted (limits.max_list_items)" in entry.message
