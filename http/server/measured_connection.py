"""A connection with the bytes that it holds for its client, and the time that it has waited for it."""

from collections.abc import Sized
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from trackd.http.pieces import ENDLESS, UNSENT
from trackd.http.server.body_progress import BodyProgress
from trackd.http.server.inbound_budget import InboundBudget
from trackd.http.server.pipelined_connection import PipelinedConnection

HEADER_BYTES = 200  # of memory for each parsed header, besides its own bytes


class MeasuredConnection(PipelinedConnection):
    """A connection with its share of the inbound budget. Subclasses have `give_up`."""

    _is_receiving = False  # the last request is incomplete
    _is_refused = False  # all that the client sends is discarded
    _request_bytes = 0  # of the incomplete request
    _pieces = 0  # in which they arrived
    _progress: BodyProgress | None = None  # of the incomplete body, from its first examination
    _held_bytes = 0  # in the inbound budget
    _began = 0.0  # when the last request began, or the connection
    _awaits_first_request = True
    _idle_since: float | None = None  # the time of the last answer, when no request came after it
    _unread_since: float | None = None
    _running: RequestResponseCycle | None = None

    def __init__(self, budget: InboundBudget, **inherited: Any) -> None:
        super().__init__(**inherited)
        self._budget = budget

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._began = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        self._drop_rest()
        self._hold(0)
        super().connection_lost(exc)
        self._forget_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_receiving:
            self._pieces += 1
        self._update_budget()

    def _parse_piece(self, piece: bytes) -> None:
        super()._parse_piece(piece)
        if self._is_receiving:
            self._request_bytes += len(piece)

    def on_message_begin(self) -> None:
        self._is_receiving = self._in_head = True
        self._request_bytes, self._pieces, self._progress = 0, 0, None
        self._began = self.loop.time()
        self._note_request()
        super().on_message_begin()

    def _note_request(self) -> None:
        self._awaits_first_request = False
        self._idle_since = None

    def on_message_complete(self) -> None:
        if self._in_head:
            return  # the request is parsed once more
        self._is_receiving = False
        super().on_message_complete()
        if self.cycle.response_complete:  # the request was answered before its end
            self._become_idle()

    def _become_idle(self) -> None:
        """Wait for the next request, without keeping the last one."""
        self._idle_since = self.loop.time()
        self._forget_request()

    def _forget_request(self) -> None:
        self._running = self.cycle = self.scope = self.headers = None  # type: ignore[assignment]  # as at first

    def pause_writing(self) -> None:
        super().pause_writing()
        self._update_budget()

    def resume_writing(self) -> None:
        self._unread_since = None
        super().resume_writing()
        self._update_budget()

    def _update_budget(self) -> None:
        """Unread answers are counted when they are so many that writing is paused."""
        if self._is_receiving or self._rest or self._held_bytes or self.flow.write_paused:
            self._hold(self._measure())

    def _measure(self) -> int:
        if self.transport.is_closing():
            return 0
        size = self._rest_bytes()
        if self.flow.write_paused:
            size += self.transport.get_write_buffer_size()
            if self._running is not None:
                size += self._running.scope["state"].get(UNSENT, 0)
        if self._is_receiving and not self._is_refused and (self._in_head or not self.cycle.response_complete):
            headers: Sized = self.headers
            size += self._request_bytes + HEADER_BYTES * len(headers)
        return size

    def _is_stalled(self, now: float) -> bool:
        """Whether a body arrives too slowly. It is examined once a second."""
        if not self._is_receiving or self._in_head:
            return False
        if self._progress is None:
            self._progress = BodyProgress(now, self._request_bytes)
        return self._progress.is_stalled(now, self._request_bytes)

    def _hold(self, size: int) -> None:
        if size != self._held_bytes:
            self._held_bytes = size
            self._budget.hold(self, size)

    def give_up(self) -> None:
        """Release what the connection holds, because it holds most of the inbound budget."""
        raise NotImplementedError

    @property
    def waiting_since(self) -> float | None:
        """When the connection began to wait for its client; None while it has a request to answer."""
        if self._unread_since is not None or self._idle_since is not None:
            return self._unread_since or self._idle_since
        return self._began if self._is_receiving or self._awaits_first_request or self._is_refused else None

    @property
    def is_idle(self) -> bool:
        """Whether its requests are answered and their answers are read."""
        return self._idle_since is not None and self._unread_since is None

    def drop(self) -> None:
        """Close at once, without an answer."""
        self._drop_rest()
        self._hold(0)
        self.connections.discard(self)
        self.transport.abort()

    @property
    def is_endless(self) -> bool:
        """Whether the running answer goes on until its client goes away."""
        return self._running is not None and ENDLESS in self._running.scope["state"]
