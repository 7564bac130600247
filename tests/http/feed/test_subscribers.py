"""How many clients read feeds, and how far behind they are."""

import pytest

from trackd.core.feed_cursor import Cursor
from trackd.http.errors import HttpError
from trackd.http.feed.subscribers import Subscribers

HISTORY = "0123456789abcdef"


def difference(after: int, up_to: int) -> int:
    return up_to - after


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_lag_is_that_of_the_slowest_one() -> None:
    clock = Clock()
    subscribers = Subscribers(10, lambda: Cursor(HISTORY, 30), difference, clock)
    fast, slow = subscribers.add(), subscribers.add()
    subscribers.add()
    assert subscribers.lag() == (0, 0.0)

    fast.read(Cursor(HISTORY, 30), clock.now, is_last=True)
    slow.read(Cursor(HISTORY, 10), clock.now, is_last=True)
    clock.now += 5
    slow.read(Cursor(HISTORY, 20), clock.now, is_last=False)

    assert subscribers.lag() == (10, 5.0)
    subscribers.remove(slow)
    assert (subscribers.lag(), len(subscribers)) == ((0, 0.0), 2)


def test_one_that_has_read_nothing_yet_is_behind_by_its_first_page_and_all_that_follows() -> None:
    clock = Clock()
    subscribers = Subscribers(10, lambda: Cursor(HISTORY, 30), difference, clock)
    new = subscribers.add()
    new.begin(Cursor(HISTORY, 20), 20)
    clock.now += 7

    assert subscribers.lag() == (30, 7.0)
    new.read(Cursor(HISTORY, 20), clock.now, is_last=False)
    assert subscribers.lag() == (10, 7.0)
    new.read(Cursor(HISTORY, 30), clock.now, is_last=True)
    assert subscribers.lag() == (0, 0.0)


def test_the_lag_counts_refusals_for_those_that_read_them() -> None:
    subscribers = Subscribers(10, lambda: Cursor(HISTORY, 30, 7), difference, Clock())
    reads_events, reads_both = subscribers.add(), subscribers.add(refusals=True)
    reads_events.read(Cursor(HISTORY, 30, 1), 100.0, is_last=True)  # once it read refusals too
    assert subscribers.lag() == (0, 0.0)

    reads_both.read(Cursor(HISTORY, 29, 5), 98.0, is_last=True)
    assert subscribers.lag() == (3, 2.0)


def test_the_events_behind_many_positions_are_counted_once() -> None:
    asked = []

    def counted(after: int, up_to: int) -> int:
        asked.append((after, up_to))
        return up_to - after

    clock = Clock()
    subscribers = Subscribers(10, lambda: Cursor(HISTORY, 30), counted, clock)
    for position in (30, 29, 12, 12, 20):
        subscribers.add().read(Cursor(HISTORY, position), clock.now, is_last=False)
    clock.now += 3

    assert (subscribers.lag(), asked) == ((18, 3.0), [(12, 30)])


def test_one_that_is_a_few_events_behind_counts_beside_one_with_all_but_refusals() -> None:
    clock = Clock()
    subscribers = Subscribers(10, lambda: Cursor(HISTORY, 30, 7), difference, clock)
    subscribers.add().read(Cursor(HISTORY, 28, None), 90.0, is_last=True)
    subscribers.add(refusals=True).read(Cursor(HISTORY, 30, 2), 95.0, is_last=True)

    assert subscribers.lag() == (5, 10.0)


def test_one_more_than_the_most_is_refused() -> None:
    subscribers = Subscribers(1, lambda: Cursor(HISTORY, 0), difference)
    subscriber = subscribers.add()
    with pytest.raises(HttpError) as refused:
        subscribers.add()
    subscribers.remove(subscriber)
    subscribers.add()

    assert (refused.value.status_code, "limits.max_subscribers" in refused.value.detail) == (503, True)
