"""A connection that handles what arrives in its turn, when many have something at once."""

from collections.abc import Callable
from typing import Any

from trackd.http.clients import Client
from trackd.http.server.fast_path import TrackConnection
from trackd.http.server.read_turns import Kind, ReadTurns
from trackd.http.track.pending_call import PendingCall
from trackd.telemetry.faults import without_values

MAX_UNCOUNTED_BYTES = 4_096  # of a usual call: thousands that come together must not refuse each other
FEW_PIECES, SMALL_PIECE_BYTES = 3, 1_024  # of a request; packets of slow networks are larger


class FairConnection(TrackConnection):
    """While its bytes wait for their turn it reads no more, its limits of time stand still, and many bytes are counted.

    After a refusal they are discarded, which needs no turn.
    """

    _late = b""  # the bytes that wait

    def __init__(self, read_turns: ReadTurns, **inherited: Any) -> None:
        super().__init__(**inherited)
        self._read_turns = read_turns

    def data_received(self, data: bytes) -> None:
        if self._is_refused or (not self._late and self._read_turns.is_free()):
            super().data_received(data)
            return
        if not self._late:
            self.flow.pause_reading()
            self._read_turns.add(self.handle_late, self.client, self._kind())
        self._late += data
        if len(self._late) > MAX_UNCOUNTED_BYTES:
            self._hold(self._measure())

    def _kind(self) -> Kind:
        if self._is_receiving and self._pieces > FEW_PIECES and self._request_bytes < self._pieces * SMALL_PIECE_BYTES:
            return Kind.SLOW
        return Kind.NEW if self._awaits_first_request else Kind.OLD

    def _note_long(self, pending: PendingCall, client: Client, *, had_turn: bool) -> int:
        work = super()._note_long(pending, client, had_turn=had_turn)
        self._read_turns.add_work(work)
        self._pipeline_turns.add_work(work)
        return work

    def handle_late(self) -> None:
        data, self._late = self._late, b""
        if data and not self.transport.is_closing():
            self.flow.resume_reading()
            self._take_turn(super().data_received, data)

    def begin_next(self) -> None:
        self._take_turn(super().begin_next)

    def _take_turn(self, handle: Callable[..., None], *data: bytes) -> None:
        try:
            handle(*data)
        except Exception as error:  # others have their turn all the same
            self.logger.error("a connection failed on what arrived", exc_info=without_values(error))
            self.transport.abort()
        self._update_budget()

    def connection_lost(self, exc: Exception | None) -> None:
        self._late = b""
        super().connection_lost(exc)

    def _has_waiting(self) -> bool:
        return bool(self._late) or super()._has_waiting()

    def _rest_bytes(self) -> int:
        late = 0 if self._is_refused or len(self._late) <= MAX_UNCOUNTED_BYTES else len(self._late)
        return super()._rest_bytes() + late

    @property
    def waiting_since(self) -> float | None:
        """A connection whose bytes wait is closed last to make room."""
        return self.loop.time() if self._late else super().waiting_since

    @property
    def is_idle(self) -> bool:
        return bool(self._late) or super().is_idle
