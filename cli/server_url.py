"""The address of a running server, as an option, from the settings, and as options of curl."""

import os
import shlex
import socket
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

import typer

from trackd.http.server.listening import UNIX

ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  as a setting names them


def checked_url(value: str | None) -> str | None:
    """The URL without a slash at its end. Raises BadParameter."""
    if value is None:
        return None
    url = value.strip()
    if url.startswith(UNIX):
        raise typer.BadParameter("is a Unix socket: name it with --uds (trackd ready), or the address of its proxy.")
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
        is_url = is_url and url.isprintable() and parts.port != 0 and parts.username is None
    except ValueError:
        is_url = False
    if not is_url:
        raise typer.BadParameter("must be the address of trackd, such as https://collect.example.")
    return url.rstrip("/")


def local_url(hosts: Sequence[str], port: int) -> str:
    """The URL on this machine of a server that listens on these hosts."""
    host = ANY_HOST.get(hosts[0], hosts[0])
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def curl(url: str, path: str) -> str:
    """The options with which curl sends a request for a path to a server."""
    if url.startswith(UNIX):
        name = url.removeprefix(UNIX)
        option = f"--abstract-unix-socket {name[1:]}" if name.startswith("@") else f"--unix-socket {shlex.quote(name)}"
        return f"{option} http://localhost{path}"
    return f"{url}{path}"


def connection_fault(error: OSError) -> str:
    """Why no connection was made: TLS and look-ups of names number their errors otherwise than the system does."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or error.strerror or str(error)).lower().replace("_", " ")
        return f"TLS fails: {reason}; http:// may be meant"
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, socket.gaierror) or error.errno is None:
        return (error.strerror or str(error) or type(error).__name__).rstrip(".")
    return os.strerror(error.errno)
