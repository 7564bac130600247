"""Jobs: work on profiles that a command asks for in the store, and that a server does through their actors."""

from enum import StrEnum

from msgspec import Struct

from trackd.core.documents import JsonObject

APPLY_RULES = "apply_rules"
"""The kind of a job that evaluates the segments of all profiles again. It takes no arguments."""

ERASE_PROFILE = "erase_profile"
"""The kind of a job that erases one profile. `actors/profile_erasure.py` has its arguments."""

FINISHED_JOBS_KEPT = 20  # of each kind


class JobState(StrEnum):
    OPEN = "open"
    DONE = "done"
    FAILED = "failed"


class Job(Struct, frozen=True):
    """A job with its progress. It stays open until it has ended, also when servers stop or are killed meanwhile."""

    number: int
    """Jobs of one kind are done one after the other, in the order of their numbers."""
    kind: str
    arguments: JsonObject = {}
    """Empty once the job has ended: they may name a person."""
    state: JobState = JobState.OPEN
    done: int = 0
    """The number of profiles that are done."""
    total: int | None = None
    """The number of profiles to do, None before it is known."""
    position: JsonObject = {}
    """Where to continue after a stop; each kind has its own. Empty once the job has ended, as `arguments`."""
    result: JsonObject = {}
    """The outcome so far; for a failed job it has an `error`, a sentence."""


class AddJob(Struct, frozen=True, tag=True):
    """Adds an open job, with the next number. Drops ended jobs of its kind, all but the last few."""

    kind: str
    arguments: JsonObject
    inserted: str
    """The time of the request, a timestamp."""


class PutJob(Struct, frozen=True, tag=True):
    """Writes the progress or the end of an open job; STALE when there is no such job."""

    job: Job
    updated: str
    """The time of the change, a timestamp."""


JobChange = AddJob | PutJob
