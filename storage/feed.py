"""The feed: what was committed, in the order of the commits, from a position on, a page at a time.

A page is read from what is stored, never from memory, so it shows nothing that is not durable. Its records are framed
already, ready to send.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec
from msgspec import Struct

from trackd.core.document_shapes import EventDocument
from trackd.core.feed_cursor import Cursor
from trackd.core.refusal_document import RefusalDocument

PAGE_BYTES = 65_536
PAGE_RECORDS = 500
EVENT, ERASED, REFUSAL = "event", "erased", "refusal"
KINDS = (EVENT, ERASED, REFUSAL)
MISSED = "missed"
"""The kind of a record that is shown with refusals: some are gone before they were shown."""


class Form(StrEnum):
    """How records are framed: a line of JSON for each, or a server-sent event."""

    LINES = "lines"
    EVENTS = "events"


class Start(StrEnum):
    """A position without a cursor."""

    OLDEST = "oldest"
    NOW = "now"


Position = Cursor | Start | int
"""Where a page begins: behind a cursor, or at a start, or, as a number, before so many of the newest events."""


class FeedFilter(Struct, frozen=True):
    """The records that a feed shows: those of `kinds`, and of the events those that match all other fields.

    Refusals match them too, but for `status`, and erasures `profile`. None matches any.
    """

    kinds: tuple[str, ...] = (EVENT, ERASED)
    type: str | None = None
    source: str | None = None
    profile: str | None = None
    session: str | None = None
    status: str | None = None


class FeedRequest(Struct, frozen=True):
    """The page after a position, with at most `limit` records.

    It ends with the one that exceeds `max_bytes`; refusals have as many bytes of their own.
    """

    after: Position
    form: Form = Form.LINES
    limit: int = PAGE_RECORDS
    max_bytes: int = PAGE_BYTES


class Lost(StrEnum):
    """Why a feed cannot go on after a cursor."""

    DELETED = "deleted"
    """The retention has deleted events that followed it."""
    REPLACED = "replaced"
    """A backup was restored that does not have the records up to it."""
    AHEAD = "ahead"
    """It is ahead of everything that is stored."""
    FOREIGN = "foreign"
    """It is of another store."""


class FeedPage(Struct, frozen=True):
    """Some records in their frames, and the cursor after them, which moves on without records too.

    When the position is lost there are no records, and the cursor is that of the oldest position.
    """

    records: bytes
    number: int
    cursor: Cursor
    is_last: bool
    """Whether nothing follows that was committed before the read."""
    lost: Lost | None = None


class FeedGroup(Struct, frozen=True):
    """Pages that were read together, None for those for which there was no time.

    `processor_s` is the time of the processor that they took.
    """

    pages: list[FeedPage | None]
    processor_s: float = 0.0


class ErasedDocument(Struct, frozen=True):
    """An erasure: `id_hash` is the SHA-256 of the profile's id, in hex."""

    id_hash: str
    time: str


Document = EventDocument | ErasedDocument | RefusalDocument


class Stretch(Struct, frozen=True):
    """The records of one order of numbers, with their numbers, that match up to the number `end`.

    `last` is the last number of the order. No record up to the number `gone` is left.
    """

    records: Sequence[tuple[int, Document]]
    end: int
    last: int
    gone: int = 0

    @property
    def is_cut(self) -> bool:
        return self.end < self.last


class MissedDocument(Struct, frozen=True):
    """How many refusals are gone that followed the position of a client."""

    refusals: int


class History(NamedTuple):
    """A history of a store, and the last numbers of events and of refusals before it began."""

    id: str
    events: int = 0
    refusals: int = 0


KIND_OF: dict[type[Document | MissedDocument], str] = {
    EventDocument: EVENT,
    ErasedDocument: ERASED,
    RefusalDocument: REFUSAL,
    MissedDocument: MISSED,
}
_encoded = msgspec.json.Encoder().encode


