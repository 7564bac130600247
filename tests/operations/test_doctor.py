"""`trackd doctor` where a server would lose data or not start: disks, users, clocks and servers as they are."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.support.database import execute
from tests.support.forked_command import run_command
from tests.support.making import Make
from tests.support.payloads import payload
from tests.support.process import TRACKD, Process
from tests.support.unprivileged import NOBODY
from trackd.storage.doctor.mounts import mount_of

IN_OWN_MOUNTS = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
SHARED_MEMORY = Path("/dev/shm")


def doctor(db: Path, *options: str, by: tuple[str, ...] = ()) -> tuple[int, dict[str, tuple[str, str, str]]]:
    """The exit code and the worst finding of each check: its state, text and remedy. `by` is a command that runs it."""
    command = ["doctor", "--json", "--db", str(db), *(options or ("--port", "0"))]
    if by:
        ended = subprocess.run([*by, TRACKD, *command], capture_output=True, text=True, check=False, cwd=db.parent)
    else:
        ended = run_command(command, db.parent, {"PATH": os.environ["PATH"]})
    assert ended.stderr == ""
    order = ["ok", "note", "warning", "fault"]
    findings = sorted(json.loads(ended.stdout)["findings"], key=lambda each: order.index(each["state"]))
    return ended.returncode, {each["check"]: (each["state"], each["found"], each["remedy"]) for each in findings}


@pytest.fixture
def database(serve: Callable[..., Process]) -> Path:
    """A file that a server has closed."""
    server = serve()
    server.stop()
    return server.db


def test_a_file_in_memory_is_named() -> None:
    mount = mount_of(SHARED_MEMORY) if SHARED_MEMORY.is_dir() else None
    if mount is None or mount.kind != "tmpfs":
        pytest.skip("this system has no /dev/shm in memory")
    folder = SHARED_MEMORY / f"trackd-test-{os.getpid()}"
    folder.mkdir(0o700)
    try:
        code, found = doctor(folder / "trackd.db")
        assert list(folder.iterdir()) == []
    finally:
        shutil.rmtree(folder)
    state, text, remedy = found["file system"]
    assert (code, state, "which is in memory" in text, "local disk" in remedy) == (1, "fault", True, True)


@pytest.mark.parametrize(
    ("how", "check", "text"),
    [
        ("head -c 1000000 /dev/zero > fill", "free space", "the disk is full"),
        ("mount -o remount,ro $PWD", "file system", "is mounted read-only"),
    ],
    ids=["full", "read-only"],
)
def test_a_disk_that_takes_nothing_is_named(tmp_path: Path, how: str, check: str, text: str) -> None:
    script = f'mount -t tmpfs -o size=64k none . && cd "$PWD" && {{ {how}; exec "$0" doctor --json --port 0; }}'
    command = [*IN_OWN_MOUNTS, script, str(TRACKD)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    if not ended.stdout:
        pytest.skip("this system lets users mount nothing")
    findings = json.loads(ended.stdout)["findings"]
    assert ended.returncode == 1
    assert any(each["check"] == check and text in each["found"] and each["remedy"] for each in findings)
    assert "fault" in {each["state"] for each in findings if each["check"] == "writing"}


def test_a_file_that_a_server_holds_is_named_and_works_on(serve: Callable[..., Process]) -> None:
    server = serve()
    code, found = doctor(server.db, "--port", server.url.rpartition(":")[2])
    state, text, remedy = found["in use"]
    assert (code, state) == (0, "note")
    assert f"(pid {server.process.pid}) holds the lock" in text
    assert f"kill {server.process.pid}" in remedy
    assert found["port"][0] == "ok"
    assert found["log"][0] == "ok"
    assert httpx.post(f"{server.url}/track", json=payload("s"), timeout=30).status_code == 200
    assert server.stop() == 0


def test_the_port_of_another_program_is_named(serve: Callable[..., Process], tmp_path: Path) -> None:
    server = serve()
    code, found = doctor(tmp_path / "other.db", "--port", server.url.rpartition(":")[2])
    state, text, remedy = found["port"]
    assert (code, state, "is used by" in text, "--port" in remedy) == (1, "fault", True, True)


def test_a_clock_an_hour_back_is_named(database: Path) -> None:
    assert doctor(database)[1]["clock"][0] == "ok"
    ahead = (datetime.now(UTC) + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    event = Make.stored_event("A", 1)._asdict() | {"inserted": ahead}
    marks = ", ".join("?" * len(event))
    execute(database, f"INSERT INTO event ({', '.join(event)}) VALUES ({marks})", *event.values())
    code, found = doctor(database)
    state, text, remedy = found["clock"]
    assert (code, state, "behind the newest event" in text, "set this clock" in remedy) == (1, "fault", True, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a command as another user")
def test_a_file_of_another_user_and_a_read_only_folder_are_named(database: Path, tmp_path: Path) -> None:
    as_nobody = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    open_to_all = Path("/tmp") / f"trackd-test-{os.getpid()}"
    open_to_all.mkdir(0o755)
    try:
        copy = open_to_all / "trackd.db"
        shutil.copy(database, copy)
        copy.chmod(0o600)
        code, found = doctor(copy, by=as_nobody)
        state, text, remedy = found["permissions"]
        assert (code, state, "sudo -u root" in remedy) == (1, "fault", True)
        assert f"{copy}, of root, mode 0600" in text
        os.chown(copy, NOBODY, NOBODY)
        code, found = doctor(copy, by=as_nobody)
        assert (code, found["folder"][0], found["writing"][0]) == (1, "fault", "fault")
        assert (found["permissions"][0], found["tables"][0], found["clock"][0]) == ("ok", "ok", "ok")
        state, text, _ = doctor(copy)[1]["permissions"]
        assert (state, "belongs to another user" in text) == ("warning", True)
    finally:
        shutil.rmtree(open_to_all)
