"""The configurations of docs/operating/public.md run as they are printed, in front of a real server."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.docs.pages import block, page
from tests.support.database import rows
from tests.support.nginx import COMMAND, nginx_file
from tests.support.payloads import SOURCE_ID, bearer, payload
from tests.support.polling import wait_until
from tests.support.ports import free_port
from tests.support.process import TRACKD, Process
from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources

pytestmark = pytest.mark.slow

PUBLIC = page("operating/public")
HOST, TRACKD_ADDRESS = "events.example.com", "127.0.0.1:8686"
TLS = {"sni_hostname": HOST}
CLIENT = "127.0.0.2"  # an address of this machine too
ORIGIN = "https://shop.example"
LIMITED = "limited"  # a source with one call in some minutes
CADDY = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n"


class Proxy(NamedTuple):
    """How a configuration of the page is started in a folder: its file, and the command."""

    snippet: str
    file: str
    text_of: Callable[[str], str]
    command: list[str]


def caddy_file(snippet: str) -> str:
    return CADDY + snippet.replace(
        "{\n", "{\n\ttls /etc/ssl/events.example.com.pem /etc/ssl/events.example.com.key\n", 1
    )


PROXIES = {
    "nginx": Proxy(block(PUBLIC, "nginx", "upstream"), "nginx.conf", nginx_file, COMMAND),
    "haproxy": Proxy(block(PUBLIC, "haproxy", "frontend"), "haproxy.cfg", str, ["haproxy", "-db", "-f", "haproxy.cfg"]),
    "caddy": Proxy(
        block(PUBLIC, "caddy", "reverse_proxy"),
        "Caddyfile",
        caddy_file,
        ["caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile"],
    ),
}


class Server:
    """`trackd serve` on one port, which can be restarted."""

    def __init__(self, folder: Path) -> None:
        self.db, self.port = folder / "trackd.db", free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        with Sources(self.db, create=True) as sources:
            sources.add(Source(SOURCE_ID, "test"))
            sources.add(Source(LIMITED, "limited", rate_limit=0.005))
        self.start()
        self.token = self.process.token

    def start(self, **environment: str) -> None:
        command: list[str | Path] = [TRACKD, "serve", "--port", str(self.port), "--db", self.db]
        running = subprocess.Popen(
            command,
            cwd=self.db.parent,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.process = Process(self.db, running)

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.process.process.send_signal(number)
        self.process.process.communicate(timeout=30)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path)
    yield started
    started.stop(signal.SIGKILL)


Front = Callable[..., str]


@pytest.fixture
def front(server: Server, tmp_path: Path) -> Iterator[Front]:
    """Starts a proxy with its configuration of the page; returns its URL."""
    certificate, key = tmp_path / "events.pem", tmp_path / "events.key"
    new = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={HOST} -addext subjectAltName=DNS:{HOST}"
    subprocess.run([*new.split(), "-out", certificate, "-keyout", key], check=True, capture_output=True)
    with certificate.open("a") as file:
        file.write(key.read_text())  # HAProxy wants both in one file
    running: list[subprocess.Popen[bytes]] = []

    def start(name: str, snippet: str | None = None) -> str:
        proxy, port = PROXIES[name], free_port()
        if shutil.which(proxy.command[0]) is None:
            pytest.skip(f"{name} is not installed")
        text = proxy.text_of(proxy.snippet if snippet is None else snippet)
        for printed, here in {
            "443": str(port),
            TRACKD_ADDRESS: f"127.0.0.1:{server.port}",
            f"{HOST} {{": f"https://{HOST}:{port} {{",
            f"/etc/ssl/{HOST}.pem": str(certificate),
            f"/etc/ssl/{HOST}.key": str(key),
        }.items():
            text = text.replace(printed, here)
        (tmp_path / proxy.file).write_text(text)
        environment = os.environ | {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
        with (tmp_path / f"{name}.log").open("wb") as log:
            running.append(subprocess.Popen(proxy.command, cwd=tmp_path, env=environment, stdout=log, stderr=log))
        url = f"https://127.0.0.1:{port}"

        def answers() -> bool:
            assert running[-1].poll() is None, (tmp_path / f"{name}.log").read_text()
            with contextlib.suppress(httpx.TransportError), client_of(url) as client:
                return client.get("/ready", extensions=TLS).status_code < 500
            return False

        wait_until(answers, f"{name} answers")
        return url

    yield start
    for process in running:
        process.terminate()
        process.wait(timeout=30)


def client_of(url: str) -> httpx.Client:
    transport = httpx.HTTPTransport(verify=False, local_address=CLIENT)
    return httpx.Client(base_url=url, headers={"Host": HOST}, transport=transport, timeout=30)


@pytest.mark.parametrize("name", PROXIES)
def test_calls_of_any_size_pass_and_have_the_address_of_their_client(name: str, front: Front, server: Server) -> None:
    large = payload("s", events=[{"type": "large", "properties": {"text": "x" * 1_000_000}}])
    forged = {"X-Forwarded-For": "203.0.113.66", "Forwarded": "for=203.0.113.66", "X-Real-IP": "203.0.113.66"}

    with client_of(front(name)) as client:
        for body in (payload("s", "small"), large, payload("s", "small")):
            assert client.post("/track", json=body, headers=forged, extensions=TLS).status_code == 200

    with httpx.Client(base_url=server.url, headers=bearer(server.token)) as direct:
        events = direct.get("/events").json()["result"]
    assert [event["type"] for event in events] == ["small", "large", "small"]
    assert {event["metadata"]["ip"] for event in events} == {CLIENT}


REFUSED: dict[str, tuple[int, dict[str, Any]]] = {
    "a body over trackd's limit": (413, {"content": b" " * 1_500_000}),
    "another content type": (415, {"content": b" " * 1_000_000, "headers": {"Content-Type": "text/xml"}}),
    "another encoding": (415, {"content": b" " * 1_000_000, "headers": {"Content-Encoding": "br"}}),
    "not JSON": (422, {"content": b" " * 1_000_000}),
    "an unknown source": (401, {"json": payload("s", "t", source="nobody")}),
    "a source at its limit": (429, {"json": payload("s", "t", source=LIMITED)}),
}


def assert_refusals_pass(url: str) -> None:
    with client_of(url) as client:
        client.post("/track", json=payload("s", "t", source=LIMITED), extensions=TLS)
        for name, (status, sent) in REFUSED.items():
            headers = {"Origin": ORIGIN, **sent.get("headers", {})}
            for _ in range(5):
                answer = client.post("/track", **{**sent, "headers": headers}, extensions=TLS)
                assert answer.status_code == status, name
                assert answer.json()["detail"]
                assert answer.headers["access-control-allow-origin"] == ORIGIN, name
                assert ("retry-after" in answer.headers) == (status == 429)
        put = client.put("/track", content=b" " * 1_000_000, extensions=TLS)
        assert put.status_code == 405


@pytest.mark.parametrize("name", PROXIES)
def test_refusals_arrive_as_trackd_sent_them(name: str, front: Front) -> None:
    assert_refusals_pass(front(name))


def test_refusals_arrive_through_an_nginx_that_speaks_http_1_0_and_closes_each_connection(front: Front) -> None:
    lines = PROXIES["nginx"].snippet.splitlines(keepends=True)
    as_by_default = [line for line in lines if "proxy_http_version" not in line and "Connection" not in line]
    assert len(as_by_default) == len(lines) - 2
    assert_refusals_pass(front("nginx", "".join(as_by_default)))


@pytest.mark.parametrize("name", PROXIES)
def test_nothing_else_is_published(name: str, front: Front, server: Server) -> None:
    paths = ["/", "/docs", "/openapi.json", "/metrics", "/events", "/profile/x", "/event-source", "/track/../events"]
    with client_of(front(name)) as client:
        for path in (*paths, "/%65vents", "//events"):
            answer = client.get(path, headers=bearer(server.token), extensions=TLS)
            assert answer.status_code == 404, path
            assert b"trackd" not in answer.content
        assert [client.get(path, extensions=TLS).status_code for path in ("/ready", "/tracker.js")] == [200, 200]


@pytest.mark.parametrize("name", PROXIES)
def test_a_restart_under_load_loses_no_answered_call_and_doubles_none(name: str, front: Front, server: Server) -> None:
    url, clients, calls = front(name), 4, 50
    refused: list[int] = []

    def send_all(number: int) -> None:
        with client_of(url) as client:
            for call in range(calls):
                body = payload(f"s-{number}", events=[{"type": "t", "id": f"e-{number}-{call}"}])

                def is_stored(body: dict[str, Any] = body) -> bool:
                    status = client.post("/track", json=body, extensions=TLS).status_code
                    if status != 200:
                        refused.append(status)
                    return status == 200

                wait_until(is_stored, f"the call {number}-{call} is stored")

    with ThreadPoolExecutor(clients) as pool:
        done = [pool.submit(send_all, number) for number in range(clients)]
        wait_until(lambda: len(stored(server)) > 20)
        server.stop()
        server.start()
        for future in done:
            future.result()
    print(json.dumps({status: refused.count(status) for status in sorted(set(refused))}))
    assert set(refused) <= {502, 503}
    assert sorted(stored(server)) == sorted(f"e-{number}-{call}" for number in range(clients) for call in range(calls))


def stored(server: Server) -> list[str]:
    return [row["id"] for row in rows(server.db, "SELECT id FROM event")]


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
def test_the_address_of_a_client_passes_through_two_proxies(name: str, front: Front, server: Server) -> None:
    """Requests of this machine's second address are those of the other proxy, where it is trusted."""
    appending, _ = printed_for(name)
    replaces = {"nginx": "X-Forwarded-For $remote_addr;", "haproxy": "X-Forwarded-For %[src]"}[name]
    [line] = [line for line in PROXIES[name].snippet.splitlines() if replaces in line]
    url = front(name, PROXIES[name].snippet.replace(line, f"    {appending[0]}"))
    chain = {"X-Forwarded-For": "203.0.113.66, 198.51.100.7"}
    for trusted in ("127.0.0.1", f"127.0.0.1,{CLIENT}"):
        server.stop()
        server.start(TRACKD_SERVER_TRUSTED_PROXIES=trusted)
        wait_until(lambda: is_ready(url))
        with client_of(url) as client:
            assert client.post("/track", json=payload("s", "t"), headers=chain, extensions=TLS).status_code == 200
    assert [row["ip"] for row in rows(server.db, "SELECT ip FROM event ORDER BY number")] == [CLIENT, "198.51.100.7"]


