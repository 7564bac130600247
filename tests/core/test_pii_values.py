from typing import Any

import pytest

from tests.core.decisions import decide
from tests.support.making import Make
from trackd.config.settings import Limits
from trackd.core.pii_values import MAX_CHARACTERS, MAX_PATH, MAX_VALUES, folded, pii_name, pii_values, searched_values
from trackd.core.rules.compiling import compile_rules
from trackd.core.snapshot import Snapshot


def test_each_single_value_has_its_path_and_a_text() -> None:
    pii = {
        "email": " Ann@Example.COM ",
        "phones": ["+47 1", "+47 1", None, ["+47 2"]],
        "address": {"a.b": {"no": 5.0}, "flat": None, "empty": {}},
        "adult": True,
        "share": 0.5,
        "number": 10**30,
        "wei": -(10**400),
    }
    assert pii_values(pii) == (
        ('["email"]', "ann@example.com"),
        ('["phones"]', "+47 1"),
        ('["phones"]', "+47 2"),
        ('["address","a.b","no"]', "5"),
        ('["adult"]', "true"),
        ('["share"]', "0.5"),
        ('["number"]', "1" + "0" * 30),
        ('["wei"]', "-1" + "0" * 400),
    )
    assert pii_name(("address", "a.b", "no")) == '["address","a.b","no"]'


def test_a_value_that_is_too_long_is_left_out() -> None:
    assert pii_values({"a": "x" * MAX_CHARACTERS, "b": "x" * (MAX_CHARACTERS + 1)}) == (
        ('["a"]', "x" * MAX_CHARACTERS),
    )


def test_a_text_that_is_too_long_is_not_folded() -> None:
    """To bring marks that belong to one letter into their order takes the square of their number."""
    marks = "e" + "\u0300\u0316" * 100_000
    assert pii_values({"a": marks, "b": f"  {marks}", "c": "x"}) == (('["c"]', "x"),)
    assert searched_values(marks) == []


def test_values_with_a_long_path_are_left_out() -> None:
    assert pii_values({"k" * MAX_PATH: 1, "k" * (MAX_PATH + 1): 2}) == ((pii_name(("k" * MAX_PATH,)), "1"),)
    assert pii_values({"k" * (MAX_PATH - 1): {"n": 1, "no": 2, "x": [3]}}) == (
        (pii_name(("k" * (MAX_PATH - 1), "n")), "1"),
        (pii_name(("k" * (MAX_PATH - 1), "x")), "3"),
    )


def nested(value: Any, depth: int) -> dict[str, Any]:
    return {"k": value if depth == 1 else nested(value, depth - 1)}


@pytest.mark.parametrize(
    "pii",
    [
        {f"k{n}": n for n in range(10_000)},
        {"k": list(range(10_000))},
        nested([[n, n] for n in range(10_000)], 60),
        {"k": [{f"k{n}": n} for n in range(10_000)]},
    ],
    ids=["keys", "items", "nested", "objects"],
)
def test_a_profile_with_many_values_is_found_by_the_first_of_them(pii: dict[str, Any]) -> None:
    values = pii_values(pii)
    assert [text for _, text in values] == [str(n) for n in range(MAX_VALUES)]
    assert sum(len(name) + len(text) for name, text in values) < 100_000


@pytest.mark.parametrize(
    ("one", "other"),
    [("Ann", "ANN"), ("Žofie", "žOFIE"), ("straße", "STRASSE"), ("é", "e\u0301"), (" a\n", "a"), ("ΟΔΟΣ", "οδος")],
)
def test_case_blanks_and_forms_of_unicode_make_no_difference(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Ann@example.com", ["ann@example.com"]),
        ("5.0", ["5.0", "5"]),
        ('"5.0"', ['"5.0"', "5.0"]),
        ("True", ["true"]),
        ("NaN", ["nan"]),
        ("1e999", ["1e999"]),
        ("9" * 400, ["9" * 400] * 2),
        ("null", ["null"]),
        ("[1]", ["[1]"]),
        ("", [""]),
    ],
)
def test_a_search_finds_a_text_and_the_value_that_it_is_as_json(text: str, values: list[str]) -> None:
    assert searched_values(text) == values


@pytest.mark.parametrize("pii", [{}, {"email": "Ann@example.com"}])
def test_a_call_that_changes_personal_data_has_its_values_for_the_search(make: type[Make], pii: dict[str, str]) -> None:
    step = {"target": "pii.email", "from": "properties.email"}
    rules = compile_rules({"rule": [{"name": "r", "event": "t", "steps": [step]}]}, Limits())
    snapshot = Snapshot("A", make.profile("A", pii={"email": "old", "n": 1}), None, {})

    decision = decide(snapshot, make.call("S", [make.event(properties=pii)]), rules=rules)

    expected = (('["email"]', "ann@example.com"), ('["n"]', "1")) if pii else None
    assert decision.changes.pii == expected
