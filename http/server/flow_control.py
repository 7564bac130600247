"""When a connection reads on."""

from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl

MAX_UNREAD_BYTES = 16_384  # of answers; with more of them, the next request waits


class PipelineFlowControl(FlowControl):
    """Keeps reading paused while requests wait for their turn, as `has_waiting` reports.

    Otherwise they would grow without end: each answer would let in more requests than it removes.
    """

    def __init__(self, transport: Any, has_waiting: Callable[[], bool]) -> None:
        super().__init__(transport)
        transport.set_write_buffer_limits(MAX_UNREAD_BYTES)
        self._has_waiting = has_waiting

    def resume_reading(self) -> None:
        if self.read_paused and not self._has_waiting():
            super().resume_reading()

    def end(self) -> None:
        """Refer no more to the connection, which has ended and refers to this."""
        self._has_waiting = lambda: False
