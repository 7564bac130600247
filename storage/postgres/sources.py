"""The sources of a PostgreSQL database, for `trackd source`; works while servers run on it, and without one."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from trackd.core.documents import Source, timestamp
from trackd.core.source_changes import EditSource
from trackd.storage.errors import SourceError
from trackd.storage.postgres.administration import (
    SELECT_SOURCE,
    SELECT_SOURCES,
    SOURCES_VERSION,
    add_source,
    edit_source,
    remove_source,
    source_of,
)
from trackd.storage.postgres.shared_database import SharedDatabase


class PostgresSources(SharedDatabase):
    """The sources of one database: a context manager that closes it. Methods raise StoreError and SourceError."""

    def add(self, source: Source) -> Source:
        """Add a source, and return it with its times. `source.id` must be new."""
        source = source.added(timestamp(datetime.now(UTC)))
        with self.transaction() as db:
            if not add_source(db, source):
                raise SourceError(f"There is a source {source.id} already: choose another --id.")
        return source

    def add_first(self, source: Source) -> Source | None:
        """As `add`, if the database never had a source; else None. One of several nodes that start together adds it."""
        source = source.added(timestamp(datetime.now(UTC)))
        with self.transaction() as db:
            if db.rows(f"{SOURCES_VERSION} FOR UPDATE") != [(0,)]:
                return None
            add_source(db, source)
        return source

    def all(self) -> list[Source]:
        """All sources, oldest first."""
        with self.transaction() as db:
            return [source_of(row) for row in db.rows(f"{SELECT_SOURCES} ORDER BY source.inserted, id")]

    def get(self, source_id: str) -> Source:
        """The source with this id. Raises SourceError when there is none."""
        with self.transaction() as db:
            rows = db.rows(SELECT_SOURCE, [source_id])
        if not rows:
            raise self._unknown(source_id)
        return source_of(rows[0])

    def edit(self, source_id: str, fields: Mapping[str, Any]) -> Source:
        """Change fields of a source, by the names in `Source`; the others stay. Returns the source."""
        with self.transaction() as db:
            source = edit_source(db, EditSource(source_id, fields, timestamp(datetime.now(UTC))))
        if source is None:
            raise self._unknown(source_id)
        return source

    def enable(self, source_id: str, enabled: bool) -> None:
        """Enable or disable a source; calls with a disabled source are refused."""
        self.edit(source_id, {"enabled": enabled})

    def remove(self, source_id: str) -> None:
        """Remove a source; its events stay."""
        with self.transaction() as db:
            exists = remove_source(db, source_id)
        if not exists:
            raise self._unknown(source_id)

    def _unknown(self, source_id: str) -> SourceError:
        return SourceError(f"There is no source {source_id} in {self.name}: `trackd source list` shows all.")
