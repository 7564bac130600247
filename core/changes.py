"""The changes that a call, an erasure, an administrator or the retention writes, and their outcomes.

All are frozen structs of plain data. `Change` lists all kinds of change. Each has a tag, by which the
writer process recognizes it.
"""

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from trackd.core.documents import Event, PiiValues, Profile, Session
from trackd.core.jobs import JobChange
from trackd.core.login_changes import LoginChange
from trackd.core.refusals import PutRefusals
from trackd.core.retention_changes import Deletion, PutRetentionStop
from trackd.core.source_changes import SourceChange
from trackd.core.token_changes import PutTokenUse


class Outcome(Enum):
    """The outcome of one change in a commit."""

    STORED = "stored"
    """It is on disk."""
    DONE = "done"
    """It is on disk, and was the last step of its deletion. Other changes are STORED."""
    STALE = "stale"
    """Not written: the stored profile, session or source is not the one that the change expects.

    Another server wrote in between, an earlier change that this one was built on is not written, or a source exists
    already or does not exist.
    """
    FAILED = "failed"
    """Not written: the store cannot take this change, or the whole batch failed."""
    UNREADABLE = "unreadable"
    """As FAILED, because something that is stored cannot be read: one row, or more (`Reads.check_damage`)."""


class Fence(Struct, frozen=True, gc=False):
    """The stored state that a change was decided on. The change is STALE if the store has another one."""

    profile_id: str
    seq: int
    """The number of the profile's last event; 0 for a profile that is not stored."""
    revision: int
    """Higher after each write of the profile; 0 for a profile that is not stored."""


class Changes(Struct, frozen=True, gc=False, tag=True, omit_defaults=True):
    """The writes of one call or re-evaluation, stored whole or not at all."""

    fence: Fence
    profile: Profile | None = None
    """The profile after the call, None if the call does not change it."""
    session: Session | None = None
    """The session after the call, None if the call does not belong to it."""
    previous_owner: str | None = None
    """The id of the profile that must own the stored session; None if no such session may be stored."""
    previous_updated: str | None = None
    """The `updated` that the stored session must have, None for any.

    Given for a session that comes from another profile: the fence, which is of this profile, does not guard it.
    """
    absent_profile: str | None = None
    """The id of a profile that may not be stored: an earlier copy of the call would have made it. None for no such."""
    is_derived: bool = False
    """Whether the id of the profile was derived from the call, and the profile is new: none with this id was erased."""
    writes_session: bool = True
    """Whether the session is written; if not, it is compared with the stored one all the same."""
    events: tuple[Event, ...] = ()
    """The events to store, in their order."""
    event_ids: Mapping[str, int | None] | None = None
    """The client-made ids of the call's new events, each with its `seq`; None for an event that is not stored."""
    reevaluated: str | None = None
    """The time of a re-evaluation, a timestamp: the profile changed without a call. Without a session only."""
    pii: PiiValues | None = None
    """The profile's `pii_values` after the call, None if the call does not change them."""


class Erasure(Struct, frozen=True, tag=True):
    """Removes a profile with its sessions, events and event ids, and leaves a tombstone."""

    fence: Fence
    erased: str
    """The time of the erasure, a timestamp."""
    keep_events: bool = False
    """Whether the events stay, without their ids, properties and everything else that could lead to the person."""


Administration = Erasure | SourceChange | JobChange | PutTokenUse | LoginChange | PutRetentionStop | PutRefusals

Change = Changes | Administration | Deletion
