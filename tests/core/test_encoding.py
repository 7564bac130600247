import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackd.core import encoding
from trackd.core.encoding import finite, json_object, json_text

texts = st.text()
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=10
)


@given(st.dictionaries(texts, values))
def test_an_object_comes_back_as_it_was(value: dict[str, Any]) -> None:
    assert json_object(json_text(value)) == value


EXTREME = ["1e308", "-1.7976931348623157e+308", "5e-324", "2.2250738585072014e-308", "1e-400", "0.1", "1E5", "-0.0"]


@pytest.mark.parametrize("text", EXTREME)
def test_a_decimal_is_read_as_python_reads_it(text: str) -> None:
    assert repr(json_object(f'{{"a":[{text}]}}')) == repr({"a": [float(text)]})
    assert encoding._OBJECT.float_hook is finite  # without it each of these takes 20 microseconds


@pytest.mark.parametrize("text", ["1e309", "-1e999", "1" * 400 + ".0"])
def test_a_decimal_that_is_too_large_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="finite"):
        json_object(f'{{"a":{text}}}')


@given(values)
def test_stored_text_is_standard_json(value: dict[str, Any] | list[Any] | None) -> None:
    text = json_text(value)

    assert json.loads(text, parse_constant=pytest.fail) == value


def test_the_text_is_compact_and_not_escaped() -> None:
    assert json_text({"a": [1, None, "é🙂"]}) == '{"a":[1,null,"é🙂"]}'


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {"a": [x]}, lambda x: {"NaN": "Infinity", "b": {"c": x}}])
def test_a_number_that_json_does_not_have_is_refused(number: float, wrap: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="not a JSON number"):
        json_text(wrap(number))


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", 'a "NaN" b', "\\NaN"])
def test_a_text_that_resembles_a_constant_is_kept(text: str) -> None:
    assert json_object(json_text({text: text})) == {text: text}


@pytest.mark.parametrize("value", ["\ud800", {"a": ["x\udfff"]}, {"\ud83d": 1}])
def test_half_a_character_is_refused(value: dict[str, Any] | str) -> None:
    with pytest.raises(ValueError, match="surrogate"):
        json_text(value)


@pytest.mark.parametrize("text", ["[]", "1", "null", '"{}"', "{", ""])
def test_a_text_that_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the words are the parser's
        json_object(text)
