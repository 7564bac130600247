"""The processes that `trackd serve` starts to commit and to read: `python -m trackd.storage.workers.main`."""

import contextlib
import gc
import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

from trackd.storage.sqlite.connection import DatabaseError, explained, writing
from trackd.storage.workers.framing import send
from trackd.telemetry.logs import configure_logging

WRITER, READER = "writer", "reader"
READER_NICENESS = 10  # a tenth of a share


def command(kind: str, path: Path, synchronous: str, log_level: str, log_format: str) -> list[str]:
    """What starts it. `-P`: what lies in the folder that the server was started in is not imported."""
    return [sys.executable, "-P", "-m", __name__, kind, str(path), synchronous, log_level, log_format]


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the server's to act on, and it has work left
        signal.signal(number, signal.SIG_IGN)
    kind, path, synchronous, log_level, log_format = sys.argv[1:]
    configure_logging(log_level, log_format)
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a stray print would be taken for a frame
    try:
        if kind == WRITER:
            _write(Path(path), synchronous, out)
        else:
            _read(Path(path), out)
    except DatabaseError as error:
        send(out, str(error).encode())


# Each loads what it needs itself: what the other one needs would be memory for nothing.
def _write(path: Path, synchronous: str, results: BinaryIO) -> None:
    from trackd.storage.sqlite.checkpointer import Checkpointer
    from trackd.storage.sqlite.writer import SqliteWriter
    from trackd.storage.workers.writer_worker import commit_frames

    with explained(path):
        connection = writing(path, synchronous=synchronous)
        checkpointer = Checkpointer(connection, writing(path, synchronous=synchronous))
    writer = SqliteWriter(connection)
    gc.freeze()
    commit_frames(writer, sys.stdin.buffer, results, checkpointer.look)
    checkpointer.close()
    writer.close()


def _read(path: Path, answers: BinaryIO) -> None:
    from trackd.storage.sqlite.listings import SqliteListings
    from trackd.storage.workers.query_worker import read_frames

    _yield_processors()
    with contextlib.closing(SqliteListings(path)) as listings:
        gc.freeze()
        read_frames(listings, sys.stdin.buffer, answers)


def _yield_processors() -> None:
    """Lists take what calls leave of the processors.

    100 reads a second beside a full load cost 10 to 17 % of the calls when a list that is asked for may interrupt the
    event loop or the writer, and 6 to 8 % when it may not. Of one processor calls would leave nothing.
    """
    os.nice(READER_NICENESS)
    if hasattr(os, "SCHED_IDLE") and (os.cpu_count() or 1) > 1:  # Linux
        with contextlib.suppress(OSError):  # some sandboxes do not let it
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


if __name__ == "__main__":
    main()
