"""Compares the store with the model."""

from functools import singledispatch
from typing import Any

from tests.simulation.disk import Contents
from tests.simulation.model import Model, ModelSession
from trackd.core.documents import Session


@singledispatch
def content(doc: Any) -> Any:
    """The parts of a stored document that the model has. For a profile they are those of `ModelProfile.content`."""
    stats, time = doc["stats"], doc["metadata"]["time"]
    return (
        doc["seq"], stats["visits"], time["visit"]["count"], stats["views"], stats["counters"],
        doc["traits"]["public"], frozenset(doc["segments"]), time["update"],
    )  # fmt: skip


@content.register
def _(session: Session) -> ModelSession:
    return ModelSession(session.profile_id, session.inserted, session.updated, session.context)


def differences(stored: Contents, model: Model) -> list[str]:
    found: list[str] = []
    profiles = {key: profile.content() for key, profile in model.profiles.items()}
    _compare(found, "profile", {key: content(profile.doc) for key, profile in stored.profiles.items()}, profiles)
    _compare(found, "session", {key: content(session) for key, session in stored.sessions.items()}, model.sessions)
    ids = {(profile_id, key): seq for profile_id, ids in model.ids.items() for key, seq in ids.items()}
    _compare(found, "event id", stored.event_ids, ids)
    events = [(event.id, event.profile_id, event.seq, event.rules) for event in model.feed.events]
    if stored.events != events:
        missing = [event for event in events if event not in stored.events]
        too_many = [event for event in stored.events if event not in events]
        found.append(f"events: missing {missing}, too many {too_many}, {len(stored.events)} for {len(events)}")
    return found


def _compare(found: list[str], kind: str, stored: dict[Any, Any], expected: dict[Any, Any]) -> None:
    if stored == expected:
        return
    found += [
        f"{kind} {key} is {stored.get(key)} and should be {expected.get(key)}"
        for key in {**stored, **expected}
        if stored.get(key) != expected.get(key)
    ]
