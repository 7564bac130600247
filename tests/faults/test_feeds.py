"""Feeds of a real server that stops, or is killed under load."""

import contextlib
import json
import os
import signal
import socket
import socketserver
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.faults.real_server import RealServer
from tests.support.database import rows
from tests.support.payloads import bearer, payload
from tests.support.polling import wait_until
from tests.support.process import TRACKD, Process
from tests.support.raw_http import address

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


class Relay(socketserver.ThreadingTCPServer):
    """An address that stays the same while servers come and go behind it."""

    daemon_threads = True

    def __init__(self, target: Callable[[], tuple[str, int]]) -> None:
        super().__init__(("127.0.0.1", 0), RelayHandler)
        self.target = target
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class RelayHandler(socketserver.BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        with contextlib.suppress(OSError), socket.create_connection(self.server.target()) as server:
            server.sendall(self.request.recv(65_536))
            while received := server.recv(65_536):
                self.request.sendall(received)


def test_a_command_on_another_machine_follows_the_server_through_a_restart(serve: Serve, tmp_path: Path) -> None:
    servers = [serve()]
    token, relay = servers[0].token, Relay(lambda: address(servers[-1].url))
    out, log = tmp_path / "out", tmp_path / "log"
    options = ["--url", relay.url, "--json", "--lines", "1", "--kinds", "event,refusal"]
    RealServer(servers[0]).call("a", "b")
    with out.open("wb") as stdout, log.open("wb") as stderr:
        environment = {**os.environ, "TRACKD_TOKEN": token}
        tail = subprocess.Popen([TRACKD, "tail", *options], stdout=stdout, stderr=stderr, env=environment)
    try:
        _wait_for_lines(out, 1)
        servers[0].stop()
        wait_until(lambda: b"asking again" in log.read_bytes(), "the command has noticed")
        servers.append(serve())
        RealServer(servers[-1]).call("c")
        RealServer(servers[-1]).call("d", source="nope")
        _wait_for_lines(out, 3)
        tail.send_signal(signal.SIGINT)
        assert tail.wait(60) == 0
    finally:
        tail.kill()
        tail.wait()
        relay.shutdown()
        relay.server_close()
    records = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert [record.get("type", record["kind"]) for record in records] == ["b", "c", "refusal"]


def _wait_for_lines(out: Path, number: int) -> None:
    wait_until(lambda: out.read_bytes().count(b"\n") >= number, f"{number} lines are printed")


def _call_until_killed(server: Process, number: int) -> None:
    answered: list[int] = []

    def call(client: int) -> None:
        with httpx.Client(timeout=30, trust_env=False) as http:
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
