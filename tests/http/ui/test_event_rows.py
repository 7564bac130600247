import json
from typing import Any

from trackd.core.short_texts import MAX_TEXT
from trackd.http.ui.event_rows import EventRow, event_rows

TIME = "2026-01-31T12:00:00.000000Z"
EVENT: dict[str, Any] = {
    "id": "e1",
    "seq": 1,
    "type": "purchase",
    "profile": {"id": "ann"},
    "session": {"id": "s"},
    "source": {"id": "shop"},
    "metadata": {"time": {"create": TIME, "insert": TIME}, "status": "collected"},
    "properties": {"price": 12, "name": "Red shoes"},
    "context": {},
}


def row(**fields: Any) -> EventRow:
    [found] = event_rows(json.dumps([{**EVENT, **fields}]).encode(), {"shop": "The shop"})
    return found


def test_a_row_has_the_name_of_the_source_or_the_id_of_one_that_was_removed() -> None:
    assert row() == EventRow("e1", "purchase", "ann", "The shop", TIME, "collected", "", 'price=12 name="Red shoes"')
    assert row(source={"id": "other"}).source == "other"


def test_reasons_are_one_text_of_a_bounded_length() -> None:
    metadata = {**EVENT["metadata"], "status": "invalid"}
    assert row(metadata={**metadata, "reasons": ["a", "b"]}).reasons == "a; b"
    assert len(row(metadata={**metadata, "reasons": ["x" * 1_000]}).reasons) == MAX_TEXT
