"""The history of a profile's consents, and the ends of those that expire, while a call changes them. Pure.

Both are kept with the draft during a call: they are built once, and an event costs what its own answers cost.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush

from trackd.core.documents import JsonObject
from trackd.core.rules.draft import Draft, json_size

GRANTED, WITHDRAWN, EXPIRED = "granted", "withdrawn", "expired"
HISTORY = ("metadata", "consents")
NONE_EXPIRED: Sequence[str] = ()
NO_HISTORY: Sequence[JsonObject] = ()
NO_ENTRY: JsonObject = {}
ARRIVAL = len(',"received":""')  # bytes of an entry, without those of the time
LARGE = 2_048  # bytes of a history
FEW = 16  # consents, which are all examined after each event


class ConsentHistory:
    """The entries of a history with the last of each consent and change. `store` writes them into the draft."""

    def __init__(self, stored: Sequence[JsonObject], size: int) -> None:
        """`size`: the bytes of the list as JSON."""
        self.stored = stored
        """The list in the document with the same entries: another one means that changes were rolled back."""
        self._entries = dict(enumerate(stored))  # by number, the oldest first
        # Consent and change: the number of the last such entry.
        self._last = {(entry["id"], entry["change"]): number for number, entry in enumerate(stored)}
        self._new = self._next = len(stored)  # the number of the first entry that is not stored, and of the next one
        self._size = size - 1  # bytes of the stored entries as JSON, each with a comma
        self._is_large = size > LARGE  # a smaller one is measured again in place of its entries
        self._changed = False  # entries were added or dropped
        self._replaced = False

    def add(self, entry: JsonObject) -> None:
        number = self._next
        self._next = number + 1
        self._entries[number] = entry
        self._last[entry["id"], entry["change"]] = number
        self._changed = True

    def is_withdrawn(self, consent: str) -> bool:
        """Whether a withdrawal is the last change of the consent."""
        withdrawn = self._last.get((consent, WITHDRAWN))
        if withdrawn is None:
            return False
        granted, expired = self._last.get((consent, GRANTED), -1), self._last.get((consent, EXPIRED), -1)
        return withdrawn > max(granted, expired)

    def replace_withdrawal(self, consent: str, entry: JsonObject) -> None:
        """Replace the last withdrawal of a consent."""
        number = self._last[consent, WITHDRAWN]
        if self._is_large and number < self._new:
            self._size += json_size(entry) - json_size(self._entries[number])
        self._entries[number] = entry
        self._replaced = True

    def last(self, consent: str, change: str) -> JsonObject:
        """The last entry with this change of the consent, an empty one if there is none."""
        number = self._last.get((consent, change))
        return NO_ENTRY if number is None else self._entries[number]

    def store(self, draft: Draft, max_entries: int) -> None:
        """Store the history without its oldest entries. The last withdrawal of each consent is kept the longest."""
        if not self._changed and not self._replaced:
            return
        excess = len(self._entries) - max_entries
        if excess > 0:
            for number in list(self._oldest(excess)):
                self._drop(number)
        self.stored = entries = list(self._entries.values())
        if self._is_large:
            added = itertools.takewhile(lambda number: number >= self._new, reversed(self._entries))
            self._size += sum([json_size(self._entries[number]) + 1 for number in added])
            draft.lists.keep_size(entries, self._size + 1)
        draft.put(HISTORY, entries, is_noted=self._changed)
        if not self._is_large:
            self._size = draft.lists.size(entries) - 1
            self._is_large = self._size > LARGE
        self._new = self._next
        self._changed = self._replaced = False

    def _oldest(self, excess: int) -> Iterator[int]:
        """The numbers of the entries that leave the history."""
        withdrawals: list[int] = []
        for number, entry in self._entries.items():
            if entry["change"] == WITHDRAWN and self._last[entry["id"], WITHDRAWN] == number:
                withdrawals.append(number)
                continue
            yield number
            excess -= 1
            if excess == 0:
                return
        yield from withdrawals[:excess]

    def _drop(self, number: int) -> None:
        self._changed = True
        entry = self._entries.pop(number)
        if self._is_large and number < self._new:
            self._size -= json_size(entry) + 1
        change = entry["id"], entry["change"]
        if self._last[change] == number:
            del self._last[change]


class Expiries:
    """When consents expire, the soonest first. It may have consents that are withdrawn or last longer by now."""

    __slots__ = ("_ends",)

    def __init__(self, consents: JsonObject) -> None:
        self._ends = [(value["expires"], consent) for consent, value in consents.items() if "expires" in value]
        heapify(self._ends)

    def add(self, consent: str, expires: str) -> None:
        heappush(self._ends, (expires, consent))

    def take(self, consents: JsonObject, now: str) -> Iterator[str]:
        """The granted consents that are over, the first to end first. The caller deletes each at once."""
        while self._ends and self._ends[0][0] < now:
            expires, consent = heappop(self._ends)
            if consents.get(consent, {}).get("expires") == expires:
                yield consent


def history_of(draft: Draft) -> ConsentHistory:
    """The history in the document of the draft."""
    stored = draft.doc["metadata"].get("consents", NO_HISTORY)
    kept: ConsentHistory | None = draft.kept.get(ConsentHistory)
    if kept is None or kept.stored is not stored:
        size = draft.lists.size(stored) if stored else 0
        draft.kept[ConsentHistory] = kept = ConsentHistory(stored, size)
    return kept


def keep_arrivals(draft: Draft, consents: Iterable[str], received: str, max_bytes: int) -> bool:
    """Note in the document that withdrawals arrived again.

    False if there is none, or if the document would be larger than `max_bytes`. Those before it are noted then.
    """
    entries = draft.doc["metadata"].get("consents", NO_HISTORY)
    last: dict[str, JsonObject] = {}
    for entry in entries:  # faster than a comprehension for few
        last[entry["id"]] = entry
    for consent in consents:
        known = last.get(consent)
        if known is None or known["change"] != WITHDRAWN:
            return False
        before = known.get("received")
        if received <= (before or known["time"]):
            continue
        if before is None:
            grown = ARRIVAL + len(received)
            if draft.size + grown > max_bytes:
                return False
            draft.grew_inside(entries, grown)
            draft.kept.pop(ConsentHistory, None)  # it may have the size of the entries
        known["received"] = received
    return True


def withdrawn_until(entry: JsonObject) -> str:
    """The time before which grants have no effect. "" for an empty entry: the consent was never withdrawn."""
    until: str = entry["received"] if "received" in entry else entry.get("time", "")
    return until


def take_expired(draft: Draft, now: str) -> Iterable[str]:
    """The granted consents that are over, the first to end first. The caller deletes each at once."""
    consents: JsonObject = draft.doc["consents"]
    kept: Expiries | None = draft.kept.get(Expiries)
    if kept is None:
        if len(consents) <= FEW:
            for value in consents.values():
                if "expires" in value:
                    break
            else:
                return NONE_EXPIRED
            ends = [(value["expires"], consent) for consent, value in consents.items() if "expires" in value]
            return [consent for expires, consent in sorted(ends) if expires < now]
        draft.kept[Expiries] = kept = Expiries(consents)
    return kept.take(consents, now)


def note_expiry(draft: Draft, consent: str, expires: str) -> None:
    """Note the end of a consent that was granted."""
    kept: Expiries | None = draft.kept.get(Expiries)
    if kept is not None:
        kept.add(consent, expires)
