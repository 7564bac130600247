"""Clients that follow feeds, in a process of their own: `python -m tests.bench.subscribers` reads a `Following`.

Fast ones read all that comes and throw it away, slow ones a little now and then. They end when stdin does.
"""

import contextlib
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from tests.bench.builds import ROOT
from tests.bench.faults import BenchError

SLOW_BYTES, SLOW_PAUSE_S = 4_096, 0.25
READY = b"ready\n"


class Following(Struct):
    """`queries` are those of the feeds; the first `slow` of them are read slowly."""

    url: str
    token: str
    queries: Sequence[str]
    slow: int


@contextlib.contextmanager
def followed(following: Following) -> Iterator[None]:
    """The feeds are open meanwhile. Raises BenchError when one was not until the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.subscribers"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(msgspec.json.encode(following) + b"\n")
        process.stdin.flush()
        if process.stdout.readline() != READY:
            raise BenchError("The feeds could not be opened.")
        yield
    finally:
        process.stdin.close()
        ended = process.stdout.read()
        process.stdout.close()
        process.wait()
    if ended:
        raise BenchError(f"Feeds have ended: {ended.decode().strip()}")


def opened_feed(url: str, token: str, query: str) -> tuple[socket.socket, bytes]:
    """A feed of server-sent events, and what came with the head of its answer. Raises OSError."""
    parts = urlsplit(url)
    feed = socket.socket()
    feed.connect((parts.hostname, parts.port))
    head = f"GET /feed?{query} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
    feed.sendall(f"{head}Accept: text/event-stream\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        received = feed.recv(65_536)
        if not received:
            raise OSError("the connection was closed")
        answer += received
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise OSError(answer.partition(b"\r\n")[0].decode())
    return feed, answer.partition(b"\r\n\r\n")[2]


def _follow(following: Following) -> int:
    """Read all feeds until stdin ends. Returns how many have ended before."""
    buffer, ended = bytearray(262_144), 0
    slow = []
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        for number, query in enumerate(following.queries):
            feed, _ = opened_feed(following.url, following.token, query)
            feed.setblocking(False)
            if number < following.slow:
                slow.append(feed)
            else:
                selector.register(feed, selectors.EVENT_READ)
        sys.stdout.buffer.write(READY)
        sys.stdout.flush()
        next_slow = time.monotonic()
        while True:
            for key, _ in selector.select(max(0, next_slow - time.monotonic())):
                if key.fileobj is sys.stdin:
                    return ended
                if not key.fileobj.recv_into(buffer):  # type: ignore[union-attr]
                    selector.unregister(key.fileobj)
                    ended += 1
            if time.monotonic() >= next_slow:
                next_slow += SLOW_PAUSE_S
                for feed in slow:
                    with contextlib.suppress(BlockingIOError):
                        ended += not feed.recv_into(buffer, SLOW_BYTES)


if __name__ == "__main__":
    number = _follow(msgspec.json.decode(sys.stdin.buffer.readline(), type=Following))
    if number:
        print(f"{number} of them")
