"""What the model has stored, in the order of the commits: the feed, and the clients that follow it."""

import json
from collections.abc import Callable, Iterable, Sequence, Set
from operator import attrgetter
from typing import Any, NamedTuple

from msgspec.structs import replace

from trackd.core.documents import tombstone
from trackd.core.feed_cursor import Cursor
from trackd.core.refusals import PutRefusals, Refusal
from trackd.core.retention_changes import DeleteEvents
from trackd.storage.feed import EVENT, FeedPage, FeedRequest, Start

PAGE = 7  # records, so few that a feed takes many pages
RECENT = 4  # positions of earlier comparisons from which the feed is read again

Read = Callable[[FeedRequest], FeedPage]
Key = tuple[str, str, int] | str
"""The id of an event, that of its profile and its `seq`; or the hash of an erased id."""
RefusalKey = tuple[str, str | None, str | None] | int
"""The reason of a refusal, which is its own, its profile and its session; or how many are missed."""


class ModelEvent(NamedTuple):
    """A stored event. Id and profile id are empty when it was made anonymous. `rules`: its trace, as JSON."""

    id: str
    profile_id: str
    seq: int
    inserted: str
    type: str = ""
    rules: str | None = None


class ModelFeed:
    """Events and erasures by their places in the order of the commits, and refusals by theirs.

    An erasure is the hash of the id.
    """

    def __init__(self) -> None:
        self._records: dict[int, ModelEvent | str] = {}
        self.last = self.deleted_up_to = 0
        self._refusals: dict[int, Refusal] = {}
        self.last_refusal = 0

    @property
    def events(self) -> list[ModelEvent]:
        return [record for record in self._records.values() if isinstance(record, ModelEvent)]

    def add(self, records: Iterable[ModelEvent | str]) -> None:
        for record in records:
            self.last += 1
            self._records[self.last] = record

    def erase(self, profile_id: str, ids: list[str], *, keep_events: bool) -> None:
        """`ids` are all that led to the profile. The last erasure of an id counts."""
        hashes = [tombstone(each) for each in ids]
        kept: dict[int, ModelEvent | str] = {}
        for place, record in self._records.items():
            if not isinstance(record, ModelEvent):
                if record not in hashes:
                    kept[place] = record
            elif record.profile_id != profile_id:
                kept[place] = record
            elif keep_events:
                kept[place] = ModelEvent("", "", 0, record.inserted)
        self._records = kept
        self.add(hashes)

    def last_old(self, step: DeleteEvents) -> int:
        """The place of the last event that can be deleted: none up to it stays. 0 without one."""
        last = 0
        for place, record in self._records.items():
            if isinstance(record, ModelEvent):
                if record.inserted < step.before:
                    last = place
                elif record.inserted <= step.latest:
                    break
        return last

    def delete_oldest(self, number: int, last: int) -> list[ModelEvent]:
        """Delete so many events at most, up to the place `last`; return them."""
        events = [place for place, record in self._records.items() if isinstance(record, ModelEvent)]
        places = [place for place in events if place <= last][:number]
        self.deleted_up_to = max([self.deleted_up_to, *places])
        deleted = [self._records.pop(place) for place in places]
        return [record for record in deleted if isinstance(record, ModelEvent)]

    def after(self, place: int) -> list[tuple[int, Key]]:
        """The records behind a place, each with its own."""
        return [
            (number, record[:3] if isinstance(record, ModelEvent) else record)
            for number, record in self._records.items()
            if number > place
        ]

    def put_refusals(self, change: PutRefusals) -> None:
        for refusal in change.refusals:
            self.last_refusal += 1
            self._refusals[self.last_refusal] = refusal
        while len(self._refusals) > change.keep:
            del self._refusals[min(self._refusals)]

    def clear_refusals(self, profile_ids: Set[str], session_ids: Set[str]) -> None:
        for place, refusal in self._refusals.items():
            if refusal.profile_id in profile_ids or refusal.session_id in session_ids:
                self._refusals[place] = replace(refusal, profile_id=None, session_id=None)

    def delete_refusals(self, before: str) -> None:
        self._refusals = {place: refusal for place, refusal in self._refusals.items() if refusal.time >= before}

    @property
    def missed_up_to(self) -> int:
        """The place of the last refusal before those that are kept."""
        return min(self._refusals, default=self.last_refusal + 1) - 1

    def refusals_after(self, place: int) -> list[tuple[int, RefusalKey]]:
        """The refusals behind a place, each with its own, after the number of those that are missed."""
        missed: list[tuple[int, RefusalKey]] = []
        if self.missed_up_to > place:
            missed = [(self.missed_up_to, self.missed_up_to - place)]
        return missed + [
            (number, (refusal.reason, refusal.profile_id, refusal.session_id))
            for number, refusal in self._refusals.items()
            if number > place
        ]


