"""Which profile answers a call: the table of the contract, as a function."""

from msgspec import Struct


class Named(Struct, frozen=True):
    """A profile that a session belongs to, or that a client named.

    `living` is the profile that the id leads to: itself, the one it was merged into, or None when there is none
    (never was, or erased).
    """

    id: str
    living: str | None

    @property
    def merged(self) -> bool:
        return self.living is not None and self.living != self.id


def resolve(session_owner: Named | None, claimed: Named | None, *, permanent_profile_id: bool) -> str | None:
    """The id of the profile that answers; None asks for a new one.

    `session_of` is the profile of the stored session, None when the session is not stored; `claimed` the one that
    the payload names. `permanent_profile_id` lets a source bring profile ids of its own.
    """
    if claimed is not None and claimed.merged:
        return claimed.living
    if session_owner is not None and session_owner.living is not None:
        return session_owner.living
    if claimed is None:
        return None
    if claimed.living is not None:
        return claimed.living
    if session_owner is None and permanent_profile_id:
        return claimed.id
    return None
