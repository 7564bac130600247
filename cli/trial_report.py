"""The output of `trackd rules try`, line by line."""

import difflib
import json
from collections.abc import Iterator
from typing import Any

from trackd.core.calls import Rejected
from trackd.core.event_report import EventReport
from trackd.telemetry.plain_text import plain_json


def rejection_lines(rejected: Rejected) -> Iterator[str]:
    if rejected.too_much is not None:
        limit = "it takes more work than limits.max_call_work allows"
        yield f"The call is refused with 413, and nothing of it is stored: {limit}, at {rejected.too_much}."
        return
    if rejected.too_long_ids is not None:
        yield f"The call is refused with 413, and nothing of it is stored: {rejected.too_long_ids}."
        return
    yield "The call is refused with 422, and nothing of it is stored:"
    for event in rejected.events:
        for fault in event.faults:
            yield f"  event {event.position + 1}: {fault}"


def event_lines(position: int, report: EventReport) -> Iterator[str]:
    """The outcome of one event, then its notes, faults, rules and segment changes. `position` counts from 1."""
    yield f"event {position}, {report.event.type}: {_outcome(report)}"
    for note in report.event.notes:
        yield f"  note      {note}"
    for fault in report.faults:
        yield f"  invalid   {fault}"
    if report.uncounted:
        yield f"  skipped   the counter of its type: {report.uncounted}"
    for run in report.runs:
        if run.unmet is not None:
            yield f"  not run   {run.rule}: {'the condition failed: ' if run.unmet.failed else ''}{run.unmet.why}"
            continue
        yield f"  ran       {run.rule}: {', '.join(run.changed) if run.changed else 'nothing changed'}"
        for skipped in run.skipped:
            yield f"  skipped   {run.rule}: {skipped}"
    for change in report.segment_changes:
        text = f"{change.segment} failed: {change.failed}" if change.failed else change.segment
        yield f"  {'segment' if change.failed else 'entered' if change.entered else 'left':<9} {text}"


def _outcome(report: EventReport) -> str:
    if report.duplicate:
        return report.duplicate.message(report.event.id)
    if report.dropped:
        return f"dropped, {report.dropped}"
    return "stored as invalid, not applied" if report.faults else "applied"


def difference_lines(before: Any, after: Any) -> Iterator[str]:
    """A unified diff of two profile documents."""
    old, new = (plain_json(json.dumps(doc, indent=2, ensure_ascii=False)).split("\n") for doc in (before, after))
    yield from difflib.unified_diff(old, new, "profile before", "profile after", lineterm="")
