"""Duplicates of events: a comparison with the first copy, as far as the stored event shows it. Pure."""

from msgspec import Struct

from trackd.core.calls import TrackedEvent
from trackd.core.documents import Event, FirstCopy


class Duplicate(Struct, frozen=True):
    """The event that a profile already had under the id of another one."""

    seq: int | None
    """None if it was processed, but not stored."""
    type: str | None = None
    """None if it is not stored, or not found."""
    differs: bool = False
    """Whether it was invalid, or has another type or source: the two may not be copies of one event."""

    def message(self, event_id: str) -> str:
        """The sentence for the log of the answer."""
        number = "not stored" if self.seq is None else f"seq {self.seq}"
        return f"duplicate of event {event_id}: {number}" + (f", type {self.type}" if self.type else "")


def duplicate(event: TrackedEvent, source_id: str, seq: int | None, first: FirstCopy | Event | None) -> Duplicate:
    """`seq` and `first`: the number and the stored form of the first copy, None if it is not stored."""
    if first is None:
        return Duplicate(seq)
    differs = (first.type, first.source_id) != (event.type, source_id) or first.status == "invalid"
    return Duplicate(seq, first.type, differs)
