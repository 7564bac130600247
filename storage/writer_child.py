"""What runs in the writer process: commit what comes, and say what became of it. See writer_process.py."""

import contextlib
from typing import BinaryIO

from trackd.storage.wire import decode_batch, encode_result, framed, read_frame
from trackd.storage.writer import BatchResult, Commits, commit


def commit_frames(store: Commits, batches: BinaryIO, results: BinaryIO) -> None:
    """Until the batches end, or nobody is there for the results. The first result only says that it is ready."""
    with contextlib.suppress(BrokenPipeError):
        send_result(results, BatchResult())
        while (payload := read_frame(batches)) is not None:
            send_result(results, commit(store, decode_batch(payload)))


def send_result(results: BinaryIO, result: BatchResult) -> None:
    results.write(framed(encode_result(result)))
    results.flush()
