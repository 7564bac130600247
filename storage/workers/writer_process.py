"""A `BatchWriter` in a process of its own, so that commits do not compete with the event loop for the interpreter.

The program of the process is in writer_worker.py.
"""

import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from msgspec import Struct

from trackd.core.changes import Change
from trackd.storage.errors import StoreError
from trackd.storage.workers.child_process import ChildProcess
from trackd.storage.workers.framing import (
    DISK_FAILED,
    UNDECODABLE,
    decode_result,
    encode_batch,
    encode_decodable,
    with_failed,
)
from trackd.storage.writer import BatchResult, Committed
from trackd.telemetry.rate_limited_log import RateLimitedLog

log = logging.getLogger(__name__)


class _InFlight(Struct, frozen=True):
    """The submitted batch, and the positions of its changes that were not sent."""

    batch: Sequence[Change]
    left_out: frozenset[int]
    is_decodable: bool = False
    """Whether it was sent again, without the changes that the process cannot decode."""


class OtherConnections(Protocol):
    """The connections to the file that the server and its reader process have.

    After a failed fsync all connections must be closed before the writer process is started again: the first one that
    is opened then copies the log from its beginning.
    """

    def close(self) -> None:
        """Close those of the server, without a checkpoint. Reads raise StoreError from then on."""

    async def closed(self) -> None:
        """Return when no connection to the file is open. Raises StoreError while another program has one."""

    def reopen(self) -> None:
        """Open them again. Raises StoreError."""


class WriterProcess:
    """See `BatchWriter`. `command` starts a process that runs `commit_frames` on its stdin and stdout.

    A process that ends by itself is started again; until then nothing is committed. Whether its last batch is on disk
    is unknown: the callers are answered 503 and may repeat their calls, and the fence compares later changes with what
    is stored. `committed` receives an error even if the process had no batch when it ended.

    `inherited` are file descriptors that the process keeps open, such as that of the database lock. `others` are closed
    when the disk has failed, until the process runs again; after a start that fails they stay closed.
    """

    def __init__(
        self,
        command: Sequence[str],
        committed: Committed,
        inherited: Sequence[int] = (),
        others: OtherConnections | None = None,
    ) -> None:
        self._process = ChildProcess(
            "writer process", command, self._on_result, self._on_end, inherited, self._starting_again
        )
        self._committed = committed
        self._others = others
        self._disk_failed = False
        self._in_flight: _InFlight | None = None
        self._limited_log = RateLimitedLog()

    @property
    def pid(self) -> int | None:
        """The id of the process, None while it is not running."""
        return self._process.pid

    async def start(self) -> None:
        try:
            await self._process.start()
        except OSError as error:
            raise StoreError(f"the writer process does not start: {error}") from error
        except StoreError:
            self._close_others()  # it may be the disk
            raise

    def submit(self, batch: Sequence[Change]) -> None:
        payload, unencodable = encode_batch(batch)
        self._process.send(payload)
        self._in_flight = _InFlight(batch, unencodable)

    async def close(self, timeout_s: float) -> bool:
        return await self._process.close(timeout_s)

    def _on_result(self, payload: bytes) -> None:
        in_flight = self._in_flight
        if payload == UNDECODABLE and in_flight is not None and not in_flight.is_decodable:
            self._submit_decodable(in_flight.batch)
        else:
            self._finish(with_failed(decode_result(payload), in_flight.left_out if in_flight else frozenset()))

    def _submit_decodable(self, batch: Sequence[Change]) -> None:
        """Send the batch again, without the changes that have a damaged document: they have failed."""
        payload, left_out = encode_decodable(batch)
        if (number := self._limited_log.due("undecodable", len(left_out))) is not None:
            log.error(
                "%d changes cannot be stored, a stored document that they contain is damaged: their calls are "
                "answered 503, `trackd verify` names its row",
                number,
            )
        self._process.send(payload)  # also one without changes: it tests whether the store can write
        self._in_flight = _InFlight(batch, left_out, is_decodable=True)

    def _on_end(self, how: str) -> None:
        if self._process.exit_code == DISK_FAILED:
            self._close_others()
        if self._in_flight is not None or not self._process.closing:
            self._finish(BatchResult(error=StoreError(how)))

    def _close_others(self) -> None:
        self._disk_failed = True
        if self._others:
            self._others.close()

    @contextlib.asynccontextmanager
    async def _starting_again(self) -> AsyncIterator[None]:
        if self._others and self._disk_failed:
            await self._others.closed()
        try:
            yield
        except StoreError:
            if self._process.exit_code == DISK_FAILED and not self._disk_failed:
                self._close_others()
            raise
        if self._others and self._disk_failed:
            self._others.reopen()
        self._disk_failed = False

    def _finish(self, result: BatchResult) -> None:
        self._in_flight = None
        self._committed(result)
