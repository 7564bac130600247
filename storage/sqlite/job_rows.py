"""Rows of the table `job`: statements to add, change and read them, within a transaction of the caller."""

from collections.abc import Mapping
from typing import Any

from msgspec import json as msgspec_json

from trackd.core.jobs import FINISHED_JOBS_KEPT, AddJob, Job, JobState, PutJob
from trackd.storage.sqlite.connection import Connection

COLUMNS = Job.__struct_fields__
JSON_COLUMNS = ("arguments", "position", "result")
SELECT_JOBS = f"SELECT {', '.join(COLUMNS)} FROM job ORDER BY number"
ADD_JOB = "INSERT INTO job (kind, arguments, inserted, updated) VALUES (?, ?, ?, ?)"
DROP_JOBS = f"""
DELETE FROM job WHERE state <> 'open' AND kind = :kind AND number NOT IN (
    SELECT number FROM job WHERE state <> 'open' AND kind = :kind ORDER BY number DESC LIMIT {FINISHED_JOBS_KEPT}
)
"""
PUT_JOB = """
UPDATE job SET arguments = :arguments, state = :state, done = :done, total = :total, position = :position,
    result = :result, updated = :updated
WHERE number = :number AND state = 'open'
"""


def add_job(db: Connection, change: AddJob) -> int:
    """Insert a job, and return its number."""
    db.execute(DROP_JOBS, {"kind": change.kind})
    inserted = change.inserted
    db.execute(ADD_JOB, (change.kind, _text(change.arguments), inserted, inserted))
    return db.last_insert_rowid()


def put_job(db: Connection, change: PutJob) -> bool:
    """Update an open job. Returns whether there was one with this number."""
    job = change.job
    row = {column: getattr(job, column) for column in COLUMNS} | {"updated": change.updated, "state": str(job.state)}
    row |= {column: _text(row[column]) for column in JSON_COLUMNS}
    if job.state is not JobState.OPEN:
        row["arguments"] = row["position"] = "{}"
    db.execute(PUT_JOB, row)
    return db.changes() > 0


def jobs(db: Connection) -> list[Job]:
    """All jobs, in the order of their numbers."""
    return [job_of_row(dict(zip(COLUMNS, row, strict=True))) for row in db.execute(SELECT_JOBS).fetchall()]


def job_of_row(row: Mapping[str, Any]) -> Job:
    """From the columns of a row, by name. Raises ValueError and TypeError for a row that another tool wrote."""
    values = {column: row[column] for column in COLUMNS}
    values |= {column: msgspec_json.decode(values[column]) for column in JSON_COLUMNS}
    return Job(**{**values, "state": JobState(values["state"])})


def _text(value: Any) -> str:
    return msgspec_json.encode(value).decode()
