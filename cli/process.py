"""The process of the server: its socket, its open files, its garbage collection."""

import contextlib
import gc
import resource
import socket
from collections.abc import Iterator

from trackd.cli.errors import CommandError
from trackd.config.settings import Server
from trackd.http.server import listening

LEAST_FILES = 48  # the server has 30 open when it is ready


@contextlib.contextmanager
def listen(settings: Server) -> Iterator[list[socket.socket]]:
    """Listen on all addresses within the block. Raises CommandError."""
    try:
        sockets = listening.listen(settings.hosts, settings.port)
    except listening.ListenError as error:
        host = f"[{error.host}]" if ":" in error.host else error.host
        raise CommandError(
            f"Cannot listen on {host}:{settings.port} ({error.reason}): stop the program that uses it, "
            "or choose another with --host and --port."
        ) from None
    with contextlib.ExitStack() as closed:
        for each in sockets:
            closed.enter_context(each)
        yield sockets


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
