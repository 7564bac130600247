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
from trackd.storage.workers.query_protocol import FEEDS, QUERIES, SHORT_QUERIES, Query, run_query

NICENESS = 10  # a tenth of a normal process's share
LISTS = 4  # threads


def run_reader(path: Path, identity: str, queries: BinaryIO, answers: BinaryIO) -> None:
    """Read the SQLite file at `path` until `queries` ends.

    Raises DatabaseError when it cannot be opened, or is not the one with this identity.
    """
    os.nice(NICENESS)
    files = OpenedFiles(path, identity)
    files.check()
    with contextlib.closing(SqliteListings(path, files.connect)) as listings:
        gc.freeze()
        answer_frames(listings, queries, answers)


def answer_frames(listings: Listings, queries: BinaryIO, answers: BinaryIO) -> None:
    """Run each frame, a query, and send its answer, until `queries` ends.

    Short queries are run one after the other in a thread, others in several, so that a long one delays no other. The
    pages of feeds, of which the server takes care that they are no burden, are not left for later as these are.
    """
    sending = threading.Lock()

    def answer(query: Query) -> None:
        payload = run_query(listings, query)
        with sending, contextlib.suppress(BrokenPipeError):
            send(answers, payload)

    with (
        contextlib.suppress(BrokenPipeError),
        ThreadPoolExecutor(1, initializer=_leave_processors) as short,
        ThreadPoolExecutor(LISTS, initializer=_leave_processors) as lists,
    ):
        send(answers, b"")
        while (payload := read_frame(queries)) is not None:
            query = QUERIES.decode(payload)
            if query.method == FEEDS:
                answer(query)
            else:
                (short if query.method in SHORT_QUERIES else lists).submit(answer, query)


def _leave_processors() -> None:
    """Let this thread run when the server and the writer process leave a processor, which lists must not interrupt.

    With a single processor, SCHED_IDLE would leave nothing to lists while the server is busy.
    """
    if hasattr(os, "SCHED_IDLE") and (os.cpu_count() or 1) > 1:  # Linux
        with contextlib.suppress(OSError):  # some sandboxes forbid it
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
