"""`trackd serve --uds`: a Unix socket in place of a port, for a proxy on the same machine."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.forked_server import start_server
from tests.support.payloads import SOURCE_ID, bearer
from tests.support.polling import wait_until
from tests.support.process import Process
from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources

Serve = Callable[..., Process]
CALL = {"source": {"id": SOURCE_ID}, "session": {"id": "s"}, "events": [{"type": "page-view"}]}


@pytest.fixture
def serve_uds(tmp_path: Path) -> Iterator[Serve]:
    """Starts `trackd serve` on trackd.sock in the folder of the test, with other options in their place."""
    running: list[Process] = []

    def start(*options: str, db: str = "trackd.db", **environment: str) -> Process:
        with Sources(tmp_path / db, create=True) as sources:
            if not sources.all():
                sources.add(Source(SOURCE_ID, "test"))
        arguments = ["serve", "--db", db, *(options or ["--uds", "trackd.sock"])]
        running.append(Process(tmp_path / db, start_server(arguments, tmp_path, environment)))
        return running[-1]

    yield start
    for server in running:
        server.process.kill()
        server.process.communicate()


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    monkeypatch.chdir(tmp_path)  # the whole path may be too long for a socket
    with httpx.Client(transport=httpx.HTTPTransport(uds="trackd.sock"), base_url="http://trackd", timeout=30) as client:
        yield client


def send(client: httpx.Client, forwarded: str, *, chunked: bool = False) -> httpx.Response:
    """Send a call for a client of the proxy; in chunks it takes the slow path."""
    headers = {"Content-Type": "application/json", **({"X-Forwarded-For": forwarded} if forwarded else {})}
    body = json.dumps(CALL).encode()
    return client.post("/track", headers=headers, content=iter([body]) if chunked else body)


def test_it_prints_the_socket_serves_there_and_removes_it_at_the_stop(
    serve_uds: Serve, client: httpx.Client, trackd: Callable[..., Any], tmp_path: Path
) -> None:
    server = serve_uds()
    shown = f"unix:{tmp_path / 'trackd.sock'}"
    assert server.url == shown
    assert (tmp_path / "trackd.sock").stat().st_mode & 0o777 == 0o666
    [example] = [line for line in server.greeting if "/info/version" in line]
    assert f"curl --unix-socket {tmp_path}/trackd.sock http://localhost/info/version" in example
    assert "through the proxy: `trackd ui --url" in "".join(server.greeting)
    assert client.get("/info/version", headers=bearer(server.token)).status_code == 200
    for arguments, environment in ((["--uds", "trackd.sock"], {}), ([], {"TRACKD_SERVER_UDS": "trackd.sock"})):
        found = trackd("ready", *arguments, **environment)
        assert (found.returncode, found.stdout) == (0, f"{shown} is ready.\n")
    assert server.stop() == 0
    assert not (tmp_path / "trackd.sock").exists()
    found = trackd("ready", "--uds", "trackd.sock")
    assert (found.returncode, "cannot be reached (No such file or directory)" in found.stderr) == (1, True)


def test_its_peer_is_a_trusted_proxy_on_both_paths(serve_uds: Serve, client: httpx.Client) -> None:
    server = serve_uds(TRACKD_SERVER_TRUSTED_PROXIES="10.0.0.1")
    headers = bearer(server.token)
    for forwarded, chunked in (("203.0.113.7", False), ("203.0.113.8", True), ("", False)):
        answer = send(client, forwarded, chunked=chunked)
        [event] = answer.json()["debugging"]["events"]["ids"]
        stored = client.get(f"/event/{event}", headers=headers).json()
        assert stored["metadata"]["ip"] == (forwarded or None)


def test_limits_count_for_each_client_of_the_proxy(serve_uds: Serve, client: httpx.Client) -> None:
    serve_uds(TRACKD_LIMITS_CLIENT_CALLS_PER_S="1")
    assert [send(client, "203.0.113.7").status_code for _ in range(10)] == [200] * 10
    wait_until(lambda: send(client, "203.0.113.7").status_code == 429)
    assert send(client, "203.0.113.8").status_code == 200

    def fail(address: str) -> int:
        return client.get("/profile/x", headers={"X-Forwarded-For": address, **bearer("none")}).status_code

    wait_until(lambda: fail("203.0.113.7") == 429)
    assert fail("203.0.113.8") == 401


def test_a_socket_that_a_killed_server_left_is_replaced_and_that_of_a_running_one_is_not(
    serve_uds: Serve, client: httpx.Client, trackd: Callable[..., Any], sentence: Callable[..., str]
) -> None:
    serve_uds().stop(signal.SIGKILL)
    found = trackd("doctor", "--uds", "trackd.sock", "--json")
    assert "was left by a server that was killed" in found.stdout
    serve_uds()
    assert send(client, "").status_code == 200
    refused = sentence(trackd("serve", "--uds", "trackd.sock", "--db", "other.db"), 1)
    assert refused.startswith("Cannot listen on the Unix socket trackd.sock (a program listens there already: stop it")
    assert send(client, "").status_code == 200
    doctor = json.loads(trackd("doctor", "--uds", "trackd.sock", "--db", "other.db", "--json").stdout)
    [found] = [finding for finding in doctor["findings"] if finding["check"] == "socket"]
    assert (found["state"], found["found"]) == ("fault", "trackd.sock is used by another program")


def test_a_port_and_a_socket_exclude_each_other(
    serve_uds: Serve, trackd: Callable[..., Any], sentence: Callable[..., str]
) -> None:
    for arguments in (["--port", "0"], ["--host", "127.0.0.1"]):
        found = trackd("serve", "--uds", "trackd.sock", *arguments)
        assert (found.returncode, "takes neither --host nor --port" in found.stderr) == (2, True)
    server = serve_uds("--port", "0", TRACKD_SERVER_UDS="trackd.sock")
    assert server.url.startswith("http://127.0.0.1:")


def test_commands_that_need_the_address_of_the_proxy_ask_for_it_and_the_setting_decides_who_may_connect(
    serve_uds: Serve, trackd: Callable[..., Any], sentence: Callable[..., str], tmp_path: Path
) -> None:
    server = serve_uds(TRACKD_SERVER_UDS_MODE="0660")
    assert (tmp_path / "trackd.sock").stat().st_mode & 0o777 == 0o660
    assert "in front of it with --url" in sentence(trackd("ui", "--db", "trackd.db"), 1)
    assert trackd("ui", "--db", "trackd.db", "--url", "https://collect.example").stdout.startswith("https://collect.")
    for command in (["load", server.url, "--source", SOURCE_ID], ["tail", "--url", server.url]):
        assert "is a Unix socket: write the address of the proxy" in sentence(trackd(*command), 2)
