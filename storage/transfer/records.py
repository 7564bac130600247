"""The lines of an export that can be imported: one record for each row, its document as in the contract.

Each table of such an export has one class here, with its columns and both ways between row and record. JSON is carried
as the text that is stored, so a row comes back as it was, byte for byte.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import msgspec
from msgspec import Raw, Struct
from pydantic_core import from_json

from trackd.storage.sqlite import event_chain
from trackd.storage.transfer.document_shapes import (
    Anyone,
    Count,
    EventDocument,
    EventMetadata,
    EventTime,
    Id,
    Named,
    Number,
    ProfileDocument,
    SessionDocument,
    SessionMetadata,
    SessionTime,
    Time,
)

FORMAT, VERSION = "trackd-export", 1

Row = Sequence[Any]
NULL = Raw(b"null")
EMPTY: dict[str, Any] = {"{}": {}, "[]": []}  # most are: no need to parse them


class Header(Struct, frozen=True):
    format: str
    version: int


class Record(Struct, frozen=True, forbid_unknown_fields=True, tag_field="table"):
    """One row. `changed` is SQL for the time of its last change; `links` are columns that hold numbers of events."""

    columns: ClassVar[tuple[str, ...]]
    order: ClassVar[str]
    changed: ClassVar[str] = "NULL"
    links: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def table(cls) -> str:
        return str(cls.__struct_config__.tag)

    @classmethod
    def of_row(cls, row: Row) -> Self:
        """Raises ValueError for a row that could not be imported: another tool may have written it."""
        return cls(*row)

    def row(self, after: int) -> Row:
        """The row, its events numbered after a number. Raises ValueError for JSON that is not what it should be."""
        return msgspec.structs.astuple(self)


class ProfileRecord(Record, frozen=True, tag="profile"):
    columns: ClassVar = ("id", "seq", "revision", "doc", "last_event")
    order: ClassVar = "rowid"
    changed: ClassVar = "json_extract(doc, '$.metadata.time.update')"
    links: ClassVar = frozenset({"last_event"})

    document: Raw
    revision: Count
    last_event: Number | None

    @classmethod
    def of_row(cls, row: Row) -> Self:
        profile_id, seq, revision, doc, last_event = row
        document = _PROFILE.decode(doc)
        if (document.id, document.seq) != (profile_id, seq):
            raise ValueError("`doc` has another `id` or `seq`")
        return cls(_raw(doc, dict), revision, last_event)

    def row(self, after: int) -> Row:
        text = _text(self.document, dict)
        document = _PROFILE.decode(text)
        return document.id, document.seq, self.revision, text, _moved(self.last_event, after)


class MergedRecord(Record, frozen=True, tag="merged"):
    columns: ClassVar = ("id", "into_id")
    order: ClassVar = "id"

    id: Id
    into_id: Id


class SessionRecord(Record, frozen=True, tag="session"):
    columns: ClassVar = ("id", "profile_id", "inserted", "updated", "context", "properties")
    order: ClassVar = "rowid"
    changed: ClassVar = "updated"

    document: SessionDocument

    @classmethod
    def of_row(cls, row: Row) -> Self:
        session_id, profile_id, inserted, updated, context, properties = row
        time = SessionMetadata(SessionTime(inserted, updated))
        return cls(SessionDocument(session_id, Named(profile_id), time, _raw(context, dict), _raw(properties, dict)))

    def row(self, after: int) -> Row:
        it = self.document
        time = it.metadata.time
        return it.id, it.profile.id, time.insert, time.update, _text(it.context, dict), _text(it.properties, dict)


class EventIdRecord(Record, frozen=True, tag="event_id"):
    columns: ClassVar = ("profile_id", "id", "seq")
    order: ClassVar = "profile_id, id"

    profile_id: Id
    id: Id
    seq: Number | None


class ErasedRecord(Record, frozen=True, tag="erased"):
    columns: ClassVar = ("hash", "erased")
    order: ClassVar = "hash"

    hash: Id
    erased: Time


class EventRecord(Record, frozen=True, tag="event"):
    columns: ClassVar = event_chain.COLUMNS
    order: ClassVar = "number"
    changed: ClassVar = "inserted"
    links: ClassVar = frozenset({"number", "previous"})

    number: Number
    previous: Number | None
    document: EventDocument

    @classmethod
    def of_row(cls, row: Row) -> Self:
        number, event_id, profile_id, seq, session_id, source_id, event_type, *times, status, ip = row[:11]
        properties, context, config, tags, reasons, previous = row[11:]
        document = EventDocument(
            event_id,
            seq,
            event_type,
            Anyone(profile_id),
            Anyone(session_id),
            Named(source_id),
            EventMetadata(EventTime(*times), status, ip),
            _raw(properties, dict),
            _raw(context, dict),
            _raw(config, dict),
            _raw(tags, list),
            NULL if reasons is None else _raw(reasons, list),
        )
        return cls(number, previous, document)

    def row(self, after: int) -> Row:
        it, metadata = self.document, self.document.metadata
        if (it.seq == 0) != (it.profile.id == ""):
            raise ValueError("an event has a `seq` from 1 on in its profile, or neither `seq` nor profile")
        if self.previous is not None and self.previous >= self.number:
            raise ValueError("`previous` is not before `number`")
        return (
            self.number + after,
            it.id,
            it.profile.id,
            it.seq,
            it.session.id,
            it.source.id,
            it.type,
            metadata.time.create,
            metadata.time.insert,
            metadata.status,
            metadata.ip,
            _text(it.properties, dict),
            _text(it.context, dict),
            _text(it.config, dict),
            _text(it.tags, list),
            None if bytes(it.reasons) == b"null" else _text(it.reasons, list),
            _moved(self.previous, after),
        )


class End(Struct, frozen=True, forbid_unknown_fields=True, tag_field="table", tag="end"):
    """The last line: how many records of each table are before it."""

    counts: dict[str, int]


# In the order of the lines. What changes is read before events, which are only added to.
RECORDS: tuple[type[Record], ...] = (
    ProfileRecord,
    MergedRecord,
    SessionRecord,
    EventIdRecord,
    ErasedRecord,
    EventRecord,
)
Line = ProfileRecord | MergedRecord | SessionRecord | EventIdRecord | ErasedRecord | EventRecord | End

line_of = msgspec.json.Encoder().encode
record_of = msgspec.json.Decoder(Line).decode
header_of = msgspec.json.Decoder(Header).decode
_PROFILE = msgspec.json.Decoder(ProfileDocument)


def _moved(number: int | None, after: int) -> int | None:
    return None if number is None else number + after


def _raw(text: str, kind: type) -> Raw:
    _check(text, kind)
    return Raw(text.replace("\n", " ").replace("\r", " "))  # another tool may have broken the line between two values


def _text(raw: Raw, kind: type) -> str:
    text = bytes(raw).decode()
    _check(text, kind)
    return text


def _check(text: str, kind: type) -> None:
    """By what reads it in the server, which also refuses half a character and nesting without end."""
    if type(EMPTY[text] if text in EMPTY else from_json(text, allow_inf_nan=False)) is not kind:
        raise ValueError(f"{text[:40]!r} is not JSON of {'an object' if kind is dict else 'a list'}")
