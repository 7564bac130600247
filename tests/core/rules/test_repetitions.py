"""Which events are kept as repetitions; what they spare is in `tests/core/test_evaluation.py`."""

from typing import Any

from msgspec.structs import replace

from tests.core.person import CONSENTS, Person, grants, rules
from tests.support.making import Make
from trackd.core.rules.repetitions import MAX_PROPERTIES, MAX_REPETITIONS, Repeated
from trackd.core.rules.ruleset import RuleSet

A, B = {"a": False}, {"b": False, "c": True}
DAYS = [f"2026-03-{day:02}T00:00:00.000000Z" for day in range(1, 20)]


def repeated(make: type[Make], *calls: list[dict[str, Any]], ruleset: RuleSet = CONSENTS) -> Repeated:
    """The repetitions after calls with events of these properties, one a day."""
    person = Person()
    for day, contents in zip(DAYS, calls, strict=False):
        events = [
            replace(make.event(event_type="consent", properties=properties), created=day) for properties in contents
        ]
        decision = person.send(make.call(events=events, received=day), ruleset)
    assert decision.memo is not None
    return decision.memo.repetitions


def contents(repetitions: Repeated) -> list[str]:
    return [each.properties for each in repetitions]


def test_events_of_one_call_that_change_nothing_are_kept_beside_each_other(make: type[Make]) -> None:
    assert contents(repeated(make, [A, B])) == []
    for number in (2, 3, 4):
        assert contents(repeated(make, *[[A, B]] * number)) == ['{"a":false}', '{"b":false,"c":true}']


def test_a_change_of_consents_ends_all_repetitions(make: type[Make]) -> None:
    assert contents(repeated(make, [A, B], [A, B], [{"d": True}])) == []
    assert contents(repeated(make, [A, B], [A, B], [{"d": False}])) == []


def test_a_repetition_has_the_consents_that_each_rule_withdraws(make: type[Make]) -> None:
    two = rules(rule=[grants(), grants(name="b", steps=[{"target": "consents.x", "value": False}])])
    [repetition] = repeated(make, [B], [B], ruleset=two)
    assert [run.rule for run in repetition.runs] == ["consents", "b"]
    assert repetition.withdrawals == (("consents", ("b",)), ("b", ("x",)))


def test_a_repetition_holds_since_the_last_withdrawal_of_what_it_grants(make: type[Make]) -> None:
    both = {"a": True, "b": False}
    assert repeated(make, [both], [both])[0].since == ""
    assert repeated(make, [both], [A], [both], [both])[0].since == DAYS[1]


def test_a_profile_has_few_repetitions_and_none_that_is_large(make: type[Make]) -> None:
    many = [{f"c{number}": True} for number in range(MAX_REPETITIONS + 2)]
    assert len(repeated(make, many, many)) == MAX_REPETITIONS
    large = [{"x" * MAX_PROPERTIES: True}]
    assert repeated(make, large, large) == ()


def test_a_repetition_is_stored_with_the_rules_that_would_have_run(make: type[Make]) -> None:
    person = Person()
    traces = []
    for day in DAYS[:4]:
        event = replace(make.event(event_type="consent", properties=B), created=day)
        decision = person.send(make.call(events=[event], received=day), CONSENTS)
        traces += [event.rules for event in decision.changes.events]
    assert traces == [
        '[{"id":"consents","changed":["consents.b","consents.c"]}]',
        *['[{"id":"consents","changed":[]}]'] * 3,
    ]
