"""A null changes nothing, unless its rule removes the value of its target for it."""

from typing import Any

import pytest

from tests.core.rules.test_steps import NOW, PUBLIC, of_properties, run
from trackd.core.profile_document import new_profile
from trackd.core.rules.draft import Draft
from trackd.core.rules.paths import MISSING
from trackd.core.rules.steps import ConsentStep, Operand, Step

NULLS = {"properties": {"a": None, "o": {"a": None, "b": 2, "n": {"x": None}}, "none": None}}
ALL_BUT_UNSET = ("set", "set_if_absent", "increment", "decrement", "max", "min", "append", "append_unique", "remove")


@pytest.mark.parametrize("op", ALL_BUT_UNSET)
@pytest.mark.parametrize("to", [None, "number"])
def test_a_null_changes_nothing(op: str, to: str | None) -> None:
    for before in ({}, {"a": 1}, {"a": [1]}, {"a": None}):
        draft = Draft({**new_profile("A", NOW), "traits": {"public": dict(before), "private": {}}})
        steps = of_properties((*PUBLIC, "a"), "a", op=op, to=to), of_properties((*PUBLIC, "*"), "none", op=op, to=to)
        result, doc = run(*steps, roots=NULLS, draft=draft)
        assert (result.changed, doc["traits"]["public"]) == ((), before)
        assert not any(one.notable for one in result.skipped)


@pytest.mark.parametrize("to", [None, "number"])
def test_a_null_removes_the_trait_where_the_rule_is_made_so(to: str | None) -> None:
    def unsetting(target: tuple[Any, ...], *path: str) -> Step:
        return Step(target, "set", Operand(MISSING, ("properties", *path)), to, nulls_unset=True)

    draft = Draft({**new_profile("A", NOW), "traits": {"public": {"a": 1, "b": 1, "c": 1}, "private": {"a": {"b": 1}}}})
    result, doc = run(
        unsetting((*PUBLIC, "*"), "o"),
        unsetting(("traits", "private", "a", "b"), "a"),
        unsetting(("traits", "private", "a", "absent"), "a"),
        unsetting((*PUBLIC, "c"), "missing"),
        unsetting((*PUBLIC, "*"), "none"),
        roots=NULLS,
        draft=draft,
    )
    numbers = {"b": 2} if to else {"b": 2, "n": {"x": None}}
    assert doc["traits"] == {"public": {"c": 1, **numbers}, "private": {"a": {}}}
    assert result.changed[:2] == ("traits.public.a", "traits.public.b")
    assert result.changed[-1] == "traits.private.a.b"


@pytest.mark.parametrize("consent", ["a", "*"])
def test_a_null_withdraws_a_consent_only_where_the_rule_is_made_so(consent: str) -> None:
    path = ("properties", "o") if consent == "*" else ("properties", "a")
    draft = Draft(new_profile("A", NOW))
    run(ConsentStep("a", "set", Operand(True)), draft=draft)

    result, doc = run(ConsentStep(consent, "set", Operand(MISSING, path)), roots=NULLS, draft=draft)
    assert (result.changed, list(doc["consents"])) == ((), ["a"])
    for to in (None, "boolean"):
        result, doc = run(ConsentStep(consent, "set", Operand(MISSING, path), None, to, True), roots=NULLS, draft=draft)
        assert (doc["consents"], doc["metadata"]["consents"][-1]["change"]) == ({}, "withdrawn")
