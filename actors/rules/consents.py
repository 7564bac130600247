"""Consents of a profile: what is granted now, and a bounded history of what was granted and withdrawn when. Pure.

`consents` maps the id of each granted consent to `{"granted": time, "expires": time}`, without `expires` when it does
not end. `metadata.consents` is the history, the oldest first: `{"id", "change", "time"}`, where `change` is
"granted", "withdrawn" or "expired". An answer that says again what was said before adds nothing to it.
"""

from datetime import datetime, timedelta
from typing import Any

from trackd.actors.rules.draft import Draft
from trackd.storage.documents import JsonObject, timestamp

CONSENTS = "consents"
HISTORY = ("metadata", "consents")


def grant(draft: Draft, consent: str, now: str, valid_for_days: int | None, max_history: int) -> bool:
    """Returns whether anything changed. A consent that is granted again keeps its first time, and lasts longer."""
    known = draft.doc[CONSENTS].get(consent)
    value = {"granted": known["granted"] if known else now}
    if valid_for_days is not None:
        value["expires"] = _later(now, valid_for_days)
    if known == value:
        return False
    draft.put((CONSENTS, consent), value)
    _note(draft, consent, "granted", now, max_history)
    return True


def withdraw(draft: Draft, consent: str, now: str, max_history: int) -> bool:
    """Returns whether anything changed; a refusal of what was never granted is noted too."""
    granted = consent in draft.doc[CONSENTS]
    if granted:
        draft.delete((CONSENTS, consent))
    return _note(draft, consent, "withdrawn", now, max_history) or granted


def expire(draft: Draft, now: str, max_history: int) -> list[str]:
    """Let go of consents whose time is over. Returns their ids."""
    consents: JsonObject = draft.doc[CONSENTS]
    over = [consent for consent, value in consents.items() if value.get("expires", now) < now]
    for consent in over:
        draft.delete((CONSENTS, consent))
        _note(draft, consent, "expired", now, max_history)
    return over


def _note(draft: Draft, consent: str, change: str, now: str, max_history: int) -> bool:
    history: list[Any] = draft.doc["metadata"].get("consents", [])
    for entry in reversed(history):
        if entry["id"] == consent:
            if entry["change"] == change:
                return False
            break
    draft.put(HISTORY, [*history, {"id": consent, "change": change, "time": now}][-max_history:])
    return True


def _later(now: str, days: int) -> str:
    try:
        return timestamp(datetime.fromisoformat(now) + timedelta(days=days))
    except OverflowError:
        return "9999-12-31T23:59:59.999999Z"
