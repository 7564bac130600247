"""The state on which a call is decided. Pure."""

from collections.abc import Mapping

from msgspec import Struct

from trackd.core.documents import FirstCopy, Profile, Session
from trackd.core.rules.memo import Memo


class Snapshot(Struct, frozen=True):
    """The state of a profile when a call arrives: the inputs of a decision."""

    profile_id: str
    profile: Profile | None
    """None for a new profile."""
    session: Session | None
    """The session of the call, None for a new one."""
    event_ids: Mapping[str, int | None]
    """The client-made ids of the call that the profile already has, each with the `seq` of its event if stored."""
    orphan: bool = False
    """Whether the session comes from a profile that no longer exists."""
    session_owner: str | None = None
    """The owner of the session in the directory; `session` has another one while the session moves."""
    memo: Memo | None = None
    """The memo with the number `profile.memo`, None if it is not in memory."""
    first_copies: Mapping[str, FirstCopy] = {}
    """By `event_ids`, the events that are stored; some may be missing."""
