"""A database file and its copy in a PostgreSQL database, held against each other row by row, in constant memory."""

import hashlib
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from msgspec import Struct

from trackd.storage.postgres.connection import Connection, Row
from trackd.storage.postgres.copied_tables import COPIED, CopiedTable
from trackd.storage.postgres.read_only_database import ReadOnlyDatabase
from trackd.storage.sqlite.read_only_file import ReadOnlyFile


class Difference(Struct, frozen=True):
    """The rows of a table on both sides, and the first that differs, if one does. `digest` is that of the file's."""

    table: str
    in_file: int
    in_database: int
    digest: str
    fault: str


def compare_file(path: Path, url: str) -> Iterator[Difference]:
    """Compare a file with a database, each as of one moment. Raises StoreError."""
    with ReadOnlyFile(path) as file, file.errors(), ReadOnlyDatabase(url) as database, database.snapshot() as db:
        file.connection.execute("BEGIN")
        yield from differences(file.connection, db)


def differences(file: Any, db: Connection) -> Iterator[Difference]:
    """Compare each table, in the order of its keys. `file` is a connection to the file."""
    for table in COPIED:
        yield _difference(table, file, db)


def _difference(table: CopiedTable, file: Any, db: Connection) -> Difference:
    in_file = in_database = 0
    digest, fault = hashlib.sha256(), ""
    for one, other in zip_longest(table.rows_of_file(file), table.rows(db)):
        in_file += one is not None
        in_database += other is not None
        digest.update(repr(one).encode(errors="surrogatepass"))
        if not fault and one != _as_in_file(table, other):
            fault = f"row {_name(table, one if one is not None else other)} differs"
    if in_file != in_database:
        fault = f"{in_file} rows in the file, {in_database} in the database, {fault}"
    return Difference(table.name, in_file, in_database, digest.hexdigest()[:16], fault)


def _as_in_file(table: CopiedTable, row: Row | None) -> Row | None:
    """An erasure without a number has a negative one in the database."""
    if table.name == "erased" and row is not None and row[-1] < 0:
        return *row[:-1], None
    return row


def _name(table: CopiedTable, row: Row | None) -> str:
    return "" if row is None else " ".join(map(str, table.key_of(row)))
