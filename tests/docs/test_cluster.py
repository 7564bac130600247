"""The load balancers of docs/operating/cluster.md run as they are printed, in front of two servers."""

import contextlib
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import httpx
import psycopg
import pytest

from tests.docs.pages import block, blocks, page, run_with
from tests.support.nginx import COMMAND, nginx_file, nginx_with
from tests.support.polling import wait_until
from tests.support.ports import free_port
from tests.support.postgres import emptied
from tests.support.process import TRACKD
from trackd.storage.postgres.store import PostgresStore

CLUSTER = page("operating/cluster")
SESSIONS = [f"session-{number}" for number in range(40)]


class Balancer(NamedTuple):
    snippet: str
    file: str
    text_of: Callable[[str], str]
    command: list[str]


BALANCERS = {
    "nginx": Balancer(block(CLUSTER, "nginx", "upstream"), "nginx.conf", nginx_file, COMMAND),
    "haproxy": Balancer(
        block(CLUSTER, "haproxy", "backend"), "haproxy.cfg", str, ["haproxy", "-db", "-f", "haproxy.cfg"]
    ),
}


class Node(BaseHTTPRequestHandler):
    """Answers with the port that it listens on, and closes the connection: none outlives its server."""

    def do_POST(self) -> None:
        body = str(self.connection.getsockname()[1]).encode()
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST  # noqa: N815

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def pair() -> Iterator[list[ThreadingHTTPServer]]:
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Node) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield servers
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(params=BALANCERS)
def balanced(request: pytest.FixtureRequest, pair: list[ThreadingHTTPServer], tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a load balancer in front of both servers."""
    balancer, port = BALANCERS[request.param], free_port()
    if shutil.which(balancer.command[0]) is None:
        pytest.skip(f"{request.param} is not installed")
    text = balancer.text_of(balancer.snippet).replace("listen 80;", f"listen 127.0.0.1:{port};")
    text = text.replace("bind :80", f"bind 127.0.0.1:{port}")
    for printed, server in zip(("10.0.0.11:8686", "10.0.0.12:8686"), pair, strict=True):
        assert printed in text
        text = text.replace(printed, f"127.0.0.1:{server.server_address[1]}")
    (tmp_path / balancer.file).write_text(text)
    log = tmp_path / f"{request.param}.log"
    with log.open("wb") as written:
        running = subprocess.Popen(balancer.command, cwd=tmp_path, stdout=written, stderr=written)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:

        def answers() -> bool:
            assert running.poll() is None, log.read_text()
            with contextlib.suppress(httpx.TransportError):
                return client.get("/ready").status_code == 200
            return False

        try:
            wait_until(answers, f"{request.param} answers")
            yield client
        finally:
            running.terminate()
            running.wait(timeout=30)


def test_the_settings_of_vacuum_are_those_of_postgresql(postgres_database: str) -> None:
    emptied(postgres_database)
    with contextlib.closing(PostgresStore(postgres_database)), psycopg.connect(postgres_database) as connection:
        for sql in blocks(CLUSTER, "sql"):
            connection.execute(sql.encode())
        connection.rollback()


def test_calls_of_a_session_go_to_one_node_by_header_or_query_and_others_by_address(balanced: httpx.Client) -> None:
    by_header = [balanced.post("/track", headers={"X-Trackd-Session": each}).text for each in SESSIONS]
    by_query = [balanced.post("/track", params={"s": each}).text for each in SESSIONS]
    assert by_header == by_query
    assert len(set(by_header)) == 2
    other = next(each for each, node in zip(SESSIONS, by_header, strict=True) if node != by_header[0])
    assert balanced.post("/track", params={"s": other}, headers={"X-Trackd-Session": SESSIONS[0]}).text == by_header[0]
    assert len({balanced.post("/track").text for _ in range(10)}) == 1


@pytest.mark.slow
def test_two_nodes_behind_nginx_on_one_machine_run_as_printed(postgres_database: str, tmp_path: Path) -> None:
    emptied(postgres_database)
    script = block(CLUSTER, "sh", "--port 8687")
    ports = {"8686": free_port(), "8687": free_port()}
    snippet = BALANCERS["nginx"].snippet.replace("10.0.0.11:8686", "127.0.0.1:8686")
    snippet = snippet.replace("10.0.0.12:8686", "127.0.0.1:8687")
    listen = str(free_port())
    script, snippet = (re.sub("868[67]", lambda printed: str(ports[printed[0]]), text) for text in (script, snippet))
    script = re.sub(r"http://127\.0\.0\.1(?=[ /])", f"http://127.0.0.1:{listen}", script)
    script = script.replace("postgresql://trackd:PASSWORD@127.0.0.1/trackd", postgres_database)
    with nginx_with(tmp_path, snippet.replace("listen 80;", f"listen 127.0.0.1:{listen};"), int(listen)):
        kept = re.sub(r"&$", "& echo $! >> pids", script, flags=re.MULTILINE)
        script = f"trap 'kill $(cat pids) 2> /dev/null || wait' EXIT\n{kept}"
        done = run_with(TRACKD.parent, script, tmp_path, 200)  # not forked: signals have to reach the servers

    assert done.returncode == 0, f"{done.stdout}{done.stderr}{(tmp_path / 'one.log').read_text()}"
    assert "no violation" in done.stdout
    assert "sound" in done.stdout


def test_when_a_node_ends_its_sessions_go_to_the_other_one_and_those_of_that_one_stay(
    balanced: httpx.Client, pair: list[ThreadingHTTPServer]
) -> None:
    before = [balanced.post("/track", headers={"X-Trackd-Session": each}).text for each in SESSIONS]
    pair[0].shutdown()
    pair[0].server_close()
    left = str(pair[1].server_address[1])

    def nodes() -> set[str]:
        return {balanced.post("/track", headers={"X-Trackd-Session": each}).text for each in SESSIONS}

    wait_until(lambda: nodes() == {left}, "all calls go to the node that is left")
    assert before.count(left) > 0
