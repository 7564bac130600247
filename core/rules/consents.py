"""Consents of a profile: those that are granted, and a bounded history of their changes. Pure.

`consents` maps the id of each granted consent to `{"granted": time, "expires": time}`, without `expires` when it does
not end. `metadata.consents` is the history, the oldest first: `{"id", "change", "time"}`, where `change` is
"granted", "withdrawn" or "expired". A repetition adds nothing to it.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from trackd.core.documents import JsonObject, timestamp
from trackd.core.rules.draft import Draft

CONSENTS = "consents"
HISTORY = ("metadata", "consents")


def is_repetition(draft: Draft, answers: Mapping[str, Any]) -> bool:
    """Whether all answers are the present state and change nothing: many clients send the same with every visit."""
    consents: JsonObject = draft.doc[CONSENTS]
    for consent, granted in answers.items():
        known = consents.get(consent)
        if granted is True:
            if known is None or "expires" in known:
                return False
        elif granted is not False or known is not None or _withdrawn(draft, consent) is None:
            return False
    return True


class Answered(NamedTuple):
    """The ids of consents that changed, and of those whose grant is older than their withdrawal."""

    changed: list[str]
    outdated: list[str]


def answer(
    draft: Draft, answers: Mapping[str, bool], now: str, valid_for_days: int | None, max_history: int
) -> Answered:
    """Grant the consents with true, withdraw those with false.

    A consent that is granted again keeps its first time, and expires no sooner than before. The refusal of a consent
    that was never granted enters the history too. A grant older than the last withdrawal has no effect; a withdrawal
    always has.
    """
    expires = None if valid_for_days is None else _later(now, valid_for_days)
    changed, outdated, notes = [], [], []
    for consent, granted in answers.items():
        known = draft.doc[CONSENTS].get(consent)
        withdrawn = _withdrawn(draft, consent) if known is None else None
        if granted:
            if withdrawn is not None and withdrawn > now:
                outdated.append(consent)
                continue
            after = _granted(known, now, expires)
            if after == known:
                continue
            draft.put((CONSENTS, consent), after)
        elif known is not None:
            draft.delete((CONSENTS, consent))
        elif withdrawn is not None:
            continue
        if not granted or known is None:
            notes.append({"id": consent, "change": "granted" if granted else "withdrawn", "time": now})
        changed.append(consent)
    if notes:
        _note(draft, notes, max_history)
    return Answered(changed, outdated)


def _granted(known: JsonObject | None, now: str, expires: str | None) -> JsonObject:
    granted = {"granted": known["granted"] if known else now}
    if expires is None:
        return granted
    return {**granted, "expires": max(expires, known.get("expires", "") if known else "")}


def expire(draft: Draft, now: str, max_history: int) -> list[str]:
    """Remove expired consents. Returns their ids."""
    over = []
    for consent, value in draft.doc[CONSENTS].items():
        if "expires" in value and value["expires"] < now:
            over.append(consent)
    if over:
        for consent in over:
            draft.delete((CONSENTS, consent))
        _note(draft, [{"id": consent, "change": "expired", "time": now} for consent in over], max_history)
    return over


def _withdrawn(draft: Draft, consent: str) -> str | None:
    """The time of the withdrawal, if that is the last entry of this consent in the history."""
    for entry in reversed(draft.doc["metadata"].get("consents", ())):
        if entry["id"] == consent:
            return entry["time"] if entry["change"] == "withdrawn" else None
    return None


def _history(draft: Draft) -> list[JsonObject]:
    history: list[JsonObject] = draft.doc["metadata"].get("consents", [])
    return history


def _note(draft: Draft, notes: list[JsonObject], max_history: int) -> None:
    draft.put(HISTORY, [*_history(draft), *notes][-max_history:])


def _later(now: str, days: int) -> str:
    try:
        return timestamp(datetime.fromisoformat(now) + timedelta(days=days))
    except OverflowError:
        return "9999-12-31T23:59:59.999999Z"
