from collections.abc import Iterator

import pytest

from trackd.cli import newest_records as searched
from trackd.cli.newest_records import LostPositionError, newest_records
from trackd.core.feed_cursor import Cursor
from trackd.storage.feed import Start

HISTORY = "0123456789abcdef"


class Feed:
    """Events by their numbers, after the refusals that each reading begins with. `starts` are where it was read."""

    def __init__(self, *numbers: int, refusals: int = 0, deleted_up_to: int = 0) -> None:
        self._numbers = numbers
        self._refusals = [b'{"kind":"refusal","number":%d}' % number for number in range(1, refusals + 1)]
        self._deleted_up_to = deleted_up_to
        self.starts: list[int] = []

    def read(self, after: Cursor | Start) -> Iterator[bytes]:
        begin = after.events if isinstance(after, Cursor) else self._deleted_up_to
        self.starts.append(begin)
        if begin < self._deleted_up_to:
            raise LostPositionError("deleted")
        yield from self._refusals
        for number in self._numbers:
            if number > begin:
                yield b"%d" % number

    def newest(self, number: int, head: int) -> list[bytes]:
        return newest_records(Cursor(HISTORY, head), number, self.read)


@pytest.fixture(autouse=True)
def _few_are_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searched, "EXAMINED", (3, 10, 20))


@pytest.mark.parametrize(
    ("feed", "number", "newest", "starts"),
    [
        (Feed(*range(1, 101)), 0, [], []),
        (Feed(*range(1, 101)), 2, [b"99", b"100"], [97]),
        (Feed(*range(1, 101)), 5, [b"96", b"97", b"98", b"99", b"100"], [95]),
        (Feed(10, 91, 92), 2, [b"91", b"92"], [97, 90]),
        (Feed(10, 91), 2, [b"91"], [97, 90, 80]),
        (Feed(91, refusals=9), 2, [b'{"kind":"refusal","number":9}', b"91"], [97, 90, 80]),
        (Feed(95, deleted_up_to=94), 2, [b"95"], [97, 90, 94]),
    ],
)
def test_records_are_searched_further_back_until_there_are_enough_events(
    feed: Feed, number: int, newest: list[bytes], starts: list[int]
) -> None:
    assert feed.newest(number, head=100) == newest
    assert feed.starts == starts


def test_a_short_feed_is_read_once() -> None:
    feed = Feed(1, 2)
    assert feed.newest(5, head=2) == [b"1", b"2"]
    assert feed.starts == [0]
