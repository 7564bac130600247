"""What runs in the writer process of the server: commit what comes. See child_process.py.

Nothing but frames may go to its stdout.
"""

import contextlib
from collections.abc import Callable
from typing import BinaryIO

from trackd.storage.workers.framing import decode_batch, encode_result, read_frame, send
from trackd.storage.writer import Commits, commit


def commit_frames(store: Commits, batches: BinaryIO, results: BinaryIO, then: Callable[[], None]) -> None:
    """Until the batches end, or nobody is there for the results. `then` is called after each."""
    with contextlib.suppress(BrokenPipeError):
        send(results, b"")
        while (payload := read_frame(batches)) is not None:
            send(results, encode_result(commit(store, decode_batch(payload))))
            then()
