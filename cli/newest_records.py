"""The newest records of a feed, which can only be read from a position on: the search for one with enough behind it."""

from collections import deque
from collections.abc import Callable, Iterable

from trackd.cli.errors import CommandError
from trackd.storage.feed import MISSED, REFUSAL

EXAMINED = (100, 1_000, 10_000)  # the newest events that are searched for records, one after the other
OTHER_BEGINS = tuple(b'{"kind":"%b"' % kind.encode() for kind in (REFUSAL, MISSED))


class LostPositionError(CommandError):
    """A feed cannot go on after a position: the retention has deleted what followed, for example."""


def newest_records(number: int, read: Callable[[int], Iterable[bytes]]) -> list[bytes]:
    """The newest records, at most so many and at least one, of a bounded number of the newest events.

    `read` has all records after the position before so many of the newest events, as lines.
    """
    found: deque[bytes] = deque(maxlen=number)
    for examined in EXAMINED:
        if _search(found, read(max(examined, number))) >= number:
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
