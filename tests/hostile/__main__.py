"""`python -m tests.hostile [KIND ...] [--minutes 10]`: hostile clients against a server with its default settings.

All kinds are played together, or those whose names have the given words. A line every ten seconds has the memory of the
server and its processes beyond the start, and what an ordinary client saw. The exit code is 1 when memory grew by more
than 300 MB or did not become level, or when that client waited for more than a second or was refused.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import uvloop

import tests.hostile.costly
import tests.hostile.storms  # noqa: F401  they register their kinds
from tests.faults.real_server import RealServer
from tests.hostile.bystander import Observed
from tests.hostile.clients import KINDS, RULES, Kind, Target, attack
from tests.support.payloads import SOURCE_ID
from tests.support.process import TRACKD, Process
from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources

BYTES_PER_S = 1_900_000
MAX_GROWTH_MB, MAX_WAIT_S = 300, 1.0
LINE_S = 10
GROWTH_OF_LEVEL = 1.1  # the last third of the minutes compared with the third before


def start(db: Path) -> RealServer:
    with Sources(db, create=True) as sources:
        sources.add(Source(SOURCE_ID, "hostile"))
    command: list[str | Path] = [TRACKD, "serve", "--port", "0", "--db", db]
    log = db.with_suffix(".log").open("w")
    environment = {**os.environ, "TRACKD_RULES_PATH": str(RULES)}
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    return RealServer(Process(db, started))


async def play(server: RealServer, kinds: Sequence[Kind], seconds: float, lines: "Lines") -> None:
    """Attack the server, and note a line about it every `LINE_S`."""
    target = Target(server.address, BYTES_PER_S)
    command = [sys.executable, "-m", "tests.hostile.bystander", *map(str, server.address)]
    bystander = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert bystander.stdout is not None
    share = 1.0 if len(kinds) == 1 else 3 / len(kinds)
    attacking = asyncio.create_task(attack(target, kinds, share))
    began = line = time.monotonic()
    seen: list[Observed] = []
    try:
        while time.monotonic() - began < seconds:
            seen.append(Observed(**json.loads(await bystander.stdout.readline())))
            if time.monotonic() - line >= LINE_S:
                line = time.monotonic()
                lines.add(line - began, server.memory_kb() / 1024, target.sent_bytes, seen)
                seen = []
    finally:
        attacking.cancel()
        bystander.kill()
        await bystander.wait()


class Lines:
    """What was measured, printed line by line."""

    def __init__(self, first_mb: float) -> None:
        self._first_mb = first_mb
        self.grown_mb: list[float] = []
        self.longest_s = 0.0
        self.outcomes = Counter[str]()
        print(f"{'seconds':>8} {'MB beyond the start':>20} {'MB sent':>8} {'longest wait':>13}  answers")

    def add(self, seconds: float, memory_mb: float, sent: int, seen: Sequence[Observed]) -> None:
        outcomes, longest = Counter[str](), max((each.longest_s for each in seen), default=0.0)
        for each in seen:
            outcomes.update(each.outcomes)
        self.grown_mb.append(memory_mb - self._first_mb)
        self.longest_s = max(self.longest_s, longest)
        self.outcomes += outcomes
        found = ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items()))
        grown = self.grown_mb[-1]
        print(f"{seconds:8.0f} {grown:20.0f} {sent / 1e6:8.1f} {longest:12.2f}s  {found}", flush=True)

    def faults(self) -> list[str]:
        third = len(self.grown_mb) // 3
        found = []
        if max(self.grown_mb) > MAX_GROWTH_MB:
            found.append(f"memory grew by {max(self.grown_mb):.0f} MB")
        if third and max(self.grown_mb[-third:]) > max(self.grown_mb[-2 * third : -third]) * GROWTH_OF_LEVEL + 10:
            found.append("memory is not level")
        if self.longest_s > MAX_WAIT_S:
            found.append(f"the ordinary client waited {self.longest_s:.1f} s")
        if self.outcomes.keys() != {"200"}:
            found.append("the ordinary client was refused")
        return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=(__doc__ or "").split(": ", 1)[1])
    parser.add_argument("words", nargs="*", metavar="KIND", help="play the kinds with these words in their names")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--each", action="store_true", help="play the kinds one after the other, on a server each")
    parser.add_argument("--list", action="store_true", help="print the kinds")
    options = parser.parse_args()
    kinds = [each for each in KINDS.values() if not options.words or any(word in each.name for word in options.words)]
    if options.list:
        print("\n".join(f"{each.connections:6} {each.name}" for each in kinds))
        return 0
    sets = [[each] for each in kinds] if options.each else [kinds]
    return max(play_on_a_server(each, options.minutes * 60) for each in sets)


def play_on_a_server(kinds: Sequence[Kind], seconds: float) -> int:
    print(", ".join(each.name for each in kinds))
    with tempfile.TemporaryDirectory() as folder:
        server = start(Path(folder) / "trackd.db")
        try:
            for number in range(50):
                assert server.call("before", session=f"before-{number}").status_code == 200
            lines = Lines(server.memory_kb() / 1024)
            uvloop.run(play(server, kinds, seconds, lines))
        finally:
            code = server.process.stop()
    faults = [*lines.faults(), *([f"the server ended with {code}"] if code else [])]
    print("\n".join(faults) if faults else "all is well", end="\n\n", flush=True)
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
