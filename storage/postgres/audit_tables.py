"""Checks of the tables of a PostgreSQL database: their columns, indexes and triggers, and those of one row."""

import re
from collections.abc import Iterator

from trackd.storage.audit.check import Check, Finding
from trackd.storage.postgres.connection import Connection
from trackd.storage.postgres.making import SCHEMA
from trackd.storage.postgres.schema import SCRIPT

REMEDY = "no server starts on such a database, or its calls fail: restore a dump"
TABLE = re.compile(r"^CREATE TABLE (\w+) \((.*?)\)(?: WITH .*?)?;$", re.MULTILINE | re.DOTALL)
COLUMN = re.compile(r"(?:^    |\A)(?!PRIMARY KEY|UNIQUE|CHECK)(\w+) ", re.MULTILINE)
ADDED = re.compile(r"ALTER TABLE (\w+) ADD COLUMN (\w+)")
INDEX, TRIGGER = re.compile(r"CREATE (?:UNIQUE )?INDEX (\w+)"), re.compile(r"CREATE TRIGGER (\w+)")
COLUMNS = f"SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = ({SCHEMA})"
INDEXES = f"""
SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = ({SCHEMA})
"""
TRIGGERS = "SELECT DISTINCT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
ONE_ROW = ("event_numbers", "heartbeat", "sources_version", "tokens_made", "installation", "refusal_numbers")


def _find_faulty_objects(db: Connection) -> Iterator[Finding]:
    """Other tools may have added columns, indexes and tables."""
    expected = {(table, column) for table, body in TABLE.findall(SCRIPT) for column in COLUMN.findall(body)}
    for table, column in sorted((expected | set(ADDED.findall(SCRIPT))) - set(db.rows(COLUMNS))):
        yield table, f"the column {column} is missing"
    indexes: dict[str, bool] = dict(db.rows(INDEXES))
    for name in INDEX.findall(SCRIPT):
        if name not in indexes:
            yield name, "the index is missing"
    for name, is_valid in indexes.items():
        if not is_valid:
            yield name, "the index is invalid: REINDEX it"
    triggers = {name for (name,) in db.rows(TRIGGERS)}
    for name in TRIGGER.findall(SCRIPT):
        if name not in triggers:
            yield name, "the trigger is missing or disabled"


def _find_faulty_counts(db: Connection) -> Iterator[Finding]:
    for table in ONE_ROW:
        [(number,)] = db.rows(f"SELECT count(*) FROM {table}")
        if number != 1:
            yield table, f"it has {number} rows"


OBJECTS = Check("tables", "the tables are as trackd makes them", _find_faulty_objects, REMEDY)
COUNTS = Check("counts", "tables of one row have it", _find_faulty_counts, REMEDY)
