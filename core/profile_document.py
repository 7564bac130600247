"""The parts of a profile's document that do not depend on rules: its first state, visits, counters, privacy. Pure."""

from datetime import datetime, timedelta

from msgspec import Raw

from trackd.config.settings import Limits
from trackd.core.documents import JsonObject
from trackd.core.encoding import json_object
from trackd.core.json_values import exact_sum
from trackd.core.rules.draft import Draft, json_size
from trackd.core.times import EPOCH

PAGE_VIEW = "page-view"
VISIT = ("metadata", "time", "visit")
LARGE = 10**19
ONE_DIGIT_MORE = frozenset(10**digits for digits in range(1, 20))  # to `LARGE`


def new_profile(profile_id: str, now: str) -> JsonObject:
    return {
        "id": profile_id,
        "seq": 0,
        "metadata": {"time": {"insert": now, "update": now, "visit": {"count": 0, "last": None, "current": None}}},
        "stats": {"visits": 0, "views": 0, "counters": {}},
        "traits": {"public": {}, "private": {}},
        "pii": {},
        "consents": {},
        "segments": [],
        "interests": {},
        "ids": [],
        "active": True,
    }


def first_revision(now: str) -> int:
    """The `revision` of a new profile: microseconds from 1970 to its first call, at least 1.

    Profiles that have the same id one after another so have different revisions: the fence takes none for the other.
    """
    return max(1, (datetime.fromisoformat(now) - EPOCH) // timedelta(microseconds=1))


def time_of_insert(document: str | Raw) -> str | None:
    """When the profile was made; None if another tool wrote a document without it."""
    try:
        inserted: str | None = json_object(document)["metadata"]["time"]["insert"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return inserted


def visit(draft: Draft, now: str) -> None:
    """Count a visit: a session of this profile began."""
    last = draft.get(VISIT)
    draft.put(VISIT, {"count": last["count"] + 1, "last": last["current"], "current": now})
    draft.put(("stats", "visits"), draft.doc["stats"]["visits"] + 1)


def count(draft: Draft, event_type: str, limits: Limits) -> str | None:
    """Count an event of this type. Returns the reason why it has no counter, None when it has one."""
    stats = draft.doc["stats"]
    if event_type == PAGE_VIEW:
        stats["views"] = views = stats["views"] + 1
        draft.wrote("stats.views", views in ONE_DIGIT_MORE)
    counters: JsonObject = stats["counters"]
    before = counters.get(event_type)
    if before is None:
        return _count_first(draft, counters, event_type, limits)
    if type(before) is not int or not 0 < before < LARGE:
        return _count_other(draft, counters, event_type)
    counters[event_type] = after = before + 1
    if after in ONE_DIGIT_MORE:
        draft.size += 1
    draft.clock = draft.changed_at["stats.counters"] = draft.clock + 1  # as `wrote`
    return None


def can_count_on(draft: Draft, event_type: str) -> bool:
    """Whether more events of this type can be counted together: it has a usual counter."""
    counter = draft.doc["stats"]["counters"].get(event_type)
    return type(counter) is int and 0 < counter < LARGE


def count_on(draft: Draft, event_type: str, number: int) -> None:
    """Count more events of a type, if `can_count_on`."""
    stats = draft.doc["stats"]
    parts = [("stats.counters", stats["counters"], event_type)]
    if event_type == PAGE_VIEW:
        parts.append(("stats.views", stats, "views"))
    for name, part, key in parts:
        before = part[key]
        part[key] = after = before + number
        draft.wrote(name, json_size(after) - json_size(before))


def _count_other(draft: Draft, counters: JsonObject, event_type: str) -> str | None:
    """Count on from a value that a rule set."""
    before = counters[event_type]
    try:
        counters[event_type] = after = exact_sum(before, 1)
    except OverflowError as error:
        return str(error)
    draft.wrote("stats.counters", json_size(after) - json_size(before))
    return None


def _count_first(draft: Draft, counters: JsonObject, event_type: str, limits: Limits) -> str | None:
    grown = json_size(event_type) + 2 + bool(counters)
    if len(counters) >= limits.max_profile_counters:
        return f"the profile has {limits.max_profile_counters} counters (limits.max_profile_counters)"
    if draft.size + grown > limits.max_profile_bytes:
        return f"the profile would be larger than {limits.max_profile_bytes} bytes (limits.max_profile_bytes)"
    counters[event_type] = 1
    draft.wrote("stats.counters", grown)
    return None


def stamp(doc: JsonObject, seq: int, now: str) -> None:
    """Set the number of the last event and the time of the call, when the call has changed all else."""
    doc["metadata"]["time"]["update"] = now
    doc["seq"] = seq


def shareable(doc: JsonObject) -> JsonObject:
    """The document without `pii` and `traits.private`, for an answer to a client."""
    shared = {key: value for key, value in doc.items() if key != "pii"}
    return shared | {"traits": {key: value for key, value in doc["traits"].items() if key != "private"}}
