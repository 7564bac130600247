"""Calls that take too much work, and calls that take just as much as they may."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.person import CHECKED, NUMBER, REVENUE, Person, adds_price, rules, without_memo
from tests.support.making import Make
from trackd.config.settings import Limits
from trackd.core.calls import Rejected
from trackd.core.decision import Decision
from trackd.core.rules.memo import MemoTable
from trackd.core.rules.ruleset import RuleSet
from trackd.core.work import Allowance

MANY = {"type": "object", "properties": {"skus": {"type": "array", "items": {"type": "string"}}}}
LOOP = "event.properties.l.exists(a, event.properties.l.exists(b, a == b + 1))"


def refused(call: Any, ruleset: RuleSet, person: Person | None = None) -> str:
    person = person or Person()
    before = person.stored
    rejected = person.decide(call, ruleset)
    assert isinstance(rejected, Rejected)
    assert person.stored is before
    return str(rejected.too_much)


def purchases(number: int) -> list[Any]:
    return [Make.event(f"e{n}", "buy", properties={"price": n}) for n in range(number)]


def test_a_call_may_take_exactly_as_much_work_as_the_limit() -> None:
    call = Make.call("S", purchases(5))
    units = Person().send(call, CHECKED).work
    assert Person(limits=Limits(max_call_work=units)).send(call, CHECKED).work == units
    assert "events.4 (buy), the rule `revenue`" in refused(
        call, CHECKED, Person(limits=Limits(max_call_work=units - 1))
    )


def test_the_default_takes_a_thousand_usual_events_and_a_megabyte() -> None:
    events = [Make.event(f"e{n}", "buy", properties={"price": n, "text": "x" * 980}) for n in range(1000)]
    buys = {**adds_price(), "when": "event.properties.price >= 0 && event.properties.text.startsWith('x')"}
    decision = Person().send(
        Make.call("S", events),
        rules(rule=[buys], segment=[{"name": "s", "when": "profile.traits.private.revenue > 3"}]),
    )
    assert decision.work < Limits().max_call_work // 4


ITEM = {
    "type": "object",
    "required": ["sku", "price"],
    "properties": {
        "sku": {"type": "string", "pattern": "^sku-[0-9]{5}$"},
        "price": {"type": "number", "minimum": 0, "multipleOf": 0.01},
        "coupon": {"anyOf": [{"type": "string", "format": "email"}, {"type": "null"}]},
    },
}
OF_ORDERS = [
    "event.properties.total > 100.0",
    "event.properties.items.exists(i, i.price > 100.0)",
    "size(event.properties.items) > 3",
    "event.properties.items.all(i, i.quantity < 10)",
    "event.properties.currency.matches('^(EUR|USD)$')",
    "event.properties.items.exists(i, i.category.startsWith('Clothing'))",
    "event.properties.items.filter(i, i.price > 20.0).size() > 2",
    "profile.traits.private.c1 > 3",
    "event.properties.items.map(i, i.sku).exists(x, x == 'sku-00200')",
    "event.properties.items.exists(a, event.properties.items.exists(b, a.sku == b.sku && a.price < b.price))",
]
ORDERS = rules(
    event={"order": {"schema": {"properties": {"items": {"type": "array", "uniqueItems": True, "items": ITEM}}}}},
    rule=[
        {
            "name": f"rule {number}",
            "event": "order",
            "when": text,
            "steps": [{"target": f"traits.private.c{number}", "op": "increment"}],
        }
        for number, text in enumerate(OF_ORDERS)
    ],
)


@pytest.mark.parametrize(("orders", "items"), [(1, 300), (10, 100), (60, 30), (150, 10)])
def test_the_default_takes_large_orders_under_a_schema_and_ten_conditions(orders: int, items: int) -> None:
    products = [
        {"sku": f"sku-{n:05}", "name": "Blue shirt", "price": 19.9 + n, "quantity": 1 + n % 3, "category": "Clothing"}
        for n in range(items)
    ]
    properties = {"total": 1234.5, "currency": "EUR", "items": products}
    events = [Make.event(f"e{n}", "order", properties=properties) for n in range(orders)]
    decision = Person().send(Make.call("S", events), ORDERS)
    assert not any(report.faults for report in decision.reports)
    assert decision.work < Limits().max_call_work // 2


def test_conditions_that_name_the_same_values_share_their_conversion() -> None:
    def work(*texts: str) -> int:
        entries = [{**adds_price(), "name": f"r{number}", "when": text} for number, text in enumerate(texts)]
        events = [Make.event("e", "buy", properties={"price": 1, "text": "x" * 10_000})]
        return Person().send(Make.call("S", events), rules(rule=entries)).work

    of_event, of_profile = "event.properties.price == {}", "'x' in profile.traits.private || {} == 1"
    one, other = work(of_event.format(2)), work(of_event.format(2), of_event.format(3))
    assert other - one < 20_000  # less than the text takes
    changing = work(of_profile.format(1), of_profile.format(1))
    assert work(of_profile.format(2), of_profile.format(2)) < changing  # a rule changed the profile in between


@pytest.mark.parametrize(
    ("content", "properties", "number", "what"),
    [
        (
            {"rule": [{**adds_price(), "when": LOOP}]},
            {"l": list(range(90))},
            500,
            "the condition of the rule `revenue`",
        ),
        ({"segment": [{"name": "S", "when": LOOP}]}, {"l": list(range(90))}, 500, "the segment `s`"),
        ({"event": {"buy": {"schema": MANY}}}, {"skus": [1] * 500}, 300, "its faults"),
        (
            {"rule": [{"name": "keeps", "event": "buy", "steps": [{"target": "interests.*", "from": "properties"}]}]},
            {str(number): number for number in range(400)},
            1000,
            "the rule `keeps`",
        ),
    ],
)
def test_a_call_that_would_take_long_is_refused_with_what_is_too_much(
    content: dict[str, Any], properties: dict[str, Any], number: int, what: str
) -> None:
    events = [Make.event(f"e{n}", "buy", properties=properties) for n in range(number)]
    assert what in refused(Make.call("S", events), rules(**content))


def test_a_refused_call_leaves_the_profile_as_it_was_and_the_next_one_passes() -> None:
    person = Person(limits=Limits(max_call_work=1_000_000))
    person.send(Make.call("S", purchases(2)), REVENUE)
    refused(Make.call("S", purchases(500)), REVENUE, person)
    assert person.send(Make.call("S", [Make.event("f", "buy", properties={"price": 3})]), REVENUE).profile.seq == 3


LARGE = {f"k{number}": number for number in range(3_000)}
HEAVY = [
    {"name": f"s{number}", "when": f"profile.traits.public.exists(k, profile.traits.public[k] == {-number})"}
    for number in range(1, 40)
]


def with_large_traits(person: Person) -> Person:
    person.stored = Make.profile("A", traits={"public": LARGE, "private": {}})
    return person


@pytest.mark.parametrize("keeps_memo", [True, False])
def test_what_a_profile_costs_fails_segments_and_refuses_no_call(keeps_memo: bool) -> None:
    """Or each call of that person would be refused for ever."""
    person = with_large_traits(Person(keeps_memo=keeps_memo, limits=Limits(max_call_work=120_000_000)))
    ruleset = rules(segment=HEAVY)
    for _ in range(3):
        report = person.send(Make.call("S", 3), ruleset).answer.report
        assert 0 < len(report.segment_errors) < len(HEAVY)
        assert "limits.max_call_work" in report.segment_errors[0]


def test_an_evaluation_that_the_memo_saves_is_charged_all_the_same() -> None:
    without, with_memo = with_large_traits(Person(keeps_memo=False)), with_large_traits(Person())
    ruleset = rules(segment=HEAVY[:3])
    work = [[person.send(Make.call("S", 2), ruleset).work for _ in range(3)] for person in (without, with_memo)]
    assert work[0] == work[1]
    assert work[0][0] > 3 * 3_000 * 100


ENTRIES: dict[str, Any] = {
    "rule": [
        {"name": "sets", "event": "set", "steps": [{"target": "traits.public.*", "from": "properties"}]},
        {
            "name": "likes",
            "event": "like",
            "when": "'n' in event.properties",
            "steps": [{"target": "interests.n", "op": "increment"}],
        },
        {"name": "consents", "event": "consent", "steps": [{"target": "consents.*", "from": "properties"}]},
    ],
    "segment": [
        {"name": "n", "when": "profile.traits.public.n > 1"},
        {"name": "any", "when": "profile.traits.public.exists(k, k == 'm')"},
        {"name": "likes", "when": "profile.interests.n >= 2", "event": "like"},
        {"name": "general", "when": "'n' in profile.consents"},
        {"name": "now", "when": "event.properties.n == 1"},
    ],
    "event": {"consent": {"schema": {"additionalProperties": {"type": ["boolean", "integer"]}}}},
}
ONE, OTHER = rules(**ENTRIES), rules(**{**ENTRIES, "segment": ENTRIES["segment"][:2]})
properties = st.dictionaries(st.sampled_from(["n", "m"]), st.integers(0, 3) | st.booleans() | st.just("text" * 30))
events = st.lists(st.tuples(st.sampled_from(["set", "like", "consent"]), properties), max_size=4)


@given(
    st.lists(st.tuples(events, st.sampled_from([ONE, OTHER]), st.booleans()), max_size=8),
    st.integers(100_000, 400_000),
)
def test_the_same_call_gets_the_same_answer_with_and_without_a_memo(calls: list[Any], units: int) -> None:
    """Also when a restart forgets the memos between two calls."""
    limits = Limits(max_call_work=units)
    without, with_memo = Person(limits=limits, keeps_memo=False), Person(limits=limits)
    for made, ruleset, restart in calls:
        call = Make.call("S", [Make.event(event_type=event_type, properties=given) for event_type, given in made])
        if restart:
            with_memo.memos = MemoTable()
        decisions = [person.decide(call, ruleset) for person in (without, with_memo)]
        if isinstance(decisions[0], Rejected):
            assert decisions[1] == decisions[0]
            continue
        sent = [person.send(call, ruleset) for person in (without, with_memo)]
        assert without_memo(sent[0]) == without_memo(sent[1])


def test_a_decision_has_its_work(make: type[Make]) -> None:
    decision = Person().decide(make.call("S", 0), REVENUE)
    assert isinstance(decision, Decision)
    assert decision.work > 0


SLOW = rules(
    rule=[adds_price(), {**adds_price(event="pair"), "name": "pairs", "when": LOOP}],
    segment=[{"name": "rich", "when": "profile.traits.private.exists(k, profile.traits.private[k] == 7)"}],
    event={"buy": {"schema": NUMBER}, "pair": {"schema": MANY}},
)
EVENTS = st.one_of(
    st.tuples(st.just("buy"), st.fixed_dictionaries({"price": st.sampled_from([1, 7, "no number"])})),
    st.tuples(st.just("pair"), st.fixed_dictionaries({"l": st.lists(st.integers(0, 3), max_size=9)})),
    st.tuples(st.just("pair"), st.fixed_dictionaries({"skus": st.lists(st.sampled_from([1, "a"]), max_size=9)})),
)


@given(calls=st.lists(st.lists(EVENTS, max_size=4), min_size=1, max_size=3), share=st.floats(0, 1.5))
def test_with_an_allowance_a_call_has_the_same_decision_or_is_postponed(
    calls: list[list[tuple[str, dict[str, Any]]]], share: float
) -> None:
    person = Person()
    for number, events in enumerate(calls):
        made = [
            Make.event(f"e{number}-{n}", kind, properties=properties) for n, (kind, properties) in enumerate(events)
        ]
        call = Make.call("S", made)
        before, full = person.stored, person.decide(call, SLOW)
        allowance = Allowance(int(full.work * share))
        found = person.decide(replace(call, allowance=allowance), SLOW)
        if isinstance(found, Rejected):
            assert found.is_postponed
            assert found.too_much is None
            assert found.number == call.number
            assert person.stored is before
            assert isinstance(full, Decision)
            has_faults = any(report.faults for report in full.reports)  # more work is foreseen for them
            assert full.work > allowance.units or has_faults
        else:
            assert isinstance(full, Decision)
            assert without_memo(replace(found, work=full.work)) == without_memo(full)
        person.send(call, SLOW)


def test_a_call_over_the_limit_is_refused_also_when_it_has_an_allowance() -> None:
    person = Person(limits=Limits(max_call_work=200_000))
    call = Make.call("S", [Make.event("e", "buy", properties={"price": 1, "text": "x" * 60_000})])
    [one, other] = [person.decide(replace(call, allowance=Allowance(units)), CHECKED) for units in (1_000, 150_000)]
    assert isinstance(one, Rejected)
    assert one.too_much is not None
    assert one == other == person.decide(call, CHECKED)
