import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.rules.evaluating import NO_NUMBERS
from trackd.core.json_values import same
from trackd.core.rules.conversion import converted
from trackd.core.rules.operations import StepError


@pytest.mark.parametrize(
    ("value", "to", "made"),
    [
        (48, "number", 48),
        (48.5, "number", 48.5),
        ("48", "number", 48),
        ("48.0", "number", 48.0),
        ("-0.5", "number", -0.5),
        ("0", "number", 0),
        ("1e3", "number", 1000.0),
        ("1E-2", "number", 0.01),
        ("20000000000000000000", "number", 20_000_000_000_000_000_000),
        ("0.1234567890123456789", "number", 0.12345678901234568),
        ("x", "text", "x"),
        ("", "text", ""),
        (48, "text", "48"),
        (48.0, "text", "48.0"),
        (-(2**64), "text", "-18446744073709551616"),
        (True, "text", "true"),
        (False, "text", "false"),
        ("2026-03-27T10:53:00+01:00", "time", "2026-03-27T09:53:00.000000Z"),
        ("20260327", "time", "2026-03-27T00:00:00.000000Z"),
        (1774605180, "time", "2026-03-27T09:53:00.000000Z"),
        ("1774605180000", "time", "2026-03-27T09:53:00.000000Z"),
        (True, "boolean", True),
        (1, "boolean", True),
        (0.0, "boolean", False),
        ("true", "boolean", True),
        ("False", "boolean", False),
        ("TRUE", "boolean", True),
        ("1", "boolean", True),
        ("0", "boolean", False),
    ],
)
def test_a_value_is_made_another_type(value: Any, to: str, made: Any) -> None:
    assert same(converted(value, to), made)


@pytest.mark.parametrize(
    ("value", "to", "why"),
    [
        *((text, "number", "this text cannot be made a number") for text in NO_NUMBERS),
        (True, "number", "true or false cannot be made a number"),
        (None, "number", "nothing cannot be made a number"),
        ([48], "number", "a list cannot be made a number"),
        ({"amount": 48}, "number", "an object cannot be made a number"),
        ([], "text", "a list cannot be made a text"),
        (None, "text", "nothing cannot be made a text"),
        ("yesterday", "time", "this text cannot be made a time"),
        ("", "time", "this text cannot be made a time"),
        ("9" * 5000, "time", "this text cannot be made a time"),
        (True, "time", "true or false cannot be made a time"),
        (10**20, "time", "a number cannot be made a time"),
        (None, "time", "nothing cannot be made a time"),
        ("yes", "boolean", "this text cannot be made true or false"),
        (" true", "boolean", "this text cannot be made true or false"),
        ("", "boolean", "this text cannot be made true or false"),
        (2, "boolean", "a number cannot be made true or false"),
        ({}, "boolean", "an object cannot be made true or false"),
    ],
)
def test_a_value_that_cannot_be_made_another_type_is_refused_without_being_quoted(
    value: Any, to: str, why: str
) -> None:
    with pytest.raises(StepError, match=f"^{re.escape(why)}$") as raised:
        converted(value, to)
    assert raised.value.notable


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.text())
def test_a_text_of_a_value_is_made_that_value_again(value: Any) -> None:
    back = {bool: "boolean", str: "text"}.get(type(value), "number")
    assert same(converted(converted(value, "text"), back), value)


@given(st.text("0123456789+-.eE x_,nai\n", max_size=8))
def test_a_text_is_a_number_when_json_has_it(text: str) -> None:
    try:
        is_number = text == text.strip() and type(json.loads(text)) in (int, float)
    except ValueError:
        is_number = False
    if is_number and abs(json.loads(text)) < float("inf"):
        assert same(converted(text, "number"), json.loads(text))
    else:
        with pytest.raises(StepError):
            converted(text, "number")
