"""Fixtures for all tests."""

import contextlib
import gc
import importlib.util
import itertools
import os
import ssl
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import hypothesis
import pytest

from tests.support.forked_server import start_server
from tests.support.ignored_signals import heeded_by_children
from tests.support.payloads import SOURCE_ID
from tests.support.postgres import server, with_database
from tests.support.process import Process
from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources

# `make test` draws the same examples in each run (`repeatable`), `make test-all` more of them (`thorough`), and
# `make fuzz` others each time. None has a deadline: machines of CI are noisy.
hypothesis.settings.register_profile("repeatable", max_examples=50, derandomize=True, database=None, deadline=None)
hypothesis.settings.register_profile("thorough", max_examples=100, derandomize=True, database=None, deadline=None)
hypothesis.settings.register_profile("fuzz", max_examples=1_000, database=None, deadline=None, print_blob=True)
hypothesis.settings.load_profile("repeatable")

# No test speaks TLS, but each client of httpx reads all certificates of a file, which takes longer than most tests.
# Those of a folder are read when a server shows one.
os.environ.pop("SSL_CERT_FILE", None)
os.environ.setdefault("SSL_CERT_DIR", ssl.get_default_verify_paths().openssl_capath)


# For each lock of each request httpcore looks for sniffio, which takes a millisecond where it is not installed.
if importlib.util.find_spec("sniffio") is None:
    cast(Any, sys.modules)["sniffio"] = None


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than processors: tests wait for servers, disks and limits of time."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Let each worker begin with another part of the modules: the first one to import a module keeps its code on disk.

    That is most of the work of a collection in a new clone: pytest rewrites the asserts of all modules.
    """
    config = session.config
    if config.pluginmanager.has_plugin("dsession"):  # the process that gives tests to workers collects none
        return
    gc.disable()  # until the end of the collection: all that it makes stays
    worker = getattr(config, "workerinput", None)
    if worker is None or config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    modules = sorted(path.relative_to(config.rootpath) for path in Path(__file__).parent.rglob("test_*.py"))
    for path in modules[int(worker["workerid"].removeprefix("gw")) :: worker["workercount"]]:
        with contextlib.suppress(Exception):  # the collection reports it
            importlib.import_module(".".join(path.with_suffix("").parts))


def pytest_collection_finish() -> None:
    """Exempt the tests from garbage collection, and collect as often as the server does."""
    gc.enable()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let each worker begin with long tests: one that begins last would keep the others waiting.

    The workers get equal parts of the tests in this order. Long ones of a module stay together, for its fixtures.
    """
    parts: list[list[pytest.Item]] = [[] for _ in range(getattr(config, "workerinput", {}).get("workercount", 1))]
    long = [item for item in items if item.get_closest_marker("slow")]
    short = [item for item in items if not item.get_closest_marker("slow")]
    for _, tests in itertools.groupby(long, lambda item: item.path):
        min(parts, key=len).extend(tests)
    each = -(-len(items) // len(parts))
    for part in parts:
        room = max(0, each - len(part))
        part += short[:room]
        del short[:room]
    items[:] = itertools.chain(*parts)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write one line for each reason for which tests were skipped."""
    skipped = terminalreporter.stats.get("skipped", ())
    for reason, number in Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped).items():
        terminalreporter.write_line(f"{number} left out: {reason}")


@pytest.fixture(scope="session", autouse=True)
def signals_of_processes() -> Iterator[None]:
    """Signals reach the processes of tests, also when this one ignores them."""
    with heeded_by_children():
        yield


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop of tests that are `async def`."""
    return "asyncio"


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts `trackd serve` on a free port, or on `port`; `environment` holds settings as TRACKD_* variables."""
    running: list[Process] = []

    def start(db: Path = tmp_path / "trackd.db", source: bool = True, port: int = 0, **environment: str) -> Process:
        if source and not db.exists():
            with Sources(db, create=True) as sources:
                sources.add(Source(SOURCE_ID, "test"))
        process = start_server(["serve", "--port", str(port), "--db", db], tmp_path, environment)
        try:
            running.append(Process(db, process))
        except BaseException:
            process.kill()
            process.communicate()
            raise
        return running[-1]

    yield start
    for each in running:
        each.process.kill()
        each.process.communicate()


@pytest.fixture
def rules(tmp_path: Path) -> Callable[[str], str]:
    """Writes the rules file for `serve(TRACKD_RULES_PATH=...)`; returns its path."""

    def write(text: str) -> str:
        path = tmp_path / "rules.toml"
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture(scope="session")
def postgres_database(worker_id: str) -> Iterator[str]:
    """The URL of a database for the tests of this process."""
    with server() as url:
        yield with_database(url, f"trackd_{worker_id}")
