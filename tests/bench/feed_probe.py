"""How long after its answer the event of a call comes to a feed that shows everything: calls one after the other.

`python -m tests.bench.feed_probe` reads a `Probe`, and writes milliseconds as a JSON list when stdin ends.
"""

import http.client
import json
import re
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from tests.bench.builds import ROOT
from tests.bench.faults import BenchError
from tests.bench.payloads import SOURCE_ID
from tests.bench.subscribers import opened_feed

PAUSE_S = 0.02  # between two calls
MISSING_S = 10.0  # after the last call
TYPE = "feed-probe-"
FOUND = re.compile(rb'"type":"feed-probe-(\d+)"')


class Probe(Struct):
    """`warm_up_s`: calls of the first seconds are sent, and do not count."""

    url: str
    token: str
    warm_up_s: float


class Running:
    """A probe that runs while something else loads the server."""

    def __init__(self, probe: Probe) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.feed_probe"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(probe) + b"\n")
        self._process.stdin.flush()

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def result(self) -> list[float]:
        """Milliseconds of each call. Raises BenchError."""
        output, _ = self._process.communicate(b"")
        if self._process.returncode != 0:
            raise BenchError("The calls whose events were to come to a feed have failed.")
        return list(map(float, json.loads(output)))


class _Feed:
    """When the event of each call came."""

    def __init__(self, probe: Probe) -> None:
        self.times: dict[int, float] = {}
        self._feed, _ = opened_feed(probe.url, probe.token, "kinds=event")
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        rest = b""
        while received := self._feed.recv(262_144):
            now = time.perf_counter()
            text = rest + received
            for found in FOUND.finditer(text):
                self.times.setdefault(int(found[1]), now)
            rest = text[-64:]


def _measure(probe: Probe) -> list[float]:
    feed, has_ended = _Feed(probe), threading.Event()

    def wait() -> None:
        sys.stdin.buffer.read()
        has_ended.set()

    threading.Thread(target=wait, daemon=True).start()
    parts = urlsplit(probe.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port)
    answered: dict[int, float] = {}
    counted_from = time.perf_counter() + probe.warm_up_s
    while not has_ended.wait(PAUSE_S):
        number = len(answered)
        event = {"type": f"{TYPE}{number}"}
        call = {"source": {"id": SOURCE_ID}, "session": {"id": "feed-probe"}, "events": [event]}
        connection.request("POST", "/track", json.dumps(call), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise BenchError(f"A call is answered {answer.status}.")
        answered[number] = time.perf_counter()
    deadline = time.perf_counter() + MISSING_S
    while len(feed.times) < len(answered) and time.perf_counter() < deadline:
        time.sleep(PAUSE_S)
    last = time.perf_counter()  # of those that have not come
    counted = {number: time_of for number, time_of in answered.items() if time_of >= counted_from}
    return [1e3 * max(0.0, feed.times.get(number, last) - time_of) for number, time_of in counted.items()]


if __name__ == "__main__":
    print(json.dumps(_measure(msgspec.json.decode(sys.stdin.buffer.readline(), type=Probe))))
