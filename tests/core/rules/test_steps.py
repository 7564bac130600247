from typing import Any

import pytest

from trackd.config.settings import Limits
from trackd.core.encoding import json_object, json_raw
from trackd.core.profile_document import new_profile
from trackd.core.rules.consents import EventTime
from trackd.core.rules.draft import Draft, json_size
from trackd.core.rules.paths import MISSING
from trackd.core.rules.rule import Rule, RuleRun
from trackd.core.rules.steps import ConsentStep, Operand, Step
from trackd.core.work import COMPARED_BYTE, COMPARED_MEMBER, Work

NOW = "2026-01-31T12:00:00.000000Z"
PUBLIC = ("traits", "public")


def run(
    *steps: ConsentStep | Step, roots: dict[str, Any] | None = None, draft: Draft | None = None, **limits: Any
) -> tuple[RuleRun, dict[str, Any]]:
    """The result of a rule with these steps, and the document after it."""
    draft = draft or Draft(new_profile("A", NOW))
    result = Rule("r", None, steps).run(
        draft,
        {"properties": {}, "profile": draft.doc, **(roots or {})},
        EventTime(NOW, NOW),
        Limits(**limits),
        Work(10**9),
    )
    assert draft.size == json_size(draft.doc)
    return result, draft.doc


def literal(target: tuple[Any, ...], value: Any = MISSING, op: str = "set") -> Step:
    return Step(target, op, Operand(value))


def of_properties(target: tuple[Any, ...], *path: str, op: str = "set", to: str | None = None) -> Step:
    return Step(target, op, Operand(MISSING, ("properties", *path)), to)


def skipped(result: RuleRun) -> list[tuple[str, bool]]:
    return [(str(one), one.notable) for one in result.skipped]


def test_a_step_changes_the_profile_and_returns_the_path() -> None:
    result, doc = run(literal((*PUBLIC, "a", "b"), 1), of_properties(("pii", "x"), "y"), roots={"properties": {"y": 2}})
    assert result.changed == ("traits.public.a.b", "pii.x")
    assert (doc["traits"]["public"], doc["pii"]) == ({"a": {"b": 1}}, {"x": 2})


def test_a_step_that_changes_nothing_returns_nothing() -> None:
    draft = Draft(new_profile("A", NOW))
    run(literal((*PUBLIC, "a"), [1]), draft=draft)
    result, _ = run(literal((*PUBLIC, "a"), [1]), literal((*PUBLIC, "b"), op="unset"), draft=draft)
    assert (result.changed, result.skipped) == ((), ())


def test_a_change_that_cannot_be_made_is_skipped_and_the_rest_is_made() -> None:
    result, doc = run(
        literal((*PUBLIC, "a"), "text"),
        of_properties((*PUBLIC, "b"), "absent"),
        literal((*PUBLIC, "a"), op="increment"),
        literal((*PUBLIC, "a", "deeper"), 1),
        literal((*PUBLIC, "d"), 1),
    )
    assert doc["traits"]["public"] == {"a": "text", "d": 1}
    assert result.changed == ("traits.public.a", "traits.public.d")
    assert skipped(result) == [
        ("set traits.public.b: properties.absent is missing", False),
        ("increment traits.public.a: a text cannot be incremented", True),
        ("set traits.public.a.deeper: a in it is not an object", True),
    ]


def test_whole_numbers_beyond_64_bits_are_kept_and_added_exactly() -> None:
    draft = Draft(new_profile("A", NOW))
    wei = 20_000_000_000_000_000_001
    for _ in range(2):
        result, doc = run(
            of_properties((*PUBLIC, "last"), "wei"),
            of_properties((*PUBLIC, "sum"), "wei", op="increment"),
            of_properties((*PUBLIC, "all"), "wei", op="append"),
            of_properties((*PUBLIC, "deep"), "deep"),
            literal(("stats", "counters", "low"), 2**63, "decrement"),
            roots={"properties": {"wei": wei, "deep": [{"x": -wei}]}},
            draft=draft,
        )
        assert result.skipped == ()
    assert doc["traits"]["public"] == {"last": wei, "sum": 2 * wei, "all": [wei, wei], "deep": [{"x": -wei}]}
    assert doc["stats"]["counters"] == {"low": -(2**64)}
    assert json_object(json_raw(doc)) == doc


def test_a_target_with_a_star_takes_each_key_of_an_object() -> None:
    roots = {"properties": {"shoes": 2, "bikes": "x", "null": None}}
    result, doc = run(of_properties(("interests", "*"), op="increment"), roots=roots)
    assert doc["interests"] == {"shoes": 2}
    assert skipped(result) == [("increment interests.bikes: a number cannot be incremented by a text", True)]
    result, doc = run(of_properties(("interests", "*"), "shoes"), roots=roots)
    assert skipped(result) == [("set interests.*: it needs an object, this is a number", True)]


def test_an_object_of_too_many_keys_is_skipped() -> None:
    roots = {"properties": {str(number): number for number in range(5)}}
    result, doc = run(of_properties((*PUBLIC, "*")), roots=roots, max_list_items=4)
    assert doc["traits"]["public"] == {}
    assert "limits.max_list_items" in skipped(result)[0][0]


