"""What the model has stored, in the order of the commits: the feed, and the clients that follow it."""

import json
from collections.abc import Callable, Iterable
from typing import NamedTuple

from trackd.core.documents import tombstone
from trackd.core.feed_cursor import Cursor
from trackd.storage.feed import EVENT, FeedPage, FeedRequest, Start

PAGE = 7  # records, so few that a feed takes many pages
RECENT = 4  # positions of earlier comparisons from which the feed is read again

Read = Callable[[FeedRequest], FeedPage]
Key = tuple[str, str, int] | str
"""The id of an event, that of its profile and its `seq`; or the hash of an erased id."""


class ModelEvent(NamedTuple):
    """A stored event. Id and profile id are empty when it was made anonymous. `rules`: its trace, as JSON."""

    id: str
    profile_id: str
    seq: int
    inserted: str
    type: str = ""
    rules: str | None = None


class ModelFeed:
    """Events and erasures by their places in the order of the commits. An erasure is the hash of the id."""

    def __init__(self) -> None:
        self._records: dict[int, ModelEvent | str] = {}
        self.last = self.deleted_up_to = 0

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

    def delete_oldest(self, number: int) -> list[ModelEvent]:
        """Delete so many events; return them."""
        places = [place for place, record in self._records.items() if isinstance(record, ModelEvent)][:number]
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


class FeedFollower:
    """Clients that read the feed from the oldest record, and from positions that they had before."""

    def __init__(self, feed: ModelFeed) -> None:
        self._feed = feed
        self._positions: list[tuple[Cursor, int]] = []  # each with its place in the feed

    def faults(self, read: Read) -> list[str]:
        """Where the feed does not show each record once, in the order of the commits."""
        found: list[str] = []
        starts: list[tuple[Cursor | Start, int]] = [(Start.OLDEST, self._feed.deleted_up_to)]
        starts += [*self._positions[:1], *self._positions[-RECENT:]]
        for start, place in starts:
            shown = _shown(read, start)
            keys = None if shown is None else [key for _, key in shown]
            expected = self._feed.after(place)
            should = None if place < self._feed.deleted_up_to else [key for _, key in expected]
            if keys != should:
                found.append(f"the feed after {start} shows {keys}, and should show {should}")
            elif shown and start is Start.OLDEST:
                middle = len(shown) // 2
                self._positions.append((shown[middle][0], expected[middle][0]))
        self._positions.append((read(FeedRequest(Start.NOW)).cursor, self._feed.last))
        return found


def _shown(read: Read, start: Cursor | Start) -> list[tuple[Cursor, Key]] | None:
    """The records after a position, each with its cursor; None when the position is lost."""
    found: list[tuple[Cursor, Key]] = []
    page = read(FeedRequest(start, limit=PAGE))
    while page.lost is None:
        records = map(json.loads, page.records.splitlines())
        found.extend((Cursor.read(record["cursor"]), _key(record)) for record in records)
        if page.is_last:
            return found
        page = read(FeedRequest(page.cursor, limit=PAGE))
    return None


def _key(record: dict[str, object]) -> Key:
    match record:
        case {"kind": "erased", "id_hash": str(id_hash)}:
            return id_hash
        case {"id": str(event_id), "profile": {"id": str(profile_id)}, "seq": int(seq), "kind": kind}:
            assert kind == EVENT
            return (event_id, profile_id, seq) if profile_id else ("", "", 0)
    raise AssertionError(record)
