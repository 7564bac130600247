"""The changes that the retention makes, and what a step reports; `core/changes.py` has all others."""

from msgspec import Struct

FIRST_STEP_ROWS = 1_000
LATEST = "~"  # after every timestamp


class DeleteEvents(Struct, frozen=True, tag=True):
    """One step in the deletion of old events and their ids.

    Deletes in the order of arrival and stops at the first event that is not old, so that the events which a profile
    keeps have no gaps. An event that is ahead of the clock does not stop it, and is deleted when an event that arrived
    after it is old: it is older than that one. STORED when another step is due, DONE after the last one.
    """

    before: str
    """Events that arrived before this timestamp are old. It is the same for all steps of a sweep."""
    limit: int = FIRST_STEP_ROWS
    """At most so many events are deleted."""
    latest: str = LATEST
    """Events that arrived after this timestamp are ahead of the clock."""


class DeleteSessions(Struct, frozen=True, tag=True):
    """One step in the deletion of old sessions.

    The last calls of sessions are in no order, so all sessions are scanned: each step begins where the step before
    ended. DONE at the end of the scan; the next step begins from the start.
    """

    before: str
    """Sessions whose last call came before this timestamp are old."""
    limit: int = FIRST_STEP_ROWS
    """At most so many sessions are scanned."""
    latest: str = LATEST
    """Sessions whose last call came after this timestamp are ahead of the clock. They stay."""


Deletion = DeleteEvents | DeleteSessions


class Swept(Struct, frozen=True):
    """What a step of a deletion did and found."""

    deleted: int
    backlog: int = 0
    """About how many rows are left: old events, or sessions that are not scanned yet."""
    ahead: int = 0
    """How many rows of the sweep so far are ahead of the clock."""
    farthest: str = ""
    """The latest time of these rows, as it is stored."""


class PutRetentionStop(Struct, frozen=True, tag=True):
    """Writes whether the retention is stopped, so that it stays so after a restart. STALE once it was confirmed again.

    A clock that is trusted is written now and then, for a server without calls: nothing else in its store has the time.
    """

    after: str | None
    """The last time that can be trusted, a timestamp; None when the retention goes on by itself."""
    confirmed: str | None
    """The last confirmation that was known."""
    trusted: str | None = None
    """A time of the clock while it was trusted, a timestamp; None to leave the one that is stored."""


class RetentionStop(Struct, frozen=True):
    """What the store has of a stop of the retention."""

    after: str | None = None
    """As in `PutRetentionStop`; None when it is not stopped."""
    confirmed: str | None = None
    """The clock when a person last confirmed that it is right, a timestamp; None for never."""
    trusted: str | None = None
    """As in `PutRetentionStop`; None for never."""
