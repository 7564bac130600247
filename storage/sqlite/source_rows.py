"""Rows of the table `source`: statements to add, change and remove them, within a transaction of the caller."""

import json
from collections.abc import Mapping
from typing import Any

from msgspec import MsgspecError

from trackd.core.documents import Source
from trackd.core.source_changes import EditSource
from trackd.storage.sqlite.connection import Connection, rows_by_name

COLUMNS = (*Source.__struct_fields__[:-1], "inserted", "updated")  # `metadata` holds the two times
ADD_SOURCE = (
    f"INSERT INTO source ({', '.join(COLUMNS)}) VALUES ({', '.join(f':{column}' for column in COLUMNS)})"
    " ON CONFLICT (id) DO NOTHING"
)
UPDATE_SOURCE = f"UPDATE source SET {', '.join(f'{column} = :{column}' for column in COLUMNS[1:])} WHERE id = :id"


def add_source(db: Connection, source: Source) -> bool:
    """Insert a source. Returns False, and changes nothing, when there is one with its id."""
    db.execute(ADD_SOURCE, _row(source))
    return db.changes() > 0


def edit_source(db: Connection, change: EditSource) -> Source | None:
    """Change fields of a source, and return it; None when there is no such source.

    Raises ValueError for a row that another tool wrote in another form.
    """
    rows = rows_by_name(db, "SELECT * FROM source WHERE id = ?", (change.source_id,))
    if not rows:
        return None
    try:
        source = Source.of_row(rows[0]).edited(change.fields, change.updated)
    except (TypeError, MsgspecError) as error:
        raise ValueError(str(error)) from error
    db.execute(UPDATE_SOURCE, _row(source))
    return source


def remove_source(db: Connection, source_id: str) -> bool:
    """Delete a source. Returns whether there was one with this id."""
    db.execute("DELETE FROM source WHERE id = ?", (source_id,))
    return db.changes() > 0


def _row(source: Source) -> Mapping[str, Any]:
    fields = {name: getattr(source, name) for name in Source.__struct_fields__[:-1]}
    times = {"inserted": source.metadata.time.insert, "updated": source.metadata.time.update}
    return {**fields, "origins": json.dumps(source.origins), "tags": json.dumps(source.tags), **times}
