"""Addresses of servers: their faults, without a password, and those of connections to them."""

import socket
import ssl

import pytest

from trackd.load.address import connection_fault, fault_of, without_password


@pytest.mark.parametrize(
    "address", ["http://x", "HTTPS://x/a/", "http://[::1]:1", "http://x/@", "http://bücher.example"]
)
def test_an_address_without_a_fault(address: str) -> None:
    assert fault_of(address) is None


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("", "does not begin with http:// or https://"),
        ("x:1", "does not begin with http://"),
        ("http:x", "does not begin with http://"),
        ("ftp://x", "does not begin with http://"),
        ("http://", "has no host"),
        ("http://:1", "has no host"),
        ("http://x:0", "has no port but 0"),
        ("http://x:a", "its host or its port cannot be read"),
        ("http://[::", "its host or its port cannot be read"),
        ("http://u:p@x", "has a user or a password"),
        ("http://x?", "has a query or a fragment"),
        ("http://x/ui/#k=secret", "has a query or a fragment"),
        ("http://x/a b", "has a space"),
        ("http://x/\n", "has a space or another character"),
        ("http://x/\udcff", "has a space or another character"),
    ],
)
def test_a_fault_of_an_address_is_named(address: str, fault: str) -> None:
    assert fault in str(fault_of(address))


def test_an_error_shows_no_password() -> None:
    assert without_password("http://u:p@x@y:1/") == "...@y:1/"
    assert without_password("http://x/") == "http://x/"


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (ConnectionRefusedError(111, "refused"), "Connection refused"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (TimeoutError("timed out"), "it does not answer"),
        (ConnectionResetError("closed without an answer."), "closed without an answer"),
        (OSError(), "OSError"),
    ],
)
def test_a_fault_of_a_connection_is_named(error: OSError, shown: str) -> None:
    assert connection_fault(error) == shown


def test_tls_to_a_port_without_it_is_named() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(ssl.SSLError) as found:
            ssl.create_default_context().wrap_socket(ours, server_hostname="collect.example")

    assert connection_fault(found.value).startswith("TLS fails: ")
    assert connection_fault(found.value).endswith("; http:// may be meant")
