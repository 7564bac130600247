import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackd.http.api.path_values import MAX_KEYS, path_and_value


@pytest.mark.parametrize(
    ("text", "keys", "value"),
    [
        ("plan", ["plan"], None),
        ("plan:", ["plan"], ""),
        ("plan:gold", ["plan"], "gold"),
        ("address.city:a.b:c", ["address", "city"], "a.b:c"),
        ('"utm.source"', ["utm.source"], None),
        ('"utm.source":google', ["utm.source"], "google"),
        ('deep."a.b"."c:d".e:"x"', ["deep", "a.b", "c:d", "e"], '"x"'),
        (r'"the \"new\" one":1', ['the "new" one'], "1"),
        (r'"back\\slash\/"', ["back\\slash/"], None),
        (r'"\u00e9\n"', ["é\n"], None),
        (r'"\ud83d\ude00"', ["😀"], None),
        (r'"\ud83d"', ["\ufffd"], None),
        ('""', [""], None),
        ('5"-screen:yes', ['5"-screen'], "yes"),
        ("c:\\", ["c"], "\\"),
        ("größe in cm", ["größe in cm"], None),
        (".".join("a" * MAX_KEYS), ["a"] * MAX_KEYS, None),
    ],
)
def test_a_text_names_keys_and_a_value(text: str, keys: list[str], value: str | None) -> None:
    assert path_and_value(text) == (tuple(keys), value)


@pytest.mark.parametrize(
    "text",
    ["", ":x", ".", "a.", "a..b", '"', '"a', '"a"b', '"a".', r'"\q"', r'"\u00e"', ".".join("a" * (MAX_KEYS + 1))],
)
def test_another_text_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match=r'or name:value; a key with dots, colons or quotes .* "utm\.source":google'):
        path_and_value(text)


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=MAX_KEYS), st.none() | st.text()
)
def test_any_key_can_be_written_in_quotes(keys: list[str], value: str | None) -> None:
    text = ".".join(json.dumps(key) for key in keys) + ("" if value is None else f":{value}")

    assert path_and_value(text) == (tuple(keys), value)
