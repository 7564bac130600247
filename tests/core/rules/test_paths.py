from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackd.core.rules.paths import MISSING, Missing, look_up, parse_path, path_text


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("pii", ("pii",)),
        ("traits.public.city", ("traits", "public", "city")),
        ('properties."shop.id".n', ("properties", "shop.id", "n")),
        ('properties."a=b"', ("properties", "a=b")),
        ("properties.'Größe'", ("properties", "Größe")),
        ("a.0-1_b", ("a", "0-1_b")),
        ("consents.*", ("consents", "*")),
    ],
)
def test_paths_are_written_as_toml_writes_keys(text: str, path: tuple[Any, ...]) -> None:
    assert parse_path(text) == path


@pytest.mark.parametrize(
    "text",
    ["", ".", "a.", ".a", "a..b", "a b", "a = 1\nb", "a.*.b", "*", 'a."*"', "a = 0 #", "Größe", "[a]", "a#b", "a=0\nb"],
)
def test_a_text_that_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no path"):
        parse_path(text)


@given(st.text())
def test_any_text_is_a_path_or_is_refused(text: str) -> None:
    try:
        path = parse_path(text)
    except ValueError:
        return
    assert path
    assert all(isinstance(key, str) for key in path)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("a", "b"), 1),
        (("a",), {"b": 1, "n": None}),
        (("a", "n"), None),
        (("a", "c"), MISSING),
        (("x",), MISSING),
        (("a", "b", "c"), MISSING),
        (("l", "0"), MISSING),
        (("f",), False),
    ],
)
def test_a_value_is_found_or_missing(path: tuple[Any, ...], value: Missing | dict[str, Any] | int | None) -> None:
    assert look_up({"a": {"b": 1, "n": None}, "l": [1], "f": False}, path) == value


def test_a_path_is_shown_with_dots() -> None:
    assert path_text(("traits", "public", "city")) == "traits.public.city"
    assert repr(MISSING) == "MISSING"
