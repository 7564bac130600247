"""The jobs of a PostgreSQL database, for commands; works while servers run on it, and without one."""

from datetime import UTC, datetime

from trackd.core.documents import JsonObject, timestamp
from trackd.core.jobs import AddJob, Job
from trackd.storage.postgres.administration import SELECT_JOBS, add_job, job_of
from trackd.storage.postgres.listings import SEGMENT_MEMBERS
from trackd.storage.postgres.shared_database import SharedDatabase


class PostgresJobs(SharedDatabase):
    """The jobs of one database: a context manager that closes it. Methods raise StoreError."""

    def add(self, kind: str, arguments: JsonObject) -> int:
        """Ask for a job, and return its number."""
        with self.transaction() as db:
            return add_job(db, AddJob(kind, arguments, timestamp(datetime.now(UTC))))

    def all(self) -> list[Job]:
        """The open jobs and the last ended ones, in the order of their numbers."""
        with self.transaction() as db:
            return [job_of(row) for row in db.rows(f"{SELECT_JOBS} ORDER BY number")]

    def segments_in_use(self) -> set[str]:
        """The ids of the segments that profiles are in."""
        with self.transaction() as db:
            return {segment for segment, _ in db.rows(SEGMENT_MEMBERS)}
