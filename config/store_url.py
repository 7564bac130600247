"""The URL of a PostgreSQL database: its form, and how it is shown."""

import re
from typing import Annotated, NamedTuple

from pydantic import AfterValidator

SCHEMES = ("postgresql://", "postgres://")
WITH_AT = ("user", "password", "host", "dbname", "options", "application_name", "passfile", "service")
"""Parameters whose value may have an `@`."""


def _checked(url: str) -> str:
    if url and not url.startswith(SCHEMES):
        raise ValueError("should begin with postgresql://, such as postgresql://user@host/database")
    if _parts_of(url).has_cut_password:
        raise ValueError("has an @ or a / in its password: write them as %40 and %2F")
    if re.search(r"%(?![0-9A-Fa-f]{2})", url):
        raise ValueError("has a % that encodes nothing: write it as %25")
    if re.search(r"\s", url):
        raise ValueError("has a space or a line break: leave it out, or write it as %20 or %0A")
    return url


class _Parts(NamedTuple):
    """A URL as libpq cuts it: the user and the password end at the first `@` before the first `/`."""

    scheme: str
    user: str
    """With the password; empty if there is none."""
    hosts: str
    path: str
    parameters: str

    @property
    def has_cut_password(self) -> bool:
        """Whether the password has an `@` or `/`, so that its end is taken for another part of the URL."""
        pairs = [parameter.partition("=") for parameter in self.parameters.split("&")]
        odd = [name if name in WITH_AT else name + value for name, _, value in pairs]
        return any("@" in text for text in (self.hosts, self.path, *odd))


def _parts_of(url: str) -> _Parts:
    scheme, _, rest = url.partition("://")
    user, at, behind = rest.partition("@")
    if not at or "/" in user:
        user, behind = "", rest
    address, _, parameters = behind.partition("?")
    hosts, slash, path = address.partition("/")
    return _Parts(scheme, user, hosts, slash + path, parameters)


StoreUrl = Annotated[str, AfterValidator(_checked)]


def masked(url: str) -> str:
    """A URL without its password and its parameters, which may have one too; other text as it is."""
    if "://" not in url:
        return url
    parts = _parts_of(url)
    if parts.has_cut_password:
        return f"{parts.scheme}://***"
    name, colon, _ = parts.user.partition(":")
    return f"{parts.scheme}://{name}{colon and ':***'}{parts.user and '@'}{parts.hosts}{parts.path}"
