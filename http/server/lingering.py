"""The end of a connection: the client can read its last answer, and what it still sends is discarded, within limits.

A connection that is closed while bytes of its client are unread is reset, and the client may lose the answer. So the
server closes its own side alone, and reads on until the client closes too.
"""

import select
from typing import Any

from trackd.http.server.measured_connection import MeasuredConnection

IDLE_S = 2  # without any byte of the client
MAX_DISCARDED_BYTES = 67_108_864


class Lingering:
    """How long a connection has lingered. All times are of the event loop."""

    def __init__(self, now: float, max_s: int) -> None:
        self._max_s = max_s
        self.restart(now)

    def restart(self, now: float) -> None:
        """The time begins anew: the client still reads its answer."""
        self._began = self._last_bytes = now

    def note_bytes(self, now: float) -> None:
        self._last_bytes = now

    def is_over(self, now: float) -> bool:
        return now - self._last_bytes > IDLE_S or now - self._began > self._max_s


class LingeringConnection(MeasuredConnection):
    """A connection that lingers when it is closed before the end of a request."""

    _request_timeout_s: int
    _has_eof = False  # the client sends no more
    _lingering: Lingering | None = None
    _discarded_bytes = 0  # since the last early answer

    def _discard(self, size: int) -> None:
        """Count bytes that are read for nothing. A client that sends them without end is reset."""
        if self._lingering is not None:
            self._lingering.note_bytes(self.loop.time())
        self._discarded_bytes += size
        if self._discarded_bytes > MAX_DISCARDED_BYTES:
            self.transport.abort()

    def _close(self) -> None:
        """Close after the last answer, or linger when bytes of the client may be unread."""
        may_be_unread = self._is_receiving or self.flow.read_paused or _has_unread_bytes(self.transport)
        if may_be_unread and not self._has_eof:
            self._linger()
        else:
            self.transport.close()

    def _linger(self) -> None:
        if self._lingering is not None or self.transport.is_closing():
            return
        if self._has_eof:
            self.transport.close()
            return
        self._is_refused = True
        self._idle_since = None
        self._lingering = Lingering(self.loop.time(), self._request_timeout_s)
        self.pipeline.clear()
        self._drop_rest()
        self._drop_body()
        self.transport.write_eof()
        self.flow.resume_reading()

    def _drop_body(self) -> None:
        """Free what has arrived of the body of an answered request; the rest is discarded as it arrives."""
        self._discarded_bytes = 0
        if self.cycle is not None:
            self.cycle.body = bytearray()
        self._update_budget()

    def _has_lingered(self, now: float) -> bool:
        """Whether the connection has lingered long enough."""
        if self._lingering is None:
            return False
        if self.transport.get_write_buffer_size():
            self._lingering.restart(now)
        return self._lingering.is_over(now)

    def shutdown(self) -> None:
        if self._lingering is not None:
            self.transport.close()
        elif not self._is_bypassing:
            super().shutdown()

    def close_or_read_on(self) -> bool:
        """Close the connection if it is idle and all its bytes are read.

        Returns whether bytes of a request are unread.
        """
        is_answered = not self._is_bypassing and (self.cycle is None or self.cycle.response_complete)
        if not is_answered and not self._is_receiving:
            return False
        if not self._is_refused and not self.flow.read_paused and _has_unread_bytes(self.transport):
            return True
        if is_answered and not self._is_receiving:
            self.transport.close()
        return False


def _has_unread_bytes(transport: Any) -> bool:
    if transport.is_closing():
        return False
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))
