"""What there is to tell of the events of a call: in the answer, and in the metrics."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct


class LogEntry(Struct, frozen=True):
    """One entry of `debugging.logs`. `type` is "error", "warning" or "info"."""

    type: str
    message: str
    event_id: str | None = None
    rule: str | None = None


class Told(Struct, frozen=True):
    """What the events of a call have to tell.

    `execution`: event type to the rules that ran, each with the paths of the profile that it changed. `segments`:
    those that were entered or left. `dropped`: the reason for each event that was neither stored nor applied.
    """

    execution: Mapping[str, Mapping[str, tuple[str, ...]]] = {}
    segments: tuple[str, ...] = ()
    segment_errors: tuple[str, ...] = ()
    logs: tuple[LogEntry, ...] = ()
    dropped: tuple[str, ...] = ()


NOTHING_TOLD = Told()

# What became of an event: each ends in one of them. `not_kept`: it was applied, and by its option not stored.
EventOutcome = Literal["stored", "invalid", "not_kept", "duplicate", "unwanted", "without_consent", "rejected"]
