"""Where commands leave jobs: in a database file, or in a PostgreSQL database."""

import time
from pathlib import Path
from typing import Protocol

from trackd.cli.administration import Closing, check_driver
from trackd.config.settings import Settings
from trackd.config.store_url import masked
from trackd.core.documents import JsonObject
from trackd.core.jobs import Job
from trackd.storage.sqlite.jobs import Jobs
from trackd.storage.sqlite.lock import DatabaseLock

NODES_S = 1.0  # between two looks for the servers of a database, each of which opens a connection


class AnyJobs(Closing, Protocol):
    """The methods of `Jobs`."""

    def add(self, kind: str, arguments: JsonObject) -> int: ...
    def all(self) -> list[Job]: ...
    def segments_in_use(self) -> set[str]: ...


class JobPlace(Protocol):
    """A store. Methods raise StoreError."""

    @property
    def name(self) -> str: ...

    def open(self) -> AnyJobs: ...

    def is_served(self) -> bool:
        """Whether a server runs on it, which does the jobs."""


class FilePlace:
    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    def open(self) -> AnyJobs:
        return Jobs(self._path)

    def is_served(self) -> bool:
        return DatabaseLock(self._path).is_held()


class DatabasePlace:
    def __init__(self, url: str) -> None:
        check_driver()
        self.name = masked(url)
        self._url = url
        self._served_at = (0.0, False)

    def open(self) -> AnyJobs:
        from trackd.storage.postgres.jobs import PostgresJobs

        return PostgresJobs(self._url)

    def is_served(self) -> bool:
        from trackd.storage.postgres.shared_database import SharedDatabase

        examined, is_served = self._served_at
        if time.monotonic() - examined >= NODES_S:
            with SharedDatabase(self._url) as database:
                is_served = database.has_nodes()
            self._served_at = time.monotonic(), is_served
        return is_served


def place_of(settings: Settings) -> JobPlace:
    """Where the store of these settings has its jobs."""
    return DatabasePlace(settings.store.url) if settings.store.url else FilePlace(settings.database.path)