@pytest.mark.parametrize("value", [{"a": 1}, [1]])
def test_of_the_profile_a_step_takes_single_values_only(value: dict[str, int] | list[int]) -> None:
    draft = Draft(new_profile("A", NOW))
    draft.put((*PUBLIC, "x"), value)
    source = ("profile", *PUBLIC, "x")
    result, doc = run(Step((*PUBLIC, "y"), "set", Operand(MISSING, source)), draft=draft)
    assert list(doc["traits"]["public"]) == ["x"]
    assert "single values only" in skipped(result)[0][0]
    draft.put((*PUBLIC, "x"), 7)
    _, doc = run(Step((*PUBLIC, "y"), "set", Operand(MISSING, source)), draft=draft)
    assert doc["traits"]["public"] == {"x": 7, "y": 7}


def test_counters_are_numbers_and_bounded_in_count() -> None:
    counters = ("stats", "counters")
    result, doc = run(
        literal((*counters, "a"), "x"),
        literal((*counters, "b"), 1.5),
        literal((*counters, "c"), op="increment"),
        literal((*counters, "b"), op="increment"),
        literal((*counters, "b"), op="unset"),
        max_profile_counters=1,
    )
    assert doc["stats"]["counters"] == {}
    assert result.changed == ("stats.counters.b",)
    assert [one.why for one in result.skipped] == [
        "a counter is a number, this is a text",
        "the profile has 1 counters (limits.max_profile_counters)",
    ]


def test_a_rule_that_would_make_the_profile_too_large_changes_nothing_and_one_that_makes_it_smaller_does() -> None:
    draft = Draft(new_profile("A", NOW))
    draft.put((*PUBLIC, "large"), "x" * 5_000)
    before = draft.doc["traits"]["public"].copy()
    result, doc = run(literal((*PUBLIC, "a"), 1), literal((*PUBLIC, "b"), 2), draft=draft, max_profile_bytes=4096)
    assert doc["traits"]["public"] == before
    assert (result.changed, len(result.skipped)) == ((), 1)
    assert "limits.max_profile_bytes" in str(result.skipped[0])
    result, doc = run(literal((*PUBLIC, "large"), "x" * 4_999), draft=draft, max_profile_bytes=4096)
    assert result.changed == ("traits.public.large",)


@pytest.mark.parametrize(
    ("step", "granted", "changed"),
    [
        (ConsentStep("*", "set", Operand({"a": True, "b": False, "old": None})), {"a", "old"}, ["a", "b"]),
        (ConsentStep("*", "unset", Operand({"a": True, "old": False})), set(), ["a", "old"]),
        (ConsentStep("old", "unset", Operand(MISSING)), set(), ["old"]),
        (ConsentStep("old", "set", Operand(False)), set(), ["old"]),
        (ConsentStep("old", "set_if_absent", Operand(False)), {"old"}, []),
        (ConsentStep("new", "set_if_absent", Operand(True)), {"new", "old"}, ["new"]),
    ],
)
def test_consents_are_granted_and_withdrawn(step: ConsentStep, granted: set[str], changed: list[str]) -> None:
    draft = Draft(new_profile("A", NOW))
    run(ConsentStep("old", "set", Operand(True)), draft=draft)
    result, doc = run(step, draft=draft)
    assert set(doc["consents"]) == granted
    assert result.changed == tuple(f"consents.{consent}" for consent in changed)


def test_a_consent_that_is_neither_true_nor_false_is_skipped() -> None:
    result, doc = run(ConsentStep("*", "set", Operand({"a": "yes", "b": True})))
    assert list(doc["consents"]) == ["b"]
    assert skipped(result) == [("set consents.a: a consent is true or false, this is a text", True)]


def test_a_consent_lasts_for_the_days_of_its_rule() -> None:
    _, doc = run(ConsentStep("a", "set", Operand(True), valid_for_days=2))
    assert doc["consents"]["a"] == {"granted": NOW, "expires": "2026-02-02T12:00:00.000000Z"}


def test_the_limit_of_the_profile_takes_consents_and_their_history_back_too() -> None:
    draft = Draft(new_profile("A", NOW))
    before = draft.size
    result, doc = run(
        ConsentStep("a", "set", Operand(True)),
        literal((*PUBLIC, "large"), "x" * 5_000),
        draft=draft,
        max_profile_bytes=4096,
    )
    assert doc == new_profile("A", NOW)
    assert draft.size == before
    assert (result.changed, len(result.skipped)) == ((), 1)


def test_a_star_unsets_the_keys_that_an_object_names() -> None:
    draft = Draft(new_profile("A", NOW))
    for key in "abc":
        draft.put((*PUBLIC, key), 1)
    result, doc = run(
        of_properties((*PUBLIC, "*"), op="unset"), roots={"properties": {"a": 7, "b": None, "x": 1}}, draft=draft
    )
    assert doc["traits"]["public"] == {"b": 1, "c": 1}
    assert result.changed == ("traits.public.a",)


