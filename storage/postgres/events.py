"""Rows of the table `event`: how they are written, and their columns for reads."""

from collections.abc import Sequence

from trackd.core.documents import Event
from trackd.storage.postgres.bulk import Rows
from trackd.storage.postgres.connection import Connection, text_of
from trackd.storage.postgres.numbers import BASE

TIMES = ("created", "inserted")
JSON = ("properties", "context", "config", "tags", "reasons", "rules")
KINDS = {"seq": "bigint", **dict.fromkeys(TIMES, "timestamptz"), **dict.fromkeys(JSON, "json")}
COLUMNS = [(name, KINDS.get(name, "text")) for name in Event._fields]
PUT = Rows(
    COLUMNS, f"INSERT INTO event (number, {{names}}) SELECT {BASE} + place + %(places)s, {{names}} FROM {{given}}"
)
EVENT_COLUMNS = ", ".join(
    text_of(name) if name in TIMES else f"{name}::text" if name in JSON else name for name in Event._fields
)
"""Those of `Event`, as SQL that selects their texts."""


def put_events(db: Connection, events: Sequence[Event], places: int) -> None:
    """Insert events in their order. The transaction has used so many places of numbers before."""
    PUT.run(db, events, places=places)
