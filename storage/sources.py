"""Sources in the database file, as `trackd source` manages them, beside a running server or without one."""

from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from msgspec.structs import replace
from sqlite_utils import Database
from sqlite_utils.db import NotFoundError

from trackd.storage.administration import source_row
from trackd.storage.connection import explained
from trackd.storage.database import open_for_writing
from trackd.storage.documents import Source, timestamp
from trackd.storage.errors import SourceError


class Sources:
    """The table `source` of one file. Raises DatabaseError and SourceError."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self._path = path
        self._db = Database(open_for_writing(path, create=create))
        self._db.execute("PRAGMA wal_autocheckpoint = 0")  # beside a server, that is the server's work
        self._table = self._db.table("source")

    def __enter__(self) -> "Sources":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def add(self, source: Source) -> Source:
        now = timestamp(datetime.now(UTC))
        source = replace(source, inserted=now, updated=now)
        with explained(self._path), self._db.atomic():
            if self._table.count_where("id = ?", [source.id]):
                raise SourceError(f"There is a source {source.id} already: choose another --id.")
            self._table.insert(source_row(source))
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
        try:
            with explained(self._path), self._db.atomic():
                self._table.update(source_id, {"enabled": enabled, "updated": timestamp(datetime.now(UTC))})
        except NotFoundError:
            raise self._unknown(source_id) from None

    def remove(self, source_id: str) -> None:
        try:
            with explained(self._path), self._db.atomic():
                self._table.get(source_id)
                self._table.delete(source_id)
        except NotFoundError:
            raise self._unknown(source_id) from None

    def _unknown(self, source_id: str) -> SourceError:
        return SourceError(f"There is no source {source_id} in {self._path}: `trackd source list` shows all.")
