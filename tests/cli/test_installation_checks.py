"""The checks of SQLite, of limits and of the port."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.polling import wait_until
from trackd.cli.installation_checks import check_limits, check_port, check_sqlite
from trackd.config.settings import Server
from trackd.storage.doctor.finding import State

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the sockets of processes")


FILES = "from trackd.cli.installation_checks import check_limits; from trackd.config.settings import Server\n"
FILES += "print(*(f'{each.check}: {each.state}: {each.found}' for each in check_limits(Server(), 10**9)), sep='\\n')"


def with_limit(option: str) -> str:
    """What is found in a shell with a limit: a hard limit of the tests themselves could not be raised again."""
    command = ["sh", "-c", f'ulimit {option} && exec "$0" -P -c "$1"', sys.executable, FILES]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_an_sqlite_that_can_corrupt_a_file_is_a_fault() -> None:
    assert [finding.state for finding in check_sqlite()] == [State.OK]
    [finding] = check_sqlite(3_051_002, "3.51.2")
    assert (finding.state, finding.found.startswith("3.51.2 can corrupt")) == (State.FAULT, True)


@pytest.mark.parametrize(
    ("option", "found"),
    [
        ("-n 40", "open files: fault: a server may open 40, and needs 48 to start\n"),
        ("-n 200", "open files: warning: a server may open 200: that allows 136 connections\n"),
        ("-f 1000", "file size: fault: no file may become larger than 512.0 KB, the database has 1.0 GB\n"),
    ],
)
def test_limits_that_are_low_are_named(option: str, found: str) -> None:
    assert found in with_limit(option)


def test_usual_limits_are_no_finding() -> None:
    assert next(check_limits(Server(), 0)).check == "open files"


def test_the_port_is_free_in_use_or_not_allowed() -> None:
    assert [finding.state for finding in check_port(Server(port=0), None)] == [State.OK]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        settings = Server(port=listening.getsockname()[1])
        [used] = check_port(settings, None)
        assert (used.state, "is used by" in used.found, bool(used.remedy)) == (State.FAULT, True, True)
        [every] = check_port(Server(host="0.0.0.0", port=settings.port), None)
        assert every.state == State.FAULT
    [free] = check_port(settings, None)
    assert (free.state, free.found) == (State.OK, f"127.0.0.1, port {settings.port} is free")
    [other] = check_port(Server(host="192.0.2.1", port=settings.port), None)
    assert (other.state, "cannot listen on 192.0.2.1" in other.found) == (State.FAULT, True)


@on_linux
def test_the_program_on_the_port_is_named_and_that_of_this_file_is_no_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        settings = Server(port=listening.getsockname()[1])
        [other] = check_port(settings, 1)
        assert (other.state, f"(pid {os.getpid()})" in other.found) == (State.FAULT, True)
        [own] = check_port(settings, os.getpid())
        assert (own.state, own.found.endswith("by the server that runs on the file")) == (State.OK, True)


@on_linux
def test_a_port_on_which_systemd_listens_is_no_fault(tmp_path: Path) -> None:
    program = tmp_path / "systemd"
    shutil.copy(shutil.which("sleep") or "", program)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        settings, number = Server(port=listening.getsockname()[1]), listening.fileno()
        holding = subprocess.Popen([program, "60"], pass_fds=[number])
    try:
        [found] = wait_until(lambda: [each for each in check_port(settings, None) if "systemd" in each.found])
        assert (found.state, "`systemctl start`" in found.remedy) == (State.NOTE, True)
    finally:
        holding.kill()
        holding.wait()
