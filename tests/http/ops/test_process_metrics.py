import os
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from tests.support.payloads import bearer
from tests.support.process import Process
from trackd.http.ops.process_metrics import ProcessesCollector

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs the /proc of Linux")

KINDS = ("server", "writer", "reader")


def test_each_process_that_runs_has_its_values() -> None:
    registry = CollectorRegistry()
    registry.register(ProcessesCollector({"server": os.getpid, "writer": os.getppid, "reader": lambda: None}))
    for name in ("cpu_seconds_total", "resident_memory_bytes", "open_fds"):
        values = [
            registry.get_sample_value(f"trackd_process_{name}", {"process": kind}) for kind in ("server", "writer")
        ]
        assert all(value is not None and value >= 0 for value in values), name
        assert values[0] != values[1] or name == "open_fds"
        assert registry.get_sample_value(f"trackd_process_{name}", {"process": "reader"}) is None


def test_the_processes_of_a_server_are_those_that_it_started(serve: Callable[..., Process]) -> None:
    server = serve(source=False)
    with httpx.Client(base_url=server.url, headers=bearer(server.token)) as client:
        assert shown(client) == {"server", "writer"}
        assert client.get("/profiles").status_code == 200
        assert shown(client) == {"server", "writer", "reader"}


def shown(client: httpx.Client) -> set[str]:
    """The processes that have a resident memory."""
    memory = r'^trackd_process_resident_memory_bytes\{process="(\w+)"\} [1-9]'
    return set(re.findall(memory, client.get("/metrics").text, re.MULTILINE))
