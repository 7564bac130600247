"""The address of a running server, as an option, from the settings, and as options of curl."""

import shlex
from collections.abc import Sequence

import typer

from trackd.http.server.listening import UNIX
from trackd.load.address import fault_of

ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  as a setting names them


def checked_url(value: str | None) -> str | None:
    """The URL without a slash at its end. Raises BadParameter."""
    if value is None:
        return None
    url = value.strip()
    if url.startswith(UNIX):
        raise typer.BadParameter("is a Unix socket: name it with --uds (trackd ready), or the address of its proxy.")
    if fault := fault_of(url):
        raise typer.BadParameter(f"must be the address of trackd, such as https://collect.example; {fault}.")
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
