"""Every message between the actors. All are frozen.

A request is named by a verb (only Admitted, a call on its way, is not), a result by a participle.

    Tracker ── Track ─▶ SourceAuth ── Admitted ─▶ ProfileDirectory ── Activate, Deliver ─▶ ProfileActor
       ▲                     │                      ▲   │   ▲                                │  │
       │                     │         CommitsFinished  │   └────────────── Answered ────────┘  │
       │                     ▼                      │   ▼                                    Commit
       └───────────────── answers ◀─────────────────│── answers                                 ▼
                                                    └────────────────────────────────────── EventWriter

Erase, Reevaluate and Fetch go from the Tracker to the ProfileDirectory and on to the profile's actor, Administer goes
to the EventWriter. The Housekeeper sends Delete to the EventWriter, and receives Deleted. The result of a batch reaches
the EventWriter as BatchCommitted. New rules reach the SourceAuth as RulesChanged, and travel with each call that it
admits. Before an erasure its ProfileActor sends WriteRefusals to the EventWriter. The Tracker sends Tick to the
Guardian, which passes it on to its children; the EventWriter sends one to the SourceAuth after a change of sources. The
ProfileDirectory sends itself a Resume. A ProfileActor that misses something of the store answers Unloaded.

Answers are no messages: an actor hands them to the Tracker (`Frontend.answered`).

A handler that raises on a `Request` is answered with Failed or Refused; a ProfileActor sends such an answer to the
ProfileDirectory, which ends the call. The Tracker sends a `Request` to the actor
among the Guardian's children that has a handler for it. So a new request takes its structs here (or in core/calls.py),
a handler, and a caller.
"""

from collections.abc import Sequence
from enum import Enum
from typing import ClassVar

from msgspec import Struct

from trackd.core.calls import Answer, Rejected, Request, Track, Tracked
from trackd.core.changes import Changes, Erasure, Outcome
from trackd.core.documents import Profile, Session, Source
from trackd.core.jobs import JobChange
from trackd.core.login_changes import LoginChange
from trackd.core.refusals import PutRefusals
from trackd.core.retention_changes import Deletion, PutRetentionStop, Swept
from trackd.core.rules.rule import SegmentChange
from trackd.core.rules.ruleset import RuleSet
from trackd.core.source_changes import SourceChange
from trackd.core.token_changes import PutTokenUse
from trackd.storage.lookups import Wanted
from trackd.storage.writer import BatchResult


class Reason(Enum):
    """Why a request was refused."""

    UNKNOWN_SOURCE = "unknown source"
    DISABLED_SOURCE = "disabled source"
    FOREIGN_ORIGIN = "foreign origin"
    RATE_LIMITED = "rate limited"
    OVERLOADED = "overloaded"
    STOPPING = "stopping"
    STORE_FAILED = "store failed"
    CONTENDED = "contended"
    TIMED_OUT = "timed out"


class Refused(Answer, frozen=True):
    """The request was not carried out. After TIMED_OUT it may be carried out later all the same."""

    reason: Reason
    retry_after_s: float | None = None
    """In how many seconds the client may send it again; None when that cannot help."""


class Failed(Answer, frozen=True):
    """A handler raised on the request: a fault of trackd. Nothing of the request is stored."""

    is_damage: bool = False
    """Whether it needs a stored row that is damaged: no fault of the code."""


Aborted = Refused | Failed
"""The answers that any request can have, in place of its own."""


class Unloaded(Answer, frozen=True):
    """A profile's actor needs a lookup before it can decide the call. Only the directory gets this answer."""

    wanted: Wanted


class Answered(Struct, frozen=True):
    """The answers of a profile's actor to requests of which it commits nothing."""

    answers: tuple[Answer, ...]


class Admitted(Request[Tracked | Rejected], frozen=True):
    """A call that its source may make."""

    call: Track
    source: Source
    rules: RuleSet
    """The rules at the moment when the call was admitted: the call keeps them."""
    attempt: int = 0
    """How often the call was stale and handed over again."""

    @property
    def number(self) -> int:
        return self.call.number


class Activate(Struct, frozen=True):
    """Hold this profile from now on, in place of the one before; none if the id is empty."""

    profile_id: str = ""
    stored: Profile | None = None
    """The stored profile, None for a new one."""


