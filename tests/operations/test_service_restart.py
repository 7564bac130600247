"""A restart under load of a server whose listening sockets belong to the service manager."""

import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.database import rows
from tests.support.nginx import nginx
from tests.support.payloads import SOURCE_ID, payload
from tests.support.polling import wait_until
from tests.support.service_manager import ServiceManager
from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources

CALLS, CLIENTS = 40, 4
DRAIN_MS = "10000"  # a client of a busy machine may take long to send; the drain ends when all have their answers


def listening_at(path: str) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen(1_024)
    return listening


def test_no_connection_is_refused_or_lost_while_the_server_restarts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Directly, and through nginx over a Unix socket. Each call has a connection of its own, as nginx makes them."""
    monkeypatch.chdir(tmp_path)
    db = tmp_path / "trackd.db"
    with Sources(db, create=True) as sources:
        sources.add(Source(SOURCE_ID, "test"))
    tcp = socket.create_server(("127.0.0.1", 0), backlog=1_024)
    statuses: Counter[int] = Counter()

    def send_all(url: str, name: str) -> None:
        for number in range(CALLS):
            body = payload(name, events=[{"type": "t", "id": f"{name}-{number}"}])
            status = 0
            while status != 200:
                answer = httpx.post(f"{url}/track", json=body, timeout=30)  # raises for a connection without an answer
                status = answer.status_code
                statuses[status] += 1
                assert status == 200 or answer.headers["retry-after"]

    with (
        ServiceManager("notify.sock", [listening_at("trackd.sock"), tcp]) as manager,
        nginx(tmp_path, "location / { proxy_pass http://unix:trackd.sock:/; }") as proxied,
        ThreadPoolExecutor(2 * CLIENTS) as clients,
    ):
        urls = {"direct": f"http://127.0.0.1:{tcp.getsockname()[1]}", "proxied": proxied}
        server = manager.start(db, TRACKD_SERVER_DRAIN_MS=DRAIN_MS)
        sent = [clients.submit(send_all, url, f"{way}-{n}") for way, url in urls.items() for n in range(CLIENTS)]
        wait_until(lambda: statuses[200] >= CALLS)
        assert server.stop() == 0
        server = manager.start(db, TRACKD_SERVER_DRAIN_MS=DRAIN_MS)
        for each in sent:
            each.result()
        assert server.stop() == 0

    stored = [row["id"] for row in rows(db, "SELECT id FROM event")]
    expected = [f"{way}-{client}-{call}" for way in urls for client in range(CLIENTS) for call in range(CALLS)]
    assert sorted(stored) == sorted(expected)
    print(dict(statuses))
    assert set(statuses) <= {200, 503}
    assert statuses[503] <= len(sent)  # a call that was accepted before the stop; the next ones wait
