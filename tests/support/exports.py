"""Exports and imports in tests: lines out, lines in, and the rows that an export carries."""

import contextlib
import io
import sqlite3
from pathlib import Path
from typing import Any

from trackd.storage.transfer.exporting import Export
from trackd.storage.transfer.importing import import_export
from trackd.storage.transfer.records import EventRecord


def exported(path: Path) -> list[bytes]:
    with Export(path) as export:
        return list(export.lines())


def import_lines(path: Path, lines: list[bytes]) -> dict[str, int]:
    return import_export(path, io.BytesIO(b"".join(lines)), "export.jsonl", lambda done: None)


def contents(db: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row that an export carries, without the columns that only the server itself can read."""
    tables = {"profile": "rowid", "merged": 1, "session": "rowid", "event_id": 1, "erased": 1, "event": "number"}
    columns = {"profile": "id, seq, revision, doc, last_event", "event": ", ".join(EventRecord.columns)}
    with contextlib.closing(sqlite3.connect(db)) as connection:
        return {
            table: connection.execute(f"SELECT {columns.get(table, '*')} FROM {table} ORDER BY {order}").fetchall()
            for table, order in tables.items()
        }
