import json
from typing import Any

import pytest

from trackd.core.short_texts import MAX_TEXT
from trackd.http.ui.refusal_rows import RefusalRow, refusal_rows

REFUSAL: dict[str, Any] = {
    "number": 7,
    "time": "2026-01-31T12:00:00.000000Z",
    "status": 200,
    "reason": "without_consent",
    "source": {"id": "shop"},
    "profile": None,
    "session": None,
    "event": {"id": None, "type": None},
    "network": None,
    "faults": [],
    "body": None,
    "left_out": 0,
}


def row(**fields: Any) -> RefusalRow:
    [found] = refusal_rows(json.dumps([{**REFUSAL, **fields}]).encode(), {"shop": "The shop"})
    return found


def test_a_row_has_the_name_of_the_source_or_the_id_that_the_call_named() -> None:
    assert row() == RefusalRow(7, REFUSAL["time"], 200, "dropped", "without consent", "The shop", "", [], "", 0)
    assert row(source={"id": "other"}).source == "other"
    assert row(source=None).source == ""


@pytest.mark.parametrize(
    ("status", "reason", "effect"),
    [
        (200, "unwanted", "dropped"),
        (200, "duplicate", "left out"),
        (200, "invalid", "stored as invalid"),
        (200, "a later one", "left out"),
        (422, "invalid", "refused"),
        (401, "unknown_source", "refused"),
    ],
)
def test_the_effect_follows_from_the_status_and_the_reason(status: int, reason: str, effect: str) -> None:
    assert row(status=status, reason=reason).effect == effect


def test_faults_are_texts_with_their_places() -> None:
    faults = [
        {"loc": ["body", "events", 0, "type"], "msg": "Field required", "type": "missing"},
        {"loc": [], "msg": "Invalid event source `nope`.", "type": "unknown_source"},
        {"msg": "x" * 1_000},
        "of another tool",
    ]
    shown = row(faults=faults).faults
    assert shown[:2] == ["body.events.0.type: Field required", "Invalid event source `nope`."]
    assert [len(fault) for fault in shown[2:]] == [MAX_TEXT]
