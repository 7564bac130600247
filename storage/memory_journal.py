"""The commits of a `MemoryStore` in their order, for its feed."""

import uuid
from collections.abc import Iterable, Mapping, Set
from typing import Any

from msgspec import Raw, structs
from msgspec.structs import astuple

from trackd.core.document_shapes import EventDocument
from trackd.core.documents import Event, tombstone
from trackd.core.feed_cursor import Cursor
from trackd.core.refusal_document import RefusalDocument
from trackd.core.refusals import PutRefusals, Refusal, stored_after
from trackd.storage.feed import (
    ERASED,
    EVENT,
    REFUSAL,
    Document,
    ErasedDocument,
    FeedFilter,
    FeedPage,
    FeedRequest,
    History,
    Lost,
    Start,
    Stretch,
    begin_of,
    lost_page,
    merged_page,
    page,
    record,
)

HISTORY = "0" * 16
Stored = Event | ErasedDocument | Refusal


class MemoryJournal:
    """Events and erasures by their numbers, and refusals by theirs; no number is used again."""

    def __init__(self) -> None:
        self._records: dict[int, Event | ErasedDocument] = {}
        self._last = self._deleted_up_to = 0
        self.refusals: dict[int, Refusal] = {}
        self._last_refusal = 0

    def add(self, records: Iterable[Event | ErasedDocument]) -> None:
        for each in records:
            if isinstance(each, ErasedDocument):
                self._forget(each.id_hash)
            self._last += 1
            self._records[self._last] = each

    def _forget(self, id_hash: str) -> None:
        """Delete the record of an earlier erasure of the same id."""
        for number, each in list(self._records.items()):
            if isinstance(each, ErasedDocument) and each.id_hash == id_hash:
                del self._records[number]

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

    def put_refusals(self, change: PutRefusals) -> None:
        first, self._last_refusal = self._last_refusal + 1, self._last_refusal + len(change.refusals)
        kept = stored_after([*self.refusals.values()], change)
        numbers = [*self.refusals, *range(first, self._last_refusal + 1)]
        self.refusals = dict(zip(numbers[len(numbers) - len(kept) :], kept, strict=True))

    def clear_refusals(self, profile_ids: Set[str], session_ids: Set[str]) -> None:
        for number, refusal in self.refusals.items():
            if refusal.concerns(profile_ids, session_ids):
                self.refusals[number] = refusal.anonymous()

    def delete_refusals(self, before: str) -> None:
        self.refusals = {number: refusal for number, refusal in self.refusals.items() if refusal.time >= before}

    def feed(self, matching: FeedFilter, request: FeedRequest) -> FeedPage:
        shows_refusals = REFUSAL in matching.kinds
        last = Cursor(HISTORY, self._last, self._last_refusal if shows_refusals else None)
        if request.after is Start.NOW:
            return page((), last, is_last=True)
        oldest = self._deleted_up_to if EVENT in matching.kinds else 0
        after = request.after
        if isinstance(after, int):
            numbers = [number for number, each in self._records.items() if isinstance(each, Event)]
            after = Cursor(HISTORY, numbers[-after - 1]) if after < len(numbers) else Start.OLDEST
        begin, fault = begin_of(after, [History(HISTORY)], last, oldest)
        if fault is None and begin.events < oldest:
            begin, fault = Cursor(HISTORY, oldest, begin.refusals), Lost.DELETED
        if fault is not None:
            return lost_page(fault, begin)
        events = _stretch(self._records, begin.events, self._last, matching, request)
        refusals = None
        if shows_refusals:
            refusals = _stretch(self.refusals, begin.refusals or 0, self._last_refusal, matching, request)
            refusals = structs.replace(refusals, gone=min(self.refusals, default=self._last_refusal + 1) - 1)
        return merged_page(begin, events, refusals, request)

    def feed_head(self) -> Cursor:
        return Cursor(HISTORY, self._last, self._last_refusal)


def _stretch(
    stored: Mapping[int, Stored], begin: int, last: int, matching: FeedFilter, request: FeedRequest
) -> Stretch:
    found: list[tuple[int, Document]] = []
    size = 0
    for number, each in sorted(stored.items()):
        if number > begin and _matches(each, matching):
            found.append((number, _document(each, number)))
            size += len(record(Cursor(HISTORY, number), found[-1][1], request.form))
            if len(found) == request.limit or size > request.max_bytes:
                return Stretch(found, number, last)
    return Stretch(found, last, last)


def _document(each: Stored, number: int) -> Document:
    match each:
        case Event():
            return EventDocument.of_row(each, _raw)
        case Refusal():
            return RefusalDocument.of_row((*astuple(each), number), _raw)
    return each


def _raw(text: str, _: type) -> Raw:
    return Raw(text.encode())


def _matches(each: Stored, matching: FeedFilter) -> bool:
    match each:
        case ErasedDocument():
            is_own = matching.profile is None or tombstone(matching.profile) == each.id_hash
            return is_own and ERASED in matching.kinds
        case Refusal():
            kind, own_type, status = REFUSAL, each.event_type, matching.status
        case Event():
            kind, own_type, status = EVENT, each.type, each.status
    fields = (
        (own_type, matching.type),
        (each.source_id, matching.source),
        (each.profile_id, matching.profile),
        (each.session_id, matching.session),
        (status, matching.status),
    )
    return kind in matching.kinds and all(wanted in (None, found) for found, wanted in fields)


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
