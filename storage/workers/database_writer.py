"""The writer process of a server on a PostgreSQL database, inside: it commits the batches that arrive on stdin.

The URL may have a password, and command lines are seen by other users: the process gets it in a file that it inherits.
"""

import contextlib
import gc
import os
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

from msgspec import MsgspecError
from msgspec.structs import replace

from trackd.storage.postgres.writer import PostgresWriter
from trackd.storage.postgres.writing import WritingConnection
from trackd.storage.workers.framing import UNDECODABLE, decode_batch, encode_result, read_frame, send
from trackd.storage.writer import commit

MAX_BYTES = 65_536  # of a URL


@contextlib.contextmanager
def url_for_processes(url: str) -> Iterator[int]:
    """The descriptor of a file without a name, which has the URL. It is for processes that inherit it."""
    with open_nameless() as file:
        file.write(url.encode())
        file.flush()
        yield file.fileno()


def open_nameless() -> BinaryIO:
    """A file in memory, where the system has such files."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("trackd"), "w+b")
    return tempfile.TemporaryFile()


def run_database_writer(descriptor: int, batches: BinaryIO, results: BinaryIO) -> None:
    """Commit to the database whose URL the descriptor has, until `batches` ends or nothing reads the results.

    It is ready at once: a database that does not answer fails the batches.
    """
    connection = WritingConnection(os.pread(descriptor, MAX_BYTES, 0).decode())
    writer = PostgresWriter(connection)
    gc.freeze()
    with contextlib.closing(writer), contextlib.suppress(BrokenPipeError):
        send(results, b"")
        while (payload := read_frame(batches)) is not None:
            try:
                batch = decode_batch(payload)
            except MsgspecError:
                send(results, UNDECODABLE)
            else:
                result = commit(writer, batch)
                send(results, encode_result(replace(result, reconnects=connection.reconnects)))
                connection.reconnects = 0
