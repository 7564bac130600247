"""The writer process of the server, inside: it commits the batches that arrive on stdin. See child_process.py."""

import contextlib
import gc
import select
from pathlib import Path
from typing import BinaryIO

from msgspec import MsgspecError

from trackd.storage.errors import StoreError
from trackd.storage.sqlite.checkpointer import Checkpointer
from trackd.storage.sqlite.connection import connect_for_writing, database_errors
from trackd.storage.sqlite.log_truncation import LogTruncation
from trackd.storage.sqlite.opened_files import OpenedFiles
from trackd.storage.sqlite.writer import SqliteWriter
from trackd.storage.workers.framing import UNDECODABLE, decode_batch, encode_result, read_frame, send
from trackd.storage.writer import commit


def run_writer(path: Path, identity: str, synchronous: str, batches: BinaryIO, results: BinaryIO) -> None:
    """Commit to the SQLite file at `path` until `batches` ends.

    Raises DatabaseError when it cannot be opened, or is not the one with this identity.
    """
    with database_errors(path):
        connection = connect_for_writing(path, synchronous=synchronous)
        checkpointer = Checkpointer(connection, connect_for_writing(path, synchronous=synchronous))
    files = OpenedFiles(path, identity)
    files.check()
    writer = SqliteWriter(connection, files)
    gc.freeze()
    commit_frames(writer, batches, results, checkpointer, LogTruncation(connection))
    checkpointer.close()
    with contextlib.suppress(StoreError):  # the server closes the file last, and looks where it is
        writer.close()


def commit_frames(
    writer: SqliteWriter, batches: BinaryIO, results: BinaryIO, checkpointer: Checkpointer, truncation: LogTruncation
) -> None:
    """Commit each frame, a batch, and send its result, until `batches` ends or nothing reads `results` any more.

    The server sends a batch after the result of the one before: between the two nothing of a frame has been read.
    """

    def arrives(timeout_s: float) -> bool:
        return bool(select.select([batches], [], [], timeout_s)[0])

    with contextlib.suppress(BrokenPipeError):
        send(results, b"")
        while True:
            truncation.wait_for_input(arrives)
            if (payload := read_frame(batches)) is None:
                return
            send(results, _committed(writer, payload))
            checkpointer.request_if_due()
            if writer.has_deleted:
                writer.has_deleted = False
                truncation.request()


def _committed(writer: SqliteWriter, payload: bytes) -> bytes:
    try:
        batch = decode_batch(payload)
    except MsgspecError:
        return UNDECODABLE
    return encode_result(commit(writer, batch))
