"""`trackd ui`, and the link of the first start, on a real file."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support.database import rows
from tests.support.process import Process
from trackd.cli.ui import page_url
from trackd.storage.sqlite.tokens import Tokens

Trackd = Callable[..., subprocess.CompletedProcess[str]]
LINK = re.compile(r"(https?://\S+/ui/)#k=([\w-]{43})\s*")


def opened(page: str, key: str) -> httpx.Response:
    return httpx.post(f"{page}login", data={"key": key}, headers={"accept": "text/html"}, timeout=30)


def test_the_first_start_prints_a_link_that_opens_the_page_once_and_later_ones_none(
    serve: Callable[..., Process],
) -> None:
    server = serve(TRACKD_SERVER_HOST="0.0.0.0", TRACKD_SERVER_ROOT_PATH="/trackd")
    [link] = [line for line in server.greeting if "#k=" in line]
    found = LINK.fullmatch(link.strip())
    assert found
    assert found[1] == server.url.replace("0.0.0.0", "127.0.0.1") + "/trackd/ui/"
    assert [opened(*found.groups()).status_code for _ in range(2)] == [303, 401]
    assert server.stop() == 0
    assert not any("#k=" in line for line in serve().greeting)


def test_the_command_makes_a_link_to_the_running_server(trackd: Trackd, serve: Callable[..., Process]) -> None:
    server = serve()
    made = trackd("ui", "--scope", "read")
    assert made.returncode == 0
    assert made.stderr == "This link opens the live page, once and within 30 minutes:\n"
    found = LINK.fullmatch(made.stdout)
    assert found
    assert found[1] == f"{server.url}/ui/"
    answer = opened(*found.groups())
    page = httpx.get(f"{found[1]}sources", cookies=dict(answer.cookies), headers={"accept": "text/html"}, timeout=30)
    assert "read only" in page.text
    [line] = [line for line in trackd("token", "list").stdout.splitlines() if "login-" in line]
    assert re.search(r"  read        expires \S+Z +on the live page +login-\w{8} \(by a link\)$", line)
    name = line.split()[-4]
    assert trackd("token", "revoke", name).returncode == 0
    page = httpx.get(f"{found[1]}sources", cookies=dict(answer.cookies), headers={"accept": "text/html"}, timeout=30)
    assert "<table>" not in page.text


def test_a_link_can_be_made_before_the_start(trackd: Trackd, tmp_path: Path) -> None:
    with Tokens(tmp_path / "trackd.db", create=True):
        pass
    made = trackd("ui")
    assert made.stdout.startswith("http://127.0.0.1:8686/ui/#k=")
    assert "No server runs on this file" in made.stderr
    assert rows(tmp_path / "trackd.db", "SELECT scopes, is_link FROM login") == [{"scopes": "admin", "is_link": 1}]
    assert trackd("token", "list").stdout == ""
    other = trackd("ui", "--url", "https://collect.example/trackd/")
    assert other.stdout.startswith("https://collect.example/trackd/ui/#k=")
    page = trackd("ui", "--url", "https://collect.example/trackd/ui/")
    assert page.stdout.startswith("https://collect.example/trackd/ui/#k=")


@pytest.mark.parametrize(
    "url", ["collect.example", "ftp://x", "https://", "https://x/?a=1", "https://x/#k=1", "http://[", ""]
)
def test_an_address_that_is_none_is_refused(trackd: Trackd, tmp_path: Path, url: str) -> None:
    made = trackd("ui", "--url", url)
    assert (made.returncode, made.stdout, list(tmp_path.iterdir())) == (2, "", [])
    assert "must be the address of trackd" in made.stderr


def test_no_link_is_made_without_a_page_or_a_file(trackd: Trackd, tmp_path: Path) -> None:
    assert "There is no database" in trackd("ui").stderr
    with Tokens(tmp_path / "trackd.db", create=True):
        pass
    made = trackd("ui", TRACKD_UI_ENABLED="false")
    assert (made.returncode, made.stdout) == (1, "")
    assert "ui.enabled is false" in made.stderr


@pytest.mark.parametrize(
    ("url", "root_path", "page"),
    [
        ("http://127.0.0.1:1", "", "http://127.0.0.1:1/ui/"),
        ("http://0.0.0.0:1", "/a", "http://127.0.0.1:1/a/ui/"),
        ("http://[::]:1", "", "http://[::1]:1/ui/"),
        ("http://[fe80::1%25eth0]:1", "", "http://[fe80::1%25eth0]:1/ui/"),
    ],
)
def test_the_page_is_at_an_address_that_a_browser_can_open(url: str, root_path: str, page: str) -> None:
    assert page_url([url, "http://other:1"], root_path) == page
