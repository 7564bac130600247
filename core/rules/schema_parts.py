"""The parts of a compiled schema, each with a validator and its work, for the search for faults. Pure."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import jsonschema_rs

from trackd.core.documents import JsonObject
from trackd.core.rules.schema_work import SchemaAnalysis, SchemaWork

# The words that apply to a value itself, whatever its members are.
OWN = (
    *("type", "required", "dependentRequired", "minItems", "maxItems", "minProperties", "maxProperties"),
    "additionalProperties",
)
NAMING = ("properties", "patternProperties")
PATTERNS = jsonschema_rs.RegexOptions()


class SchemaParts:
    """Parts are named by their JSON pointers, such as `#/properties/total`."""

    def __init__(self, schema: Any, analysis: SchemaAnalysis, compile_parts: Callable[[], Any]) -> None:
        """`compile_parts` makes the `jsonschema_rs.ValidatorMap` of the schema: only a search needs it."""
        self.schema = schema
        self._analysis = analysis
        self._compile = compile_parts
        self._own: dict[int, tuple[Any, int]] = {}  # by id of a part

    @cached_property
    def _validators(self) -> Any:
        return self._compile()

    def validator(self, pointer: str) -> Any:
        """None when there is none."""
        return self._validators.get(pointer)

    def own(self, part: JsonObject) -> tuple[Any, int]:
        """The validator for the words of a part that apply to a value itself, and the most faults that it finds."""
        if id(part) not in self._own:
            own = self._own_part(part)
            validator = jsonschema_rs.validator_for(own, pattern_options=PATTERNS)
            self._own[id(part)] = validator, SchemaAnalysis(own, {}).work(own).most.faults
        return self._own[id(part)]

    def _own_part(self, part: JsonObject) -> JsonObject:
        own = {word: part[word] for word in OWN if word in part}
        if own.get("additionalProperties") is not False:
            own.pop("additionalProperties", None)
        for word in NAMING:
            if isinstance(named := part.get(word), dict):
                own[word] = dict.fromkeys(named, True)
        if isinstance(self.schema, dict) and "$schema" in self.schema:
            own["$schema"] = self.schema["$schema"]
        return own

    def work(self, part: Any) -> SchemaWork:
        return self._analysis.work(part)

    def referred(self, reference: Any) -> Any:
        """The part that a reference leads to within this schema, None for any other reference."""
        return None if self._analysis.has_inner_resources else self._analysis.referred(reference)
