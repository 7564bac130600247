"""Database files as SQL, so that files of each version can be kept: small, readable, and made anew in a moment.

`python -m tests.support.schema_dump FILE` prints the dump of a file that a server has closed.
"""

import contextlib
import sys
from pathlib import Path

import apsw

HEAD = "-- A database as a server wrote it whose last migration was {migration}. See test_upgrades.py.\n"
SCHEMA = """
SELECT name, sql FROM sqlite_schema
WHERE type {kind} AND sql IS NOT NULL AND name NOT LIKE 'sqlite^_%' ESCAPE '^' ORDER BY rowid
"""
PRAGMAS = ("application_id", "user_version")
LAST_MIGRATION = "SELECT name FROM _sqlite_migrations WHERE migration_set = 'trackd' ORDER BY id DESC LIMIT 1"


def dump(path: Path) -> str:
    """The tables with their rows, then the indexes and the triggers, which would have acted on the rows."""
    with contextlib.closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        parts = [HEAD.format(migration=connection.execute(LAST_MIGRATION).get)]
        parts += [f"PRAGMA {name} = {connection.pragma(name)};\n" for name in PRAGMAS]
        tables = list(connection.execute(SCHEMA.format(kind="= 'table'")))
        parts += [f"{sql};\n" for _, sql in tables]
        if any("AUTOINCREMENT" in str(sql) for _, sql in tables):
            tables.append(("sqlite_sequence", ""))
        for name, _ in tables:
            for row in connection.execute(f'SELECT * FROM "{name}"'):
                values = ", ".join(map(apsw.format_sql_value, row))
                parts.append(f"INSERT INTO {name} VALUES ({values});\n")
        parts += [f"{sql};\n" for _, sql in connection.execute(SCHEMA.format(kind="<> 'table'"))]
    return "".join(parts)


def load(sql: str, path: Path) -> None:
    """Make the file of a dump, with a write-ahead log as servers leave it."""
    with contextlib.closing(apsw.Connection(str(path))) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"BEGIN; {sql} COMMIT")


if __name__ == "__main__":
    sys.stdout.write(dump(Path(sys.argv[1])))
