"""What happens to a profile's document. Pure: documents go in, new ones come out, none is changed in place."""

from trackd.storage.documents import JsonObject


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


def visited(doc: JsonObject, now: str) -> JsonObject:
    """A session of this profile began."""
    time, stats = doc["metadata"]["time"], doc["stats"]
    visit = {"count": time["visit"]["count"] + 1, "last": time["visit"]["current"], "current": now}
    return {
        **doc,
        "metadata": {**doc["metadata"], "time": {**time, "visit": visit}},
        "stats": {**stats, "visits": stats["visits"] + 1},
    }


def apply(doc: JsonObject, event_type: str) -> JsonObject:
    """An event of this type was processed."""
    stats = doc["stats"]
    counters = {**stats["counters"], event_type: stats["counters"].get(event_type, 0) + 1}
    views = stats["views"] + (event_type == "page-view")
    return {**doc, "stats": {**stats, "views": views, "counters": counters}}


def stamped(doc: JsonObject, seq: int, now: str) -> JsonObject:
    """The document as it is stored after a call: numbered and dated."""
    metadata = doc["metadata"]
    return {**doc, "seq": seq, "metadata": {**metadata, "time": {**metadata["time"], "update": now}}}


def shareable(doc: JsonObject) -> JsonObject:
    """What an answer may carry: without `pii` and `traits.private`."""
    shared = {key: value for key, value in doc.items() if key != "pii"}
    return shared | {"traits": {key: value for key, value in doc["traits"].items() if key != "private"}}
