"""`python -m tests.bit_flips [NUMBER]`: one flipped bit in a database file or in its log, again and again.

Each trial flips one bit of a copy. `verify` and `export` read it, and a server in this process takes calls for all
sessions of the file and for a new one, and reads its lists and its feed. It must hold:

- every refusal is a sentence, never another exception;
- `verify` finds something in each file that `export` refuses;
- the server refuses to start, or is not ready, or at most the calls of one person fail.
"""

import asyncio
import contextlib
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct

from tests.support.making import Make
from tests.support.polling import eventually
from tests.support.stores import FramedStore
from trackd.actors.tracker import Tracker
from trackd.core.calls import Tracked
from trackd.core.changes import Erasure, Fence
from trackd.core.documents import TokenScope, source_metadata
from trackd.core.jobs import AddJob
from trackd.core.refusals import PutRefusals, Refusal
from trackd.core.source_changes import AddSource
from trackd.storage.audit.audit import audit, checks
from trackd.storage.errors import StoreError
from trackd.storage.feed import ERASED, EVENT, REFUSAL, FeedFilter, FeedRequest, Start
from trackd.storage.listings import EventFilter, PageRequest, ProfileFilter, RefusalFilter
from trackd.storage.sqlite.listings import SqliteListings
from trackd.storage.sqlite.log_frames import log_of
from trackd.storage.transfer.exporting import Export

PEOPLE, EVENTS = 24, 4
KINDS = (EVENT, ERASED, REFUSAL)
REFUSALS = tuple(
    Refusal(Make.now, 422, "invalid", "source", "203.0.113.0/24", "page-view", faults="[]", body='{"events": []}')
    for _ in range(5)
)
NEW = "a new session"
MEMORY = Path("/dev/shm")  # each trial syncs some hundred times
DATABASE, LOG = "file", "log"


def new_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="trackd-bit-flips-", dir=MEMORY if MEMORY.is_dir() else None)


class Original(Struct, frozen=True):
    """A file without a log, and the same calls in a file with one, as a kill leaves it."""

    closed: Path
    killed: Path


@dataclass
class Trial:
    """What one flip led to. `failed` are the sessions whose calls failed."""

    of: str
    place: int
    bit: int
    refused: str | None = None
    ready: bool = True
    unreadable: list[str] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)
    found: int = 0
    verify_refused: str | None = None
    export_refused: str | None = None

    @property
    def outcome(self) -> str:
        if self.refused is not None:
            return "refused at the start"
        if not self.ready:
            return "not ready"
        return "its own calls failed" if self.failed else "all calls answered"

    def faults(self) -> Iterator[str]:
        """Each promise that it broke."""
        if self.export_refused is not None and not self.found and self.verify_refused is None:
            yield f"`verify` finds nothing, and `export` refuses: {self.export_refused}"
        if self.refused is None and self.ready and (len(self.failed) > 1 or NEW in self.failed):
            yield f"a server that is ready refuses the calls of {sorted(self.failed)}"


def make_originals(folder: Path) -> Original:
    running = folder / "running.db"
    store = FramedStore(running)
    source = Make.source("source", origins=("https://shop.example",))
    now = source_metadata(Make.now, Make.now)
    store.commit([AddSource(source.__class__(**{**_fields(source), "metadata": now})), AddJob("other", {}, Make.now)])
    store._writer._db.execute(
        "INSERT INTO token (name, hash, scopes, inserted) VALUES (?, ?, ?, ?)",
        ("reader", "0" * 64, TokenScope.READ, Make.now),
    )
    store.commit([Make.change("erased", session="of the erased"), PutRefusals(REFUSALS, keep=1_000, bodies=True)])
    store.commit([Erasure(Fence("erased", 0, 1), Make.now, keep_events=False)])
    store._writer._db.wal_checkpoint(mode=3)
    asyncio.run(_fill(store))
    killed = folder / "killed.db"
    shutil.copyfile(running, killed)
    shutil.copyfile(log_of(running), log_of(killed))
    store.close()
    return Original(running, killed)


def _fields(source: Any) -> dict[str, Any]:
    return {name: getattr(source, name) for name in source.__struct_fields__}


async def _fill(store: FramedStore) -> None:
    async with tracking(store) as tracker:
        for round_number in range(EVENTS):
            for person in range(PEOPLE):
                answer = await tracker.ask(_call(f"session-{person}", person, round_number))
                assert isinstance(answer, Tracked), answer


def _call(session: str, person: int = 0, round_number: int = 0) -> Any:
    properties = {"page": f"https://shop.example/{person}/{round_number}", "text": "x" * (person * 20)}
    event = Make.event(f"{session}-{round_number}" if person % 2 else None, "page-view", properties=properties)
    context = {"browser": {"name": "Firefox", "language": "en"}, "round": round_number}
    return Make.call(session, [event], context=context, received=f"2026-02-0{round_number + 1}T00:00:00.000000Z")


