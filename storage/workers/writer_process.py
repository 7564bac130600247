"""The writer as a process: the event loop keeps its interpreter to itself. The other end is committing.py."""

from collections.abc import Sequence

from trackd.core.changes import Change
from trackd.storage.errors import StoreError
from trackd.storage.workers.child_process import ChildProcess
from trackd.storage.workers.framing import decode_result, encode_batch, with_unsaid
from trackd.storage.writer import BatchResult, Committed


class WriterProcess:
    """See `BatchWriter`. As long as the process is not running nothing is committed.

    Nobody can know whether the disk has the batch of a process that ended by itself: those calls are answered 503 and
    may be sent again, and whatever the actors build on is compared with what is stored. That it ended is handed back
    as an error also when there was no batch.

    `command` starts what runs `commit_frames` on its stdin and stdout.
    """

    def __init__(self, command: Sequence[str], committed: Committed, inherited: Sequence[int] = ()) -> None:
        self._process = ChildProcess("writer process", command, self._answered, self._ended, inherited)
        self._committed = committed
        self._in_flight: frozenset[int] | None = None  # the positions of what was left out of the batch

    @property
    def pid(self) -> int | None:
        return self._process.pid

    async def start(self) -> None:
        try:
            await self._process.start()
        except OSError as error:
            raise StoreError(f"the writer process does not start: {error}") from error

    def submit(self, batch: Sequence[Change]) -> None:
        payload, unsaid = encode_batch(batch)
        self._process.send(payload)
        self._in_flight = unsaid

    async def close(self, timeout_s: float) -> bool:
        return await self._process.close(timeout_s)

    def _answered(self, payload: bytes) -> None:
        self._hand_back(with_unsaid(decode_result(payload), self._in_flight or frozenset()))

    def _ended(self, how: str) -> None:
        if self._in_flight is not None or not self._process.closing:
            self._hand_back(BatchResult(error=StoreError(how)))

    def _hand_back(self, result: BatchResult) -> None:
        self._in_flight = None
        self._committed(result)
