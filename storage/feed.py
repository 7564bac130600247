"""The feed: what was committed, in the order of the commits, from a position on, a page at a time.

A page is read from what is stored, never from memory, so it shows nothing that is not durable. Its records are framed
already, ready to send.
"""

from collections.abc import Iterable
from enum import StrEnum

import msgspec
from msgspec import Struct

from trackd.core.document_shapes import EventDocument
from trackd.core.feed_cursor import Cursor

PAGE_BYTES = 65_536
PAGE_RECORDS = 500
EVENT, ERASED = "event", "erased"


class Form(StrEnum):
    """How records are framed: a line of JSON for each, or a server-sent event."""

    LINES = "lines"
    EVENTS = "events"


class Start(StrEnum):
    """A position without a cursor."""

    OLDEST = "oldest"
    NOW = "now"


class FeedFilter(Struct, frozen=True):
    """The records that a feed shows: those of `kinds`, and of the events those that match all other fields.

    `profile` is matched by erasures too. None matches any event.
    """

    kinds: tuple[str, ...] = (EVENT, ERASED)
    type: str | None = None
    source: str | None = None
    profile: str | None = None
    session: str | None = None
    status: str | None = None


class FeedRequest(Struct, frozen=True):
    """The page after a position, with at most `limit` records. It ends with the one that exceeds `max_bytes`."""

    after: Cursor | Start
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


class ErasedDocument(Struct, frozen=True):
    """An erasure: `id_hash` is the SHA-256 of the profile's id, in hex."""

    id_hash: str
    time: str


_encoded = msgspec.json.Encoder().encode


def record(cursor: Cursor, document: EventDocument | ErasedDocument, form: Form) -> bytes:
    """A document as a record with its kind and its cursor, in its frame."""
    kind = EVENT if isinstance(document, EventDocument) else ERASED
    encoded = _encoded(document)
    if b"\n" in encoded or b"\r" in encoded:  # between values, in JSON that another tool has written
        encoded = encoded.replace(b"\n", b" ").replace(b"\r", b" ")
    text = cursor.text.encode()
    line = b'{"kind":"%b","cursor":"%b",%b' % (kind.encode(), text, encoded[1:])
    return line + b"\n" if form is Form.LINES else b"id: %b\ndata: %b\n\n" % (text, line)


def page(records: Iterable[bytes], cursor: Cursor, *, is_last: bool) -> FeedPage:
    found = list(records)
    return FeedPage(b"".join(found), len(found), cursor, is_last)


def lost_page(reason: Lost, oldest: Cursor) -> FeedPage:
    return FeedPage(b"", 0, oldest, is_last=False, lost=reason)


def fault_of(cursor: Cursor, histories: Iterable[tuple[str, int]], last: int) -> Lost | None:
    """Why the store is not the one that the cursor comes from, None when it is.

    `histories` are the ids of the store's histories in their order, each with the number after which it began.
    `last` is the last number of all.
    """
    known = list(histories)
    ids = [history for history, _ in known]
    if cursor.history not in ids:
        return Lost.FOREIGN
    later = known[ids.index(cursor.history) + 1 :]
    if any(begins_after < cursor.events for _, begins_after in later):
        return Lost.REPLACED
    return Lost.AHEAD if cursor.events > last else None
