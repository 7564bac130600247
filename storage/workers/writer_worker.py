"""The writer process of the server, inside: it commits the batches that arrive on stdin. See child_process.py."""

import contextlib
import gc
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from trackd.storage.sqlite.checkpointer import Checkpointer
from trackd.storage.sqlite.connection import connect_for_writing, database_errors
from trackd.storage.sqlite.writer import SqliteWriter
from trackd.storage.workers.framing import decode_batch, encode_result, read_frame, send
from trackd.storage.writer import Commits, commit


def run_writer(path: Path, synchronous: str, batches: BinaryIO, results: BinaryIO) -> None:
    """Commit to the SQLite file at `path` until `batches` ends. Raises DatabaseError when it cannot be opened."""
    with database_errors(path):
        connection = connect_for_writing(path, synchronous=synchronous)
        checkpointer = Checkpointer(connection, connect_for_writing(path, synchronous=synchronous))
    writer = SqliteWriter(connection)
    gc.freeze()
    commit_frames(writer, batches, results, after_commit=checkpointer.request_if_due)
    checkpointer.close()
    writer.close()


def commit_frames(store: Commits, batches: BinaryIO, results: BinaryIO, after_commit: Callable[[], None]) -> None:
    """Commit each frame, a batch, and send its result, until `batches` ends or nothing reads `results` any more."""
    with contextlib.suppress(BrokenPipeError):
        send(results, b"")
        while (payload := read_frame(batches)) is not None:
            send(results, encode_result(commit(store, decode_batch(payload))))
            after_commit()
