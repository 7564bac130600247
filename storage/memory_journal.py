"""The commits of a `MemoryStore` in their order, for its feed."""

import uuid
from collections.abc import Iterable
from typing import Any

from msgspec import Raw

from trackd.core.document_shapes import EventDocument
from trackd.core.documents import Event, tombstone
from trackd.core.feed_cursor import Cursor
from trackd.storage.feed import (
    ERASED,
    EVENT,
    ErasedDocument,
    FeedFilter,
    FeedPage,
    FeedRequest,
    Lost,
    Start,
    fault_of,
    lost_page,
    page,
    record,
)

HISTORY = "0" * 16


class MemoryJournal:
    """Events and erasures by their numbers, which are not used again."""

    def __init__(self) -> None:
        self._records: dict[int, Event | ErasedDocument] = {}
        self._last = self._deleted_up_to = 0

    def add(self, records: Iterable[Event | ErasedDocument]) -> None:
        for each in records:
            self._last += 1
            self._records[self._last] = each

    def erase(self, profile_id: str, *, keep_events: bool) -> None:
        for number, each in list(self._records.items()):
            if isinstance(each, Event) and each.profile_id == profile_id:
                if keep_events:
                    self._records[number] = anonymous(each)
                else:
                    del self._records[number]

    def delete_oldest(self, events: int) -> None:
        """Delete so many of the oldest events, as the retention does."""
        numbers = [number for number, each in self._records.items() if isinstance(each, Event)][:events]
        for number in numbers:
            del self._records[number]
        self._deleted_up_to = max([self._deleted_up_to, *numbers])

    def feed(self, matching: FeedFilter, request: FeedRequest) -> FeedPage:
        oldest = self._deleted_up_to if EVENT in matching.kinds else 0
        match request.after:
            case Cursor():
                begin = request.after.events
                fault = fault_of(request.after, [(HISTORY, 0)], self._last)
                if fault is None and begin < oldest:
                    fault = Lost.DELETED
                if fault is not None:
                    return lost_page(fault, Cursor(HISTORY, oldest))
            case Start.OLDEST:
                begin = oldest
            case Start.NOW:
                begin = self._last
        records: list[bytes] = []
        for number, each in sorted(self._records.items()):
            if number > begin and _matches(each, matching):
                records.append(record(Cursor(HISTORY, number), _document(each), request.form))
                if len(records) == request.limit or sum(map(len, records)) > request.max_bytes:
                    return page(records, Cursor(HISTORY, number), is_last=number == self._last)
        return page(records, Cursor(HISTORY, self._last), is_last=True)

    def feed_head(self) -> Cursor:
        return Cursor(HISTORY, self._last)


def _document(each: Event | ErasedDocument) -> EventDocument | ErasedDocument:
    return EventDocument.of_row(each, _raw) if isinstance(each, Event) else each


def _raw(text: str, _: type) -> Raw:
    return Raw(text.encode())


def _matches(each: Event | ErasedDocument, matching: FeedFilter) -> bool:
    if isinstance(each, ErasedDocument):
        is_own = matching.profile is None or tombstone(matching.profile) == each.id_hash
        return is_own and ERASED in matching.kinds
    fields = (
        (each.type, matching.type),
        (each.source_id, matching.source),
        (each.profile_id, matching.profile),
        (each.session_id, matching.session),
        (each.status, matching.status),
    )
    return EVENT in matching.kinds and all(wanted in (None, found) for found, wanted in fields)


def anonymous(event: Event) -> Event:
    """The event as an erasure leaves it that keeps events."""
    no_person: dict[str, Any] = {
        "id": uuid.uuid4().hex,
        "profile_id": "",
        "session_id": "",
        "seq": 0,
        "ip": None,
        "reasons": None,
        "rules": None,
    }
    return event._replace(**no_person, properties="{}", context="{}", config="{}")
