"""What is stored, against what the model says should be."""

from functools import singledispatch
from typing import Any

from tests.simulation.disk import Contents
from tests.simulation.model import Model, Seat
from trackd.core.documents import Session


@singledispatch
def says(doc: Any) -> Any:
    """A stored document in the words of the model. Of a profile: the parts of `Person.says`."""
    stats, time = doc["stats"], doc["metadata"]["time"]
    return (
        doc["seq"], stats["visits"], time["visit"]["count"], stats["views"], stats["counters"],
        doc["traits"]["public"], time["update"],
    )  # fmt: skip


@says.register
def _(session: Session) -> Seat:
    return Seat(session.profile_id, session.inserted, session.updated, session.context)


def differences(stored: Contents, model: Model) -> list[str]:
    found: list[str] = []
    people = {key: person.says() for key, person in model.people.items()}
    _compare(found, "profile", {key: says(profile.doc) for key, profile in stored.profiles.items()}, people)
    _compare(found, "session", {key: says(session) for key, session in stored.sessions.items()}, model.seats)
    ids = {(profile_id, key): seq for profile_id, ids in model.ids.items() for key, seq in ids.items()}
    _compare(found, "event id", stored.event_ids, ids)
    arrived = [(event.id, event.profile_id, event.seq) for event in model.arrived]
    if stored.events != arrived:
        missing = [event for event in arrived if event not in stored.events]
        too_many = [event for event in stored.events if event not in arrived]
        found.append(f"events: missing {missing}, too many {too_many}, {len(stored.events)} for {len(arrived)}")
    return found


def _compare(found: list[str], kind: str, stored: dict[Any, Any], expected: dict[Any, Any]) -> None:
    if stored == expected:
        return
    found += [
        f"{kind} {key} is {stored.get(key)} and should be {expected.get(key)}"
        for key in {**stored, **expected}
        if stored.get(key) != expected.get(key)
    ]
