"""The newest records of a feed, which can only be read from a position on: the search for one with enough behind it."""

from collections import deque
from collections.abc import Callable, Iterable
from operator import sub

from trackd.cli.errors import CommandError
from trackd.core.feed_cursor import Cursor
from trackd.storage.feed import MISSED, REFUSAL, Start

EXAMINED = (100, 1_000, 10_000)  # the newest numbers that are searched for records, one after the other
OTHER_BEGINS = tuple(b'{"kind":"%b"' % kind.encode() for kind in (REFUSAL, MISSED))


class LostPositionError(CommandError):
    """A feed cannot go on after a position: the retention has deleted what followed, for example."""


def newest_records(
    head: Cursor,
    number: int,
    read: Callable[[Cursor | Start], Iterable[bytes]],
    before: Callable[[int, int], int] = sub,
) -> list[bytes]:
    """The newest records, at most so many, of a bounded number of the newest events before `head`.

    `read` has all records after a position, as lines. It raises LostPositionError. `before` is the number that is so
    many events before another one, 0 or less when there are not so many.
    """
    found: deque[bytes] = deque(maxlen=number)
    for examined in EXAMINED if number else ():
        begin = before(head.events, max(examined, number))
        try:
            of_events = _search(found, read(Cursor(head.history, begin) if begin > 0 else Start.OLDEST))
        except LostPositionError:
            begin, of_events = 0, _search(found, read(Start.OLDEST))
        if of_events >= number or begin <= 0:
            break
    return list(found)


def _search(found: deque[bytes], records: Iterable[bytes]) -> int:
    """Find the newest of these records; return how many are no refusals, all of which are read each time."""
    found.clear()
    of_events = 0
    for record in records:
        found.append(record)
        of_events += not record.startswith(OTHER_BEGINS)
    return of_events
