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
    [found] = refusal_rows(json.dumps([{**REFUSAL, **fields}]).encode())
    return found


def test_a_row_has_texts_alone() -> None:
    nothing = RefusalRow("7", REFUSAL["time"], "200", "without consent", "shop", "", "", "", "", "0")
    assert row() == nothing
    known = row(source=None, profile={"id": "ann"}, event={"id": None, "type": "t"}, body="{", left_out=3)
    assert (known.source, known.profile, known.type, known.body, known.left_out) == ("", "ann", "t", "{", "3")


@pytest.mark.parametrize(("status", "reason", "is_refused"), [(200, "unwanted", False), (422, "invalid", True)])
def test_the_status_decides_whether_the_call_was_refused(status: int, reason: str, is_refused: bool) -> None:
    assert row(status=status, reason=reason).is_refused == is_refused


def test_events_that_are_stored_as_invalid_have_no_row_here() -> None:
    assert refusal_rows(json.dumps([{**REFUSAL, "reason": "invalid"}]).encode()) == []


def test_faults_are_one_text_of_a_bounded_length_with_their_places() -> None:
    faults = [
        {"loc": ["body", "events", 0, "type"], "msg": "Field required", "type": "missing"},
        {"loc": [], "msg": "Invalid event source `nope`.", "type": "unknown_source"},
    ]
    assert row(faults=faults).faults == "body.events.0.type: Field required; Invalid event source `nope`."
    assert len(row(faults=[{"msg": "x" * 250}] * 2).faults) == MAX_TEXT


@pytest.mark.parametrize("faults", [None, {}, "x"])
def test_faults_that_another_tool_has_written_are_left_out(faults: Any) -> None:
    assert row(faults=faults).faults == ""
