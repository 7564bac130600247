"""Records of the feed as lines for people: `2026-01-31 13:00:00  shop  page-view  PROFILE  url=/shoes`."""

from datetime import datetime
from typing import NamedTuple

import msgspec
from msgspec import Raw, Struct

from trackd.core.document_shapes import DocumentReference, Owner
from trackd.core.short_texts import MAX_TEXT, contents, shortened
from trackd.storage.feed import ERASED, MISSED, REFUSAL

MAX_ID, SHORT_ID = 40, 12  # characters
WIDE = 140  # columns of a terminal that have room for whole ids
INVALID = "invalid"
ACCEPTED = 200


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
    context: Raw = Raw(b"{}")


class _Erased(Struct):
    id_hash: str
    time: str


class _RefusedEvent(Struct):
    type: str | None


class _Refusal(Struct):
    time: str
    status: int
    reason: str
    source: DocumentReference | None
    profile: DocumentReference | None
    event: _RefusedEvent
    faults: Raw
    left_out: int


class _Fault(Struct):
    loc: list[str | int]
    msg: str


class _Missed(Struct):
    refusals: int


class _Kind(Struct):
    kind: str


_kind = msgspec.json.Decoder(_Kind).decode
_event = msgspec.json.Decoder(_Event).decode
_erased = msgspec.json.Decoder(_Erased).decode
_refusal = msgspec.json.Decoder(_Refusal).decode
_missed = msgspec.json.Decoder(_Missed).decode
_faults = msgspec.json.Decoder(list[_Fault]).decode


def parts(record: bytes, columns: int | None = None) -> list[Part]:
    """The line of a record. `columns` are those of the terminal; ids are cut on a narrow one.

    Its texts are from outside: the output has to show them as plain text.
    """
    kind = _kind(record).kind
    if kind == ERASED:
        erased = _erased(record)
        return [
            Part(local_time(erased.time), "dim"),
            Part("erased", "yellow"),
            Part(f"the profile whose id has the SHA-256 {erased.id_hash}"),
        ]
    most = MAX_ID if columns is None or columns >= WIDE else SHORT_ID
    if kind == REFUSAL:
        return _refusal_parts(_refusal(record), most)
    if kind == MISSED:
        return [Part(f"{_missed(record).refusals:,} refusals are missing here: they are not kept any more", "dim")]
    event = _event(record)
    found = [
        Part(local_time(event.metadata.time.insert), "dim"),
        Part(shortened(event.source.id, most).ljust(SHORT_ID), "cyan"),
        Part(shortened(event.type, MAX_ID).ljust(SHORT_ID), "bold"),
        Part(shortened(event.profile.id, most) or "-", "green"),
    ]
    if event.metadata.status == INVALID:
        reasons = "; ".join(event.metadata.reasons or ())
        found.append(Part(shortened(f"{INVALID}: {reasons}" if reasons else INVALID, MAX_TEXT), "red"))
    found.append(Part(contents(bytes(event.properties), bytes(event.context))))
    return [part for part in found if part.text]


def _refusal_parts(refusal: _Refusal, most: int) -> list[Part]:
    effect = f"not stored: {refusal.status} {shortened(refusal.reason, MAX_ID)}"
    if (refusal.status, refusal.reason) == (ACCEPTED, INVALID):
        effect = "stored as invalid"
    found = [
        Part(local_time(refusal.time), "dim"),
        Part(shortened(refusal.source.id if refusal.source else "-", most).ljust(SHORT_ID), "cyan"),
        Part(shortened(refusal.event.type or "-", MAX_ID).ljust(SHORT_ID), "bold"),
        Part(shortened(refusal.profile.id if refusal.profile else "-", most), "green"),
        Part(effect, "yellow" if refusal.status == ACCEPTED else "red"),
        Part(shortened(_faults_text(bytes(refusal.faults)), MAX_TEXT)),
    ]
    if refusal.left_out:
        found.append(Part(f"{refusal.left_out:,} more before it", "dim"))
    return [part for part in found if part.text]


def _faults_text(faults: bytes) -> str:
    try:
        found = _faults(faults)
    except (msgspec.DecodeError, RecursionError):  # of another tool
        return ""
    return "; ".join(f"{'.'.join(map(str, fault.loc))}: {fault.msg}" if fault.loc else fault.msg for fault in found)


def local_time(text: str) -> str:
    """A time in the zone of this machine; a text that is none is shown as it is."""
    try:
        return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        return shortened(text, MAX_ID)
