"""Documents from the rows of an SQLite file, for reading.

A value that another tool wrote may be neither JSON nor a time: then its own field is null, and the rest of the document
is answered.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from trackd.core.document_shapes import EventDocument, SessionDocument
from trackd.core.documents import Event
from trackd.core.refusal_document import RefusalDocument

EVENT_COLUMNS = ", ".join(f"event.{name}" for name in Event._fields)
SESSION_COLUMNS = "id, profile_id, inserted, updated, context, properties"
Document = EventDocument | RefusalDocument | SessionDocument
NULL = Raw(b"null")
EMPTY = {"{}": Raw(b"{}"), "[]": Raw(b"[]")}  # most columns hold one of these: they need no check

_checked = msgspec.json.Decoder(Raw).decode
encoded = msgspec.json.Encoder().encode


def event_document(row: Sequence[Any]) -> EventDocument:
    """`row` begins with EVENT_COLUMNS."""
    return EventDocument.of_row(row, _raw)


def session_document(row: Sequence[Any]) -> SessionDocument:
    """`row` begins with SESSION_COLUMNS."""
    return SessionDocument.of_row(row, _raw)


def refusal_document(row: Sequence[Any]) -> RefusalDocument:
    """`row` has the fields of `Refusal` and the number. A body that looks like a document may be UTF-8."""
    *others, body, left_out, number = row
    text = body.decode(errors="replace") if isinstance(body, bytes) else body
    return RefusalDocument.of_row((*others, text, left_out, number), _raw)


def array(texts: Iterable[str | bytes]) -> bytes:
    """A JSON array of values that are JSON text already."""
    return b"[%b]" % b",".join([text.encode() if isinstance(text, str) else text for text in texts])


def _raw(text: Any, kind: type) -> Raw:
    if text in EMPTY:
        return EMPTY[text]
    try:
        return _checked(text)
    except (ValueError, TypeError, RecursionError):
        return NULL
