"""The program of the processes that `trackd serve` starts, one to commit and one to read lists, on an SQLite file.

On a PostgreSQL database there is only one, to commit.

It is run as `python -m trackd.storage.workers.main`, in the binary as `trackd-worker`, with the arguments that
`command` gives.
"""

import os
import signal
import sys
from pathlib import Path

WRITER, READER, DATABASE_WRITER = "writer", "reader", "database-writer"


def command(kind: str, path: Path, synchronous: str, log_level: str, log_format: str, identity: str = "") -> list[str]:
    """The command line of a process; `kind` is WRITER or READER.

    With `identity`, that of `OpenedFiles`, the process uses no other file at `path`.
    """
    return [*_program(), kind, str(path), synchronous, log_level, log_format, identity]


def database_command(descriptor: int, log_level: str, log_format: str) -> list[str]:
    """The command line of a process that commits to the PostgreSQL database whose URL the descriptor has."""
    return [*_program(), DATABASE_WRITER, str(descriptor), "", log_level, log_format, ""]


def _program() -> list[str]:
    """In the binary sys.executable is trackd, and beside it is a program for this. -P keeps the working folder out."""
    if getattr(sys, "frozen", False):
        return [str(Path(sys.executable).with_name("trackd-worker"))]
    return [sys.executable, "-P", "-m", __name__]


def main() -> None:
    """Run until stdin ends. A file that cannot be opened is reported in the first frame."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)  # the server acts on it, and ends this process later
    # Imported only now: until then a signal would end the process.
    from trackd.storage.errors import StoreError
    from trackd.storage.workers.framing import send
    from trackd.telemetry.logs import configure_logging
    from trackd.telemetry.standard_streams import prepare_standard_streams

    prepare_standard_streams()
    kind, path, synchronous, log_level, log_format, identity = sys.argv[1:]
    configure_logging(log_level, log_format)
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a stray print would be read as a frame
    try:
        # Each process loads only its own half: the other one would be memory that it never uses.
        if kind == WRITER:
            from trackd.storage.sqlite.bulk import reserve_memory
            from trackd.storage.workers.writer_worker import run_writer

            reserve_memory()
            run_writer(Path(path), identity, synchronous, sys.stdin.buffer, out)
        elif kind == DATABASE_WRITER:
            from trackd.storage.workers.database_writer import run_database_writer

            run_database_writer(int(path), sys.stdin.buffer, out)
        else:
            from trackd.storage.workers.query_worker import run_reader

            run_reader(Path(path), identity, sys.stdin.buffer, out)
    except StoreError as error:
        send(out, str(error).encode())


if __name__ == "__main__":
    main()
