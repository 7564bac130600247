"""An ordinary client beside hostile ones: `python -m tests.hostile.bystander HOST PORT`.

It runs in a process of its own, so that they do not slow it down, and prints a line of JSON each second.
"""

import json
import socket
import sys
import time
from collections import Counter
from typing import NamedTuple

from tests.hostile.clients import call, get, post

TIMEOUT_S = 30.0
PAUSE_S = 0.02  # between the two packets of a call, and between rounds
CALL = post(call(1, session="bystander"))


class Observed(NamedTuple):
    """What happened since the last line: the longest wait in seconds, and the number of each outcome."""

    longest_s: float
    outcomes: dict[str, int]


def ask(address: tuple[str, int], *packets: bytes) -> str:
    """The status of the answer, or the reason why there is none."""
    try:
        with socket.create_connection(address, timeout=TIMEOUT_S) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for packet in packets[:-1]:
                connection.sendall(packet)
                time.sleep(PAUSE_S)
            connection.sendall(packets[-1])
            return connection.recv(65_536)[9:12].decode() or "closed"
    except OSError as error:
        return type(error).__name__


def observe(address: tuple[str, int], seconds: float) -> Observed:
    """Ask for so many seconds: a health check, and small calls in one packet and in two."""
    longest, outcomes, ends = 0.0, Counter[str](), time.monotonic() + seconds
    while time.monotonic() < ends:
        for packets in ((get("/healthcheck"),), (CALL,), (CALL[:60], CALL[60:])):
            began = time.monotonic()
            outcomes[ask(address, *packets)] += 1
            longest = max(longest, time.monotonic() - began)
        time.sleep(PAUSE_S)
    return Observed(longest, dict(outcomes))


def main(host: str, port: str) -> None:
    while True:
        print(json.dumps(observe((host, int(port)), 1.0)._asdict()), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
