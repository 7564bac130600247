"""What processing found out about one event. Pure."""

from msgspec import Struct

from trackd.core.calls import TrackedEvent
from trackd.core.duplicate import Duplicate
from trackd.core.rules.faults import Fault
from trackd.core.rules.rule import RuleRun, SegmentChange

NO_CONSENT = "no consent"


class EventReport(Struct, frozen=True, gc=False):
    """The result of one event. An event without one was stored and had no other effect than its counter."""

    event: TrackedEvent
    duplicate: Duplicate | None = None
    """Given if the profile already had the event."""
    dropped: str | None = None
    """Why the event was neither stored nor applied."""
    faults: tuple[Fault, ...] = ()
    """Why the event is invalid."""
    uncounted: str | None = None
    """Why the event's type has no counter."""
    runs: tuple[RuleRun, ...] = ()
    """One for each rule of the event's type."""
    segment_changes: tuple[SegmentChange, ...] = ()
