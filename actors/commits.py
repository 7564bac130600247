"""The commits that have ended, counted, for the feeds that wait for the next one."""

from collections.abc import Callable


class Commits:
    """Used on the event loop's thread. `listeners` are called after each commit, and at the stop."""

    def __init__(self) -> None:
        self.number = 0
        self.poll_s: float | None = None
        """How often to ask the store for commits of other servers, None when it has no others."""
        self.has_ended = False
        """Whether the server stops: nobody waits any more."""
        self.listeners: list[Callable[[], None]] = []

    def add(self) -> None:
        """A commit has ended, of this server or another one."""
        self.number += 1
        self._notify()

    def end(self) -> None:
        self.has_ended = True
        self._notify()

    def _notify(self) -> None:
        for listener in self.listeners:
            listener()
