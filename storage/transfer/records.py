"""The lines of a whole export: one record for each row, with the document that the server answers for it.

Each table has a class here, with its columns and the conversion between row and record in both directions. JSON stays
the text that is stored, so that an import writes the same row, byte for byte.
"""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Self

import msgspec
from msgspec import Meta, Raw, Struct
from pydantic_core import from_json

from trackd.core.document_shapes import Count, EventDocument, Id, SessionDocument, Time
from trackd.storage.sqlite import event_chain
from trackd.storage.transfer.stored_profile import stored_profile

FORMAT, VERSION = "trackd-export", 3  # lines of version 1: see version_1.py
WITHOUT_NUMBERS = 2  # the version whose tombstones have no numbers; all else is as now

Row = Sequence[Any]
Number = Annotated[int, Meta(ge=1, le=2**62)]  # as `Count`, from 1 on
EMPTY: dict[str, Any] = {"{}": {}, "[]": []}  # most columns hold one of these: they need no parsing


class Header(Struct, frozen=True):
    """The first line. `last_number` is the highest number that an event has or had, 0 in files of trackd 0.1."""

    format: str
    version: int
    last_number: Count = 0


class Record(Struct, frozen=True, forbid_unknown_fields=True, tag_field="table"):
    """One row of a table.

    `columns` are those of a row. `order` is SQL for the order of the rows, `changed` SQL for the time of a row's last
    change. `links` are the columns that chain events, `times` and `json` those whose text is a time or JSON.
    """

    columns: ClassVar[tuple[str, ...]]
    order: ClassVar[str]
    changed: ClassVar[str] = "NULL"
    links: ClassVar[frozenset[str]] = frozenset()
    times: ClassVar[frozenset[str]] = frozenset()
    json: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def table(cls) -> str:
        return str(cls.__struct_config__.tag)

    @classmethod
    def of_row(cls, row: Row) -> Self:
        """Raises TypeError or ValueError for a row that an import would refuse: another tool may have written it."""
        return cls(*row)

    def check(self) -> None:
        """Raises ValueError for values that contradict each other."""

    def row(self, after: int) -> Row:
        """The row. Numbers of events are moved up by `after`. Raises ValueError for JSON of another kind."""
        return msgspec.structs.astuple(self)


class ProfileRecord(Record, frozen=True, tag="profile"):
    columns: ClassVar = ("id", "seq", "revision", "doc", "last_event")
    order: ClassVar = "rowid"
    changed: ClassVar = "max(json_extract(doc, '$.metadata.time.update'), ifnull(reevaluated, ''))"
    links: ClassVar = frozenset({"last_event"})
    json: ClassVar = frozenset({"doc"})

    document: Raw
    revision: Count
    last_event: Number | None

    @classmethod
    def of_row(cls, row: Row) -> Self:
        profile_id, seq, revision, doc, last_event = row
        text = _raw(doc, dict)
        document = stored_profile(doc)
        if (document.id, document.seq) != (profile_id, seq):
            raise ValueError("`doc` has another `id` or `seq`")
        return cls(text, revision, last_event)

    def row(self, after: int) -> Row:
        text = _text(self.document, dict)
        document = stored_profile(text)
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
    times: ClassVar = frozenset({"inserted", "updated"})
    json: ClassVar = frozenset({"context", "properties"})

    document: SessionDocument

    @classmethod
    def of_row(cls, row: Row) -> Self:
        return cls(SessionDocument.of_row(row, _raw))

    def row(self, after: int) -> Row:
        return self.document.row(_text)


class EventIdRecord(Record, frozen=True, tag="event_id"):
    columns: ClassVar = ("profile_id", "id", "seq")
    order: ClassVar = "profile_id, id"

    profile_id: Id
    id: Id
    seq: Number | None


class ErasedRecord(Record, frozen=True, tag="erased"):
    columns: ClassVar = ("hash", "erased", "number")
    order: ClassVar = "hash"

    hash: Id
    erased: Time
    number: Number | None = None

    def row(self, after: int) -> Row:
        return self.hash, self.erased, _moved(self.number, after)


class EventRecord(Record, frozen=True, tag="event"):
    columns: ClassVar = event_chain.COLUMNS
    order: ClassVar = "number"
    changed: ClassVar = "inserted"
    links: ClassVar = frozenset({"previous"})
    times: ClassVar = frozenset({"created", "inserted"})
    json: ClassVar = frozenset({"properties", "context", "config", "tags", "reasons", "rules"})

    number: Number
    previous: Number | None
    document: EventDocument

    @classmethod
    def of_row(cls, row: Row) -> Self:
        number, *columns, previous = row
        return cls(number, previous, EventDocument.of_row(columns, _raw))

    def check(self) -> None:
        if (self.document.seq == 0) != (self.document.profile.id == ""):
            raise ValueError("an event has a profile and a `seq` from 1 on, or neither")
        if self.previous is not None and self.previous >= self.number:
            raise ValueError("`previous` is not before `number`")

    def row(self, after: int) -> Row:
        self.check()
        return self.number + after, *self.document.row(_text), _moved(self.previous, after)


class End(Struct, frozen=True, forbid_unknown_fields=True, tag_field="table", tag="end"):
    """The last line: how many records of each table precede it."""

    counts: dict[str, int]


# In the order of the lines. Events stand last: they are only added, the rows of the other tables change.
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


def _moved(number: int | None, after: int) -> int | None:
    return None if number is None else number + after


def _raw(text: str, kind: type) -> Raw:
    _check(text, kind)
    return Raw(text.replace("\n", " ").replace("\r", " "))  # a record is one line; another tool may have used several


def _text(raw: Raw, kind: type) -> str:
    text = bytes(raw).decode()
    _check(text, kind)
    return text


def _check(text: str, kind: type) -> None:
    """With the parser of the server, which also refuses lone surrogates and too deep nesting."""
    if type(EMPTY[text] if text in EMPTY else from_json(text, allow_inf_nan=False)) is not kind:
        raise ValueError(f"{text[:40]!r} is not JSON of {'an object' if kind is dict else 'a list'}")
