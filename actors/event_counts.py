"""The events of answered calls, counted by source and outcome."""

import time

from trackd.core.calls import Rejected, Track, Tracked
from trackd.core.refusal_queue import RefusalQueue
from trackd.core.refused_events import add_events
from trackd.telemetry.dropped_events import DroppedEvents
from trackd.telemetry.tally import Tally


def count_events(
    tally: Tally, dropped: DroppedEvents, refusals: RefusalQueue, call: Track, answer: Tracked | Rejected
) -> None:
    """Count the events of a call, and note those that were refused. Its source exists: calls of others are refused."""
    if isinstance(answer, Rejected):
        if not answer.is_postponed:
            tally.events[call.source_id, "rejected"] += len(call.events)
            tally.calls_with_too_much_work += answer.too_much is not None
        return
    for outcome, number in (answer.outcomes or {}).items():
        tally.events[call.source_id, outcome] += number
    if answer.report.dropped:
        dropped.add(answer.report.dropped)
    add_events(refusals, call, answer, time.monotonic())
