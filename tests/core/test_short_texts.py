import pytest

from trackd.core.short_texts import MAX_TEXT, contents, properties


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


@pytest.mark.parametrize(
    ("context", "shown"),
    [
        ('{"page": {"url": "https://shop.example/", "title": "Shop"}}', "page=https://shop.example/ a=1"),
        ('{"page": {"url": "https://shop.example/?a=1"}}', 'page="https://shop.example/?a=1" a=1'),
        *((text, "a=1") for text in ("{}", '{"page": {}}', '{"page": {"url": ""}}', '{"page": {"url": 7}}')),
        *((text, "a=1") for text in ('{"page": "/"}', "null", "{", '{"page": {"url": ' + "[" * 5_000)),
    ],
)
def test_the_page_of_an_event_comes_before_its_properties(context: str, shown: str) -> None:
    assert contents(b'{"a":1}', context.encode()) == shown


def test_an_event_without_properties_has_its_page_alone_and_a_long_one_is_cut() -> None:
    assert contents(b"{}", b'{"page":{"url":"/a"}}') == "page=/a"
    assert len(contents(b"{}", b'{"page":{"url":"/%b"}}' % (b"x" * 1_000))) == MAX_TEXT
