"""Building the report of an answer from the reports of the events: logs, execution, segments. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from trackd.config.settings import Limits
from trackd.core.calls import EMPTY_REPORT, EventOutcome, LogEntry, Report, Track
from trackd.core.documents import Source
from trackd.core.processing import NO_CONSENT, EventReport
from trackd.core.rules.rule import SegmentChange

MAX_LOGS = 1_000
BOOKKEEPING = "stats.counters."
NOT_ADDED = "context and properties of this call were not added to the session"


def build_report(reports: list[EventReport]) -> Report:
    """The report of a call. Events without `debug` are left out of it, events without `log` out of its logs."""
    if not reports:
        return EMPTY_REPORT
    execution: dict[str, dict[str, tuple[str, ...]]] = {}
    changes: list[SegmentChange] = []
    entries: list[LogEntry] = []
    dropped: list[str] = []
    for report in reports:
        if report.dropped is not None:
            dropped.append(report.dropped)
        if report.event.debug:
            if report.runs:
                _add_runs(execution, report)
            changes += report.segment_changes
            if report.event.log and _is_notable(report):
                entries += _event_log_entries(report)
    segments, segment_errors = _segments(changes) if changes else ((), ())
    return Report(
        execution=execution,
        segments=segments,
        segment_errors=segment_errors,
        logs=_bounded(entries) if entries else (),
        dropped=tuple(dropped),
    )


def _segments(changes: list[SegmentChange]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The segments that were entered or left, and a sentence for each that failed."""
    segments = _distinct([change.segment for change in changes if change.failed is None])
    return segments, _distinct([f"{change.segment}: {change.failed}" for change in changes if change.failed])


def outcomes(events: int, stored: int, reports: list[EventReport]) -> Mapping[EventOutcome, int] | None:
    """How many events had each outcome; None when all are stored and valid.

    `events`: the number of events of the call. `stored`: those that were stored, valid or not.
    """
    numbers: dict[EventOutcome, int] = {}  # faster than a Counter
    for report in reports:
        if outcome := _outcome_without_effect(report):
            numbers[outcome] = numbers.get(outcome, 0) + 1
            if outcome == "invalid":
                stored -= report.event.store
    if stored == events:
        return None
    if stored:
        numbers["stored"] = stored
    if not_kept := events - sum(numbers.values()):
        numbers["not_kept"] = not_kept
    return numbers


def _outcome_without_effect(report: EventReport) -> EventOutcome | None:
    """None for an event that was applied."""
    if report.duplicate:
        return "duplicate"
    if report.dropped is not None:
        return "without_consent" if report.dropped == NO_CONSENT else "unwanted"
    return "invalid" if report.faults else None


def _is_notable(report: EventReport) -> bool:
    """Whether the event has log entries. Most have none, and this is cheaper than building them."""
    if report.duplicate or report.dropped or report.faults or report.uncounted or report.event.notes:
        return True
    for run in report.runs:  # noqa: SIM110  any() takes twice as long
        if run.skipped or run.unmet:
            return True
    return False


def is_visible_change(report: EventReport) -> bool:
    """Whether the event changed the profile's content; counters alone are bookkeeping."""
    for run in report.runs:
        for path in run.changed:
            if not path.startswith(BOOKKEEPING):
                return True
    for change in report.segment_changes:  # noqa: SIM110  any() takes twice as long
        if change.failed is None:
            return True
    return False


def _add_runs(execution: dict[str, dict[str, tuple[str, ...]]], report: EventReport) -> None:
    """Add the paths that each rule changed, each once, under the event's type."""
    for run in report.runs:
        if run.unmet is None:
            rules = execution.setdefault(report.event.type, {})
            before = rules.get(run.rule)
            if before is None:
                rules[run.rule] = run.changed
            elif run.changed:
                rules[run.rule] = tuple(dict.fromkeys((*before, *run.changed)))


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _bounded(entries: list[LogEntry]) -> tuple[LogEntry, ...]:
    if len(entries) > MAX_LOGS:
        left_out = LogEntry("info", f"{len(entries) - MAX_LOGS} more entries are left out.")
        return (*entries[:MAX_LOGS], left_out)
    return tuple(entries)


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


def call_log_entries(
    call: Track, source: Source, limits: Limits, *, session_fits: bool, withheld: bool
) -> tuple[LogEntry, ...]:
    """The log entries of the call itself.

    `session_fits`: the session could take the call's context and properties. `withheld`: it did not, without consent.
    """
    entries = [LogEntry("warning", note) for note in call.notes]
    if call.profile_requested and not source.returns_profile:
        why = f"source `{source.id}` does not have returns_profile"
        entries.append(LogEntry("warning", f"The profile is left out: {why}."))
    if call.save_session and not session_fits:
        why = f"it would be larger than {limits.max_session_bytes} bytes (limits.max_session_bytes)"
        entries.append(LogEntry("warning", f"{NOT_ADDED}: {why}."))
    if call.save_session and withheld:
        entries.append(LogEntry("info", f"{NOT_ADDED}: the profile has granted no consent."))
    return tuple(entries)
