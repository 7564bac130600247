"""How fast feeds are served: what they take of the server is followed by pauses, long ones while it is busy."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

PAUSES, PAUSES_WHEN_BUSY = 4, 49  # for each second of the loop that feeds take: they get a fifth of it, or a fiftieth
PAUSES_OF_READER = 16  # while the server is busy, for each second of the reader process
STEP_S = 0.01  # of a pause: it is over early when the server is not busy any more
BUSY_SHARE = 0.85  # of the time that the event loop works
MANY_CALLS = 32  # that wait when a commit ends
SPAN_S = 0.05  # in which both are measured
RUN_TIMES = Path("/proc/thread-self/schedstat")  # Linux: nanoseconds on a processor, and waiting for one


class Pace:
    """The pauses of all feeds together."""

    def __init__(self, is_busy: Callable[[], bool], now: Callable[[], float] = time.monotonic) -> None:
        self._is_busy = is_busy
        self._now = now

    async def pause(self, loop_s: float, reader_s: float = 0.0) -> None:
        """Wait after feeds took so many seconds of the event loop, and of the reader process.

        The latter count while the server is busy: the reader process takes processors that others need then, at a low
        priority.
        """
        began = self._now()
        while (rest := began + self._pause_s(loop_s, reader_s) - self._now()) > 0:
            await asyncio.sleep(min(rest, STEP_S))

    def _pause_s(self, loop_s: float, reader_s: float) -> float:
        if self._is_busy():
            return PAUSES_WHEN_BUSY * loop_s + PAUSES_OF_READER * reader_s
        return PAUSES * loop_s


class ServerLoad:
    """How busy the server is. Used on the event loop's thread.

    The loop is busy also while it has to wait for a processor: `work_time` is the time in which it could not rest. When
    the disk is what calls wait for, many calls wait.
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
        self._began = self._worked = 0.0
        self._calls = self._commits = 0
        self._is_busy = False

    def on_commit(self) -> None:
        """A commit has ended, and its calls are not answered yet."""
        self._calls += self._waiting_calls()
        self._commits += 1

    def is_busy(self) -> bool:
        """Whether the loop worked for most of the last time, or many calls waited on the average."""
        now = self._now()
        if now - self._began >= SPAN_S:
            if self._work_time is None:
                self._work_time = thread_work_time()  # of this thread
            worked = self._work_time()
            is_loop_busy = worked - self._worked >= BUSY_SHARE * (now - self._began)
            self._is_busy = is_loop_busy or self._calls >= MANY_CALLS * max(1, self._commits)
            self._began, self._worked = now, worked
            self._calls = self._commits = 0
        return self._is_busy


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
