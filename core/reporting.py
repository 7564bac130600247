"""Building the report of an answer from the reports of the events: execution, segments, outcomes. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from trackd.core.calls import EMPTY_REPORT, EventOutcome, Report, UnappliedEvent
from trackd.core.event_report import NO_CONSENT, EventReport
from trackd.core.log_entries import EventLog, is_notable
from trackd.core.rules.rule import SegmentChange

BOOKKEEPING = "stats.counters."
MAX_UNAPPLIED = 20  # of each outcome that an answer carries: so many refusals are kept in a second


def build_report(reports: list[EventReport]) -> Report:
    """The report of a call. Events without `debug` are left out of it, events without `log` out of its logs."""
    if not reports:
        return EMPTY_REPORT
    execution: dict[str, dict[str, Any]] = {}
    united: list[tuple[dict[str, Any], str]] = []
    changes: list[SegmentChange] = []
    log: EventLog | None = None
    dropped: list[str] = []
    for report in reports:
        if report.dropped is not None:
            dropped.append(report.dropped)
        if report.event.debug:
            if report.runs:
                _add_runs(execution, united, report)
            if report.segment_changes:
                changes += report.segment_changes
            if report.event.log and is_notable(report):
                log = log or EventLog()
                log.add(report)
    for of_type, rule in united:
        of_type[rule] = tuple(of_type[rule])
    segments, segment_errors = _segments(changes) if changes else ((), ())
    return Report(execution, segments, segment_errors, log.bounded() if log else (), tuple(dropped))


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


def unapplied(reports: list[EventReport]) -> tuple[UnappliedEvent, ...]:
    """The events that were not applied: the first ones with each outcome."""
    found: list[UnappliedEvent] = []
    numbers: dict[EventOutcome, int] = {}
    for report in reports:
        if outcome := _outcome_without_effect(report):
            numbers[outcome] = numbers.get(outcome, 0) + 1
            if numbers[outcome] <= MAX_UNAPPLIED:
                found.append(UnappliedEvent(report.event, outcome, _why(report), report.faults))
    return tuple(found)


def _why(report: EventReport) -> str:
    if report.duplicate:
        return report.duplicate.message(report.event.id)
    return "the profile has granted no consent" if report.dropped == NO_CONSENT else report.dropped or ""


def _outcome_without_effect(report: EventReport) -> EventOutcome | None:
    """None for an event that was applied."""
    if report.duplicate:
        return "duplicate"
    if report.dropped is not None:
        return "without_consent" if report.dropped == NO_CONSENT else "unwanted"
    return "invalid" if report.faults else None


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


def _add_runs(
    execution: dict[str, dict[str, Any]], united: list[tuple[dict[str, Any], str]], report: EventReport
) -> None:
    """Add the paths that each rule changed under the event's type, each once.

    Those of several runs are the keys of a dict, which is noted in `united`.
    """
    for run in report.runs:
        if run.unmet is None:
            of_type = execution.setdefault(report.event.type, {})
            known = of_type.get(run.rule)
            if not known:
                of_type[run.rule] = run.changed
            elif run.changed:
                if type(known) is tuple:
                    of_type[run.rule] = known = dict.fromkeys(known)
                    united.append((of_type, run.rule))
                known.update(dict.fromkeys(run.changed))


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