@contextlib.asynccontextmanager
async def tracking(store: FramedStore) -> Any:
    tracker = Tracker(store)
    await tracker.start()
    try:
        yield tracker
    finally:
        await tracker.stop(5)


def run_trial(original: Original, folder: Path, of: str, place: int, bit: int) -> Trial:
    """Flip a bit of a copy in `folder`; `place` counts bytes in the file or in the log."""
    trial = Trial(of, place, bit)
    file = _flipped(original, folder, trial)
    try:
        trial.found = sum(findings.number for findings in audit(file, checks(rules_change_counters=False)))
    except StoreError as error:
        trial.verify_refused = str(error)
    try:
        with Export(file) as source:
            for _ in source.lines():
                pass
    except StoreError as error:
        trial.export_refused = str(error)
    try:
        store = FramedStore(file)
    except StoreError as error:
        trial.refused = str(error)
        return trial
    try:
        asyncio.run(_take_calls(store, trial))
        _read(store, trial)
    finally:
        store.close()
    return trial


def _read(store: FramedStore, trial: Trial) -> None:
    """Read all lists and the feed, to its end."""
    with contextlib.closing(store.listings()) as listings:
        reads: list[Callable[[], object]] = [
            lambda: _read_feed(listings),
            lambda: listings.events(EventFilter(), PageRequest()),
            lambda: listings.profiles(ProfileFilter(), PageRequest()),
            lambda: listings.refusals(RefusalFilter(), PageRequest()),
            lambda: listings.profile_ids("", 100, False),
            listings.segment_members,
            *(partial(listings.session, f"session-{number}") for number in range(PEOPLE)),
        ]
        for read in reads:
            try:
                read()
            except StoreError as error:
                trial.unreadable.append(str(error))


def _read_feed(listings: SqliteListings) -> None:
    page = listings.feed(FeedFilter(KINDS), FeedRequest(Start.OLDEST))
    while not page.is_last and page.lost is None:
        page = listings.feed(FeedFilter(KINDS), FeedRequest(page.cursor))
    listings.feed_head()


def _flipped(original: Original, folder: Path, trial: Trial) -> Path:
    source = original.closed if trial.of == DATABASE else original.killed
    file = folder / "flipped.db"
    for path in folder.glob("flipped.db*"):
        path.unlink()
    shutil.copyfile(source, file)
    if trial.of == LOG:
        shutil.copyfile(log_of(source), log_of(file))
    with (file if trial.of == DATABASE else log_of(file)).open("rb+") as flipped:
        flipped.seek(trial.place)
        before = flipped.read(1)[0]
        flipped.seek(trial.place)
        flipped.write(bytes([before ^ 1 << trial.bit]))
    return file


async def _take_calls(store: FramedStore, trial: Trial) -> None:
    async with tracking(store) as tracker:
        for round_number in (EVENTS, EVENTS + 1):
            for person in range(PEOPLE):
                await _take_call(tracker, f"session-{person}", trial, person, round_number)
            await _take_call(tracker, NEW, trial)
        await asyncio.to_thread(store._damage_check.wait)  # it begins with the first call that fails
        if store._damage_check.fault is not None:
            await eventually(lambda: not tracker.ready, "the tracker polls the store")
        trial.ready = tracker.ready


async def _take_call(tracker: Tracker, session: str, trial: Trial, person: int = 0, round_number: int = 0) -> None:
    answer = await tracker.ask(_call(session, person, round_number))
    if not isinstance(answer, Tracked):
        trial.failed.add(session)


def trials(original: Original, folder: Path, number: int, seed: int = 0) -> Iterator[Trial]:
    """The same flips for the same numbers: half of them in the file, half in the log."""
    drawn = random.Random(seed)
    sizes = {DATABASE: original.closed.stat().st_size, LOG: log_of(original.killed).stat().st_size}
    for count in range(number):
        of = LOG if count % 2 else DATABASE
        yield run_trial(original, folder, of, drawn.randrange(sizes[of]), drawn.randrange(8))


def main(number: int) -> int:
    faults = 0
    outcomes: Counter[tuple[str, str]] = Counter()
    with new_folder() as name:
        folder = Path(name)
        for trial in trials(make_originals(folder), folder, number):
            outcomes[trial.of, trial.outcome] += 1
            for fault in trial.faults():
                faults += 1
                print(f"bit {trial.bit} of byte {trial.place} of the {trial.of}: {fault}", flush=True)
    for (of, outcome), count in sorted(outcomes.items()):
        print(f"{of}: {outcome}: {count}")
    print(f"{number} flips, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000))
