"""`python -m tests.crash_rounds [ROUNDS]`: kill -9 under load and restart, again and again on one file.

The server, its writer process, or both are killed in turn. After each round every answered event of all rounds must be
stored once, and `trackd verify` must find nothing.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.crash_load import Load, check_file
from tests.support.payloads import SOURCE_ID
from tests.support.process import TRACKD, Process
from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources


def start(db: Path) -> Process:
    command: list[str | Path] = [TRACKD, "serve", "--port", "0", "--db", db]
    return Process(db, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True))


async def one_round(load: Load, number: int) -> None:
    writer = load.server.writer_pid()

    def kill() -> None:
        if number % 3 != 0:
            os.kill(writer, signal.SIGKILL)
        if number % 3 != 1:
            load.server.process.kill()
        else:
            load.server.process.terminate()

    await load.run(kill)


def main(rounds: int) -> None:
    answered: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        db = Path(folder) / "trackd.db"
        with Sources(db, create=True) as sources:
            sources.add(Source(SOURCE_ID, "test"))
        for number in range(rounds):
            load = Load(start(db), run=f"{number}-")
            asyncio.run(one_round(load, number))
            load.server.process.wait()
            load.answered |= answered
            start(db).stop()
            check_file(load)
            subprocess.run([TRACKD, "verify", "--db", db], check=True, stdout=subprocess.DEVNULL)
            answered = load.answered
            print(f"round {number + 1}: {len(answered)} answered events are stored, each once", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
