"""Rows of the table `source`: statements to put and remove them, within a transaction of the caller."""

import json
from collections.abc import Mapping
from typing import Any

from msgspec.structs import asdict

from trackd.core.documents import Source
from trackd.storage.sqlite.connection import Connection

COLUMNS = Source.__struct_fields__
PUT_SOURCE = (
    f"INSERT INTO source ({', '.join(COLUMNS)}) VALUES ({', '.join(f':{column}' for column in COLUMNS)})"
    f" ON CONFLICT (id) DO UPDATE SET {', '.join(f'{column} = excluded.{column}' for column in COLUMNS[1:])}"
)


def put_source(db: Connection, source: Source) -> None:
    """Insert a source, or replace the one that has its id."""
    db.execute(PUT_SOURCE, _row(source))


def remove_source(db: Connection, source_id: str) -> bool:
    """Delete a source. Returns whether there was one with this id."""
    deleted: int = db.execute("DELETE FROM source WHERE id = ?", (source_id,)).rowcount
    return deleted > 0


def _row(source: Source) -> Mapping[str, Any]:
    return {**asdict(source), "origins": json.dumps(source.origins), "tags": json.dumps(source.tags)}
