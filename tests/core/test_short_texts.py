import pytest

from trackd.core.short_texts import MAX_TEXT, properties


@pytest.mark.parametrize(
    ("document", "shown"),
    [
        ("{}", ""),
        ('{"a": 1, "b": null, "c": {"d": [1, 2]}}', 'a=1 b=null c={"d": [1, 2]}'),
        (
            '{"a": "Red shoes", "b": "", "c": "x=y", "d": "\\"", "e": "B\\u00fccher"}',
            r'a="Red shoes" b="" c="x=y" d="\"" e=Bücher',
        ),
        ('{"a": "alte B\\u00fccher"}', 'a="alte Bücher"'),
        ("null", "null"),
        ("[1]", "[1]"),
    ],
)
def test_properties_are_shown_as_names_and_values(document: str, shown: str) -> None:
    assert properties(document.encode()) == shown


@pytest.mark.parametrize("document", [b'{"a":"%b"}' % (b"x" * 1_000), b'{"a":%b1%b}' % (b"[" * 5_000, b"]" * 5_000)])
def test_long_and_deep_properties_are_cut(document: bytes) -> None:
    shown = properties(document)
    assert len(shown) == MAX_TEXT
    assert shown.endswith("…")