def test_a_list_that_would_be_too_long_is_left_as_it_was() -> None:
    draft = Draft(new_profile("A", NOW))
    draft.put((*PUBLIC, "l"), [1, 2])
    result, doc = run(
        literal((*PUBLIC, "l"), 3, "append"), literal((*PUBLIC, "l"), 1, "remove"), draft=draft, max_list_items=2
    )
    assert doc["traits"]["public"] == {"l": [2]}
    assert result.changed == ("traits.public.l",)
    assert "limits.max_list_items" in skipped(result)[0][0]


def test_a_value_is_converted_before_its_operation_or_left_out() -> None:
    properties = {
        "total": "48.0",
        "price": "1,234.50",
        "n": 7,
        "yes": "True",
        "list": ["1", "x", 2, ["3"]],
        "bad": ["x"],
    }
    result, doc = run(
        of_properties(("traits", "private", "revenue"), "total", op="increment", to="number"),
        of_properties(("traits", "private", "revenue"), "price", op="increment", to="number"),
        of_properties(("traits", "private", "largest"), "total", op="max", to="number"),
        of_properties((*PUBLIC, "text"), "n", to="text"),
        of_properties((*PUBLIC, "yes"), "yes", op="set_if_absent", to="boolean"),
        of_properties((*PUBLIC, "list"), "list", op="append", to="number"),
        of_properties((*PUBLIC, "none"), "bad", op="append_unique", to="number"),
        of_properties((*PUBLIC, "set"), "list", to="number"),
        of_properties((*PUBLIC, "absent"), "absent", to="number"),
        roots={"properties": properties},
    )
    assert doc["traits"] == {
        "private": {"revenue": 48.0, "largest": 48.0},
        "public": {"text": "7", "yes": True, "list": [1, 2]},
    }
    assert skipped(result) == [
        ("increment traits.private.revenue: this text cannot be made a number", True),
        ("append traits.public.list: this text cannot be made a number", True),
        ("append traits.public.list: a list cannot be made a number", True),
        ("append_unique traits.public.none: this text cannot be made a number", True),
        ("set traits.public.set: a list cannot be made a number", True),
        ("set traits.public.absent: properties.absent is missing", False),
    ]


def test_each_key_of_an_object_is_converted() -> None:
    roots = {"properties": {"shoes": "2", "hats": "two", "bags": 1}}
    result, doc = run(of_properties(("interests", "*"), op="increment", to="number"), roots=roots)
    assert doc["interests"] == {"shoes": 2, "bags": 1}
    assert skipped(result) == [("increment interests.hats: this text cannot be made a number", True)]


def test_consents_are_converted() -> None:
    draft, roots = Draft(new_profile("A", NOW)), {"properties": {"a": "true", "b": "yes", "c": 1, "d": "0"}}
    step = ConsentStep("*", "set", Operand(MISSING, ("properties",)), conversion="boolean")
    result, doc = run(step, roots=roots, draft=draft)
    assert list(doc["consents"]) == ["a", "c"]
    assert skipped(result) == [("set consents.b: a consent is true or false, this is a text", True)]
    result, doc = run(step, roots={"properties": {"a": "FALSE"}}, draft=draft, max_profile_bytes=4096)
    assert list(doc["consents"]) == ["c"]


def test_a_full_profile_withdraws_a_consent_that_is_converted() -> None:
    draft = Draft(new_profile("A", NOW))
    run(ConsentStep("a", "set", Operand(True)), literal((*PUBLIC, "large"), "x" * 5_000), draft=draft)
    step = ConsentStep("*", "set", Operand(MISSING, ("properties",)), conversion="boolean")
    roots = {"properties": {"a": "false", "b": "true", "c": "true"}}
    result, doc = run(step, roots=roots, draft=draft, max_profile_bytes=4096)
    assert doc["consents"] == {}
    assert result.changed == ("consents.a",)


def test_an_object_of_the_session_is_charged_with_each_comparison_and_measured_once() -> None:
    draft = Draft(new_profile("A", NOW))
    context = {"browser": {f"k{n}": "x" * 100 for n in range(10)}}
    step = Step((*PUBLIC, "browser"), "set", Operand(MISSING, ("session", "context", "browser")))
    for _ in range(2):
        run(step, roots={"session": {"context": context}}, draft=draft)
    units = draft.work
    for _ in range(5):
        result, _ = run(step, roots={"session": {"context": context}}, draft=draft)
        assert result.changed == ()
    assert draft.work - units == 5 * (COMPARED_BYTE * json_size(context["browser"]) + COMPARED_MEMBER * 10)


@pytest.mark.parametrize("to", ["number", "time", "boolean"])
def test_a_text_that_is_too_long_is_not_converted(to: str) -> None:
    result, _ = run(of_properties((*PUBLIC, "n"), "n", to=to), roots={"properties": {"n": "1" * 5_001}})
    assert "cannot be made" in skipped(result)[0][0]
    assert skipped(result)[0][1]
