import contextlib
import subprocess
import sys
from pathlib import Path

from tests.storage.workers.test_writer_process import on_file, started
from tests.support.making import Make
from tests.support.polling import eventually
from trackd.core.changes import Erasure, Fence
from trackd.storage.sqlite.connection import connect
from trackd.storage.sqlite.store import SqliteStore


async def test_no_byte_of_an_erased_profile_is_left_in_the_files_once_the_process_is_idle(
    tmp_path: Path, make: type[Make]
) -> None:
    """Not even while a reader has the file open, which keeps SQLite from deleting the log."""
    file = tmp_path / "trackd.db"
    SqliteStore(file).close()
    secret = {"properties": '{"email":"erase-me"}', "ip": "erase-me"}
    async with started(on_file(file)) as writer:
        with contextlib.closing(connect(file, mode="ro")) as reader:
            for seq in range(10):
                change = make.change(
                    "A",
                    (seq, seq),
                    events=1,
                    session="S",
                    previous_owner="A" if seq else None,
                    event=secret,
                    traits="erase-me" * seq * 300,
                )
                await writer.commit(change)
            assert len(reader.execute("SELECT * FROM event").fetchall()) == 10
            assert b"erase-me" in file.with_name("trackd.db-wal").read_bytes()

            await writer.commit(Erasure(Fence("A", 10, 10), make.later))
            log = file.with_name("trackd.db-wal")
            await eventually(lambda: log.stat().st_size == 0, "the log is truncated")
            left = {path.name: path.read_bytes().count(b"erase-me") for path in file.parent.iterdir()}

    assert left == dict.fromkeys(["trackd.db", "trackd.db-wal", "trackd.db-shm"], 0)


def test_the_process_loads_none_of_the_large_modules_that_it_does_not_need() -> None:
    code = "import sys, trackd.storage.workers.main, trackd.storage.workers.writer_worker; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"_hashlib", "_ssl", "pydantic", "sqlite_utils", "uvloop"} & set(loaded) == set()
