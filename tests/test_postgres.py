"""`trackd serve --store postgresql://...`, as its users see it: calls, restarts, a database that stops and starts."""

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
import pytest

from tests.support.cut_connection import cutting_proxy
from tests.support.forked_command import run_command
from tests.support.forked_server import start_server
from tests.support.payloads import bearer, payload
from tests.support.polling import wait_until
from tests.support.postgres import emptied, running_cluster, with_database
from tests.support.process import Process

Start = Callable[..., Process]
SOURCE = "shop"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a server on a database, with a free port; `environment` holds settings as TRACKD_* variables."""
    running: list[Process] = []

    def run(url: str, **environment: str) -> Process:
        process = start_server(["serve", "--port", "0", "--store", url], tmp_path, environment)
        try:
            running.append(Process(tmp_path, process))
        except BaseException:
            process.kill()
            process.communicate()
            raise
        return running[-1]

    yield run
    for server in running:
        server.process.kill()
        server.process.communicate()


@pytest.fixture
def database(postgres_database: str, tmp_path: Path) -> str:
    """The URL of a database with a source."""
    emptied(postgres_database)
    add_source(postgres_database, tmp_path)
    return postgres_database


def add_source(url: str, folder: Path) -> None:
    run_command(["source", "add", "--id", SOURCE, "--name", "The shop", "--store", url], folder, {})


def track(server: Process, session: str, *types: str, key: str | None = None, **more: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    body = payload(session, *types, **{"source": SOURCE, **more})
    return httpx.post(f"{server.url}/track", json=body, headers=headers, timeout=30)


def test_calls_are_stored_and_read_and_survive_a_kill_of_the_server(start: Start, database: str) -> None:
    server = start(database)
    first = track(server, "s", "page-view", "buy", key="k").json()
    server.stop(signal.SIGKILL)
    token = server.token

    server = start(database)
    again = track(server, "s", "page-view", "buy", key="k").json()
    more = track(server, "s", "page-view").json()

    assert (server.token, "Made a source" in "".join(server.greeting)) == ("", False)
    assert [answer["debugging"]["events"]["seq"] for answer in (first, again, more)] == [[1, 2], [1, 2], [3]]
    assert again["debugging"]["events"]["saved"] == 0
    profile_id = first["profile"]["id"]
    with httpx.Client(base_url=server.url, headers=bearer(token), timeout=30) as client:
        listed = client.get(f"/profile/{profile_id}/events").json()
        assert [event["seq"] for event in listed["result"]] == [3, 2, 1]
        assert client.get(f"/profile/{profile_id}").json()["stats"]["counters"] == {"page-view": 2, "buy": 1}
        assert len(client.get("/feed", params={"after": "0"}).text.splitlines()) == 3
        with client.stream("GET", "/feed", params={"after": "0"}, headers={"Accept": "text/event-stream"}) as feed:
            data = (line for line in feed.iter_lines() if line.startswith("data: "))
            assert [json.loads(next(data)[6:])["seq"] for _ in range(3)] == [1, 2, 3]
        assert client.delete(f"/profile/{profile_id}").json() == {"id": profile_id}
        assert client.get(f"/profile/{profile_id}").status_code == 404
    assert server.stop() == 0


def test_changes_of_sources_and_tokens_reach_all_servers(start: Start, database: str, tmp_path: Path) -> None:
    servers = [start(database), start(database)]
    admin = bearer(servers[0].token)
    assert [track(server, "s", "page-view").status_code for server in servers] == [200, 200]

    disabled = run_command(["source", "disable", SOURCE], tmp_path, {"TRACKD_STORE_URL": database})
    assert (disabled.returncode, disabled.stderr) == (0, "")
    made = run_command(["token", "new", "reader", "--store", database], tmp_path, {})
    secret = made.stdout.strip()
    for server in servers:
        wait_until(lambda url=server: track(url, "s", "page-view").status_code == 401)  # type: ignore[misc]
        assert httpx.get(f"{server.url}/event-sources", headers=bearer(secret), timeout=30).status_code == 200
    enabled = {"enabled": True}
    answer = httpx.patch(f"{servers[1].url}/event-source/{SOURCE}", json=enabled, headers=admin, timeout=30)
    assert (answer.status_code, track(servers[1], "s", "page-view").status_code) == (200, 200), answer.text
    wait_until(lambda: track(servers[0], "s", "page-view").status_code == 200)
    listed = run_command(["token", "list", "-q", "--store", database], tmp_path, {}).stdout.split()
    assert {"first", "token", "reader"} <= set(listed)
    missing = run_command(["source", "show", "none", "--store", database], tmp_path, {})
    assert "There is no source none in postgresql://trackd:***@" in missing.stderr


def test_two_servers_on_one_database_number_the_events_of_a_profile_together(start: Start, database: str) -> None:
    servers = [start(database), start(database)]
    answers = [track(servers[number % 2], "s", "page-view").json() for number in range(20)]

    assert len({answer["profile"]["id"] for answer in answers}) == 1
    assert [answer["debugging"]["events"]["seq"] for answer in answers] == [[number + 1] for number in range(20)]


def test_while_the_database_is_away_calls_are_answered_503_and_none_is_lost_or_doubled(
    start: Start, tmp_path: Path
) -> None:
    with running_cluster() as cluster:
        url = with_database(cluster.url, "trackd")
        add_source(url, tmp_path)
        server = start(url)
        assert track(server, "s", "a", key="1").status_code == 200

        cluster.stop()
        refused = track(server, "s", "b", key="2")
        assert (refused.status_code, refused.headers["retry-after"].isdigit()) == (503, True)
        wait_until(lambda: httpx.get(f"{server.url}/ready", timeout=30).status_code == 503)
        cluster.start()
        wait_until(lambda: httpx.get(f"{server.url}/ready", timeout=30).status_code == 200)

        wait_until(lambda: track(server, "s", "b", key="2").status_code == 200)
        answers = [track(server, "s", name, key=key).json() for name, key in (("a", "1"), ("b", "2"), ("c", "3"))]
        assert [answer["debugging"]["events"]["seq"] for answer in answers] == [[1], [2], [3]]
        server.process.terminate()
        out, log = server.process.communicate(timeout=30)
        assert "hidden" not in out + log


def test_nodes_that_start_together_on_an_empty_database_make_one_source_and_one_token(
    start: Start, postgres_database: str
) -> None:
    emptied(postgres_database)
    with ThreadPoolExecutor() as threads:
        nodes = list(threads.map(start, [postgres_database] * 2))

    [token] = [node.token for node in nodes if node.token]
    [source] = re.findall(
        r"Made a source, its id is (.+?)\. ", "".join(line for node in nodes for line in node.greeting)
    )
    assert [track(node, "s", "a", source=source).status_code for node in nodes] == [200, 200]
    for node in nodes:
        assert httpx.get(f"{node.url}/info/version", headers=bearer(token), timeout=30).status_code == 200


def test_a_server_that_is_too_old_ends_the_start_with_a_sentence(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database) as db:
        major = str(db.info.server_version // 10_000)
    with cutting_proxy(database) as proxy:
        proxy.rewritten = (f"server_version\0{major}".encode(), b"server_version\x0014")
        started = run_command(["serve", "--port", "0", "--store", proxy.url], tmp_path, {})
    assert started.returncode == 1
    assert "The server cannot start: postgresql://" in started.stderr
    assert "is PostgreSQL 14: 15 is the oldest that can be used." in started.stderr


def test_a_server_without_a_free_connection_refuses_calls_until_it_has_one(
    start: Start, database: str, tmp_path: Path
) -> None:
    with psycopg.connect(database, autocommit=True) as admin:
        url = _as_limited_user(admin, database)
        server = start(url)
        assert track(server, "s", "a", key="1").status_code == 200

        admin.execute("ALTER ROLE limited CONNECTION LIMIT 0")
        admin.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = 'limited'")

        refused = track(server, "s", "b", key="2")
        assert (refused.status_code, refused.headers["retry-after"].isdigit()) == (503, True)
        wait_until(lambda: httpx.get(f"{server.url}/ready", timeout=30).status_code == 503)
        other = run_command(["serve", "--port", "0", "--store", url], tmp_path, {})
        assert other.returncode == 1
        assert 'too many connections for role "limited"' in other.stderr

        admin.execute("ALTER ROLE limited CONNECTION LIMIT -1")
        wait_until(lambda: track(server, "s", "b", key="2").status_code == 200)
        wait_until(lambda: httpx.get(f"{server.url}/ready", timeout=30).status_code == 200)
        answers = [track(server, "s", name, key=key).json() for name, key in (("a", "1"), ("b", "2"), ("c", "3"))]
        assert [answer["debugging"]["events"]["seq"] for answer in answers] == [[1], [2], [3]]
        metrics = httpx.get(f"{server.url}/metrics", headers=bearer(server.token), timeout=30).text
        for connection in ("notifications", "writer"):
            assert f'trackd_store_reconnects_total{{connection="{connection}"}} 1.0' in metrics
        server.stop()
        admin.execute("DROP OWNED BY limited; DROP ROLE limited")


def _as_limited_user(admin: "psycopg.Connection[Any]", url: str) -> str:
    """The URL of a database for a user that is no superuser: limits of connections do not hold for those."""
    admin.execute("DROP ROLE IF EXISTS limited")
    admin.execute("CREATE ROLE limited LOGIN PASSWORD 'hidden'")
    admin.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO limited")
    admin.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO limited")
    admin.execute("GRANT ALL ON SCHEMA public TO limited")
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"limited:hidden@{parts.hostname}:{parts.port}"))


@pytest.mark.slow
def test_a_database_that_hangs_does_not_stop_the_node(start: Start, tmp_path: Path) -> None:
    with running_cluster() as cluster, ThreadPoolExecutor() as threads:
        url = with_database(cluster.url, "trackd")
        add_source(url, tmp_path)
        server = start(url, TRACKD_LIMITS_CALL_TIMEOUT_S="6")  # longer than a lookup has
        assert track(server, "s", "a", key="1").status_code == 200

        cluster.pause()
        try:
            waiting = threads.submit(track, server, "unknown", "b", key="2")
            reading = threads.submit(httpx.get, f"{server.url}/session/x", headers=bearer(server.token), timeout=30)
            wait_until(lambda: httpx.get(f"{server.url}/ready", timeout=30).status_code == 503)
            assert reading.result().status_code == 503
            refused = track(server, "s", "c", key="3")
            assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
        finally:
            cluster.resume()
        assert waiting.result().status_code in (200, 503)
        wait_until(lambda: httpx.get(f"{server.url}/ready", timeout=30).status_code == 200)

        answers = [track(server, "unknown", "b", key="2"), track(server, "s", "a", key="1"), track(server, "s", "c")]
        assert [answer.json()["debugging"]["events"]["seq"] for answer in answers] == [[1], [1], [2]]


@pytest.mark.slow
def test_a_server_stops_while_the_database_hangs(start: Start, tmp_path: Path) -> None:
    with running_cluster() as cluster:
        url = with_database(cluster.url, "trackd")
        add_source(url, tmp_path)
        server = start(url)
        assert track(server, "s", "a", key="1").status_code == 200
        cluster.pause()
        try:
            server.process.terminate()
            server.process.communicate(timeout=30)
        finally:
            cluster.resume()


def test_the_writer_process_gets_no_password_on_its_command_line_and_is_started_again(
    start: Start, database: str
) -> None:
    server = start(database)
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    lines = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
    [(pid, line)] = [(pid, line) for pid, line in lines.items() if b"\0database-writer\0" in line]
    assert b"postgresql" not in line

    os.kill(pid, signal.SIGKILL)

    wait_until(lambda: track(server, "s", "page-view", key="1").status_code == 200)
    assert track(server, "s", "page-view", key="2").json()["debugging"]["events"]["seq"] == [2]
