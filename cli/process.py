"""The process of the server: its socket, its open files, its garbage collection."""

import contextlib
import gc
import os
import resource
import socket

from trackd.cli.errors import CommandError
from trackd.config.settings import Server
from trackd.http.server import server


def listen(settings: Server) -> socket.socket:
    """A listening socket. Raises CommandError."""
    host, port = settings.host, settings.port
    try:
        return server.listen(host, port)
    except OSError as error:  # from the socket, or from the lookup of the host's name
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise CommandError(
            f"Cannot listen on {host}:{port} ({reason}): stop the program that uses it, "
            "or choose another with --host and --port."
        ) from None


def open_as_many_files_as_allowed() -> None:
    """Each connection takes a file. The soft limit is often 1,024, for the sake of programs that use select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):  # macOS has a second, lower limit than the hard one
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def tune_interpreter() -> None:
    """Exempt the objects of the start from garbage collection, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
