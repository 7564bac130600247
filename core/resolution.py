"""Resolving the profile of a call. Pure."""

from msgspec import Struct


class ProfileReference(Struct, frozen=True):
    """A profile id, from a session or from a client."""

    id: str
    living: str | None
    """The profile that the id leads to: itself or the one it was merged into; None if it does not exist (any more)."""

    @property
    def merged(self) -> bool:
        return self.living is not None and self.living != self.id


def resolve(
    session_owner: ProfileReference | None,
    claimed: ProfileReference | None,
    derived: ProfileReference | None = None,
    *,
    permanent_profile_id: bool,
) -> str | None:
    """The id of the profile that takes the call, None for a new profile.

    `session_owner`: the profile of the stored session, None when the session is not stored. `claimed`: the profile in
    the payload. `derived`: the profile that an earlier copy of the call made, if its id was derived from the call.
    `permanent_profile_id`: the source may choose the ids of new profiles.
    """
    if derived is not None and derived.living is not None:
        return derived.living  # a retry, even if another call has stored the session since
    if claimed is not None and claimed.merged:
        return claimed.living
    if session_owner is not None and session_owner.living is not None:
        return session_owner.living
    if claimed is None:
        return None
    if claimed.living is not None:
        return claimed.living
    # A session whose owner no longer exists: another server or another SQLite tool removed the profile. The client may
    # still send the erased id, which must not come back while that session is in use. An erasure by this server removes
    # the sessions too: then `session_owner` is None, and the session begins anew.
    if session_owner is None and permanent_profile_id:
        return claimed.id
    return None
