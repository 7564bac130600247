"""Checks of the tables themselves: their columns, indexes and triggers, and those of one row."""

import contextlib
import functools
from collections.abc import Iterator, Mapping

from trackd.storage.audit.check import AuditedFile, Check, Finding, shown
from trackd.storage.sqlite.connection import Connection
from trackd.storage.sqlite.schema import migrate
from trackd.storage.sqlite.table_checks import faulty_counts, missing_columns

OBJECTS = """
SELECT type, CAST(name AS BLOB), CAST(sql AS BLOB) FROM sqlite_schema
WHERE type IN ('index', 'trigger') AND sql IS NOT NULL
"""
REMEDY = "no server starts on such a file, or its calls fail: restore a backup"


def _find_faulty_tables(file: AuditedFile) -> Iterator[Finding]:
    """Other tools may have added columns, indexes and tables."""
    yield from missing_columns(file.db)
    found = _objects(file.db)
    for name, (kind, sql) in _expected_objects().items():
        if name not in found:
            yield name, f"the {kind} is missing"
        elif found[name] != (kind, sql):
            yield name, f"the {kind} is not as trackd makes it"


@functools.cache
def _expected_objects() -> Mapping[str, tuple[str, str]]:
    with contextlib.closing(Connection(":memory:")) as new:
        migrate(new)
        return _objects(new)


def _objects(db: Connection) -> Mapping[str, tuple[str, str]]:
    """The kind and the SQL of indexes and triggers, by name."""
    return {shown(name): (kind, " ".join(shown(sql).split())) for kind, name, sql in db.execute(OBJECTS)}


def _find_faulty_counts(file: AuditedFile) -> Iterator[Finding]:
    return faulty_counts(file.db)


TABLES = Check("tables", "the tables are as trackd makes them", _find_faulty_tables, REMEDY)
COUNTS = Check("counts", "tables of one row have it, with a whole number", _find_faulty_counts, REMEDY)
