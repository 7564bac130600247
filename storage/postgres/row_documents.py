"""Documents from the rows of a PostgreSQL database, for reading."""

from typing import Any

from msgspec import Raw

from trackd.core.document_shapes import EventDocument, SessionDocument
from trackd.core.refusal_document import RefusalDocument
from trackd.storage.postgres.connection import Row, text_of
from trackd.storage.postgres.events import EVENT_COLUMNS

__all__ = [
    "EVENT_COLUMNS",
    "READABLE_DOC",
    "SESSION_COLUMNS",
    "Document",
    "event_document",
    "refusal_document",
    "session_document",
]

SESSION_COLUMNS = f"id, profile_id, {text_of('inserted')}, {text_of('updated')}, context::text, properties::text"
# PostgreSQL reads no part of a document that has the escape of U+0000 anywhere. In its place stands another one here.
READABLE_DOC = r"replace(doc::text, '\u0000', '\ufffd')::json"
Document = EventDocument | RefusalDocument | SessionDocument


def event_document(row: Row) -> EventDocument:
    """`row` begins with EVENT_COLUMNS."""
    return EventDocument.of_row(row, _raw)


def session_document(row: Row) -> SessionDocument:
    """`row` begins with SESSION_COLUMNS."""
    return SessionDocument.of_row(row, _raw)


def refusal_document(row: Row) -> RefusalDocument:
    """`row` has the fields of `Refusal` and the number."""
    return RefusalDocument.of_row(row, _raw)


def _raw(text: Any, kind: type) -> Raw:
    return Raw(text.encode())
