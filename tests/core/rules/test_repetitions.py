"""Which events are kept as repetitions; what they spare is in `tests/core/test_evaluation.py`."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.core.person import CONSENTS, Person, grants, rules
from tests.support.making import Make
from trackd.config.settings import Limits
from trackd.core.rules.repetitions import MAX_PROPERTIES, MAX_REPETITIONS, Repeated
from trackd.core.rules.ruleset import RuleSet

A, B = {"a": False}, {"b": False, "c": True}
DAYS = [f"2026-03-{day:02}T00:00:00.000000Z" for day in range(1, 20)]


def repeated(
    make: type[Make], *calls: list[dict[str, Any]], ruleset: RuleSet = CONSENTS, limits: Limits | None = None
) -> Repeated:
    """The repetitions after calls with events of these properties, one a day."""
    person = Person(limits=limits)
    for day, contents in zip(DAYS, calls, strict=False):
        events = [
            replace(make.event(event_type="consent", properties=properties), created=day) for properties in contents
        ]
        decision = person.send(make.call(events=events, received=day), ruleset)
    assert decision.memo is not None
    return decision.memo.repetitions


def contents(repetitions: Repeated) -> list[str]:
    return [each.properties for each in repetitions]


def test_events_that_would_change_nothing_again_are_kept_from_the_first_call_on(make: type[Make]) -> None:
    for number in (1, 2, 3):
        assert contents(repeated(make, *[[A, B]] * number)) == ['{"a":false}', '{"b":false,"c":true}']


def test_events_whose_consents_changed_later_in_the_call_are_not_kept(make: type[Make]) -> None:
    assert contents(repeated(make, [{"a": True}, A])) == ['{"a":false}']
    assert contents(repeated(make, [A, {"a": True}])) == ['{"a":true}']
    assert contents(repeated(make, [B, {"c": False}])) == ['{"c":false}']


def test_an_event_whose_rules_undo_each_other_is_not_kept(make: type[Make]) -> None:
    undo = rules(rule=[grants(), grants(name="undo", steps=[{"target": "consents.c", "value": False}])])
    assert repeated(make, [B], [B], ruleset=undo) == ()


def test_an_event_that_skipped_a_consent_is_not_kept(make: type[Make]) -> None:
    assert repeated(make, [{"a": True, "b": 1}]) == ()


def test_a_withdrawal_that_left_the_history_is_not_kept(make: type[Make]) -> None:
    short = Limits(max_consent_history=1)
    assert contents(repeated(make, [A, {"b": False}], limits=short)) == ['{"b":false}']
    assert contents(repeated(make, [A, {"a": True}], limits=short)) == ['{"a":true}']


@pytest.mark.parametrize(
    ("types", "kept"),
    [(["for days"], []), (["for days", "consent"], ['{"c":true}']), (["consent", "for days"], [])],
)
def test_a_grant_that_expires_is_not_kept(make: type[Make], types: list[str], kept: list[str]) -> None:
    for_days = grants(name="for days", event="for days", valid_for_days=1)
    events = [make.event(event_type=event_type, properties={"c": True}) for event_type in types]
    memo = Person().send(make.call(events=events), rules(rule=[grants(), for_days])).memo
    assert memo is not None
    assert contents(memo.repetitions) == kept


def test_a_change_of_consents_ends_all_repetitions(make: type[Make]) -> None:
    assert contents(repeated(make, [A, B], [A, B], [{"d": True}])) == ['{"d":true}']
    assert contents(repeated(make, [A, B], [A, B], [{"d": False}])) == ['{"d":false}']


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
    assert len(repeated(make, many)) == MAX_REPETITIONS
    unsteady = [{"a": True}, *[{"b": number % 2 == 0, f"c{number}": True} for number in range(MAX_REPETITIONS)]]
    assert contents(repeated(make, unsteady)) == ['{"b":false,"c1":true}', '{"b":false,"c3":true}']
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