def record(cursor: Cursor, document: Document | MissedDocument, form: Form) -> bytes:
    """A document as a record with its kind and its cursor, in its frame."""
    encoded = _encoded(document)
    if b"\n" in encoded or b"\r" in encoded:  # between values, in JSON that another tool has written
        encoded = encoded.replace(b"\n", b" ").replace(b"\r", b" ")
    text = cursor.text.encode()
    line = b'{"kind":"%b","cursor":"%b",%b' % (KIND_OF[type(document)].encode(), text, encoded[1:])
    return line + b"\n" if form is Form.LINES else b"id: %b\ndata: %b\n\n" % (text, line)


def page(records: Iterable[bytes], cursor: Cursor, *, is_last: bool) -> FeedPage:
    found = list(records)
    return FeedPage(b"".join(found), len(found), cursor, is_last)


def merged_page(begin: Cursor, events: Stretch, refusals: Stretch | None, request: FeedRequest) -> FeedPage:
    """The page after the position `begin`. Refusals are merged by time; each order stays as it is.

    Where one order is cut, the other one waits: what follows the cut may be earlier.
    """
    event, refusal = begin.events, begin.refusals
    events_left = deque(events.records)
    refusals_left: deque[tuple[int, Document]] = deque(() if refusals is None else refusals.records)
    frames: list[bytes] = []
    if refusals is not None:
        refusal = max(refusals.gone, begin.refusals or 0)
        if begin.refusals is not None and (missed := refusal - begin.refusals):
            frames.append(record(Cursor(begin.history, event, refusal), MissedDocument(missed), request.form))
    while len(frames) < request.limit:
        if not events_left and events.is_cut:
            break
        if not refusals_left and refusals is not None and refusals.is_cut:
            break
        if events_left and not (refusals_left and time_of(refusals_left[0][1]) < time_of(events_left[0][1])):
            event, document = events_left.popleft()
        elif refusals_left:
            refusal, document = refusals_left.popleft()
        else:
            break
        frames.append(record(Cursor(begin.history, event, refusal), document, request.form))
    if not events_left:
        event = events.end
    if refusals is not None and not refusals_left:
        refusal = refusals.end
    is_last = event >= events.last and (refusals is None or (refusal or 0) >= refusals.last)
    return page(frames, Cursor(begin.history, event, refusal), is_last=is_last)


def time_of(document: Document) -> str:
    """When a call arrived, or a profile was erased."""
    return str(document.metadata.time.insert if isinstance(document, EventDocument) else document.time)


def lost_page(reason: Lost, oldest: Cursor) -> FeedPage:
    return FeedPage(b"", 0, oldest, is_last=False, lost=reason)


def begin_of(after: Position, histories: Sequence[History], last: Cursor, oldest: int) -> tuple[Cursor, Lost | None]:
    """The position at which a page begins; when the one of the client is lost the oldest one, and why.

    `last` is the position after all records, `oldest` the number before the oldest event. Refusals are never a reason:
    the part of the cursor for them is None when all that are kept follow.
    """
    if not isinstance(after, Cursor):
        return Cursor(last.history, oldest), None
    fault = fault_of(after, histories, last)
    return Cursor(
        last.history, after.events if fault is None else oldest, _refusals_read(after, histories, last)
    ), fault


def fault_of(cursor: Cursor, histories: Sequence[History], last: Cursor) -> Lost | None:
    """Why the store is not the one that the cursor comes from, None when it is.

    `histories` are those of the store in their order, `last` is the position after all records.
    """
    later = _later(cursor, histories)
    if later is None:
        return Lost.FOREIGN
    if any(history.events < cursor.events for history in later):
        return Lost.REPLACED
    return Lost.AHEAD if cursor.events > last.events else None


def _refusals_read(cursor: Cursor, histories: Sequence[History], last: Cursor) -> int | None:
    """The number up to which refusals are read in the last history: those that a restore lost have others behind it.

    None when it is not known: none are read, or the cursor is of another store.
    """
    later = _later(cursor, histories)
    if cursor.refusals is None or later is None:
        return None
    ends = [cursor.refusals, *(history.refusals for history in later)]
    if last.refusals is not None:
        ends.append(last.refusals)
    return min(ends)


def _later(cursor: Cursor, histories: Sequence[History]) -> Sequence[History] | None:
    """The histories after that of the cursor, None when it is of none of them."""
    ids = [history.id for history in histories]
    return histories[ids.index(cursor.history) + 1 :] if cursor.history in ids else None
