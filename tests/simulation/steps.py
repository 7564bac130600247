"""Histories: the steps that happen to the nodes.

Steps are plain data, and do nothing when they have nothing to do. So any of them can be removed and the rest is a
history too, which is how a failing history is shrunk.
"""

from typing import NamedTuple

MERGED = {"m0": "B0", "m1": "B1"}
ORPHAN, GONE = "orphan", "gone"


class ProfileRef(NamedTuple):
    """A profile: the one in the answer to the call with this label, or the one with this id."""

    label: int = 0
    id: str | None = None


class EventSpec(NamedTuple):
    """An event of a call. Without an `id` the server makes one."""

    id: str | None
    type: str
    store: bool


class Call(NamedTuple):
    label: int
    node: int
    session: str
    profile: ProfileRef | None
    events: tuple[EventSpec, ...]
    source: str = "source"
    keep_session: bool = True
    context: int | None = None
    profile_requested: bool = False


class Retry(NamedTuple):
    """Sends the call with the label `of` again."""

    label: int
    node: int
    of: int


class Erase(NamedTuple):
    label: int
    node: int
    profile: ProfileRef
    keep_events: bool


class Reevaluate(NamedTuple):
    label: int
    node: int
    profile: ProfileRef


class Fetch(NamedTuple):
    label: int
    node: int
    profile: ProfileRef


class Administer(NamedTuple):
    """Adds a source that no call uses, so that batches have other changes between calls."""

    label: int
    node: int


class Refuse(NamedTuple):
    """Calls are refused, and so many refusals are written, of which the newest `keep` stay."""

    label: int
    node: int
    refusals: int
    profile: ProfileRef | None
    session: str
    keep: int


class Commit(NamedTuple):
    """The batch of the node ends, and the node gets the outcome; or it gets that of a batch that ended before.

    `how`: "stored"; "failed": nothing is written; "unreported": everything is written, and an error is reported to
    the node; "doubtful": an error is reported, and everything is written at a later `Land`, if there is one; "partial":
    the change at `place` cannot be stored, the others can. `reported_late`: it gets the outcome at its next `Commit`.
    """

    node: int
    how: str = "stored"
    place: int = 0
    reported_late: bool = False


class Land(NamedTuple):
    """The database ends the oldest transaction whose outcome its node, which may have ended meanwhile, never got."""

    node: int = 0


class Crash(NamedTuple):
    """The node loses its memory and starts again. Its batch: "lost", "written" before, or "doubtful", see `Commit`."""

    node: int
    batch: str = "lost"


class Pause(NamedTuple):
    """The node is stopped, or goes on: its requests wait in its sockets meanwhile."""

    node: int
    begins: bool


class Wait(NamedTuple):
    """Time passes, and calls are decided again whose pause is over."""

    node: int
    milliseconds: int


class Rules(NamedTuple):
    node: int
    which: int


class Tick(NamedTuple):
    """Time passes, then the node gets a tick."""

    node: int
    seconds: int


class LookUp(NamedTuple):
    """The lookup of the node ends. `when`: the time of the state that it shows, see `SteppedLookups.step`."""

    node: int
    when: str


class BreakReads(NamedTuple):
    """The next reads of the node fail."""

    node: int
    reads: int


class BreakWriter(NamedTuple):
    """The writer of the node accepts no batches, or accepts them again."""

    node: int
    takes: bool


Step = (
    Call | Retry | Erase | Reevaluate | Fetch | Administer | Refuse
    | Commit | Land | Crash | Pause | Wait | Rules | Tick | LookUp | BreakReads | BreakWriter
)  # fmt: skip


class Setup(NamedTuple):
    """The settings of a history. All nodes write to one store: in memory, or SQLite in a file."""

    nodes: int
    in_file: bool
    max_active_profiles: int
    max_cached_sessions: int
    retention_days: int
    end_after_s: int
    looks_up: bool
    """Whether the store is as one over a network: lookups, claims of contended profiles, commits in doubt."""
    max_retries: int
    """How often a stale call is decided again."""
    is_even: bool
    """Whether all nodes get as many calls; the first one gets most of them otherwise."""
    little_memory: bool
    """Whether documents are evicted after each commit, and calls wait for those in flight."""


class History(NamedTuple):
    seed: int
    setup: Setup
    steps: tuple[Step, ...]
