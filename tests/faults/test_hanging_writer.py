"""A disk or a writer process that hangs: calls wait, and the server is not ready."""

import os
import re
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.faults.real_server import RealServer
from tests.support.payloads import bearer
from tests.support.polling import wait_until

Start = Callable[..., RealServer]


def metrics(server: RealServer) -> dict[str, float]:
    text = httpx.get(f"{server.url}/metrics", headers=bearer(server.process.token), timeout=30).text
    return {name: float(value) for name, value in re.findall(r"^(trackd_\w+) (\S+)$", text, re.M)}


@pytest.mark.slow
@pytest.mark.parametrize("with_calls", [True, False])
def test_while_the_writer_process_hangs_the_server_is_not_ready(start: Start, with_calls: bool) -> None:
    """Without calls it is found out by a heartbeat, because /ready is asked for."""
    server = start(TRACKD_LIMITS_SLOW_COMMIT_S="1")
    assert server.call("t").status_code == 200
    writer = server.process.writer_pid()
    with ThreadPoolExecutor() as threads:
        os.kill(writer, signal.SIGSTOP)
        waiting = threads.submit(server.call, "t") if with_calls else None
        wait_until(lambda: httpx.get(f"{server.url}/ready").status_code == 503, "the server is not ready")
        found = metrics(server)
        assert found["trackd_ready"] == 0
        assert found["trackd_commit_age_seconds"] > 1

        os.kill(writer, signal.SIGCONT)
        wait_until(lambda: httpx.get(f"{server.url}/ready").status_code == 200, "the server is ready again")
        assert waiting is None or waiting.result().status_code == 200
    log = server.log()
    reports = log.count("a commit has been under way for more than 1 s")
    assert log.count("the store takes writes again") == reports >= 1  # on a busy machine other commits take as long
    assert len(server.events()) == 1 + with_calls
