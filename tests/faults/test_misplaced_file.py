"""The database file is removed, moved or replaced while a real server runs."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.faults.real_server import RealServer
from tests.support.database import rows
from tests.support.polling import wait_until
from trackd.storage.transfer.backup import back_up

Start = Callable[..., RealServer]


def ready(server: RealServer) -> int:
    return httpx.get(f"{server.url}/ready", timeout=30).status_code


def wait_until_not_ready(server: RealServer) -> None:
    wait_until(lambda: ready(server) == 503, "the server is not ready")


def end(server: RealServer) -> tuple[int, list[str]]:
    """Stop the server; returns its exit code and the lines of its log."""
    server.process.process.terminate()
    _, log = server.process.process.communicate(timeout=30)
    assert "Traceback" not in log
    return server.process.process.returncode, log.splitlines()


def events(path: Path) -> list[int]:
    return [row["seq"] for row in rows(path, "SELECT seq FROM event ORDER BY number")]


def test_after_its_file_was_removed_a_server_answers_503_and_does_not_claim_that_all_is_on_disk(start: Start) -> None:
    server = start()
    assert server.call("t").status_code == 200
    server.db.unlink()

    assert server.call("t").status_code == 503  # at once, although no tick has looked
    assert ready(server) == 503
    for _ in range(20):
        assert server.call("t").status_code == 503
    code, log = end(server)

    assert code == 1
    assert [line for line in log if "was removed or moved away" in line] == [log[1]]
    assert "the store does not take writes, calls are answered 503: " in log[1]
    assert log[-1] == (
        f"trackd: {server.db} was removed, moved or replaced while the server ran: the calls that were answered are in "
        "the file that was there before."
    )
    assert not any("every call that was answered is on disk" in line for line in log)


def test_a_server_without_calls_notices_that_its_file_was_replaced_and_leaves_the_new_one_alone(
    start: Start, tmp_path: Path
) -> None:
    server = start()
    assert server.call("t").status_code == 200
    shutil.copy(server.db, tmp_path / "other.db")
    other = (tmp_path / "other.db").read_bytes()
    server.process.db.rename(tmp_path / "old.db")
    (tmp_path / "other.db").rename(server.db)

    wait_until_not_ready(server)
    assert server.call("t").status_code == 503
    code, log = end(server)

    assert (code, server.db.read_bytes()) == (1, other)
    assert server.db.with_name("trackd.db-wal").stat().st_size == 0
    assert events(tmp_path / "old.db")[:1] == [1]
    assert "was replaced by another file" in log[1]


def test_a_backup_that_is_copied_over_the_file_of_a_running_server_stops_calls_and_is_not_changed(
    start: Start, tmp_path: Path
) -> None:
    server = start()
    assert server.call("t").status_code == 200
    back_up(server.db, tmp_path / "backup.db", replace=False, on_bytes=lambda done, total: None)
    assert server.call("t").status_code == 200
    backup = (tmp_path / "backup.db").read_bytes()
    server.db.write_bytes(backup)  # it stays the same file

    assert server.call("t").status_code == 503
    wait_until_not_ready(server)
    code, log = end(server)

    assert (code, server.db.read_bytes()) == (1, backup)
    assert any("was overwritten in its place: stop the server, and restore a backup" in line for line in log)
    assert log[-1].startswith(f"trackd: {server.db} was overwritten while the server ran: restore a backup with ")


def test_a_folder_that_is_moved_away_and_back_stops_calls_meanwhile(start: Start, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    server = start(db=tmp_path / "folder" / "trackd.db")
    assert server.call("t").status_code == 200
    (tmp_path / "folder").rename(tmp_path / "moved")
    wait_until_not_ready(server)
    assert server.call("t").status_code == 503

    (tmp_path / "moved").rename(tmp_path / "folder")
    wait_until(lambda: ready(server) == 200, "the server is ready again")
    assert server.call("t", events=[{"type": "t", "id": "last"}]).json()["debugging"]["events"]["ids"] == ["last"]
    log = server.log()

    assert "the store takes writes again" in log
    assert "every call that was answered is on disk" in log
    assert len(events(server.db)) >= 2


def test_a_log_that_is_removed_stops_calls_and_the_stop_saves_what_was_in_it(start: Start) -> None:
    server = start()
    for _ in range(5):
        assert server.call("t").status_code == 200
    server.db.with_name("trackd.db-wal").unlink()
    assert server.call("t").status_code == 503
    wait_until_not_ready(server)
    log = server.log()

    assert (
        "trackd.db-wal was removed or moved away: stop the server and start it again, it copies the write-ahead log "
        in log
    )
    assert "every call that was answered is on disk" in log
    assert events(server.db)[:5] == [1, 2, 3, 4, 5]


def test_after_its_log_was_removed_a_kill_loses_no_answered_call(start: Start, tmp_path: Path) -> None:
    server = start()
    for _ in range(5):
        assert server.call("t").status_code == 200
    server.db.with_name("trackd.db-wal").unlink()

    def events_of_the_file_alone() -> list[int]:
        shutil.copy(server.db, tmp_path / "alone.db")
        return events(tmp_path / "alone.db")

    wait_until(lambda: events_of_the_file_alone() == [1, 2, 3, 4, 5], "the log is copied into the file")
    server.process.stop(signal.SIGKILL)
    assert [event["seq"] for event in start().events()] == [1, 2, 3, 4, 5]
