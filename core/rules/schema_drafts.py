"""The draft that a JSON Schema is read by when its `$schema` is none that the validator reads. Pure."""

import re
from collections.abc import Iterator
from typing import Any

KNOWN = re.compile(
    r"https?://json-schema\.org/(?:draft-0[467]/schema|draft/(?:2019-09|2020-12)/schema|schema)#?", re.ASCII
)
NEWEST = "draft 2020-12"
DRAFTS = {
    "draft 4": "http://json-schema.org/draft-04/schema#",
    "draft 7": "http://json-schema.org/draft-07/schema#",
    NEWEST: "https://json-schema.org/draft/2020-12/schema",
}
MAX_SHOWN = 200

# Where a schema has others: by name, in a list, or as the value.
BY_NAME = ("properties", "patternProperties", "definitions", "$defs", "dependencies", "dependentSchemas")
IN_LIST = ("allOf", "anyOf", "oneOf", "items", "prefixItems")
AS_VALUE = (
    *("items", "additionalItems", "unevaluatedItems", "contains", "additionalProperties", "unevaluatedProperties"),
    *("propertyNames", "not", "if", "then", "else"),
)
WORDS_SINCE_DRAFT_6 = frozenset(["const", "contains", "propertyNames", "if"])
WORDS_SINCE_2019 = frozenset(
    ["$anchor", "dependentSchemas", "prefixItems", "unevaluatedItems", "unevaluatedProperties"]
)


def with_known_draft(schema: Any) -> tuple[Any, str | None]:
    """The schema with a `$schema` that the validator reads, and a note when that is not its own.

    Draft 4 or 7 for a schema with words that later drafts do not have, else the newest one.
    """
    named = schema.get("$schema") if isinstance(schema, dict) else None
    if not isinstance(named, str) or KNOWN.fullmatch(named):
        return schema, None
    draft = _draft(schema)
    shown = "".join(character if character.isprintable() else "?" for character in named[:MAX_SHOWN])
    note = f"its $schema {shown!r} is not known: it is read as {draft}"
    return {**schema, "$schema": DRAFTS[draft]}, note


def _draft(schema: Any) -> str:
    lists = ids = newer = newest = False
    for part in _parts(schema):
        if any(isinstance(part.get(word), bool) for word in ("exclusiveMinimum", "exclusiveMaximum")):
            return "draft 4"
        reference = part.get("$ref")
        if isinstance(reference, str) and reference.startswith("http://json-schema.org/draft-04/"):
            return "draft 4"
        lists = lists or isinstance(part.get("items"), list)
        ids = ids or isinstance(part.get("id"), str)  # later drafts have `$id`
        newer = newer or "$id" in part or not WORDS_SINCE_DRAFT_6.isdisjoint(part)
        newest = newest or not WORDS_SINCE_2019.isdisjoint(part)
    if lists:
        return "draft 7" if newer else "draft 4"
    return "draft 4" if ids and not newer and not newest else NEWEST


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema and all schemas in it."""
    left = [schema]
    while left:
        part = left.pop()
        if not isinstance(part, dict):
            continue
        yield part
        for word in BY_NAME:
            if isinstance(named := part.get(word), dict):
                left += named.values()
        for word in IN_LIST:
            if isinstance(listed := part.get(word), list):
                left += listed
        left += [part[word] for word in AS_VALUE if word in part]
