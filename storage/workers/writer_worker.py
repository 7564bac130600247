"""The writer process of the server, inside: it commits the batches that arrive on stdin. See child_process.py."""

import contextlib
import gc
import os
import select
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NoReturn

from msgspec import MsgspecError

from trackd.storage.errors import StoreError
from trackd.storage.sqlite.checkpointer import Checkpointer
from trackd.storage.sqlite.connection import (
    DiskFailureError,
    connect_for_writing,
    database_errors,
    keep_log_at_close,
)
from trackd.storage.sqlite.log_renewal import renew_log
from trackd.storage.sqlite.log_truncation import LogTruncation
from trackd.storage.sqlite.opened_files import OpenedFiles
from trackd.storage.sqlite.writer import SqliteWriter
from trackd.storage.workers.framing import (
    DISK_FAILED,
    UNDECODABLE,
    decode_batch,
    encode_result,
    read_frame,
    send,
    starting,
)
from trackd.storage.writer import BatchResult, commit

LAST_RESULT_TIMEOUT_S = 1.0


def run_writer(path: Path, identity: str, synchronous: str, batches: BinaryIO, results: BinaryIO) -> None:
    """Commit to the SQLite file at `path` until `batches` ends.

    After an fsync or a checkpoint that failed the process ends at once: each connection that is closed in order, and
    each further checkpoint, may remove from the log what is not on disk elsewhere. Raises StoreError when the file
    cannot be opened, or is not the one with this identity.
    """
    with database_errors(path):
        connection, second = (connect_for_writing(path, synchronous=synchronous) for _ in range(2))
        keep_log_at_close(connection)
        keep_log_at_close(second)
        files = OpenedFiles(path, identity, connection)
        files.check()
        try:
            renew_log(connection, path, lambda seconds: send(results, starting(seconds)))
        except BrokenPipeError:  # the server was killed
            return
        except DiskFailureError as failure:
            with contextlib.suppress(OSError):
                send(results, str(failure).encode())
            os._exit(DISK_FAILED)
    frames = ResultFrames(results)
    checkpointer = Checkpointer(connection, second, frames.end_process)
    writer = SqliteWriter(connection, files, synchronous)
    gc.freeze()
    try:
        commit_frames(writer, batches, frames.send, checkpointer, LogTruncation(connection, files))
    except DiskFailureError as failure:
        frames.end_process(failure)
    checkpointer.close()
    with contextlib.suppress(StoreError):  # the server closes the file last, and looks where it is
        if not writer.close():
            os._exit(DISK_FAILED)


class ResultFrames:
    """Sends the results, and the failure after which there are none any more."""

    def __init__(self, results: BinaryIO) -> None:
        self._results = results
        self._sending = threading.Lock()

    def send(self, payload: bytes) -> None:
        with self._sending:
            send(self._results, payload)

    def end_process(self, failure: DiskFailureError) -> NoReturn:
        """Report the failure, and end. No result may follow: it would be taken for that of the next batch."""
        self._sending.acquire(timeout=LAST_RESULT_TIMEOUT_S)
        with contextlib.suppress(OSError):
            send(self._results, encode_result(BatchResult(error=failure)))
        os._exit(DISK_FAILED)


def commit_frames(
    writer: SqliteWriter,
    batches: BinaryIO,
    send_result: Callable[[bytes], None],
    checkpointer: Checkpointer,
    truncation: LogTruncation,
) -> None:
    """Commit each frame, a batch, and send its result, until `batches` ends or nothing reads the results any more.

    The server sends a batch after the result of the one before: between the two nothing of a frame has been read.
    Raises DiskFailureError, also for a batch that has no result then.
    """

    def arrives(timeout_s: float) -> bool:
        return bool(select.select([batches], [], [], timeout_s)[0])

    with contextlib.suppress(BrokenPipeError):
        send_result(b"")
        while True:
            truncation.wait_for_input(arrives)
            if (payload := read_frame(batches)) is None:
                return
            send_result(_committed(writer, payload))
            truncation.log_has(checkpointer.after_commit())
            if writer.has_deleted:
                writer.has_deleted = False
                truncation.request()


def _committed(writer: SqliteWriter, payload: bytes) -> bytes:
    """Commit a batch, and return its encoded result. Raises DiskFailureError."""
    try:
        batch = decode_batch(payload)
    except MsgspecError:
        return UNDECODABLE
    result = commit(writer, batch)
    if isinstance(result.error, DiskFailureError):
        raise result.error
    return encode_result(result)
