"""The sources of a database file, for `trackd source`; works while a server runs on the file, and without one."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import MsgspecError

from trackd.core.documents import Source, timestamp
from trackd.core.source_changes import EditSource
from trackd.storage.closing import Closing
from trackd.storage.errors import SourceError
from trackd.storage.sqlite.connection import rows_by_name, transaction
from trackd.storage.sqlite.read_only_file import ReadOnlyFile
from trackd.storage.sqlite.shared_file import SharedFile
from trackd.storage.sqlite.source_rows import add_source, edit_source, remove_source


class Sources(Closing):
    """The sources of one file: a context manager that closes it. Methods raise DatabaseError and SourceError."""

    def __init__(self, path: Path, *, create: bool = False, read_only: bool = False) -> None:
        self._path = path
        self._file = ReadOnlyFile(path, ["source"]) if read_only else SharedFile(path, create=create)
        self._db = self._file.connection

    def close(self) -> None:
        self._file.close()

    def add(self, source: Source) -> Source:
        """Add a source, and return it with its times. `source.id` must be new."""
        source = source.added(timestamp(datetime.now(UTC)))
        with self._file.errors(), transaction(self._db):
            if not add_source(self._db, source):
                raise SourceError(f"There is a source {source.id} already: choose another --id.")
        return source

    def add_first(self, source: Source) -> Source | None:
        """As `add`, if the file never had a source; else None."""
        source = source.added(timestamp(datetime.now(UTC)))
        with self._file.errors(), transaction(self._db):
            if self._db.execute("SELECT version FROM sources_version").get != 0:
                return None
            add_source(self._db, source)
        return source

    def all(self) -> list[Source]:
        """All sources, oldest first."""
        with self._file.errors():
            rows = rows_by_name(self._db, "SELECT * FROM source ORDER BY inserted, id")
        return [self._source(row) for row in rows]

    def get(self, source_id: str) -> Source:
        """The source with this id. Raises SourceError when there is none."""
        with self._file.errors():
            rows = rows_by_name(self._db, "SELECT * FROM source WHERE id = ?", [source_id])
        if not rows:
            raise self._unknown(source_id)
        return self._source(rows[0])

    def edit(self, source_id: str, fields: Mapping[str, Any]) -> Source:
        """Change fields of a source, by the names in `Source`; the others stay. Returns the source."""
        change = EditSource(source_id, fields, timestamp(datetime.now(UTC)))
        try:
            with self._file.errors(), transaction(self._db):
                source = edit_source(self._db, change)
        except ValueError as error:
            raise SourceError(f"The source {source_id} cannot be read ({error}): mend its row first.") from error
        if source is None:
            raise self._unknown(source_id)
        return source

    def enable(self, source_id: str, enabled: bool) -> None:
        """Enable or disable a source; calls with a disabled source are refused."""
        self.edit(source_id, {"enabled": enabled})

    def remove(self, source_id: str) -> None:
        """Remove a source; its events stay."""
        with self._file.errors():
            exists = remove_source(self._db, source_id)
        if not exists:
            raise self._unknown(source_id)

    def _source(self, row: Mapping[str, Any]) -> Source:
        try:
            return Source.of_row(row)
        except (TypeError, ValueError, MsgspecError) as error:  # another tool wrote it
            raise SourceError(f"The source {row['id']} cannot be read ({error}): mend its row first.") from error

    def _unknown(self, source_id: str) -> SourceError:
        return SourceError(f"There is no source {source_id} in {self._path}: `trackd source list` shows all.")
