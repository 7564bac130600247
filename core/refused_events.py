"""The refusals of the events of an answered call: those that were dropped, invalid, or duplicates. Pure."""

from collections.abc import Iterable

from trackd.core.addresses import network_of_text
from trackd.core.calls import EventOutcome, Track, Tracked, UnappliedEvent
from trackd.core.encoding import reencode
from trackd.core.refusal_queue import RefusalQueue
from trackd.core.refusals import BODY_BYTES, Fault, Refusal, body_text, clean, faults_json

OK = 200
UNAPPLIED: tuple[EventOutcome, ...] = ("duplicate", "unwanted", "without_consent", "invalid")


def add_events(queue: RefusalQueue, call: Track, answer: Tracked, now: float) -> None:
    """Add the events of a call that were not applied to the queue; `now` is a monotonic time."""
    numbers = dict(answer.outcomes or {})
    for unapplied in answer.unapplied:
        numbers[unapplied.outcome] -= 1
        if queue.takes(unapplied.outcome, now):
            queue.add(_refusal(call, answer, unapplied, bodies=queue.bodies and not answer.consent), answer.profile_id)
    for outcome in UNAPPLIED:
        if numbers.get(outcome, 0) > 0:
            queue.leave_out(outcome, numbers[outcome])


def _refusal(call: Track, answer: Tracked, unapplied: UnappliedEvent, *, bodies: bool) -> Refusal:
    """`bodies`: with the event, and with messages that may quote it. A source that requires consent has neither."""
    event = unapplied.event
    return Refusal(
        time=call.received,
        status=OK,
        reason=unapplied.outcome,
        source_id=call.source_id,
        network=network_of_text(call.ip),
        event_type=clean(event.type),
        event_id=clean(event.id),
        profile_id=answer.profile_id,
        session_id=call.session_id,
        faults=faults_json(_faults(unapplied, with_values=bodies)),
        body=body_text(_beginning(unapplied)) if bodies else None,
    )


def _faults(unapplied: UnappliedEvent, *, with_values: bool) -> Iterable[Fault]:
    if unapplied.why:
        yield Fault((), unapplied.why, unapplied.outcome)
    for fault in unapplied.faults:
        path = fault.path if with_values else fault.known_path or fault.path
        yield Fault(("properties", *path), fault.message if with_values else "", "json_schema")


def _beginning(unapplied: UnappliedEvent) -> bytes:
    """The beginning of the event as JSON."""
    event = unapplied.event
    head = (
        f'{{"id":{reencode(event.id)},"type":{reencode(event.type)},"properties":{event.properties_json[:BODY_BYTES]}'
    )
    return f'{head},"context":{event.context_json[:BODY_BYTES]}}}'.encode()
