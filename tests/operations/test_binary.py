"""The binary: each command works in it, without Python and without a home; it is built once for all tests."""

import contextlib
import fcntl
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.layout.source import ROOT
from tests.support.binary_build import BUILD
from tests.support.payloads import bearer, payload
from tests.support.polling import wait_until
from tests.support.process import Process, has_ended
from trackd.cli.commands import COMMANDS
from trackd.core.version import __version__

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="the binary is for Linux"),
    pytest.mark.skipif(shutil.which("objdump") is None, reason="binutils are not installed"),
]
NAME = f"trackd-{__version__}-linux-{platform.machine()}"


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory, testrun_uid: str) -> Path:
    """The folder with what `make binary` builds: BINARY_DIST, else the first worker that comes builds it."""
    if "BINARY_DIST" in os.environ:
        return Path(os.environ["BINARY_DIST"]).resolve()
    folder = tmp_path_factory.getbasetemp().parent / f"binary-{testrun_uid}"
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            build = [sys.executable, str(ROOT / "packaging" / "binary" / "build.py"), str(folder)]
            done = subprocess.run(build, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """No home; one cache for all tests of a worker, so that few of them unpack."""
    cache = tmp_path_factory.mktemp("cache")
    return {"PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": str(cache)}


@pytest.fixture
def binary(dist: Path) -> Path:
    return dist / NAME


@pytest.fixture
def server(binary: Path, environment: dict[str, str], tmp_path: Path) -> Iterator[Process]:
    db = tmp_path / "trackd.db"
    command = [str(binary), "serve", "--port", "0", "--db", str(db)]
    process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=-1, stderr=-1, text=True)
    yield Process(db, process)
    process.kill()
    process.communicate()


def test_the_binary_serves_pages_and_lists_and_stops(server: Process) -> None:
    with httpx.Client(base_url=server.url, headers=bearer(server.token)) as client:
        [source] = [source["id"] for source in client.get("/event-sources").json()["result"]]
        assert client.post("/track", json=payload("s", "page-view", source=source)).status_code == 200
        for path in (
            "/events",
            "/ui/",
            "/tracker.js",
            "/docs",
            "/docs/swagger-ui-bundle.js",
            "/openapi.json",
            "/metrics",
        ):
            assert client.get(path, follow_redirects=True).status_code == 200, path
    assert server.stop() == 0
    assert sorted(path.name for path in server.db.parent.glob("*.db*")) == ["trackd.db", "trackd.db-lock"]


def test_a_writer_that_is_killed_comes_again_and_a_killed_server_leaves_no_process(
    server: Process, environment: dict[str, str]
) -> None:
    files = [*Path(environment["XDG_CACHE_HOME"]).rglob("*")]
    first = server.writer_pid()

    def another_writer() -> int | None:
        with contextlib.suppress(ValueError):  # there is none at this moment
            return pid if (pid := server.writer_pid()) != first else None
        return None

    os.kill(first, signal.SIGKILL)
    second = wait_until(another_writer, "the writer is started again")
    wait_until(lambda: httpx.get(f"{server.url}/ready").status_code == 200, "the server is ready again")
    server.stop(signal.SIGKILL)
    wait_until(lambda: has_ended(second), "the writer has ended")
    assert [*Path(environment["XDG_CACHE_HOME"]).rglob("*")] == files


def test_a_load_test_and_the_commands_on_files_work(
    binary: Path, server: Process, environment: dict[str, str], tmp_path: Path
) -> None:
    def run(*arguments: str, code: int = 0) -> str:
        done = subprocess.run([binary, *arguments], env=environment, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    source = run("source", "list", "--quiet").strip()
    outputs = ["--json", "load.json", "--report", "load.html", "--history", "load.jsonl"]
    run("load", server.url, "--source", source, "--calls", "200", "--token", server.token, *outputs)
    assert json.loads((tmp_path / "load.json").read_text())["verdict"]["read_back"] == "done"
    assert "<svg" in (tmp_path / "load.html").read_text()
    assert server.stop() == 0
    run("verify", "--db", "trackd.db")
    run("export", "-o", "all.jsonl")
    run("export", "--table", "event", "--format", "csv", "-o", "events.csv")
    assert "the binary has no pyarrow" in run("export", "--table", "event", "--format", "parquet", "-o", "x", code=1)
    run("import", "all.jsonl", "--db", "new.db")
    run("backup", "backup.db")
    run("rules", "check", str(ROOT / "config" / "rules.toml"))


def test_each_command_of_the_binary_has_help(binary: Path, environment: dict[str, str]) -> None:
    for command in COMMANDS:
        help_of = [str(binary), str(command.name), "--help"]
        shown = subprocess.run(help_of, env=environment, capture_output=True, text=True)
        assert (shown.returncode, "Usage: trackd" in shown.stdout) == (0, True), shown.stderr


def test_the_sums_are_those_of_both_forms_and_the_archive_has_one_folder(dist: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", f"{NAME}.sha256"], cwd=dist, check=True, capture_output=True)
    with tarfile.open(dist / f"{NAME}.tar.gz") as archive:
        names = archive.getnames()
    assert {name.partition("/")[0] for name in names} == {NAME}
    for path in ("trackd", "trackd-worker", "LICENSE", *(path.name for path in ROOT.glob("packaging/trackd.*"))):
        assert f"{NAME}/{path}" in names


def test_the_glibc_that_the_file_names_is_the_one_that_its_programs_need(dist: Path, tmp_path: Path) -> None:
    with tarfile.open(dist / f"{NAME}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.read_bytes()[:4] == b"\x7fELF"]
    symbols = subprocess.run(["objdump", "-T", *files], capture_output=True, text=True, check=True).stdout
    needed = max(int(minor) for minor in re.findall(r"GLIBC_2\.(\d+)", symbols))
    assert BUILD.needed_glibc(tmp_path) == f"2.{needed}"
    assert f"glibc=2.{needed} ".encode() in (dist / NAME).read_bytes()[:400]
    assert [path for path in tmp_path.rglob("*") if path.is_file() and str(ROOT).encode() in path.read_bytes()] == []