def is_ready(url: str) -> bool:
    with client_of(url) as client:
        return client.get("/ready", extensions=TLS).status_code == 200


def printed_for(name: str) -> list[list[str]]:
    """The code in the rows of a proxy: in the table of headers, and in that of prefixes."""
    lines = page("operating/behind-a-proxy").splitlines()
    return [line.split("`")[1::2] for line in lines if line.lower().startswith(f"| {name} |")]


def below_a_path(name: str, *, strips: bool) -> str:
    """The configuration with what the table of prefixes names for the proxy."""
    _, code = printed_for(name)
    snippet = PROXIES[name].snippet
    if name == "nginx":
        location = code[0] if strips else code[0].replace("8686/;", "8686;")
        return snippet.replace("location = /track { proxy_pass http://trackd; }", location)
    if name == "haproxy":
        published = snippet.replace("{ path /track /tracker.js /ready }", "{ path_beg /trackd/ }")
        return published.replace("    server", f"    {code[0]}\n    server") if strips else published
    return snippet.replace("handle @public", code[0] if strips else code[2])


@pytest.mark.parametrize("strips", [True, False], ids=["strips", "does not"])
@pytest.mark.parametrize("name", PROXIES)
def test_trackd_is_published_below_a_path(name: str, strips: bool, front: Front, server: Server) -> None:
    if not strips:
        server.stop()
        server.start(TRACKD_SERVER_ROOT_PATH="/trackd")
    with client_of(front(name, below_a_path(name, strips=strips))) as client:
        assert client.post("/trackd/track", json=payload("s", "t"), extensions=TLS).status_code == 200
        answer = client.get("/trackd/profile/x", headers=bearer(server.token), extensions=TLS)
        assert (answer.status_code, answer.text) == (404, "null")
