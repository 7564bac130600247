"""What a call, an erasure or an administrator writes, and what became of it: plain data, frozen."""

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from trackd.core.documents import Event, Profile, Session, Source


class Outcome(Enum):
    """What became of one call's changes."""

    STORED = "stored"  # on disk
    DONE = "done"  # on disk, and nothing is left to do: only of deletions, which go step by step
    STALE = "stale"  # nothing written: somebody else moved the profile or the session
    FAILED = "failed"  # nothing written: the store could not


class Fence(Struct, frozen=True):
    """The state that a change was built on; `seq` and `revision` are 0 for a profile that was not there."""

    profile_id: str
    seq: int
    revision: int


class Changes(Struct, frozen=True, tag=True):
    """What one call writes, whole or not at all.

    `profile` and `session` are None when the call leaves them alone; a session that is only looked at has
    `writes_session` False, and is fenced all the same. `session_was` is the id of the profile that
    the stored session must belong to, None when no such session may be stored yet. `session_seen` is for a session that
    comes from another profile, whose standing guards it no more: its `updated` must be this. `event_ids` maps each
    client-made id of an event that was processed now to its `seq`, None when the event itself is not stored.
    """

    fence: Fence
    profile: Profile | None = None
    session: Session | None = None
    previous_owner: str | None = None
    previous_updated: str | None = None
    writes_session: bool = True
    events: tuple[Event, ...] = ()
    event_ids: Mapping[str, int | None] | None = None


class Erasure(Struct, frozen=True, tag=True):
    """Removes a profile with its sessions and event ids, and leaves a tombstone; its events go too.

    `keep_events`: they stay, without anything that says whose they were. `erased` is the time.
    """

    fence: Fence
    erased: str
    keep_events: bool = False


class PutSource(Struct, frozen=True, tag=True):
    """Adds a source, or puts it in the place of the one that has its id."""

    source: Source


class RemoveSource(Struct, frozen=True, tag=True):
    """Removes a source, if it is there; what it sent stays."""

    source_id: str


DELETED_AT_ONCE = 1_000  # rows: about 20 ms in which calls wait


class DeleteEvents(Struct, frozen=True, tag=True):
    """One step of deleting the events that arrived before a time, with their ids.

    From the first event on, at most `limit`, and none after one that is younger: what is left of a profile's events
    is without gaps. DONE when the first event that is left is younger.
    """

    before: str
    limit: int = DELETED_AT_ONCE


class DeleteSessions(Struct, frozen=True, tag=True):
    """One step of deleting the sessions whose last call was before a time.

    Goes through all sessions, whose times are in no order: looks at `limit` of them, and begins where the step
    before stopped. DONE at the end; the next step begins from the start.
    """

    before: str
    limit: int = DELETED_AT_ONCE


Administration = Erasure | PutSource | RemoveSource


Deletion = DeleteEvents | DeleteSessions


Change = Changes | Administration | Deletion  # tagged: each says which it is when it is encoded, see wire.py
