"""The changes of logins that a server makes; the command `trackd ui` makes links, and `trackd token` ends logins."""

from msgspec import Struct

from trackd.core.documents import Login


class AddLogin(Struct, frozen=True, tag=True):
    """Adds a login, and deletes those that have expired; STALE when there is one with its name."""

    login: Login


class UseLink(Struct, frozen=True, tag=True):
    """Turns a link into a login; STALE when there is no such link, when it was used, or when it has expired."""

    link_hash: str
    hash: str
    """That of the cookie."""
    now: str
    expires: str
    """When the login expires, a timestamp."""


class EndLogin(Struct, frozen=True, tag=True):
    """Ends a login; STALE when there is no such login."""

    hash: str


LoginChange = AddLogin | UseLink | EndLogin
