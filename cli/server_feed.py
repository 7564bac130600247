"""The feed of a server, read over HTTP as it grows. While the server is away, it is asked again."""

import queue
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from msgspec import Struct

from trackd.cli.errors import CommandError
from trackd.cli.feed_requests import AwayError, FeedRequests
from trackd.cli.newest_records import newest_records
from trackd.cli.output import echo
from trackd.core.feed_cursor import OLDEST, Cursor
from trackd.storage.feed import Start

POLL_S = 0.25
WAIT_S = 3_600  # for which the server keeps an answer open without a record; it sends its position meanwhile
RETRY_S = 0.5
MOST_RETRY_S = 30.0
MOST_WAITING = 500  # records that are not printed yet


class _Record(Struct):
    kind: str
    cursor: str


class _Line(NamedTuple):
    """A record, None where there is only a position, and the position after it."""

    cursor: str
    record: bytes | None


_record = msgspec.json.Decoder(_Record).decode


class ServerFeed:
    """The records that match, as lines of JSON: the newest, or those after a position, then those that come."""

    def __init__(self, requests: FeedRequests, after: Cursor | Start, newest: int) -> None:
        """`newest`: begin with so many of the newest records, when `after` is Start.NOW."""
        self._requests = requests
        self._after = _text(after)
        self._newest = newest if after is Start.NOW else 0
        self._waiting: queue.Queue[bytes | Exception] = queue.Queue(MOST_WAITING)
        self._error: Exception | None = None
        self._was_there = self._has_begun = False
        # Not the main thread, which has to notice signals while nothing comes.
        threading.Thread(target=self._run, daemon=True).start()

    def read(self) -> tuple[list[bytes], bool]:
        """The next records; waits a moment for them, so that the caller need not. Raises CommandError."""
        if self._error is not None:
            raise self._error
        found: list[bytes] = []
        try:
            each = self._waiting.get(timeout=POLL_S)
            while not isinstance(each, Exception) and len(found) < MOST_WAITING:
                found.append(each)
                each = self._waiting.get_nowait()
            if isinstance(each, Exception):
                self._error = each
            else:
                found.append(each)
        except queue.Empty:
            pass
        return found, False

    def _run(self) -> None:
        try:
            for record in self._records():
                self._waiting.put(record)
        except Exception as error:  # it is for the main thread
            self._waiting.put(error)

    def _records(self) -> Iterator[bytes]:
        is_reported = False
        while True:
            began = time.monotonic()
            try:
                if not self._has_begun:
                    yield from self._begin()
                for line in self._lines(self._after, WAIT_S):
                    self._after, is_reported = line.cursor, False
                    if line.record is not None:
                        yield line.record
            except AwayError as error:
                if not self._was_there:
                    raise CommandError(f"{error}.") from None
                if not is_reported:
                    echo(f"trackd: {error}; asking again until it answers.", err=True)
                    is_reported = True
                time.sleep(min(max(error.retry_after_s, RETRY_S), MOST_RETRY_S))
            else:
                time.sleep(max(began + RETRY_S - time.monotonic(), 0))

    def _begin(self) -> Iterator[bytes]:
        """The newest records. After them the position is known, from which a broken feed goes on."""
        found: list[bytes] = []
        position = self._after
        if position is None:

            def read(newest: int) -> Iterator[bytes]:
                nonlocal position
                for line in self._lines(None, 0, newest):
                    position = line.cursor
                    if line.record is not None:
                        yield line.record

            found = newest_records(self._newest, read) if self._newest else list(read(0))
        self._after, self._has_begun = position, True
        yield from found

    def _lines(self, after: str | None, wait_s: int, newest: int = 0) -> Iterator[_Line]:
        """One answer."""
        for line in self._requests.lines(after, wait_s, newest):
            try:
                record = _record(line)
            except msgspec.DecodeError:
                raise CommandError(
                    f"{self._requests.url} sends no records of a feed: name the address of trackd."
                ) from None
            self._was_there = True
            yield _Line(record.cursor, None if record.kind == "position" else line)


def _text(after: Cursor | Start) -> str | None:
    match after:
        case Start.NOW:
            return None
        case Start.OLDEST:
            return OLDEST
    return after.text
