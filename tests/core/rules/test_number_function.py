import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.core.rules.evaluating import NO_NUMBERS, ROOTS, reason_of, unmet
from trackd.core.rules.conditions import Condition, Unmet
from trackd.core.rules.conversion import converted
from trackd.core.rules.number_function import expanded
from trackd.core.rules.operations import StepError


def with_value(value: Any) -> dict[str, Any]:
    return {**ROOTS, "properties": {"v": value, "number": "7", "list": ["1", 2.5, "x"]}}


@pytest.mark.parametrize("value", ["48.0", "48", 48, 48.0, "4.8e1", "480E-1"])
@pytest.mark.parametrize("text", ["number(event.properties.v) == 48", "number(event.properties.v) + 0.5 == 48.5"])
def test_a_number_and_a_text_that_is_one_are_a_decimal(value: Any, text: str) -> None:
    assert unmet(text, with_value(value)) is None


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_a_text_that_is_no_number_is_a_failure_that_does_not_quote_it(value: str) -> None:
    reason = reason_of("number(event.properties.v) < 1e308 || true == false", with_value(value))
    assert reason == Unmet("a text is no number", failed=True)


@pytest.mark.parametrize("value", [True, [48], {"amount": 48}])
def test_other_values_are_failures(value: Any) -> None:
    reason = reason_of("number(event.properties.v) == 48", with_value(value))
    assert reason.failed
    assert reason.why.startswith("No matching overloads found : double(")


@pytest.mark.parametrize("text", ["number(event.properties.v) == 48", "number(event.properties.absent) == 48"])
def test_a_missing_value_is_no_failure(text: str) -> None:
    assert not reason_of(text, with_value(None)).failed


@example("0x1")
@example("5.e1")
@example("-00")
@example("1e999")
@given(st.text("0123456789+-.eE x_,nai\t\0", max_size=6))
def test_it_takes_the_texts_that_steps_take(text: str) -> None:
    try:
        number = float(converted(text, "number"))
    except StepError:
        assert reason_of("number(event.properties.v) < 1e308", with_value(text)).failed
    else:
        assert unmet(f"number(event.properties.v) == {number!r}", with_value(text)) is None


@pytest.mark.parametrize(
    "text",
    [
        "number ( event.properties.number ) == 7",
        "number // a ) comment\n(event.properties.number) == 7",
        "has(event.properties.number) && number(event.properties.number) == 7",
        "number(number(number('4'))) == 4",
        "number((1 + 2) * 3) == (number('9'))",
        "'number(' + \")\" != r'number(' && '''number(' ''' != \"\"\"\\\"number(\"\"\" && number('1') == 1",
        r"'\'number(' != r'\n(' && b'number(' == br'number(' && number('1') == 1",
        "{'number': number('2')}['number'] == 2 && [number('3')][0] == 3",
        "event.properties.list.exists(x, number(x) == 2.5)",
        "event.properties.list.exists(n, number(n) + number(n) == 2)",
        "number(has(event.properties.v) ? event.properties.v : '0') == 48",
    ],
)
def test_it_may_stand_wherever_a_value_may(text: str) -> None:
    assert unmet(text, with_value("48.0")) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("number() == 1", "1:7: undeclared reference to 'number'"),
        ("number(1, 2) == 1", "1:7: undeclared reference to 'number'"),
        ("1 == number(event.propertis.v)", "1:28: undeclared reference"),
        (".number(1) == 1", "undeclared reference to '.number'"),
        ("'1'.number() == 1", "undeclared reference to 'number'"),
        ("number(1", "Syntax error"),
        ("number == 1", "undeclared reference to 'number'"),
        ("cel.bind(a, 'x', a + a == 'xx')", "undeclared reference"),
    ],
)
def test_a_call_that_is_wrong_is_refused_with_its_place(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        Condition(text)


def test_an_expression_without_it_stays_as_it_is() -> None:
    assert (
        expanded("event.properties.number > 3 && 'number(1)' != ''")
        == "event.properties.number > 3 && 'number(1)' != ''"
    )
