"""Feeds take a bounded part of the time."""

import threading
from collections.abc import Sequence

import pytest

from trackd.http.feed.pace import Pace, ServerLoad, thread_work_time


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Pauses:
    """A pace whose pauses take no time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.is_busy = Clock(), False
        self._idle_after = float("inf")
        self._pace = Pace(lambda: self.is_busy and self.clock.now < self._idle_after, self.clock)
        monkeypatch.setattr("asyncio.sleep", self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.clock.now += seconds

    async def after(self, loop_s: float, reader_s: float = 0.0, busy_for_s: float = float("inf")) -> float:
        """The seconds of the pause."""
        began = self.clock.now
        self._idle_after = began + busy_for_s
        await self._pace.pause(loop_s, reader_s)
        return self.clock.now - began


async def test_feeds_get_a_fifth_of_the_time_and_a_fiftieth_while_the_server_is_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses = Pauses(monkeypatch)
    assert await pauses.after(0.0) == 0
    assert await pauses.after(0.001, reader_s=0.1) == pytest.approx(0.004)  # the other processors have time

    pauses.is_busy = True
    assert await pauses.after(0.001) == pytest.approx(0.049)
    assert await pauses.after(0.001, reader_s=0.002) == pytest.approx(0.049 + 16 * 0.002)


async def test_a_pause_ends_soon_after_the_server_is_not_busy_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = Pauses(monkeypatch)
    pauses.is_busy = True

    assert await pauses.after(0.01, busy_for_s=0.1) == pytest.approx(0.11, abs=0.011)


class Load:
    """The load of a server whose clock and calls the test moves."""

    def __init__(self) -> None:
        self.waiting = 0
        self._clock, self._worked = Clock(), Clock()
        self._load = ServerLoad(lambda: self.waiting, self._clock, self._worked)
        self._load.is_busy()

    def is_busy_after(self, seconds: float, work: float, waiting: Sequence[int] = ()) -> bool:
        """`waiting` calls when each commit ends."""
        for self.waiting in waiting:
            self._load.on_commit()
        self._clock.now += seconds
        self._worked.now += work
        return self._load.is_busy()


def test_a_server_is_busy_whose_event_loop_works_for_most_of_the_time() -> None:
    load = Load()
    assert not load.is_busy_after(1.0, work=0.8)
    assert load.is_busy_after(1.0, work=0.9)
    assert load.is_busy_after(0.001, work=0.0)  # too short to know
    assert not load.is_busy_after(1.0, work=0.5)


def test_a_server_is_busy_in_which_many_calls_wait_for_a_commit() -> None:
    load = Load()
    assert not load.is_busy_after(1.0, work=0.5, waiting=[64, 5, 5])
    assert load.is_busy_after(1.0, work=0.5, waiting=[64, 40, 64])
    assert not load.is_busy_after(1.0, work=0.5)


def test_the_work_time_is_that_of_the_thread_that_asks_for_it() -> None:
    work_time = thread_work_time()
    began = work_time()
    while work_time() == began:
        pass
    of_others: list[float] = []
    thread = threading.Thread(target=lambda: of_others.append(thread_work_time()()))
    thread.start()
    thread.join()

    assert 0 <= of_others[0] < work_time()
