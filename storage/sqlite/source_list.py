"""Sources in the database file, as `trackd source` manages them, beside a running server or without one."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from msgspec.structs import replace

from trackd.core.documents import Source, timestamp
from trackd.storage.errors import SourceError
from trackd.storage.sqlite.connection import explained, transaction
from trackd.storage.sqlite.database import open_for_writing
from trackd.storage.sqlite.sources import PUT_SOURCE, source_row


class Sources:
    """The table `source` of one file. Raises DatabaseError and SourceError."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self._path = path
        self._db = open_for_writing(path, create=create)
        self._db.execute("PRAGMA wal_autocheckpoint = 0")  # beside a server, that is the server's work

    def __enter__(self) -> "Sources":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def add(self, source: Source) -> Source:
        now = timestamp(datetime.now(UTC))
        source = replace(source, inserted=now, updated=now)
        with explained(self._path), transaction(self._db):
            if self._db.execute("SELECT 1 FROM source WHERE id = ?", [source.id]).fetchone():
                raise SourceError(f"There is a source {source.id} already: choose another --id.")
            self._db.execute(PUT_SOURCE, source_row(source))
        return source

    def all(self) -> list[Source]:
        with explained(self._path):
            rows = self._db.execute("SELECT * FROM source ORDER BY inserted, id").fetchall()
        return [Source.of_row(row) for row in rows]

    def get(self, source_id: str) -> Source:
        with explained(self._path):
            row = self._db.execute("SELECT * FROM source WHERE id = ?", [source_id]).fetchone()
        if row is None:
            raise self._unknown(source_id)
        return Source.of_row(row)

    def enable(self, source_id: str, enabled: bool) -> None:
        now = timestamp(datetime.now(UTC))
        self._change("UPDATE source SET enabled = ?, updated = ? WHERE id = ?", [enabled, now, source_id])

    def remove(self, source_id: str) -> None:
        self._change("DELETE FROM source WHERE id = ?", [source_id])

    def _change(self, sql: str, parameters: Sequence[Any]) -> None:
        """The last of the parameters is the id."""
        with explained(self._path):
            changed = self._db.execute(sql, parameters).rowcount
        if changed == 0:
            raise self._unknown(parameters[-1])

    def _unknown(self, source_id: str) -> SourceError:
        return SourceError(f"There is no source {source_id} in {self._path}: `trackd source list` shows all.")
