"""The change of a token that a server makes; the command `trackd token` makes all others."""

from msgspec import Struct


class PutTokenUse(Struct, frozen=True, tag=True):
    """Writes when a token was last used; STALE when there is no such token any more."""

    hash: str
    used: str
    """A timestamp."""
