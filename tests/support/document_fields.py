"""The fields of the four documents, as the contract lists them, and the fields of a document or of a schema."""

from collections.abc import Mapping
from typing import Any

# As in the contract. Each name is the path of a field.
FIELDS = {
    "profile": {
        "id", "seq", "metadata.time.insert", "metadata.time.update", "metadata.time.visit.count",
        "metadata.time.visit.last", "metadata.time.visit.current", "metadata.consents.id", "metadata.consents.change",
        "metadata.consents.time", "metadata.consents.received", "stats.visits", "stats.views", "stats.counters",
        "traits.public", "traits.private", "pii", "consents", "segments", "interests", "ids", "active",
    },
    "session": {
        "id", "profile.id", "metadata.time.insert", "metadata.time.update", "metadata.time.duration", "context",
        "properties",
    },
    "event": {
        "id", "seq", "type", "profile.id", "session.id", "source.id", "metadata.time.create", "metadata.time.insert",
        "metadata.status", "metadata.ip", "metadata.reasons", "metadata.rules", "properties", "context", "config",
        "tags",
    },
    "source": {
        "id", "name", "description", "enabled", "consent", "returns_profile", "permanent_profile_id", "origins",
        "rate_limit", "tags", "metadata.time.insert", "metadata.time.update",
    },
}  # fmt: skip
OPEN = {"stats.counters", "traits.public", "traits.private", "pii", "consents", "interests"}
OPEN |= {"context", "properties", "config"}  # objects whose keys users choose
OPEN |= {"metadata.rules"}  # a list, empty for many events
SCHEMAS = {"profile": "ProfileDocument", "session": "SessionDocument", "event": "EventDocument", "source": "Source"}


def fields(document: Mapping[str, Any], path: str = "") -> set[str]:
    """The paths of a document's fields, without the keys that users choose."""
    found: set[str] = set()
    for key, value in document.items():
        place = f"{path}{key}"
        inner = value if isinstance(value, list) else [value]
        if place not in OPEN and inner and all(isinstance(each, dict) for each in inner):
            found |= set().union(*(fields(each, f"{place}.") for each in inner))
        else:
            found.add(place)
    return found


def described(schemas: Mapping[str, Any], name: str, path: str = "") -> set[str]:
    """The paths of a schema's fields, named as `fields` names those of a document."""
    found: set[str] = set()
    for key, schema in schemas[name]["properties"].items():
        inner = schema.get("items", schema)
        if "$ref" in inner:
            found |= described(schemas, inner["$ref"].rpartition("/")[2], f"{path}{key}.")
        else:
            found.add(f"{path}{key}")
    return found
