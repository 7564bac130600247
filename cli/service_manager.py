"""Reports the life of the server to a service manager such as systemd: sd_notify(3).

It receives READY=1 as soon as `/ready` is answered 200, STOPPING=1 at the stop, RELOADING=1 around a reload, and
WATCHDOG=1 while the event loop runs and the writer commits. A store that refuses writes, such as a full disk, is no
reason for a restart: the server refuses calls, and recovers by itself. A commit that hangs is one.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Callable

from trackd.actors.tracker import Tracker
from trackd.config.service_manager import Handover
from trackd.config.settings import Server as Settings
from trackd.http.server.server import Server

log = logging.getLogger(__name__)

STARTING_S = 0.1  # between two looks until the server is ready
LOOK_S = 10.0  # between two looks after that, at most
FILE_S = 30.0  # for the end of the database file, after the last call
READY, REFUSING = "takes calls", "refuses calls: the store does not take writes"


class ServiceManager:
    """Sends notifications to `address`; empty for none. A manager that does not read them is not waited for."""

    def __init__(self, address: str) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._has_failed = False

    @property
    def exists(self) -> bool:
        return bool(self._address)

    def notify(self, *assignments: str) -> bool:
        """Send such assignments as `READY=1`. Returns whether they were sent."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
                sending.setblocking(False)
                sending.sendto("\n".join(assignments).encode(), self._address)
        except OSError as error:
            if not self._has_failed:
                log.warning("the service manager cannot be notified (%s): %s", assignments[0], error)
            self._has_failed = True
            return False
        self._has_failed = False
        return True


class ReportedLife:
    """The life of a server, as its service manager sees it. `follow` it before the server runs."""

    def __init__(self, handover: Handover, tracker: Tracker, settings: Settings) -> None:
        self._manager = ServiceManager(handover.notify_socket)
        self._watchdog_s = handover.watchdog_s
        self._tracker = tracker
        self._stop_s = settings.drain_ms / 1000 + 2 * settings.stop_timeout_s + FILE_S
        self._is_ready = self._is_stopping = False
        self._status = ""

    def follow(self, server: Server) -> None:
        """Be called at the start, the stop and the reloads of the server, besides the functions that are."""
        if not self._manager.exists:
            return
        on_started, on_stop, on_reload = server.on_started, server.on_stop, server.on_reload
        server.on_started = lambda: _all(on_started, self.look)
        server.on_stop = lambda: _all(on_stop, self._stop)
        server.on_reload = lambda: self._reload(on_reload)

    def look(self) -> None:
        """Report what has changed, and that the server is alive; and again soon, until the tracker has stopped."""
        if not self._tracker.started_up:
            return
        try:
            self._look()
        finally:
            asyncio.get_running_loop().call_later(self._pause(), self.look)

    def _look(self) -> None:
        is_writable = self._tracker.ready  # reading it also has an idle store tried, before the next look
        if not self._is_ready:
            if not is_writable or not self._manager.notify("READY=1", f"STATUS={READY}"):
                return
            self._is_ready, self._status = True, READY
        if not self._is_stopping:
            self._report(READY if is_writable else REFUSING)
        if self._watchdog_s is not None and self._tracker.commit_age_s <= self._watchdog_s:
            self._manager.notify("WATCHDOG=1")

    def _pause(self) -> float:
        half = self._watchdog_s / 2 if self._watchdog_s is not None else LOOK_S
        return min(half, LOOK_S) if self._is_ready else min(half, STARTING_S)

    def _report(self, status: str) -> None:
        if status != self._status and self._manager.notify(f"STATUS={status}"):
            self._status = status

    def _stop(self) -> None:
        """The manager has to allow as much time as the settings do: its own limit may be shorter."""
        self._is_stopping = True
        self._manager.notify("STOPPING=1", "STATUS=stops", f"EXTEND_TIMEOUT_USEC={self._stop_s * 1e6:.0f}")

    def _reload(self, on_reload: Callable[[], None]) -> None:
        is_running = self._is_ready and not self._is_stopping
        if is_running:
            self._manager.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        on_reload()
        if is_running:
            self._manager.notify("READY=1")


def _all(*functions: Callable[[], None]) -> None:
    for function in functions:
        function()
