"""The parts of a profile that a page shows: of documents as trackd writes them, and of any others."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackd.core.profile_document import new_profile
from trackd.http.ui.profile_parts import (
    MAX_DOCUMENT,
    MAX_FORMATTED,
    PARTS,
    found_profiles,
    shown_profile,
    shown_sessions,
)
from trackd.http.ui.shown_events import shown_events
from trackd.http.ui.values import MAX_ROWS, MAX_TEXT

NOW = "2026-01-31T12:00:00.123456Z"
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*PARTS, "id", "time"]), inner),
    max_leaves=12,
)


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_a_new_profile_has_its_times_and_no_tables() -> None:
    shown = shown_profile(encoded(new_profile("x", NOW)))

    assert (shown.first_seen.value, shown.first_seen.text) == (NOW, "2026-01-31 12:00:00 UTC")
    assert (shown.seq, shown.visits, shown.views, shown.is_active) == ("0", "0", "0", True)
    assert (shown.tables, shown.consents, shown.history, shown.segments) == ([], [], [], [])
    assert json.loads(shown.document)["id"] == "x"
    assert not shown.is_cut


def test_values_are_shown_as_they_are_stored() -> None:
    document = b'{"traits": {"public": {"a": 5.0, "b": "5.0", "c": null, "d": 1e400, "e": [1, {"f": "\\u00e9"}]}}}'

    [table] = shown_profile(document).tables

    assert table.title == "Public traits"
    assert table.rows == [("a", "5.0"), ("b", "5.0"), ("c", ""), ("d", "1e400"), ("e", '[1, {"f": "\\u00e9"}]')]


def test_consents_are_shown_with_their_changes_the_newest_first() -> None:
    changes = [
        {"id": "a", "change": "granted", "time": NOW},
        {"id": "b", "change": "withdrawn", "time": NOW},
    ]
    shown = shown_profile(encoded({"consents": {"a": {"granted": NOW}}, "metadata": {"consents": changes}}))

    [consent] = shown.consents
    assert (consent.name, consent.granted.value, consent.expires.value) == ("a", NOW, "")
    assert [(entry.name, entry.change) for entry in shown.history] == [("b", "withdrawn"), ("a", "granted")]


def test_long_texts_tables_and_documents_are_cut() -> None:
    pii = {f"{number}{'k' * MAX_TEXT}": "v" * 2 * MAX_TEXT for number in range(MAX_ROWS + 7)}

    shown = shown_profile(encoded({"pii": pii, "x": "y" * MAX_DOCUMENT}))

    [table] = shown.tables
    assert (len(table.rows), table.more) == (MAX_ROWS, 7)
    assert {len(text) for row in table.rows for text in row} == {MAX_TEXT + 1}
    assert (len(shown.document), shown.is_cut) == (MAX_DOCUMENT, True)


def test_a_large_document_is_not_indented() -> None:
    deep = encoded({"x": [[[["y" * MAX_FORMATTED]]]]})

    assert shown_profile(deep).document == deep.decode()


@given(st.dictionaries(st.sampled_from([*PARTS, "id"]), VALUES))
def test_a_document_of_another_tool_is_shown_whatever_its_parts_are(document: dict[str, Any]) -> None:
    shown = shown_profile(encoded(document))

    assert json.loads(shown.document) == document
    for table in shown.tables:
        assert 0 < len(table.rows) <= MAX_ROWS


@given(st.lists(VALUES, max_size=4))
def test_lists_of_other_documents_are_shown_too(documents: list[Any]) -> None:
    text, number = encoded(documents), len(documents)

    assert len(shown_events(text)) == number
    assert len(shown_sessions(text)) == number
    assert len(found_profiles(text)) == number


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0, "0 s"),
        (0.25, "0.25 s"),
        (59.0, "59 s"),
        (60.0, "1 min"),
        (90.5, "1 min 30 s"),
        (3_725, "1 h 2 min"),
        (90_000.0, "1 d 1 h"),
        (1e16, "115,740,740,740 d 17 h"),
        (-1, "-1 s"),
        ("long", "long"),
    ],
)
def test_a_session_has_its_duration(seconds: float | str | None, text: str) -> None:
    session = {"id": "s", "metadata": {"time": {"insert": NOW, "update": NOW, "duration": seconds}}, "context": {}}

    [shown] = shown_sessions(encoded([session]))

    assert (shown.id, shown.duration, shown.began.value) == ("s", text, NOW)
