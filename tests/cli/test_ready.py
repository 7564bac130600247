"""`trackd ready` against real servers, and against others at its address."""

import contextlib
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.support.process import Process

Trackd = Callable[..., subprocess.CompletedProcess[str]]


@contextlib.contextmanager
def answering(answer: bytes, *, closes: bool = True) -> Iterator[str]:
    """A server that sends these bytes to each connection; yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening, contextlib.ExitStack() as opened:

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection = opened.enter_context(listening.accept()[0])
                    connection.sendall(answer)
                    if closes:
                        connection.recv(65_536)
                        connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def response(status: str, body: str) -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n{body}".encode()


def test_a_server_that_takes_calls_is_ready(trackd: Trackd, serve: Callable[..., Process]) -> None:
    server = serve()
    found = trackd("ready", "--url", f"{server.url}/")
    assert (found.returncode, found.stdout, found.stderr) == (0, f"{server.url} is ready.\n", "")
    port = server.url.rpartition(":")[2]
    for environment in ({}, {"TRACKD_SERVER_HOST": "0.0.0.0"}, {"TRACKD_SERVER_HOST": "localhost, ::1"}):
        found = trackd("ready", **{"TRACKD_SERVER_PORT": port, **environment})
        assert (found.returncode, found.stderr) == (0, "")


def test_a_server_whose_writer_is_stopped_is_not_ready(
    trackd: Trackd, serve: Callable[..., Process], sentence: Callable[..., str]
) -> None:
    server = serve()
    server.process.send_signal(signal.SIGSTOP)
    try:
        late = sentence(trackd("ready", "--url", server.url, "--timeout", "0.2"), 1)
        assert late == f"{server.url} has not answered within 0.2 s: it hangs, or has too much to do."
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert server.stop() == 0
    gone = sentence(trackd("ready", "--url", server.url), 1)
    assert gone.startswith(f"{server.url} cannot be reached (Connection refused): start `trackd serve`")


def test_a_server_that_stops_is_not_ready(
    trackd: Trackd, serve: Callable[..., Process], sentence: Callable[..., str]
) -> None:
    with answering(response("503 Service Unavailable", '{"detail": "The server is stopping."}')) as url:
        assert sentence(trackd("ready", "--url", url), 1) == f"{url} is not ready: The server is stopping."


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (response("200 OK", "<h1>It works!</h1>"), "answers /ready with 200, as no trackd does"),
        (response("200 OK", '["ready"]'), "answers /ready with 200, as no trackd does"),
        (response("404 Not Found", '{"detail": "Not Found"}'), "answers /ready with 404, as no trackd does"),
        (response("308 Permanent Redirect", ""), "answers /ready with 308, as no trackd does"),
        (b"220 mail.example ESMTP\x1b[2J\r\n", r"answers as no trackd does (220 mail.example ESMTP\x1b[2J\r\n)"),
        (b"", "answers as no trackd does (Remote end closed connection without response)"),
        (response("503 Busy", '{"detail": "\\u001b[2J' + "a" * 300 + '"}'), r"is not ready: \x1b[2Jaaaa"),
    ],
    ids=["page", "list", "missing", "redirect", "mail", "nothing", "escape"],
)
def test_what_is_no_ready_trackd_is_named_as_text(trackd: Trackd, answer: bytes, reason: str) -> None:
    with answering(answer) as url:
        found = trackd("ready", "--url", url)
    assert (found.returncode, found.stdout) == (1, "")
    [line] = found.stderr.splitlines()
    assert line.startswith(f"trackd: {url} ")
    assert reason in line
    assert len(line) < 400


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"], ids=["silent", "stuck"])
def test_an_answer_that_does_not_come_is_not_waited_for(trackd: Trackd, start: bytes) -> None:
    with answering(start, closes=False) as url:
        found = trackd("ready", "--url", url, "--timeout", "0.3")
    assert (found.returncode, "has not answered within 0.3 s" in found.stderr) == (1, True)


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8686", "ftp://x", "http://", "http://x:99999", "http://x/a\nb", "http://me:pw@x", "http://[", ""]
)
def test_an_address_that_is_none_is_refused(trackd: Trackd, url: str) -> None:
    found = trackd("ready", "--url", url)
    assert (found.returncode, found.stdout) == (2, "")
    assert "must be the address of trackd" in found.stderr


def test_an_address_that_cannot_be_known_or_found_has_a_sentence(trackd: Trackd, sentence: Callable[..., str]) -> None:
    assert "server.port is 0" in sentence(trackd("ready", TRACKD_SERVER_PORT="0"), 1)
    assert "server.prt" in sentence(trackd("ready", TRACKD_SERVER_PRT="1"), 2).lower().replace("_", ".")
    missing = sentence(trackd("ready", "--url", "http://nothing.invalid:1"), 1)
    assert missing.startswith("http://nothing.invalid:1 ")
