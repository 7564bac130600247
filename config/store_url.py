"""The URL of a PostgreSQL database: its form, and how it is shown."""

from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator

SCHEMES = ("postgresql://", "postgres://")


def _checked(url: str) -> str:
    if url and not url.startswith(SCHEMES):
        raise ValueError("should begin with postgresql://, such as postgresql://user@host/database")
    return url


StoreUrl = Annotated[str, AfterValidator(_checked)]


def masked(url: str) -> str:
    """A URL without its password and its parameters, which may have one too; other text as it is."""
    if "://" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{url.partition('://')[0]}://***"
    user, at, hosts = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    return urlunsplit(parts._replace(netloc=f"{name}{colon and ':***'}{at}{hosts}", query="", fragment=""))
