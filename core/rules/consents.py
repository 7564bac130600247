"""Consents of a profile: those that are granted, and a bounded history of their changes. Pure.

`consents` maps the id of each granted consent to `{"granted": time, "expires": time}`, without `expires` when it does
not end. `metadata.consents` is the history, the oldest first: `{"id", "change", "time"}`, where `change` is
"granted", "withdrawn" or "expired". A withdrawal that arrived later than its `time`, or that was repeated, has also
`received`, the time of its last arrival: grants that were made before it have no effect.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from trackd.core.documents import JsonObject, timestamp
from trackd.core.rules.draft import Draft

CONSENTS = "consents"
HISTORY = ("metadata", "consents")


class EventTime(NamedTuple):
    """When an event happened, and when its call was received, which is never earlier."""

    happened: str
    received: str


def is_repetition(draft: Draft, answers: Mapping[str, Any]) -> bool:
    """Whether all answers grant what is granted already, and change nothing.

    Many clients send the same with every visit. A repeated withdrawal is no repetition: its time of arrival is kept.
    """
    consents: JsonObject = draft.doc[CONSENTS]
    for consent, granted in answers.items():
        if granted is not True or consent not in consents or "expires" in consents[consent]:
            return False
    return True


def is_withdrawn(draft: Draft, consent: str) -> bool:
    """Whether a withdrawal is the last change of the consent."""
    return _History(draft).is_withdrawn(consent)


class Answered(NamedTuple):
    """The ids of consents that changed, and of those whose grant is older than their withdrawal."""

    changed: list[str]
    outdated: list[str]


def answer(
    draft: Draft, answers: Mapping[str, bool], time: EventTime, valid_for_days: int | None, max_history: int
) -> Answered:
    """Grant the consents with true, withdraw those with false.

    A consent that is granted again keeps its first time, and expires no sooner than before. A withdrawal always has an
    effect: clocks of clients may be slow, so a grant counts only if it was made after the last withdrawal arrived. The
    refusal of a consent that was never granted enters the history too.
    """
    expires = None if valid_for_days is None else _later(time.happened, valid_for_days)
    changed, outdated = [], []
    history = _History(draft)
    for consent, granted in answers.items():
        known = draft.doc[CONSENTS].get(consent)
        if granted:
            if time.happened < history.withdrawn_until(consent):
                outdated.append(consent)
                continue
            after = _granted(known, time.happened, expires)
            if after == known:
                continue
            draft.put((CONSENTS, consent), after)
            if known is None:
                history.add({"id": consent, "change": "granted", "time": time.happened})
        elif known is None and history.is_withdrawn(consent):
            history.repeat_withdrawal(consent, time.received)
            continue
        else:
            granted_at = known.get("granted", "") if known else history.time_of_grant(consent)
            draft.delete((CONSENTS, consent))
            history.add(_withdrawal(consent, max(time.happened, granted_at), time.received))
        changed.append(consent)
    history.keep(draft, max_history)
    return Answered(changed, outdated)


def _granted(known: JsonObject | None, now: str, expires: str | None) -> JsonObject:
    granted = {"granted": known["granted"] if known else now}
    if expires is None:
        return granted
    return {**granted, "expires": max(expires, known.get("expires", "") if known else "")}


def _withdrawal(consent: str, time: str, received: str) -> JsonObject:
    entry = {"id": consent, "change": "withdrawn", "time": time}
    return {**entry, "received": received} if received > time else entry


def expire(draft: Draft, now: str, max_history: int) -> list[str]:
    """Remove expired consents. Returns their ids."""
    over = []
    for consent, value in draft.doc[CONSENTS].items():
        if "expires" in value and value["expires"] < now:
            over.append(consent)
    if over:
        history = _History(draft)
        for consent in over:
            draft.delete((CONSENTS, consent))
            history.add({"id": consent, "change": "expired", "time": now})
        history.keep(draft, max_history)
    return over


class _History:
    """The history of a profile's consents while it changes, with the last entries of each consent."""

    def __init__(self, draft: Draft) -> None:
        self._entries: list[JsonObject] = list(draft.doc["metadata"].get("consents", ()))
        self._changed = False
        self._last: dict[str, int] = {}  # consent: the position of its last entry
        self._last_changes: dict[tuple[str, str], int] = {}  # consent and change: the position of the last such entry
        for position, entry in enumerate(self._entries):
            self._note(position, entry)

    def _note(self, position: int, entry: JsonObject) -> None:
        self._last[entry["id"]] = self._last_changes[entry["id"], entry["change"]] = position

    def add(self, entry: JsonObject) -> None:
        self._note(len(self._entries), entry)
        self._entries.append(entry)
        self._changed = True

    def is_withdrawn(self, consent: str) -> bool:
        """Whether a withdrawal is the last change of the consent."""
        last = self._last.get(consent)
        return last is not None and self._entries[last]["change"] == "withdrawn"

    def repeat_withdrawal(self, consent: str, received: str) -> None:
        """Note a later arrival in the last entry of the consent, a withdrawal."""
        position = self._last[consent]
        until = max(received, self.withdrawn_until(consent))
        self._entries[position] = _withdrawal(consent, self._entries[position]["time"], until)
        self._changed = True

    def withdrawn_until(self, consent: str) -> str:
        """The time before which grants have no effect, "" when the consent was never withdrawn."""
        position = self._last_changes.get((consent, "withdrawn"))
        if position is None:
            return ""
        entry = self._entries[position]
        until: str = entry["received" if "received" in entry else "time"]
        return until

    def time_of_grant(self, consent: str) -> str:
        """The time of the last grant, "" without one."""
        position = self._last_changes.get((consent, "granted"))
        time: str = "" if position is None else self._entries[position]["time"]
        return time

    def keep(self, draft: Draft, max_entries: int) -> None:
        """Store the history without its oldest entries. The last withdrawal of each consent is kept the longest."""
        if not self._changed:
            return
        excess, entries = len(self._entries) - max_entries, self._entries
        if excess > 0:
            withdrawals = {position for (_, change), position in self._last_changes.items() if change == "withdrawn"}
            oldest_first = sorted(range(len(entries)), key=lambda position: (position in withdrawals, position))
            dropped = set(oldest_first[:excess])
            entries = [entry for position, entry in enumerate(entries) if position not in dropped]
        draft.put(HISTORY, entries)


def _later(now: str, days: int) -> str:
    try:
        return timestamp(datetime.fromisoformat(now) + timedelta(days=days))
    except OverflowError:
        return "9999-12-31T23:59:59.999999Z"
