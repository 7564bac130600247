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
from trackd.core.rules.consent_history import (
    EXPIRED,
    GRANTED,
    WITHDRAWN,
    ConsentHistory,
    history_of,
    note_expiry,
    take_expired,
    withdrawn_until,
)
from trackd.core.rules.draft import Draft

CONSENTS = "consents"


class EventTime(NamedTuple):
    """When an event happened, and when its call was received, which is never earlier."""

    happened: str
    received: str


def is_repetition(draft: Draft, answers: Mapping[str, Any]) -> bool:
    """Whether all answers grant what is granted already, and change nothing.

    Many clients send the same with every visit. Repeated withdrawals are others: their time of arrival is kept.
    """
    consents: JsonObject = draft.doc[CONSENTS]
    for consent, granted in answers.items():
        if granted is not True or consent not in consents or "expires" in consents[consent]:
            return False
    return True


def is_withdrawn(draft: Draft, consent: str) -> bool:
    """Whether a withdrawal is the last change of the consent."""
    return history_of(draft).is_withdrawn(consent)


def last_arrival(draft: Draft, consent: str) -> str:
    """When the consent was withdrawn, by the last arrival: earlier grants have no effect. "" if it never was."""
    return withdrawn_until(history_of(draft).last(consent, WITHDRAWN))


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
    history = history_of(draft)
    for consent, granted in answers.items():
        known = draft.doc[CONSENTS].get(consent)
        if granted:
            if time.happened < withdrawn_until(history.last(consent, WITHDRAWN)):
                outdated.append(consent)
                continue
            after = _granted(known, time.happened, expires)
            if after == known:
                continue
            draft.put((CONSENTS, consent), after)
            if expires is not None:
                note_expiry(draft, consent, after["expires"])
            if known is None:
                history.add({"id": consent, "change": GRANTED, "time": time.happened})
        elif known is None and history.is_withdrawn(consent):
            _repeat_withdrawal(history, consent, time.received)
            continue
        else:
            granted_at = known.get("granted", "") if known else _time_of_grant(history, consent)
            draft.delete((CONSENTS, consent))
            history.add(_withdrawal(consent, max(time.happened, granted_at), time.received))
        changed.append(consent)
    history.store(draft, max_history)
    return Answered(changed, outdated)


def _granted(known: JsonObject | None, now: str, expires: str | None) -> JsonObject:
    granted = {"granted": known["granted"] if known else now}
    if expires is None:
        return granted
    return {**granted, "expires": max(expires, known.get("expires", "") if known else "")}


def _withdrawal(consent: str, time: str, received: str) -> JsonObject:
    entry = {"id": consent, "change": WITHDRAWN, "time": time}
    return {**entry, "received": received} if received > time else entry


def expire(draft: Draft, now: str, max_history: int) -> list[str]:
    """Remove expired consents. Returns their ids."""
    if not draft.doc[CONSENTS]:
        return []
    over = []
    for consent in take_expired(draft, now):
        draft.delete((CONSENTS, consent))
        over.append(consent)
    if over:
        history = history_of(draft)
        for consent in over:
            history.add({"id": consent, "change": EXPIRED, "time": now})
        history.store(draft, max_history)
    return over


def _repeat_withdrawal(history: ConsentHistory, consent: str, received: str) -> None:
    """Note a later arrival in the last entry of the consent, a withdrawal."""
    last = history.last(consent, WITHDRAWN)
    history.replace_withdrawal(consent, _withdrawal(consent, last["time"], max(received, withdrawn_until(last))))


def _time_of_grant(history: ConsentHistory, consent: str) -> str:
    """The time of the last grant, "" without one."""
    time: str = history.last(consent, GRANTED).get("time", "")
    return time


def _later(now: str, days: int) -> str:
    try:
        return timestamp(datetime.fromisoformat(now) + timedelta(days=days))
    except OverflowError:
        return "9999-12-31T23:59:59.999999Z"
