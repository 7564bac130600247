"""Notes on replaced lone surrogates: for each event, and for the rest of the payload."""

import json
from typing import Any

from trackd.http.json_text import MAX_VALUES
from trackd.http.track.notes import UNSEARCHED, replacement_notes

HALF = "Sale \ud83d"
SENTENCE = "A lone surrogate, such as half an emoji, is replaced with U+FFFD in %s."


def notes(payload: Any) -> dict[int | None, tuple[str, ...]]:
    return dict(replacement_notes(json.dumps(payload).encode()))


def test_each_event_has_its_own_note_and_the_call_one_for_the_rest() -> None:
    payload = {
        "session": {"id": HALF},
        "device": [HALF],
        "events": [{"type": HALF, "properties": {"title": HALF}}, {"type": "ok"}, {"tags": {HALF: 1}}],
    }
    assert notes(payload) == {
        None: (SENTENCE % "`session.id`, `device.0`",),
        0: (SENTENCE % "`type`, `properties.title`",),
        2: (SENTENCE % "`tags.Sale \ufffd`",),
    }


def test_a_note_shows_three_places_and_counts_the_others() -> None:
    assert notes({"context": [HALF] * 7}) == {
        None: (SENTENCE % "`context.0`, `context.1`, `context.2` and 4 more",),
    }


def test_a_large_payload_is_searched_in_part() -> None:
    first, second = notes({"context": [HALF] * MAX_VALUES})[None]
    assert first.endswith(f"and {MAX_VALUES - 4} more.")  # `context` is a value too
    assert second == UNSEARCHED

    assert notes({"context": [0] * MAX_VALUES, "device": HALF}) == {None: (UNSEARCHED,)}


def test_a_payload_without_lone_surrogates_has_no_notes() -> None:
    assert notes({"events": [{"type": "\U0001f600"}]}) == {}