class Deliver(Request[Tracked | Rejected], frozen=True):
    """Apply a call to the profile."""

    admitted: Admitted
    durable_up_to: int
    """The ordinal of the profile's last commit that is on disk, 0 for none since its activation."""
    session_owner: str | None
    """The id of the profile that owns the session before the call; None if there is no such session."""
    orphan: bool = False
    """Whether the session's owner no longer exists.

    The visit then counts for the profile that takes the session over.
    """
    session: Session | None = None
    """The stored session, if the directory had to read it."""
    activation: Activate | None = None
    """The profile to hold before the call is applied; None if the actor holds it already."""

    @property
    def number(self) -> int:
        return self.admitted.number


class Erased(Answer, frozen=True):
    """The profile is no longer on disk."""

    profile_id: str | None
    """The id of the erased profile; None if there was no such profile."""


class Erase(Request[Erased], frozen=True):
    """Remove a profile and everything that belongs to it."""

    number: int
    profile_id: str
    erased: str
    """The time of the erasure, a timestamp."""
    keep_events: bool = False
    """See `Erasure`."""
    attempt: int = 0
    """How often the erasure was stale and handed over again."""

    @property
    def not_found(self) -> Erased:
        """The answer when there is no such profile."""
        return Erased(self.number, None)


class Reevaluated(Answer, frozen=True):
    """The profile is on disk with the segments that the rules give it."""

    profile_id: str | None
    """None if there is no such profile."""
    segment_changes: tuple[SegmentChange, ...] = ()


class Reevaluate(Request[Reevaluated], frozen=True):
    """Evaluate the segments of a profile again, without an event."""

    number: int
    profile_id: str
    rules: RuleSet
    now: str
    """The time of the re-evaluation, a timestamp."""
    attempt: int = 0
    """How often it was stale and handed over again."""

    @property
    def not_found(self) -> Reevaluated:
        return Reevaluated(self.number, None)


class Fetched(Answer, frozen=True):
    """A profile as it is committed."""

    profile: Profile | None
    """None if there is no such profile."""


class Fetch(Request[Fetched], frozen=True):
    """Return the committed profile. It is not older than the request, also when other nodes write to the store."""

    number: int
    profile_id: str


class Administered(Answer, frozen=True):
    """The change is on disk, and in force."""

    stale: bool = False
    """Whether nothing was written instead: the source to add exists already, or that to change does not exist.

    The same for a job that is not open any more.
    """


class Administer(Request[Administered], frozen=True):
    """Write a change to the sources, the jobs, the tokens or the logins."""

    number: int
    change: SourceChange | JobChange | PutTokenUse | LoginChange

    held: ClassVar[int] = 0
    """As of a Commit: it has no documents."""


class Commit(Request[Tracked | Erased | Reevaluated], frozen=True):
    """Write the decision of a profile's actor."""

    number: int
    """The number of the call, erasure or re-evaluation."""
    ordinal: int
    """The position among the commits of this activation, from 1."""
    change: Changes | Erasure
    answer: Tracked | Erased | Reevaluated
    """Sent to the caller once the change is on disk."""
    held: int = 0
    """Bytes of the documents that the actor holds now. The documents of the change have no more than these."""
    revision: int = 0
    """That of the profile that the actor holds now."""


class WriteRefusals(Struct, frozen=True):
    """Write refusals, in their turn with the other changes."""

    change: PutRefusals

    held: ClassVar[int] = 0
    """As of a Commit: it has no documents."""


class CommitsFinished(Struct, frozen=True):
    """The outcomes of commits."""

    commits: Sequence[tuple[Commit, Outcome]]
    """In the order of their arrival at the EventWriter."""


class Delete(Struct, frozen=True):
    """Write one step of a deletion, or a stop of them, in its turn with the other changes."""

    change: Deletion | PutRetentionStop
    is_urgent: bool = False
    """Whether more becomes old than is deleted: it takes half of the time while other changes wait."""


class Deleted(Struct, frozen=True):
    """The outcome of a Delete."""

    change: Deletion | PutRetentionStop
    outcome: Outcome
    swept: Swept | None
    """The report of a step, None when it is not written."""
    seconds: float
    """How long the commit took, 0 when there was none."""


class BatchCommitted(Struct, frozen=True):
    """The commit under way has ended."""

    result: BatchResult


class RulesChanged(Struct, frozen=True):
    """Admit calls under these rules from now on."""

    rules: RuleSet


class Tick(Struct, frozen=True):
    """Time passes: retry a store that failed, read sources that changed, delete old data, report sizes."""
