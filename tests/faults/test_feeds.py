"""Feeds of a real server that stops, or is killed under load."""

import contextlib
import json
import signal
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.faults.real_server import RealServer
from tests.support.database import rows
from tests.support.payloads import bearer, payload
from tests.support.polling import wait_until
from tests.support.process import Process

Serve = Callable[..., Process]
CLIENTS, FEEDS = 4, 10


def events_of(answer: httpx.Response) -> Iterator[tuple[str, str]]:
    """The cursor and the data of each message, no data for a cursor alone; comments as data."""
    cursor = data = ""
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        match name:
            case "id":
                cursor = value
            case "data":
                data = value
            case "" if line:
                yield "", value
            case "":
                yield cursor, data
                data = ""


class Follower:
    """A client that reads the feed from its beginning, and connects again after its last record."""

    def __init__(self, url: Callable[[], str], token: str) -> None:
        self.ids: list[str] = []
        self._url = url
        self._headers = {**bearer(token), "accept": "text/event-stream"}
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        with httpx.Client(timeout=5, trust_env=False) as client:
            while not self._has_ended.is_set():
                with contextlib.suppress(httpx.HTTPError):
                    self._read_once(client)
                self._has_ended.wait(0.05)  # before it connects again, as browsers do

    def _read_once(self, client: httpx.Client) -> None:
        with client.stream("GET", f"{self._url()}/feed?after=0", headers=self._headers) as answer:
            if answer.status_code != 200:
                return
            for cursor, data in events_of(answer):
                if self._has_ended.is_set():
                    return
                if cursor:  # as browsers do, also that of a message without data
                    self._headers["last-event-id"] = cursor
                if cursor and data:
                    self.ids.append(json.loads(data)["id"])

    def end(self) -> None:
        self._has_ended.set()
        self._thread.join()


def test_a_stop_ends_feeds_at_once_also_those_that_nobody_reads(start: Callable[..., RealServer]) -> None:
    server = start(TRACKD_SERVER_STOP_TIMEOUT_S="60")  # the stop would wait so long for the client that does not read
    token = server.process.token
    for number in range(20):  # more than the buffers of a connection take
        assert server.call(*["a"] * 1_000, session=f"s{number % 3}").status_code == 200
    request = (
        f"GET /feed?after=0 HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\nauthorization: Bearer {token}\r\n\r\n"
    )
    headers = {**bearer(token), "accept": "text/event-stream"}
    with server.connect() as unread, httpx.stream("GET", f"{server.url}/feed", headers=headers, timeout=30) as answer:
        unread.sendall(request.encode())
        unread.recv(1)
        lines = answer.iter_lines()
        assert next(lines) == "retry: 1000"
        server.process.process.send_signal(signal.SIGTERM)
        rest = list(lines)
        assert server.process.process.wait(30) == 0

    assert ": the server stops" in rest


@pytest.mark.parametrize("rounds", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_each_event_is_shown_once_and_in_order_through_kills(serve: Serve, rounds: int) -> None:
    running = [serve()]
    token, db = running[0].token, running[0].db
    followers = [Follower(lambda: running[-1].url, token) for _ in range(FEEDS)]
    try:
        for number in range(rounds):
            _call_until_killed(running[-1], number)
            running.append(serve())
        expected = [row["id"] for row in rows(db, "SELECT id FROM event ORDER BY number")]

        def have_all() -> bool:
            return all(len(follower.ids) >= len(expected) for follower in followers)

        wait_until(have_all, "all feeds have all events")
    finally:
        running[-1].stop()
        for follower in followers:
            follower.end()
    assert [follower.ids == expected for follower in followers] == [True] * FEEDS


def _call_until_killed(server: Process, number: int) -> None:
    answered: list[int] = []

    def call(client: int) -> None:
        with httpx.Client(timeout=5, trust_env=False) as http:
            for each in range(10_000):
                try:
                    body = payload(f"s{number}-{client}-{each % 5}", "a", "b")
                    answered.append(http.post(f"{server.url}/track", json=body).status_code)
                except httpx.HTTPError:
                    return

    calling = [threading.Thread(target=call, args=(client,)) for client in range(CLIENTS)]
    for thread in calling:
        thread.start()
    wait_until(lambda: len(answered) >= 40, "calls are answered")
    server.stop(signal.SIGKILL)
    for thread in calling:
        thread.join()
    assert set(answered) == {200}
