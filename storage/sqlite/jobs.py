"""The jobs of a database file, for commands; works while a server runs on the file, and without one."""

from datetime import UTC, datetime
from pathlib import Path

from trackd.core.documents import JsonObject, timestamp
from trackd.core.jobs import AddJob, Job
from trackd.storage.closing import Closing
from trackd.storage.sqlite import job_rows
from trackd.storage.sqlite.connection import transaction
from trackd.storage.sqlite.listings import SEGMENT_MEMBERS
from trackd.storage.sqlite.shared_file import SharedFile


class Jobs(Closing):
    """The jobs of one file: a context manager that closes it. Methods raise DatabaseError."""

    def __init__(self, path: Path) -> None:
        self._file = SharedFile(path)
        self._db = self._file.connection

    def close(self) -> None:
        self._file.close()

    def add(self, kind: str, arguments: JsonObject) -> int:
        """Ask for a job, and return its number."""
        with self._file.errors(), transaction(self._db):
            return job_rows.add_job(self._db, AddJob(kind, arguments, timestamp(datetime.now(UTC))))

    def all(self) -> list[Job]:
        """The open jobs and the last ended ones, in the order of their numbers."""
        with self._file.errors():
            return job_rows.jobs(self._db)

    def segments_in_use(self) -> set[str]:
        """The ids of the segments that profiles are in."""
        with self._file.errors():
            return {segment for segment, _ in self._db.execute(SEGMENT_MEMBERS)}
