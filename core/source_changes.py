"""The changes of sources that an administrator makes; `core/changes.py` has all others, and their outcomes."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from trackd.core.documents import Source


class AddSource(Struct, frozen=True, tag=True):
    """Adds a source; STALE when there is one with its id."""

    source: Source


class EditSource(Struct, frozen=True, tag=True):
    """Changes fields of the source as it is stored then; STALE when there is no such source."""

    source_id: str
    fields: Mapping[str, Any]
    """The new values, by the names of the fields of `Source`."""
    updated: str
    """The time of the change, a timestamp."""


class RemoveSource(Struct, frozen=True, tag=True):
    """Removes a source; STALE when there is no such source. The events that it sent stay."""

    source_id: str


SourceChange = AddSource | EditSource | RemoveSource
