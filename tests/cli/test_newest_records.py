from collections.abc import Iterator

import pytest

from trackd.cli import newest_records as searched
from trackd.cli.newest_records import newest_records


class Feed:
    """The events that match, of so many, after the refusals that each reading begins with.

    `examined` are the numbers of events before which it was read.
    """

    def __init__(self, *matching: int, refusals: int = 0) -> None:
        self._matching = matching
        self._refusals = [b'{"kind":"refusal","number":%d}' % number for number in range(1, refusals + 1)]
        self.examined: list[int] = []

    def read(self, newest: int) -> Iterator[bytes]:
        self.examined.append(newest)
        yield from self._refusals
        for number in self._matching:
            if number > 100 - newest:
                yield b"%d" % number


@pytest.fixture(autouse=True)
def _few_are_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searched, "EXAMINED", (3, 10, 20))


@pytest.mark.parametrize(
    ("feed", "number", "newest", "examined"),
    [
        (Feed(*range(1, 101)), 2, [b"99", b"100"], [3]),
        (Feed(*range(1, 101)), 5, [b"96", b"97", b"98", b"99", b"100"], [5]),
        (Feed(10, 91, 92), 2, [b"91", b"92"], [3, 10]),
        (Feed(10, 91), 2, [b"91"], [3, 10, 20]),
        (Feed(91, refusals=9), 2, [b'{"kind":"refusal","number":9}', b"91"], [3, 10, 20]),
        (Feed(), 1, [], [3, 10, 20]),
    ],
)
def test_more_events_are_examined_until_there_are_enough_records(
    feed: Feed, number: int, newest: list[bytes], examined: list[int]
) -> None:
    assert newest_records(number, feed.read) == newest
    assert feed.examined == examined