class Position(NamedTuple):
    """A cursor, and the places up to which its client has read."""

    cursor: Cursor | Start
    place: int
    refusals: int


class Shown(NamedTuple):
    """A record of a feed."""

    cursor: Cursor
    key: Key | RefusalKey
    is_refusal: bool


class FeedFollower:
    """Clients that read the feed from the oldest record, and from positions that they had before."""

    def __init__(self, feed: ModelFeed) -> None:
        self._feed = feed
        self._positions: list[Position] = []

    def faults(self, read: Read) -> list[str]:
        """Where the feed does not show each record once, events in the order of the commits and refusals in theirs."""
        found: list[str] = []
        oldest = Position(Start.OLDEST, self._feed.deleted_up_to, self._feed.missed_up_to)
        for start in (oldest, *self._positions[:1], *self._positions[-RECENT:]):
            shown = _shown(read, start.cursor)
            events, refusals = self._feed.after(start.place), self._feed.refusals_after(start.refusals)
            should = None if start.place < self._feed.deleted_up_to else [key for _, key in (*events, *refusals)]
            keys = None if shown is None else [each.key for each in sorted(shown, key=attrgetter("is_refusal"))]
            if keys != should:
                found.append(f"the feed after {start} shows {keys}, and should show {should}")
            elif shown and start is oldest:
                self._positions.append(_middle(shown, start, events, refusals))
        head = read(FeedRequest(Start.NOW)).cursor
        self._positions.append(Position(head, self._feed.last, self._feed.last_refusal))
        return found


def _middle(
    shown: Sequence[Shown],
    start: Position,
    events: Sequence[tuple[int, Key]],
    refusals: Sequence[tuple[int, RefusalKey]],
) -> Position:
    """The position after half of what is shown, which is these events and refusals."""
    half = shown[: len(shown) // 2 + 1]
    places = [start.place, *(place for place, _ in events)]
    of_refusals = [start.refusals, *(place for place, _ in refusals)]
    number = sum(each.is_refusal for each in half)
    return Position(half[-1].cursor, places[len(half) - number], of_refusals[number])


def _shown(read: Read, start: Cursor | Start) -> list[Shown] | None:
    """The records after a position; None when the position is lost."""
    found: list[Shown] = []
    page = read(FeedRequest(start, limit=PAGE))
    while page.lost is None:
        found.extend(_record(json.loads(line)) for line in page.records.splitlines())
        if page.is_last:
            return found
        page = read(FeedRequest(page.cursor, limit=PAGE))
    return None


def _record(record: dict[str, Any]) -> Shown:
    cursor = Cursor.read(record["cursor"])
    match record["kind"]:
        case "refusal":
            profile, session = (record[name] and record[name]["id"] for name in ("profile", "session"))
            return Shown(cursor, (record["reason"], profile, session), True)
        case "missed":
            return Shown(cursor, record["refusals"], True)
    return Shown(cursor, _key(record), False)


def _key(record: dict[str, object]) -> Key:
    match record:
        case {"kind": "erased", "id_hash": str(id_hash)}:
            return id_hash
        case {"id": str(event_id), "profile": {"id": str(profile_id)}, "seq": int(seq), "kind": kind}:
            assert kind == EVENT
            return (event_id, profile_id, seq) if profile_id else ("", "", 0)
    raise AssertionError(record)
