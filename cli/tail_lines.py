"""Records of the feed as lines for people: `2026-01-31 13:00:00  shop  page-view  PROFILE  url=/shoes`."""

from datetime import datetime
from typing import NamedTuple

import msgspec
from msgspec import Raw, Struct

from trackd.core.document_shapes import DocumentReference, Owner
from trackd.core.short_texts import MAX_TEXT, properties, shortened
from trackd.storage.feed import ERASED

MAX_ID, SHORT_ID = 40, 12  # characters
WIDE = 140  # columns of a terminal that have room for whole ids
INVALID = "invalid"


class Part(NamedTuple):
    """A part of a line. `style` is that of a terminal."""

    text: str
    style: str = ""


class _Times(Struct):
    insert: str


class _Metadata(Struct):
    time: _Times
    status: str
    reasons: list[str] | None = None


class _Event(Struct):
    type: str
    profile: Owner
    source: DocumentReference
    metadata: _Metadata
    properties: Raw


class _Erased(Struct):
    id_hash: str
    time: str


class _Kind(Struct):
    kind: str


_kind = msgspec.json.Decoder(_Kind).decode
_event = msgspec.json.Decoder(_Event).decode
_erased = msgspec.json.Decoder(_Erased).decode


def parts(record: bytes, columns: int | None = None) -> list[Part]:
    """The line of a record. `columns` are those of the terminal; ids are cut on a narrow one.

    Its texts are from outside: the output has to show them as plain text.
    """
    if _kind(record).kind == ERASED:
        erased = _erased(record)
        return [
            Part(local_time(erased.time), "dim"),
            Part("erased", "yellow"),
            Part(f"the profile whose id has the SHA-256 {erased.id_hash}"),
        ]
    event = _event(record)
    most = MAX_ID if columns is None or columns >= WIDE else SHORT_ID
    found = [
        Part(local_time(event.metadata.time.insert), "dim"),
        Part(shortened(event.source.id, most).ljust(SHORT_ID), "cyan"),
        Part(shortened(event.type, MAX_ID).ljust(SHORT_ID), "bold"),
        Part(shortened(event.profile.id, most) or "-", "green"),
    ]
    if event.metadata.status == INVALID:
        reasons = "; ".join(event.metadata.reasons or ())
        found.append(Part(shortened(f"{INVALID}: {reasons}" if reasons else INVALID, MAX_TEXT), "red"))
    found.append(Part(properties(bytes(event.properties))))
    return [part for part in found if part.text]


def local_time(text: str) -> str:
    """A time in the zone of this machine; a text that is none is shown as it is."""
    try:
        return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        return shortened(text, MAX_ID)
