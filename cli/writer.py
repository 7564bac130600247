"""`python -m trackd.cli.writer`: the process that `trackd serve` commits in. It is started and ended by the server."""

import gc
import os
import signal
import sys
from pathlib import Path

from trackd.cli.logs import configure_logging
from trackd.storage.connection import DatabaseError, explained, writing
from trackd.storage.sqlite_writer import SqliteWriter
from trackd.storage.writer import BatchResult
from trackd.storage.writer_child import commit_frames, send_result


def command(path: Path, synchronous: str, log_level: str, log_format: str) -> list[str]:
    """What starts it. `-P`: what lies in the folder that the server was started in is not imported."""
    return [sys.executable, "-P", "-m", __name__, str(path), synchronous, log_level, log_format]


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the server's to act on, and it has work left
        signal.signal(number, signal.SIG_IGN)
    path, synchronous, log_level, log_format = sys.argv[1:]
    configure_logging(log_level, log_format)
    results = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a stray print would be taken for a result
    try:
        with explained(Path(path)):
            writer = SqliteWriter(writing(Path(path), synchronous=synchronous))
    except DatabaseError as error:
        send_result(results, BatchResult(error=error))
        return
    gc.freeze()
    commit_frames(writer, sys.stdin.buffer, results)
    writer.close()


if __name__ == "__main__":
    main()
