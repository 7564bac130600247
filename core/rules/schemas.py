"""JSON Schemas for the properties of events. Pure.

jsonschema-rs checks them. Its regular expressions take linear time. It fetches nothing itself: what a schema refers to
is retrieved by a function that it is given.
"""

import re
from collections.abc import Callable
from typing import Any

import jsonschema_rs

from trackd.core.calls import TrackedEvent
from trackd.core.rules.fault_search import find_faults
from trackd.core.rules.faults import Fault
from trackd.core.rules.schema_drafts import with_known_draft
from trackd.core.rules.schema_parts import SchemaParts
from trackd.core.rules.schema_work import SchemaAnalysis
from trackd.core.work import Work

MAX_REASON = 1_000
NOT_RETRIEVED = re.compile(
    r"Resource '(.*)' is not present in a registry and retrieving it failed: (ValueError: )?(.*)"
)

Retrieve = Callable[[str], Any]
"""Returns the schema at a URI. Raises ValueError with a sentence about the schema that refers to it."""


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
            if uri in self.retrieved:
                return self.retrieved[uri]
            content, note = with_known_draft(retrieve(uri))
            if note:
                self.notes.append(f"in {uri}, {note}")
            self.retrieved[uri] = content
            return content

        options: dict[str, Any] = {
            "validate_formats": True,
            "base_uri": uri or None,
            "retriever": retrieved,
            "pattern_options": jsonschema_rs.RegexOptions(),
        }
        try:
            self._validator = jsonschema_rs.validator_for(schema, **options)
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            raise ValueError(_reason(error)) from None
        analysis = SchemaAnalysis(schema, self.retrieved)
        self._work = analysis.work(schema)
        self._parts = SchemaParts(schema, analysis, lambda: jsonschema_rs.validator_map_for(schema, **options))

    def units(self, event: TrackedEvent) -> int:
        """The units of finding out whether an event is valid."""
        return self._work.units(event.properties, event.properties_json)

    def faults(self, event: TrackedEvent, work: Work) -> tuple[Fault, ...]:
        """The faults of an event's properties, at most `MAX_FAULTS`; empty for valid ones."""
        properties = event.properties
        work.charge(self.units(event), "the schema of", event.type)
        if self._validator.is_valid(properties):
            return ()
        return find_faults(self._validator, self._work, self._parts, properties, work)


def _reason(error: Exception) -> str:
    reason = str(error).partition("\n")[0]
    if failed := NOT_RETRIEVED.fullmatch(reason):
        uri, own_sentence, reason = failed.groups()
        if not own_sentence:  # the schema of another draft
            reason = f"it refers to {uri}, which is not a part of its draft, and nothing is fetched from a network"
    return reason[:MAX_REASON]
