"""JSON Schemas for the properties of events. Pure.

jsonschema-rs checks them. Its regular expressions take linear time, and nothing is fetched: a schema refers to itself
only.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Any

import jsonschema_rs
from msgspec import Struct

from trackd.core.documents import JsonObject

MAX_FAULTS = 10
MAX_MESSAGE = 200
MAX_PATH, MAX_KEY = 16, 64  # keys of a path, characters of a key: clients choose them, and they are stored


class Fault(Struct, frozen=True):
    """One way in which properties do not match; `path` leads to the value."""

    path: tuple[str | int, ...]
    message: str

    def __str__(self) -> str:
        return f"{'.'.join(map(str, ('properties', *self.path)))}: {self.message}"


class Schema:
    """A compiled schema."""

    def __init__(self, schema: JsonObject) -> None:
        """Raises ValueError with the fault of the schema."""
        try:
            self._validator = jsonschema_rs.validator_for(
                schema, validate_formats=True, offline=True, pattern_options=jsonschema_rs.RegexOptions()
            )
        except ValueError as error:
            raise ValueError(str(error).partition("\n")[0][:MAX_MESSAGE]) from None

    def faults(self, properties: JsonObject) -> tuple[Fault, ...]:
        """The faults of an event's properties, at most `MAX_FAULTS`; empty for valid ones."""
        if self._validator.is_valid(properties):
            return ()
        return tuple(_faults(islice(self._validator.iter_errors(properties), MAX_FAULTS)))


def _faults(errors: Iterable[Any]) -> Iterable[Fault]:
    for error in errors:
        path = [key[:MAX_KEY] if isinstance(key, str) else key for key in islice(error.instance_path, MAX_PATH)]
        yield Fault(tuple(path), error.message[:MAX_MESSAGE])
