"""From a payload to the call that the actors take."""

import uuid
from typing import Any

from trackd.actors.messages import Track, TrackedEvent
from trackd.actors.system import new_id
from trackd.http.errors import invalid
from trackd.http.options import EventOptions, event_options, wants_profile
from trackd.http.payload import TrackerPayload, fault_at
from trackd.http.times import event_time
from trackd.storage.encoding import json_text

# The namespace of the ids that are derived from an Idempotency-Key; never change it.
NAMESPACE = uuid.UUID("8f0c3a52-6f0e-5d5b-9d5e-1d1f6f7a2c11")


def decode(
    payload: TrackerPayload,
    *,
    number: int,
    received: str,
    idempotency_key: str | None = None,
    origin: str | None = None,
    ip: str | None = None,
    user_agent: str | None = None,
) -> Track:
    """`received` is a timestamp. Raises HttpError for a number that JSON cannot say, such as 1e999."""
    texts = _Texts()
    texts.of(payload.context, "context")
    texts.of(payload.properties, "properties")
    defaults = event_options(payload.options, EventOptions())
    options = [event_options(event.options, defaults) for event in payload.events]
    events = tuple(
        _event(payload, position, options[position], received, idempotency_key, texts)
        for position in range(len(options))
    )
    if texts.faults:
        raise invalid(texts.faults)
    return Track(
        number=number,
        source_id=payload.source.id,
        session_id=payload.session.id,
        received=received,
        profile_id=payload.profile.id if payload.profile else None,
        events=events,
        context=payload.context,
        properties=payload.properties,
        origin=origin,
        ip=ip,
        user_agent=user_agent,
        save_session=any(option.save_session for option in options) if options else defaults.save_session,
        wants_profile=wants_profile(payload.options, [event.options for event in payload.events]),
        debug=defaults.debugger or any(option.debugger for option in options),
        log=defaults.logs,
    )


def _event(
    payload: TrackerPayload,
    position: int,
    options: EventOptions,
    received: str,
    idempotency_key: str | None,
    texts: "_Texts",
) -> TrackedEvent:
    event = payload.events[position]
    own_id = event.id
    if own_id is None and idempotency_key is not None:
        own_id = _derived_id(payload, idempotency_key, position)
    created, note = event_time(event.time, event.metadata)
    return TrackedEvent(
        id=own_id or new_id(),
        own_id=own_id is not None,
        type=event.type,
        created=created or received,
        properties=event.properties,
        context=event.context,
        properties_json=texts.of(event.properties, "events", position, "properties"),
        context_json=texts.of(event.context, "events", position, "context"),
        config_json=texts.of(event.options, "events", position, "options"),
        store=options.save_event,
        debug=options.debugger,
        log=options.logs,
        notes=(note,) if note else (),
    )


def _derived_id(payload: TrackerPayload, idempotency_key: str, position: int) -> str:
    """The same for the same request: a key counts within its source and session."""
    name = json_text([payload.source.id, payload.session.id, idempotency_key, position])
    return str(uuid.uuid5(NAMESPACE, name))


class _Texts:
    """Encodes objects, and collects the faults of those that JSON cannot say."""

    def __init__(self) -> None:
        self.faults: list[dict[str, Any]] = []

    def of(self, value: dict[str, Any], *loc: str | int) -> str:
        if not value:
            return "{}"
        try:
            return json_text(value)
        except ValueError as error:
            self.faults.append(fault_at(loc, f"Invalid JSON: {error}", "json_invalid"))
            return "{}"
