import pytest
from msgspec import Raw

from trackd.core.documents import Source
from trackd.http.ui.values import (
    MAX_TEXT,
    Moment,
    as_moment,
    as_text,
    as_texts,
    items_of,
    members_of,
    name_of,
    value_at,
)

DEEP = Raw(b'{"a":' * 5_000)


@pytest.mark.parametrize(
    ("value", "shown"),
    [('"a b"', "a b"), ("1.50", "1.50"), ('{"a": 1}', '{"a": 1}'), ("null", ""), ('"\\ud8', '"\\ud8')],
)
def test_a_text_is_shown_as_it_is_and_any_other_value_as_json(value: str, shown: str) -> None:
    assert as_text(Raw(value.encode())) == shown


def test_texts_are_cut_but_for_ids() -> None:
    long = Raw(b'"%b"' % (b"x" * 1_000))
    assert len(as_text(long)) == MAX_TEXT + 1
    assert len(as_text(long, None)) == 1_000


@pytest.mark.parametrize("value", [Raw(b"7"), Raw(b"null"), Raw(b"{"), DEEP])
def test_values_of_another_form_have_no_members_and_no_items(value: Raw) -> None:
    assert (members_of(value), items_of(value), as_texts(value)) == ({}, [], [])
    assert bytes(value_at(value, "a", "b")) == b"null"


def test_a_time_is_shown_to_the_second_and_none_as_nothing() -> None:
    assert as_moment(Raw(b'"2026-03-27T12:00:00.5Z"')).text == "2026-03-27 12:00:00 UTC"
    assert as_moment(Raw(b"null")) == Moment("", "")


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a shop", "a shop"), (" \t", "s1"), ("\u200b\u202e", "s1"), ("\0", "s1"), ("\u200bx", "\u200bx")],
)
def test_a_source_whose_name_cannot_be_seen_is_shown_by_its_id(name: str, shown: str) -> None:
    assert name_of(Source("s1", name)) == shown
