"""The log entries of an answer: those of its events, bounded, and those of the call itself. Pure."""

from collections.abc import Iterator

from trackd.config.settings import Limits
from trackd.core.calls import LogEntry, Track
from trackd.core.documents import Source
from trackd.core.event_report import NO_CONSENT, EventReport

MAX_LOGS = 1_000
MAX_LOG_CHARACTERS = 1_000_000  # in the messages of the entries together
NOT_ADDED = "context and properties of this call were not added to the session"


class EventLog:
    """The log entries of the events of a call. Those over the limits are only counted."""

    def __init__(self) -> None:
        self._entries: list[LogEntry] = []
        self._characters = 0
        self._left_out = 0

    def add(self, report: EventReport) -> None:
        """Add the entries of a report that `is_notable`."""
        if self._is_full():
            self._left_out += _number_of_entries(report)
            return
        for entry in _event_log_entries(report):
            if self._is_full():
                self._left_out += 1
            else:
                self._entries.append(entry)
                self._characters += len(entry.message)

    def bounded(self) -> tuple[LogEntry, ...]:
        if self._left_out:
            return (*self._entries, LogEntry("info", f"{self._left_out} more entries are left out."))
        return tuple(self._entries)

    def _is_full(self) -> bool:
        return len(self._entries) == MAX_LOGS or self._characters > MAX_LOG_CHARACTERS


def _number_of_entries(report: EventReport) -> int:
    """The number of entries that `_event_log_entries` makes."""
    reasons = (report.duplicate, report.dropped is not None, report.faults, report.uncounted)
    number = len(report.event.notes) + sum(map(bool, reasons))
    for run in report.runs:
        number += bool(run.unmet is not None and run.unmet.failed) + sum(skipped.notable for skipped in run.skipped)
    return number


def _event_log_entries(report: EventReport) -> Iterator[LogEntry]:
    event = report.event
    for note in event.notes:
        yield LogEntry("warning", note, event.id)
    if report.duplicate:
        yield LogEntry("warning" if report.duplicate.differs else "info", report.duplicate.message(event.id), event.id)
    if report.dropped == NO_CONSENT:
        yield LogEntry("info", "The event is dropped: the profile has granted no consent.", event.id)
    elif report.dropped is not None:
        yield LogEntry("info", f"The event is dropped: {report.dropped}.", event.id)
    if report.faults:
        reasons = "; ".join(map(str, report.faults))
        yield LogEntry("error", f"The event is invalid and changes nothing: {reasons}.", event.id)
    if report.uncounted:
        yield LogEntry("warning", f"The event is not counted by its type: {report.uncounted}.", event.id)
    for run in report.runs:
        if run.unmet is not None and run.unmet.failed:
            yield LogEntry("error", f"The condition failed: {run.unmet.why}.", event.id, run.rule)
        for skipped in run.skipped:
            if skipped.notable:
                yield LogEntry("warning", f"Skipped {skipped}.", event.id, run.rule)


def is_notable(report: EventReport) -> bool:
    """Whether the event has log entries. Most have none, and this is cheaper than building them."""
    if report.duplicate or report.dropped or report.faults or report.uncounted or report.event.notes:
        return True
    for run in report.runs:  # noqa: SIM110  any() takes twice as long
        if run.skipped or run.unmet:
            return True
    return False


def call_log_entries(
    call: Track, source: Source, limits: Limits, *, session_fits: bool, withheld: bool
) -> tuple[LogEntry, ...]:
    """The log entries of the call itself.

    `session_fits`: the session could take the call's context and properties. `withheld`: it did not, without consent.
    """
    entries = [LogEntry("warning", note) for note in call.notes] if call.notes else []
    if call.profile_requested and not source.returns_profile:
        why = f"source `{source.id}` does not have returns_profile"
        entries.append(LogEntry("warning", f"The profile is left out: {why}."))
    if call.save_session and not session_fits:
        why = f"it would be larger than {limits.max_session_bytes} bytes (limits.max_session_bytes)"
        entries.append(LogEntry("warning", f"{NOT_ADDED}: {why}."))
    if call.save_session and withheld:
        entries.append(LogEntry("info", f"{NOT_ADDED}: the profile has granted no consent."))
    return tuple(entries)
