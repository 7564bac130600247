"""The reader process of the server, inside: it runs the queries that arrive on stdin. See child_process.py."""

import contextlib
import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from trackd.storage.listings import Listings
from trackd.storage.sqlite.listings import SqliteListings
from trackd.storage.sqlite.opened_files import OpenedFiles
from trackd.storage.workers.framing import read_frame, send
from trackd.storage.workers.query_protocol import QUERIES, SHORT_QUERIES, Query, run_query

NICENESS = 10  # a tenth of a normal process's share
THREADS = 5  # for four lists and the pages of feeds


def run_reader(path: Path, identity: str, queries: BinaryIO, answers: BinaryIO) -> None:
    """Read the SQLite file at `path` until `queries` ends.

    Raises DatabaseError when it cannot be opened, or is not the one with this identity.
    """
    _lower_priority()
    files = OpenedFiles(path, identity)
    files.check()
    with contextlib.closing(SqliteListings(path, files.connect)) as listings:
        gc.freeze()
        answer_frames(listings, queries, answers)


def answer_frames(listings: Listings, queries: BinaryIO, answers: BinaryIO) -> None:
    """Run each frame, a query, and send its answer, until `queries` ends.

    Short queries are run one after the other. Others run in threads, so that a long one delays no other.
    """
    sending = threading.Lock()

    def answer(query: Query) -> None:
        payload = run_query(listings, query)
        with sending, contextlib.suppress(BrokenPipeError):
            send(answers, payload)

    with contextlib.suppress(BrokenPipeError), ThreadPoolExecutor(THREADS) as threads:
        send(answers, b"")
        while (payload := read_frame(queries)) is not None:
            query = QUERIES.decode(payload)
            if query.method in SHORT_QUERIES:
                answer(query)
            else:
                threads.submit(answer, query)


def _lower_priority() -> None:
    """Leave the processors to the server and the writer process, which lists must not interrupt.

    With a single processor, SCHED_IDLE would leave nothing to lists while the server is busy.
    """
    os.nice(NICENESS)
    if hasattr(os, "SCHED_IDLE") and (os.cpu_count() or 1) > 1:  # Linux
        with contextlib.suppress(OSError):  # some sandboxes forbid it
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
