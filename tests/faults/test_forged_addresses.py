"""Clients that forge their address, or use many, against a real server behind a proxy on its own machine."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.faults.real_server import RealServer, raw_call
from tests.support.database import rows
from tests.support.payloads import payload
from tests.support.raw_http import request, statuses

Start = Callable[..., RealServer]
FORGED = ["A" * 60_000, "unknown", "<script>alert(1)</script>", '"203.0.113.7"', "203.0.113.300", "6.6.6.6, unknown"]
AT_ONCE = 40  # ten pass, and one for each second that they take


def forwarded(address: str) -> tuple[str, ...]:
    return ("Connection: close", f"X-Forwarded-For: {address}")


def at_once(server: RealServer, requests: list[bytes]) -> list[int]:
    """The status of each answer."""
    with ThreadPoolExecutor(len(requests)) as threads:
        return [statuses(answer)[0] for answer in threads.map(server.exchange, requests)]


def test_forged_addresses_reach_neither_the_file_nor_the_log(start: Start) -> None:
    server = start(TRACKD_PRIVACY_IP="network", TRACKD_LIMITS_CLIENT_CALLS_PER_S="1")
    with server.unharmed():
        for text in FORGED:
            answer = server.exchange(raw_call(*["t"] * (1_000 if len(text) > 1_000 else 1), headers=forwarded(text)))
            assert statuses(answer) == [200], text
        files = [server.db, server.db.with_name(f"{server.db.name}-wal")]
        assert sum(file.stat().st_size for file in files) < 5_000_000  # a copy in each event would take 60 MB
    flood = at_once(server, [raw_call("t", headers=forwarded("2001:db8::1"))] * AT_ONCE)
    other = statuses(server.exchange(raw_call("t", headers=forwarded("203.0.113.7"))))
    assert (set(flood), flood.count(200) >= 10, other) == ({200, 429}, True, [200])
    guesses = [request(b"", *forwarded(f"2001:db8::{n:x}"), line="GET /metrics HTTP/1.1") for n in range(AT_ONCE)]
    assert statuses(server.exchange(guesses[0])) == [401]
    assert 429 in at_once(server, guesses)
    unknown = json.dumps(payload("s", source="guessed")).encode()
    assert statuses(server.exchange(request(unknown, *forwarded("203.0.113.77")))) == [401]
    stored = {row["ip"] for row in rows(server.db, "SELECT DISTINCT ip FROM event")}
    assert stored == {"127.0.0.0", "2001:db8::", "203.0.113.0"}
    log = server.log()
    assert "(source `guessed`, from 203.0.113.0/24)" in log
    assert not [text for text in ("203.0.113.7", "2001:db8::1", "127.0.0.1 ", "script", "AAAA") if text in log]
