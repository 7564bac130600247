import pytest

from trackd.core.rules.paths import MISSING
from trackd.core.rules.rule import Rule
from trackd.core.rules.ruleset import RuleSet
from trackd.core.rules.schemas import Schema
from trackd.core.rules.steps import ConsentStep, Operand
from trackd.core.rules.unwanted import Unwanted


def rule(name: str) -> Rule:
    return Rule(name, None, ())


@pytest.mark.parametrize(("event_type", "names"), [("a", "123"), ("b", "23"), ("other", "2"), ("*", "2")])
def test_a_plan_has_the_rules_of_its_type_and_of_any_in_their_order(event_type: str, names: str) -> None:
    rules = RuleSet(rules=[(rule("1"), ["a"]), (rule("2"), ["*"]), (rule("3"), ["b", "a"])])
    assert "".join(one.name for one in rules.plan(event_type).rules) == names


def test_a_plan_has_the_tags_and_the_schema_of_its_type() -> None:
    asks = Rule("asks", None, (ConsentStep("general", "unset", Operand(MISSING)),))
    rules = RuleSet(schemas={"a": Schema({})}, tags={"a": ("x", "č")}, rules=[(rule("1"), ["a", "c"]), (asks, ["c"])])
    assert (rules.plan("a").tags, rules.plan("a").tags_json) == (("x", "č"), '["x","č"]')
    assert rules.plan("a").schema is not None
    assert (rules.plan("b").tags_json, rules.plan("b").schema) == ("[]", None)
    assert (rules.plan("c").changes_consents, rules.plan("a").changes_consents) == (True, False)


def test_an_event_is_dropped_with_the_first_reason() -> None:
    rules = RuleSet(unwanted=[Unwanted("one", ["a"], False, []), Unwanted("two", ["a", "b"], False, [])])
    assert [rules.unwanted(event_type, "s", None) for event_type in "abc"] == ["one", "two", None]


@pytest.mark.parametrize(("refusing", "refuses"), [([], False), (["other"], False), (["s"], True), (["*"], True)])
def test_sources_are_refused_by_name_or_all(refusing: list[str], refuses: bool) -> None:
    assert RuleSet(refusing=refusing).refuses_invalid("s") is refuses
