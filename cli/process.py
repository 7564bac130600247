"""The process of the server: its sockets, its open files, its garbage collection."""

import contextlib
import gc
import logging
import resource
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from trackd.cli.errors import CommandError
from trackd.config.service_manager import Handover
from trackd.config.settings import Server
from trackd.http.server import listening
from trackd.http.server.inherited_sockets import InheritedSocketError, inherited_sockets
from trackd.http.server.unix_socket import SocketFileError, listening_at

log = logging.getLogger(__name__)

LEAST_FILES = 48  # the server has 30 open when it is ready


@contextlib.contextmanager
def listen(settings: Server, handover: Handover) -> Iterator[list[socket.socket]]:
    """Listen within the block: on the sockets of the service manager, else on the Unix socket, else on all addresses.

    Raises CommandError.
    """
    with contextlib.ExitStack() as opened:
        if handover.socket_names:
            sockets = _inherited(handover.socket_names, opened)
        elif settings.uds:
            sockets = _unix_socket(settings, opened)
        else:
            sockets = _addresses(settings, opened)
        yield sockets


def _inherited(names: Sequence[str], opened: contextlib.ExitStack) -> list[socket.socket]:
    try:
        sockets = opened.enter_context(inherited_sockets(names))
    except InheritedSocketError as error:
        raise CommandError(f"Cannot listen on the sockets of the service manager: {error}.") from None
    shown = ", ".join(map(listening.url, sockets))
    log.info("the service manager listens (%s): server.host, server.port and server.uds have no effect", shown)
    return sockets


def _unix_socket(settings: Server, opened: contextlib.ExitStack) -> list[socket.socket]:
    try:
        return [opened.enter_context(listening_at(Path(settings.uds), int(settings.uds_mode, 8)))]
    except SocketFileError as error:
        raise CommandError(
            f"Cannot listen on the Unix socket {settings.uds} ({error}, or choose another path with --uds)."
        ) from None


def _addresses(settings: Server, opened: contextlib.ExitStack) -> list[socket.socket]:
    try:
        return [opened.enter_context(each) for each in listening.listen(settings.hosts, settings.port)]
    except listening.ListenError as error:
        host = f"[{error.host}]" if ":" in error.host else error.host
        raise CommandError(
            f"Cannot listen on {host}:{settings.port} ({error.reason}): stop the program that uses it, "
            "or choose another with --host and --port."
        ) from None


def open_as_many_files_as_allowed() -> None:
    """Each connection takes a file. The soft limit is often 1,024, for the sake of programs that use select().

    Raises CommandError when not even those of the server without a connection can be opened.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):  # macOS has a second, lower limit than the hard one
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if allowed < LEAST_FILES:
        raise CommandError(
            f"The server may open {allowed} files, and needs {LEAST_FILES} at least: allow more (`ulimit -n`, "
            "LimitNOFILE)."
        )


def tune_interpreter() -> None:
    """Exempt the objects of the start from garbage collection, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
