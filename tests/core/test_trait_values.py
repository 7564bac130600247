import json
from typing import Any

import pytest

from trackd.core.trait_values import has_trait, trait_text


def found(trait: Any, *values: str) -> list[bool]:
    doc = json.dumps({"id": "A", "traits": {"public": {"a": trait}, "private": {}}})
    return [has_trait(doc.encode(), '["a"]', value) for value in values]


@pytest.mark.parametrize(
    ("trait", "matching", "others"),
    [
        (5, ["5", "5.0", "5e0", " 5"], ['"5"', "05", "6", "true", "five"]),
        (5.0, ["5", "5.0"], ["5.1"]),
        (1, ["1", "1.0"], ["true"]),
        (-0.0, ["0", "-0", "0.0"], ["false", "null", ""]),
        (0.1, ["0.1", "0.10", "1e-1"], ["0.11"]),
        ("5", ["5", '"5"'], ["5.0", "6"]),
        ("5.0", ["5.0", '"5.0"'], ["5"]),
        ("007", ["007", '"007"'], ["7"]),
        ("true", ["true", '"true"'], ["True"]),
        (True, ["true"], ["1", "1.0", '"true"', "false"]),
        (False, ["false"], ["0", "null"]),
        (None, ["null"], ["", "0", "false", '"null"']),
        ("null", ["null", '"null"'], ["nil"]),
        ("", ["", '""'], ["null", " "]),
        ('"5"', ['"5"', r'"\"5\""'], ["5"]),
        (2**53 + 1, ["9007199254740993"], ["9007199254740992", "9007199254740992.0"]),
        (2**53, ["9007199254740992", "9007199254740992.0"], ["9007199254740993"]),
        (10**40, ["1" + "0" * 40], ["1e40", "1" + "0" * 39 + "1"]),
        (1e300, ["1e300", "1.0e300"], ["1e301", "1e999"]),
        ("1e999", ["1e999"], ["1e998"]),
        ("NaN", ["NaN"], ["nan"]),
        ([1, {"b": 2}], ['[1.0, {"b": 2}]'], ["[1]", "1"]),
        ({"b": None}, ['{"b":null}'], ["{}", "null"]),
        ("Žofie 😀\u0000", ["Žofie 😀\u0000", r'"\u017dofie 😀\u0000"'], ["Žofie 😀", "žofie 😀\u0000"]),
    ],
    ids=repr,
)
def test_a_value_is_found_as_text_and_as_equal_json(trait: Any, matching: list[str], others: list[str]) -> None:
    assert found(trait, *matching) == [True] * len(matching)
    assert found(trait, *others) == [False] * len(others)


@pytest.mark.parametrize("key", ["utm.source", 'the "new" one', "back\\slash", "", "a:b", "é\n\u0000", "[0]", "$", "#"])
def test_any_key_is_found_in_public_and_private_traits_at_any_depth(key: str) -> None:
    doc = json.dumps({"traits": {"public": {key: None}, "private": {"x": {key: {key: 1}}, key: 2}}}).encode()

    assert has_trait(doc, json.dumps([key]), None)
    assert [has_trait(doc, json.dumps([key]), value) for value in ("null", "2", "1")] == [True, True, False]
    assert has_trait(doc, json.dumps(["x", key, key]), "1")
    assert not has_trait(doc, json.dumps([key, key]), None)


@pytest.mark.parametrize(
    "doc", [b"", b"7", b"{", b'{"traits": 7}', b'{"traits": {"public": 7}}', b"[" * 5_000, b"\xff", None]
)
def test_a_document_that_another_tool_broke_has_no_traits(doc: Any) -> None:
    assert not has_trait(doc, '["a"]', None)


def test_documents_with_a_plain_key_are_searched_for_its_text_first() -> None:
    assert trait_text(("a", "utm.source-2")) == '"utm.source-2"'
    assert [trait_text(path) for path in (None, ("é",), ('"',), ("a/b",), ("",), ("a\n",))] == [None] * 6
