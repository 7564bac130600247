"""The extent of a run."""

from dataclasses import dataclass
from pathlib import Path

from tests.bench.builds import HERE, Build
from tests.bench.clients import BARE, Clients
from tests.bench.wrk import Load


@dataclass(frozen=True)
class Plan:
    """`out` keeps what is written, and big files for later runs. `builds`: this one, then another."""

    out: Path
    rounds: int
    seconds: int
    connections: int
    profiles: int
    big_file_events: int
    memory_calls: int
    starts: int
    builds: tuple[Build, ...] = (HERE,)

    def load(self, profiles: int | None = None, clients: Clients = BARE) -> Load:
        return Load(self.seconds, self.connections, profiles or self.profiles, clients)
