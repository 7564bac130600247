"""A connection that handles what arrives in its turn, when many have something at once."""

from typing import Any

from trackd.http.server.fast_path import TrackConnection
from trackd.http.server.read_turns import ReadTurns


class FairConnection(TrackConnection):
    """While its bytes wait for their turn it reads no more, and they count in the inbound budget.

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
            self.transport.pause_reading()
            self._read_turns.add(self, self.client[0] if self.client else "", is_new=self._awaits_first_request)
        self._late += data
        self._hold(self._measure())

    def handle_late(self) -> None:
        data, self._late = self._late, b""
        if not data or self.transport.is_closing():
            return
        super().data_received(data)
        self._update_budget()
        if not (self.flow.read_paused or self.transport.is_closing()):
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._late = b""
        super().connection_lost(exc)

    def _rest_bytes(self) -> int:
        return super()._rest_bytes() + (0 if self._is_refused else len(self._late))
