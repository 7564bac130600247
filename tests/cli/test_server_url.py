"""The address of a server as an option, and on this machine."""

import pytest
import typer

from trackd.cli.server_url import checked_url, curl, local_url


@pytest.mark.parametrize("url", ["http://127.0.0.1:8686", "https://collect.example/trackd", "http://[::1]:1"])
def test_an_address_is_taken_without_its_last_slash(url: str) -> None:
    assert checked_url(f" {url}/ ") == url
    assert checked_url(None) is None


@pytest.mark.parametrize(
    "url", ["", "x:1", "http://x:0", "http://x:a", "http://u:p@x", "http://x/?a", "http://x/\udcff", "http://x/a b"]
)
def test_another_text_is_refused(url: str) -> None:
    with pytest.raises(
        typer.BadParameter, match=r"must be the address of trackd, such as https://collect\.example; it"
    ):
        checked_url(url)


@pytest.mark.parametrize(
    ("hosts", "url"),
    [
        (["0.0.0.0"], "http://127.0.0.1:1"),
        (["::", "10.0.0.1"], "http://[::1]:1"),
        (["a.example"], "http://a.example:1"),
    ],
)
def test_a_server_on_this_machine_is_reached_at_its_first_host(hosts: list[str], url: str) -> None:
    assert local_url(hosts, 1) == url


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("http://[::1]:1", "http://[::1]:1/ready"),
        ("unix:/run/trackd.sock", "--unix-socket /run/trackd.sock http://localhost/ready"),
        ("unix:/my run/it's", """--unix-socket '/my run/it'"'"'s' http://localhost/ready"""),
        ("unix:@trackd", "--abstract-unix-socket trackd http://localhost/ready"),
    ],
)
def test_curl_reaches_any_server(url: str, options: str) -> None:
    assert curl(url, "/ready") == options


def test_a_unix_socket_is_no_url() -> None:
    with pytest.raises(typer.BadParameter, match="with --uds"):
        checked_url("unix:/run/trackd.sock")
