"""Rows of the table `source`: statements to put and remove them, within a transaction of the caller."""

import json
from collections.abc import Mapping
from typing import Any

from trackd.core.documents import Source
from trackd.storage.sqlite.connection import Connection

COLUMNS = (*Source.__struct_fields__[:-1], "inserted", "updated")  # `metadata` holds the two times
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
    fields = {name: getattr(source, name) for name in Source.__struct_fields__[:-1]}
    times = {"inserted": source.metadata.time.insert, "updated": source.metadata.time.update}
    return {**fields, "origins": json.dumps(source.origins), "tags": json.dumps(source.tags), **times}
