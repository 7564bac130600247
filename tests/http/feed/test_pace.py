"""Feeds take a bounded part of the time."""

import threading
from collections.abc import Sequence

import pytest

from trackd.http.feed.pace import Lasting, Load, Pace, ServerLoad, thread_work_time


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Paused:
    """A pace whose pauses take no time. The load has lasted `lasted_s`, and after `changes_after_s` it is `then`."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        load: Load,
        lasted_s: float,
        changes_after_s: float = 1e9,
        then: Load = Load.LIGHT,
    ) -> None:
        self._clock = Clock()
        self._load, self._since = load, self._clock.now - lasted_s
        self._then, self._changes_at = then, self._clock.now + changes_after_s
        self._pace = Pace(self._current, self._clock)
        monkeypatch.setattr("asyncio.sleep", self._sleep)

    def _current(self) -> Lasting:
        if self._clock.now >= self._changes_at:
            return Lasting(self._then, self._clock.now - self._changes_at)
        return Lasting(self._load, self._clock.now - self._since)

    async def _sleep(self, seconds: float) -> None:
        self._clock.now += seconds

    async def after(self, loop_s: float, reader_s: float = 0.0) -> float:
        """The seconds of the pause."""
        began = self._clock.now
        await self._pace.pause(loop_s, reader_s)
        return self._clock.now - began


@pytest.mark.parametrize(
    ("load", "of_loop", "of_reader"), [(Load.LIGHT, 1 / 2, 1), (Load.BUSY, 1 / 3, 1), (Load.FULL, 1 / 100, 1 / 50)]
)
async def test_feeds_get_a_share_of_the_event_loop_and_of_a_processor_by_the_load(
    monkeypatch: pytest.MonkeyPatch, load: Load, of_loop: float, of_reader: float
) -> None:
    paused = Paused(monkeypatch, load, lasted_s=10)

    assert await paused.after(0.0) == 0
    assert 0.001 / (0.001 + await paused.after(0.001)) == pytest.approx(of_loop)
    assert 0.008 / (0.008 + await paused.after(0.0, reader_s=0.008)) == pytest.approx(of_reader)


async def test_a_pause_ends_soon_after_the_load_is_light_again(monkeypatch: pytest.MonkeyPatch) -> None:
    paused = Paused(monkeypatch, Load.FULL, lasted_s=10, changes_after_s=0.1)

    assert await paused.after(0.01, reader_s=0.01) == pytest.approx(0.1, abs=0.011)


@pytest.mark.parametrize(("lasted_s", "seconds"), [(0, 0.01), (0.06, 0.06), (0.2, 0.2), (1.0, 0.99)])
async def test_a_pause_is_no_longer_than_the_load_has_lasted(
    monkeypatch: pytest.MonkeyPatch, lasted_s: float, seconds: float
) -> None:
    paused = Paused(monkeypatch, Load.FULL, lasted_s)

    assert await paused.after(0.01) == pytest.approx(seconds)


async def test_a_pause_of_a_light_load_is_not_prolonged_by_one_that_begins_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paused = Paused(monkeypatch, Load.LIGHT, lasted_s=10, changes_after_s=0.01, then=Load.FULL)

    assert await paused.after(0.04) == pytest.approx(0.04)


class Server:
    """The load of a server whose clock and calls the test moves."""

    def __init__(self) -> None:
        self.waiting = 0
        self._clock, self._worked = Clock(), Clock()
        self._load = ServerLoad(lambda: self.waiting, self._clock, self._worked)
        self._load.current()

    def load_after(self, seconds: float, work: float, waiting: Sequence[int] = (0,)) -> Load:
        return self.lasting_after(seconds, work, waiting).load

    def lasting_after(self, seconds: float, work: float, waiting: Sequence[int] = (0,)) -> Lasting:
        """`waiting` calls when each commit ends, and the last of them now."""
        *at_commits, now = waiting
        for self.waiting in at_commits:
            self._load.on_commit()
        self.waiting = now
        self._clock.now += seconds
        self._worked.now += work
        return self._load.current()


def test_a_server_is_busy_whose_event_loop_works_for_most_of_the_time() -> None:
    server = Server()
    assert server.load_after(1.0, work=0.8) is Load.LIGHT
    assert server.load_after(1.0, work=0.9) is Load.BUSY
    assert server.load_after(0.001, work=0.0) is Load.BUSY  # too short to know
    assert server.load_after(1.0, work=0.5) is Load.LIGHT


def test_a_server_has_all_that_it_can_take_when_many_calls_wait_for_commits_on_the_average() -> None:
    server = Server()
    assert server.load_after(1.0, work=0.5, waiting=[64, 5, 5]) is Load.LIGHT
    assert server.load_after(1.0, work=0.9, waiting=[64, 5, 5]) is Load.BUSY
    assert server.load_after(1.0, work=0.5, waiting=[64, 40, 20]) is Load.FULL
    assert server.load_after(1.0, work=0.5, waiting=[64]) is Load.FULL  # none has ended
    assert server.load_after(1.0, work=0.9) is Load.BUSY


def test_a_load_lasts_since_the_end_of_the_span_in_which_it_appeared() -> None:
    server = Server()
    server.lasting_after(1.0, work=0.5)
    assert server.lasting_after(1.0, work=0.5, waiting=[64]) == Lasting(Load.FULL, 0)
    assert server.lasting_after(1 / 32, work=0.0) == Lasting(Load.FULL, 1 / 32)
    assert server.lasting_after(1.0, work=0.5, waiting=[64]) == Lasting(Load.FULL, 1 + 1 / 32)
    assert server.lasting_after(1.0, work=0.5) == Lasting(Load.LIGHT, 0)


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
