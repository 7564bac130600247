"""Turns a payload into a `Track`, the message that the actors handle."""

import uuid
from collections.abc import Sequence

from trackd.actors.wiring import new_id
from trackd.core.calls import Track, TrackedEvent
from trackd.core.encoding import json_text, reencode
from trackd.http.track.fast_payload import FastEvent
from trackd.http.track.options import EventOptions, event_options, requests_profile
from trackd.http.track.payload import EventPayload, Payload
from trackd.http.track.times import EventTimes

# The namespace of ids derived from a call. It must never change: retries would be stored twice.
NAMESPACE = uuid.UUID("8f0c3a52-6f0e-5d5b-9d5e-1d1f6f7a2c11")
PLAIN = EventOptions()
MAX_USER_AGENT = 1_024  # characters; rules read fewer


def decode(
    payload: Payload,
    *,
    number: int,
    received: str,
    idempotency_key: str | None = None,
    origin: str | None = None,
    ip: str | None = None,
    client: str | None = None,
    user_agent: str | None = None,
    sent: str | None = None,
    notes: tuple[str, ...] = (),
) -> Track:
    """The call of a payload. `received`: when it arrived; `ip`, `client`: see `Track`; `sent`: its x-timestamp."""
    event_payloads: Sequence[EventPayload | FastEvent] = payload.events
    session_id = payload.session.id or _session_id(payload, idempotency_key)
    defaults = event_options(payload.options, PLAIN)
    save_session = not event_payloads and defaults.save_session
    debug, profile_requested = defaults.debugger, requests_profile(payload.options)
    events, payload_notes, times = [], payload.notes, EventTimes(received, payload.sent_at, sent)
    for position, event in enumerate(event_payloads):
        options = defaults
        if event.options:
            options = event_options(event.options, defaults)
            profile_requested = profile_requested or requests_profile(event.options)
        save_session, debug = save_session or options.save_session, debug or options.debugger
        own_id = event.id
        if own_id is None and idempotency_key is not None:
            own_id = _derived_id(payload.source.id, session_id, idempotency_key, position)
        events.append(_event(event, own_id, options, times, payload_notes.get(position, ())))
    return Track(
        number=number,
        source_id=payload.source.id,
        session_id=session_id,
        received=received,
        profile_id=payload.profile.id if payload.profile else None,
        derived_profile_id=None if save_session else _profile_id(payload, session_id, idempotency_key),
        events=tuple(events),
        context=payload.context,
        properties=payload.properties,
        origin=origin,
        ip=ip,
        client=client,
        user_agent=user_agent and user_agent[:MAX_USER_AGENT],
        save_session=save_session,
        profile_requested=profile_requested,
        debug=debug,
        log=defaults.logs,
        notes=payload_notes.get(None, ()) + notes + times.notes,
    )


def _event(
    event: EventPayload | FastEvent,
    own_id: str | None,
    options: EventOptions,
    times: EventTimes,
    notes: tuple[str, ...],
) -> TrackedEvent:
    created = times.received
    if event.time is not None or event.metadata is not None:
        created, time_notes = times.read(event.time, event.metadata)
        notes += time_notes
    return TrackedEvent(  # without the names of its fields it takes half as long
        own_id or new_id(),
        own_id is not None,
        event.type,
        created,
        event.properties,
        event.context,
        reencode(event.properties) if event.properties else "{}",
        reencode(event.context) if event.context else "{}",
        reencode(event.options) if event.options else "{}",
        options.save_event,
        options.debugger,
        options.logs,
        notes,
    )


def _session_id(payload: Payload, idempotency_key: str | None) -> str:
    """The id of the session of a client that has none; a random one if nothing shows that a retry is one."""
    identity = _identity(payload, idempotency_key)
    return _derived_id("session", payload.source.id, *identity) if identity else new_id()


def _profile_id(payload: Payload, session_id: str, idempotency_key: str | None) -> str | None:
    """The id of the profile that the call makes, None if nothing shows that a retry of the call is one."""
    identity = _identity(payload, idempotency_key)
    return _derived_id("profile", payload.source.id, session_id, *identity) if identity else None


def _identity(payload: Payload, idempotency_key: str | None) -> tuple[str, str] | None:
    """The part of a call that its retries share: the key, or else the first own event id. None without both."""
    if idempotency_key is not None:
        return "key", idempotency_key
    own_id = next((event.id for event in payload.events if event.id is not None), None)
    return None if own_id is None else ("event", own_id)


def _derived_id(*parts: str | int) -> str:
    """An id that is the same for a retry, and another one for other parts. A key is valid within source and session."""
    return str(uuid.uuid5(NAMESPACE, json_text(parts)))
