"""A `BatchWriter` in a process of its own, so that commits do not compete with the event loop for the interpreter.

The program of the process is in writer_worker.py.
"""

from collections.abc import Sequence

from trackd.core.changes import Change
from trackd.storage.errors import StoreError
from trackd.storage.workers.child_process import ChildProcess
from trackd.storage.workers.framing import decode_result, encode_batch, with_failed
from trackd.storage.writer import BatchResult, Committed


class WriterProcess:
    """See `BatchWriter`. `command` starts a process that runs `commit_frames` on its stdin and stdout.

    A process that ends by itself is started again; until then nothing is committed. Whether its last batch is on disk
    is unknown: the callers are answered 503 and may repeat their calls, and the fence compares later changes with what
    is stored. `committed` receives an error even if the process had no batch when it ended.

    `inherited` are file descriptors that the process keeps open, such as that of the database lock.
    """

    def __init__(self, command: Sequence[str], committed: Committed, inherited: Sequence[int] = ()) -> None:
        self._process = ChildProcess("writer process", command, self._on_result, self._on_end, inherited)
        self._committed = committed
        self._in_flight: frozenset[int] | None = None  # the unencodable positions of the submitted batch

    @property
    def pid(self) -> int | None:
        """The id of the process, None while it is not running."""
        return self._process.pid

    async def start(self) -> None:
        try:
            await self._process.start()
        except OSError as error:
            raise StoreError(f"the writer process does not start: {error}") from error

    def submit(self, batch: Sequence[Change]) -> None:
        payload, unencodable = encode_batch(batch)
        self._process.send(payload)
        self._in_flight = unencodable

    async def close(self, timeout_s: float) -> bool:
        return await self._process.close(timeout_s)

    def _on_result(self, payload: bytes) -> None:
        self._finish(with_failed(decode_result(payload), self._in_flight or frozenset()))

    def _on_end(self, how: str) -> None:
        if self._in_flight is not None or not self._process.closing:
            self._finish(BatchResult(error=StoreError(how)))

    def _finish(self, result: BatchResult) -> None:
        self._in_flight = None
        self._committed(result)
