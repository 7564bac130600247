"""The URL of a PostgreSQL database: its form, and how it is shown."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

SCHEMES = ("postgresql://", "postgres://")


def _checked(url: str) -> str:
    if url and not url.startswith(SCHEMES):
        raise ValueError("should begin with postgresql://, such as postgresql://user@host/database")
    if _has_unencoded_password(url):
        raise ValueError("has a password with one of / ? #: write them as %2F %3F %23")
    if re.search(r"%(?![0-9A-Fa-f]{2})", url):
        raise ValueError("has a % that encodes nothing: write it as %25")
    return url


def _has_unencoded_password(url: str) -> bool:
    """Whether the part before the hosts ends too early: a part of the password is taken for another part of the URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "@" in url
    names = [parameter.partition("=")[0] for parameter in parts.query.split("&")]
    return any("@" in text for text in (parts.path, parts.fragment, *names))


StoreUrl = Annotated[str, AfterValidator(_checked)]


def masked(url: str) -> str:
    """A URL without its password and its parameters, which may have one too; other text as it is."""
    if "://" not in url:
        return url
    if _has_unencoded_password(url):
        return f"{url.partition('://')[0]}://***"
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{url.partition('://')[0]}://***"
    user, at, hosts = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    return f"{parts.scheme}://{name}{colon and ':***'}{at}{hosts}{parts.path}"
