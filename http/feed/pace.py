"""How fast feeds are served: what they take of the server is followed by pauses, the longer the more it has to do."""

import asyncio
import os
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import NamedTuple

STEP_S = 0.01  # of a pause: it is over early when the server has less to do
BUSY_SHARE = 0.85  # of the time that the event loop works
MANY_CALLS = 32  # that wait when a commit ends
SPAN_S = 0.05  # in which both are measured
RUN_TIMES = Path("/proc/thread-self/schedstat")  # Linux: nanoseconds on a processor, and waiting for one


class Load(Enum):
    """How much a server has to do."""

    LIGHT = "light"
    BUSY = "busy"
    """Its event loop hardly rests, perhaps because other programs take the processors. Few calls wait."""
    FULL = "full"
    """More calls come than it can take: what feeds take, calls lack."""


class Lasting(NamedTuple):
    """A load, and the seconds since the first span in which it was so: none for one that has only just appeared."""

    load: Load
    seconds: float


class Pauses(NamedTuple):
    """Seconds of a pause for each second that feeds have taken of the event loop, and of the reader process.

    With 1 for the event loop they get half of it.
    """

    loop: float
    reader: float

    def after(self, loop_s: float, reader_s: float) -> float:
        return self.loop * loop_s + self.reader * reader_s


PAUSES = {  # the reader process is a burden only while calls lack its processor
    Load.LIGHT: Pauses(loop=1, reader=0),
    Load.BUSY: Pauses(loop=2, reader=0),
    Load.FULL: Pauses(loop=99, reader=49),
}


class Pace:
    """The pauses of all feeds together."""

    def __init__(self, load: Callable[[], Lasting], now: Callable[[], float] = time.monotonic) -> None:
        self._load = load
        self._now = now

    async def pause(self, loop_s: float, reader_s: float = 0.0) -> None:
        """Wait after feeds took so many seconds of the event loop, and of the reader process.

        A pause for the sake of a load is no longer than the load has lasted before: most loads are over in a moment,
        and feeds would be late for nothing.
        """
        began = self._now()
        load, lasted_s = self._load()
        least = PAUSES[Load.LIGHT].after(loop_s, reader_s)
        most = least if load is Load.LIGHT else max(least, lasted_s)
        while (rest := began + min(most, PAUSES[self._load().load].after(loop_s, reader_s)) - self._now()) > 0:
            await asyncio.sleep(min(rest, STEP_S))


class ServerLoad:
    """Measures the load of the server. Used on the event loop's thread.

    The loop works also while it has to wait for a processor: `work_time` is the time in which it could not rest.
    """

    def __init__(
        self,
        waiting_calls: Callable[[], int],
        now: Callable[[], float] = time.monotonic,
        work_time: Callable[[], float] | None = None,
    ) -> None:
        self._waiting_calls = waiting_calls
        self._now = now
        self._work_time = work_time
        self._began = self._worked = self._since = 0.0
        self._calls = self._samples = 0
        self._load = Load.LIGHT

    def on_commit(self) -> None:
        """A commit has ended, and its calls are not answered yet."""
        self._count_calls()

    def current(self) -> Lasting:
        """The load in the last whole span."""
        now = self._now()
        if now - self._began >= SPAN_S:
            self._count_calls()  # none may have ended in the span
            if self._work_time is None:
                self._work_time = thread_work_time()  # of this thread
            worked = self._work_time()
            load = self._measured((worked - self._worked) / (now - self._began), self._calls / self._samples)
            if load is not self._load:
                self._load, self._since = load, now
            self._began, self._worked = now, worked
            self._calls = self._samples = 0
        return Lasting(self._load, now - self._since)

    def _count_calls(self) -> None:
        self._calls += self._waiting_calls()
        self._samples += 1

    def _measured(self, share: float, calls: float) -> Load:
        if calls >= MANY_CALLS:
            return Load.FULL
        return Load.BUSY if share >= BUSY_SHARE else Load.LIGHT


def thread_work_time() -> Callable[[], float]:
    """The seconds that this thread has run, where it is known with those that it waited for a processor."""
    try:
        file = os.open(RUN_TIMES, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return time.thread_time
    return _RunTimes(file)


class _RunTimes:
    def __init__(self, file: int) -> None:
        self._file = file

    def __call__(self) -> float:
        ran, waited, _ = os.pread(self._file, 100, 0).split()
        return (int(ran) + int(waited)) / 1e9

    def __del__(self) -> None:
        os.close(self._file)
