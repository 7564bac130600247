"""JSON Schemas for the properties of events. Pure.

jsonschema-rs checks them. Its regular expressions take linear time. It fetches nothing itself: what a schema refers to
is retrieved by a function that it is given.
"""

import re
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import jsonschema_rs
from msgspec import Struct

from trackd.core.documents import JsonObject
from trackd.core.rules.schema_drafts import with_known_draft

MAX_FAULTS = 10
MAX_MESSAGE = 200
MAX_REASON = 1_000
NOT_RETRIEVED = re.compile(
    r"Resource '(.*)' is not present in a registry and retrieving it failed: (ValueError: )?(.*)"
)

Retrieve = Callable[[str], Any]
"""Returns the schema at a URI. Raises ValueError with a sentence about the schema that refers to it."""

MAX_PATH, MAX_KEY = 16, 64  # keys of a path, characters of a key: clients choose them, and they are stored


class Fault(Struct, frozen=True):
    """One way in which properties do not match; `path` leads to the value."""

    path: tuple[str | int, ...]
    message: str
    known_path: tuple[str | int, ...] | None = None
    """The path with `*` for each key that the schema does not name, None if it names all: clients choose the others."""

    def __str__(self) -> str:
        return f"{'.'.join(map(str, ('properties', *self.path)))}: {self.message}"


def refuse_reference(uri: str) -> Any:
    raise ValueError(f"it refers to {uri}, and there are no other schemas here")


class Schema:
    """A compiled schema."""

    def __init__(self, schema: Any, uri: str = "", retrieve: Retrieve = refuse_reference) -> None:
        """`uri`: where the schema is, for references to others, which `retrieve` finds.

        Raises ValueError with the fault of the schema.
        """
        schema, note = with_known_draft(schema)
        self.notes = [note] if note else []
        """What a person should know of the schema, in sentences about it."""
        self.retrieved: dict[str, Any] = {}
        """The schemas that it refers to, by their URIs."""

        def retrieved(uri: str) -> Any:
            content, note = with_known_draft(retrieve(uri))
            if note:
                self.notes.append(f"in {uri}, {note}")
            self.retrieved[uri] = content
            return content

        try:
            self._validator = jsonschema_rs.validator_for(
                schema,
                validate_formats=True,
                base_uri=uri or None,
                retriever=retrieved,
                pattern_options=jsonschema_rs.RegexOptions(),
            )
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            raise ValueError(_reason(error)) from None

    def faults(self, properties: JsonObject) -> tuple[Fault, ...]:
        """The faults of an event's properties, at most `MAX_FAULTS`; empty for valid ones."""
        if self._validator.is_valid(properties):
            return ()
        return tuple(_faults(islice(self._validator.iter_errors(properties), MAX_FAULTS), properties))


def _reason(error: Exception) -> str:
    reason = str(error).partition("\n")[0]
    if failed := NOT_RETRIEVED.fullmatch(reason):
        uri, own_sentence, reason = failed.groups()
        if not own_sentence:  # the schema of another draft
            reason = f"it refers to {uri}, which is not a part of its draft, and nothing is fetched from a network"
    return reason[:MAX_REASON]


def _faults(errors: Iterable[Any], properties: JsonObject) -> Iterable[Fault]:
    for error in errors:
        path = _path(islice(error.instance_path, MAX_PATH), properties)
        named = set(error.schema_path)
        known = [key if isinstance(key, int) or key in named else "*" for key in path]
        yield Fault(tuple(path), error.message[:MAX_MESSAGE], None if known == path else tuple(known))


def _path(keys: Iterable[str | int], value: Any) -> list[str | int]:
    """The path without long keys. jsonschema-rs has a number for a key of an object that reads as one."""
    path: list[str | int] = []
    for key in keys:
        if isinstance(value, list) and isinstance(key, int):
            path.append(key)
            value = value[key]
        else:
            path.append(str(key)[:MAX_KEY])
            value = value.get(str(key)) if isinstance(value, dict) else None
    return path
