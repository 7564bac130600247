"""Every message between the actors. All are immutable; who asks uses a verb, who tells uses a participle.

    Tracker ── Track ─▶ SourceAuth ── Admitted ─▶ ProfileDirectory ── Activate, Deliver, Evict ─▶ ProfileActor
       ▲                     │                      ▲          │                                       │
       │                  Answered               Settled    Answered                                Commit
       │                     ▼                      │          ▼                                       ▼
       └──────────────── Guardian ◀─────────────────│──── Guardian                                EventWriter
                                                    └──────────────────────────────────────────────────┘

Erase and Fetch go from the Tracker to the ProfileDirectory and on to the profile's actor, Administer goes to the
EventWriter. The Housekeeper asks the EventWriter with Delete, and is told with Deleted. The writer's result
reaches the EventWriter as BatchCommitted. A handler that raises becomes Failed: of a ProfileActor to the
ProfileDirectory, which lets go of the call, of all others to the Guardian. New rules come to the SourceAuth as
RulesChanged, and travel with each call that it admits.
"""

from enum import Enum

from msgspec import Struct

from trackd.core.calls import Rejected, Track, Tracked
from trackd.core.changes import Changes, Deletion, Erasure, Outcome, PutSource, RemoveSource
from trackd.core.documents import Profile, Session, Source
from trackd.core.rules.ruleset import RuleSet
from trackd.storage.writer import BatchResult


class Admitted(Struct, frozen=True):
    """A call that its source may make, and the rules that it came under.

    `attempt` counts how often it was found stale and sent again.
    """

    call: Track
    source: Source
    rules: RuleSet
    attempt: int = 0


class Activate(Struct, frozen=True):
    """Be this profile from now on. `stored` is None for one that is not stored yet."""

    profile_id: str
    stored: Profile | None


class Evict(Struct, frozen=True):
    """Forget the profile, and wait for the next one."""


class Deliver(Struct, frozen=True):
    """Apply a call to the profile.

    `settled`: this activation's commits up to that ordinal are on disk. `session_of`: the profile that the session
    belongs to as far as the directory knows, None when there is no such session. `session` is as it is stored, if that
    had to be read. `orphan`: the session's profile is gone, so that its visit is counted nowhere. `activation`
    comes before the call.
    """

    call: Track
    source: Source
    rules: RuleSet
    durable_up_to: int
    session_owner: str | None
    orphan: bool = False
    session: Session | None = None
    activation: Activate | None = None


class Reason(Enum):
    """Why a call was refused."""

    UNKNOWN_SOURCE = "unknown source"
    DISABLED_SOURCE = "disabled source"
    FOREIGN_ORIGIN = "foreign origin"
    RATE_LIMITED = "rate limited"
    OVERLOADED = "overloaded"
    STOPPING = "stopping"
    STORE_FAILED = "store failed"
    CONTENDED = "contended"
    TIMED_OUT = "timed out"


class Refused(Struct, frozen=True):
    """A call of which nothing is kept. `retry_after_s` is None when sending it again cannot help."""

    number: int
    reason: Reason
    retry_after_s: float | None = None


class Failed(Struct, frozen=True):
    """A call whose handler raised: a fault of trackd. Nothing of it is kept."""

    number: int


class Erase(Struct, frozen=True):
    """Remove a profile, with all that is known of it; `erased` is the time. See `Erasure` for `keep_events`.

    `attempt` counts how often the erasure was found stale and sent again.
    """

    number: int
    profile_id: str
    erased: str
    keep_events: bool = False
    attempt: int = 0


class Erased(Struct, frozen=True):
    """The profile is gone from the disk; `profile_id` is None when there was none."""

    number: int
    profile_id: str | None


class Fetch(Struct, frozen=True):
    """Tell what is committed of a profile."""

    number: int
    profile_id: str


class Fetched(Struct, frozen=True):
    """The profile, None when there is none."""

    number: int
    profile: Profile | None


class Administer(Struct, frozen=True):
    """Write a change that is no profile's."""

    number: int
    change: PutSource | RemoveSource


class Administered(Struct, frozen=True):
    """The change is on disk."""

    number: int


Request = Track | Erase | Fetch | Administer
Aborted = Refused | Failed
Answer = Tracked | Rejected | Erased | Fetched | Administered | Aborted


class Answered(Struct, frozen=True):
    """Answers for the callers outside."""

    answers: tuple[Answer, ...]


class Commit(Struct, frozen=True):
    """Write what a profile's actor decided; `answer` is for the caller once it is on disk."""

    number: int
    ordinal: int
    changes: Changes | Erasure
    answer: Tracked | Erased


class Delete(Struct, frozen=True):
    """Take a step of a deletion once nothing else waits for the disk."""

    step: Deletion


class Deleted(Struct, frozen=True):
    """What became of the step."""

    step: Deletion
    outcome: Outcome


class BatchCommitted(Struct, frozen=True):
    """The batch under way has ended."""

    result: BatchResult


class CommitsFinished(Struct, frozen=True):
    """What became of commits, in their order."""

    commits: tuple[tuple[Commit, Outcome], ...]


class RulesChanged(Struct, frozen=True):
    """From now on calls come under these rules."""

    rules: RuleSet


class StoreHealth(Struct, frozen=True):
    """Whether the store could write when it was last tried."""

    writable: bool


class Tick(Struct, frozen=True):
    """Time passes: look what changed outside or is too old, try a store again that failed."""
