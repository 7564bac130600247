"""The structs of documents: what they build from rows, and which documents they refuse."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from trackd.core.document_shapes import EventDocument, ProfileDocument, SessionDocument
from trackd.core.documents import Event, Session
from trackd.core.profile_document import new_profile, shareable

NOW, LATER = "2026-01-31T12:00:00.000000Z", "2026-01-31T12:01:30.250400Z"
EVENT = Event("e", "A", 1, "S", "source", "t", NOW, LATER, "invalid", None, '{"a": 1.50}', "{}", "{}", "[]", '["no"]')
RUNS = '[{"id":"r","changed":["traits.public.a"]}]'


def as_raw(text: str, kind: type) -> Raw:
    return Raw(text)


def session(inserted: Any, updated: Any) -> SessionDocument:
    return SessionDocument.of_row(("S", "A", inserted, updated, '{"b": 1.0}', "{}", "more columns"), as_raw)


@pytest.mark.parametrize(
    ("inserted", "updated", "duration"),
    [(NOW, LATER, 90.25), (NOW, NOW, 0.0), (NOW, "later", None), (NOW, None, None), ("2026-01-31", LATER, None)],
)
def test_the_duration_of_a_session_is_in_seconds_and_null_when_a_time_is_unreadable(
    inserted: Any, updated: Any, duration: float | None
) -> None:
    assert session(inserted, updated).metadata.time.duration == duration


def test_json_of_a_row_is_carried_byte_for_byte() -> None:
    assert b'"properties":{"a": 1.50},' in msgspec.json.encode(EventDocument.of_row(EVENT, as_raw))
    assert b'"context":{"b": 1.0},' in msgspec.json.encode(session(NOW, LATER))


def test_only_an_invalid_event_has_reasons() -> None:
    assert bytes(EventDocument.of_row(EVENT, as_raw).metadata.reasons) == b'["no"]'
    assert bytes(EventDocument.of_row(EVENT._replace(reasons=None), as_raw).metadata.reasons) == b"[]"


def test_an_event_has_the_rules_that_ran_and_none_without_a_trace() -> None:
    traced = EventDocument.of_row(EVENT._replace(rules=RUNS), as_raw)
    assert bytes(traced.metadata.rules) == RUNS.encode()
    assert traced.row(lambda raw, _: bytes(raw).decode()).rules == RUNS
    without = EventDocument.of_row(EVENT, as_raw)
    assert bytes(without.metadata.rules) == b"[]"
    assert without.row(lambda raw, _: bytes(raw).decode()).rules is None


def test_a_struct_reads_the_json_that_it_wrote() -> None:
    document = EventDocument.of_row(EVENT._replace(rules=RUNS), as_raw)
    assert msgspec.json.decode(msgspec.json.encode(document), type=EventDocument) == document


def test_rows_have_the_fields_of_the_stored_documents_in_their_order() -> None:
    assert Session.__struct_fields__ == ("id", "profile_id", "inserted", "updated", "context_json", "properties_json")
    assert len(Event._fields) == 16


def test_a_new_profile_is_a_profile_document() -> None:
    document = msgspec.convert(new_profile("A", NOW), ProfileDocument)
    assert msgspec.to_builtins(document) == new_profile("A", NOW)


def test_a_shared_profile_has_neither_pii_nor_private_traits() -> None:
    shared = shareable(new_profile("A", NOW))
    assert shared.keys() == new_profile("A", NOW).keys() - {"pii"}
    assert shared["traits"].keys() == {"public"}


@pytest.mark.parametrize(
    "time", ["", "2026-01-31", "2026-01-31T12:00:00Z", f"{NOW}\n", f" {NOW}", NOW.replace("2", "٢"), NOW.lower()]
)
def test_a_time_in_another_form_is_refused(time: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="matching regex"):
        msgspec.convert(new_profile("A", time), ProfileDocument)
