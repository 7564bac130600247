"""Requests that bend the protocol, to a real server: their answers, the events that are stored, and the log."""

import socket
from collections.abc import Callable

from tests.faults.real_server import RealServer, raw_call
from tests.support.database import rows
from tests.support.raw_http import statuses

Start = Callable[..., RealServer]
HOST = b"Host: x\r\n"
GOOD = raw_call("good")
CHUNKED = GOOD.partition(b"Content-Length")[0] + b"Transfer-Encoding: chunked\r\n\r\n"
BODY = GOOD.partition(b"\r\n\r\n")[2]
TRAILERS = CHUNKED + b"%x\r\n%b\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\nIdempotency-Key: k\r\n\r\n" % (len(BODY), BODY)
OFFER = GOOD.replace(
    HOST, HOST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
)
# Pipelined requests, and the statuses of their answers.
EXCHANGES = {
    "trailers": (TRAILERS * 2, [200, 200]),
    "an offer to upgrade": (
        OFFER + b"GET /ready HTTP/1.1\r\n" + HOST + b"Upgrade: h2c\r\n\r\n" + OFFER,
        [200, 200, 200],
    ),
    "connect": (GOOD + b"CONNECT a:443 HTTP/1.1\r\n\r\n" + GOOD, [200, 405, 200]),
    "no path": (GOOD + b"GET http://host HTTP/1.1\r\n" + HOST + b"\r\n" + GOOD, [200, 307, 200]),
    "a port that is none": (GOOD + b"GET http://a:99999/ HTTP/1.1\r\n" + HOST + b"\r\n" + GOOD, [200, 400, 200]),
    "no Host": (GOOD + b"GET /ready HTTP/1.1\r\n\r\n" + GOOD, [200, 400, 200]),
    "a long target": (GOOD + b"GET /%b HTTP/1.1\r\n\r\n" % (b"a" * 70_000), [200, 414]),
    "HTTP/2": (GOOD + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [200, 505]),
    "half a call": (GOOD + GOOD[:-9], [200]),
}


def exchange(server: RealServer, *pieces: bytes) -> list[int]:
    """The statuses of the answers to a client that sends no more after the pieces."""
    received = b""
    with server.connect() as connection:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        while chunk := connection.recv(65_536):
            received += chunk
    return statuses(received)


def test_requests_that_bend_the_protocol_get_their_own_answers(start: Start) -> None:
    server = start()
    with server.unharmed():
        for name, (sent, expected) in EXCHANGES.items():
            for middle in (len(sent), len(GOOD), len(sent) - 3):
                assert exchange(server, sent[:middle], sent[middle:]) == expected, name
    stored = rows(server.db, "SELECT DISTINCT ip FROM event")
    assert [row["ip"] for row in stored] == ["127.0.0.1"]
    log = server.log()
    assert "Traceback" not in log
    refusals = [line.split("refused with", 1)[1].split(":")[0] for line in log.splitlines() if "refused with" in line]
    assert len(refusals) == len(set(refusals))
