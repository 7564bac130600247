"""The payload of /track as clients send it (contract 2.1). Unknown fields are ignored; an id may be a number."""

import contextlib
import math
from collections.abc import Iterator
from typing import Annotated, Any, NoReturn

from annotated_types import MaxLen
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    create_model,
)
from pydantic_core import PydanticCustomError

from trackd.core.documents import JsonObject
from trackd.core.encoding import json_text, refuse_constants
from trackd.http.errors import HttpError, invalid, too_large
from trackd.http.json_text import readable_json
from trackd.http.track.blocked_ids import NO_BLOCKED_IDS, BlockedIds, blocked_note
from trackd.http.track.fast_payload import FastPayload, fast_payload
from trackd.http.track.notes import NO_NOTES, Notes, replacement_notes, with_notes


def _empty_object(value: Any) -> Any:
    """PHP writes an empty object as `[]`."""
    return {} if value is None or value == [] else value


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number should be finite")
    return value


TEXT_ID = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"\S"}
EMPTY_LIST = {"type": "array", "maxItems": 0}
TEXT_OR_NUMBER = (
    StringConstraints(strip_whitespace=True, max_length=255),
    Field(coerce_numbers_to_str=True),
    BeforeValidator(_finite),
)

Id = Annotated[
    str,
    *TEXT_OR_NUMBER,
    StringConstraints(min_length=1),
    WithJsonSchema({"anyOf": [TEXT_ID, {"type": "number"}]}),
]
OptionalId = Annotated[
    Annotated[str, *TEXT_OR_NUMBER] | None,
    WithJsonSchema({"anyOf": [{"type": "string", "maxLength": 255}, {"type": "number"}, {"type": "null"}]}),
]
"""None or empty: the client has no id."""
Object = Annotated[
    dict[str, Any],
    BeforeValidator(_empty_object),
    WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "null"}, EMPTY_LIST]}),
]


def _or_empty_list(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [*schema["anyOf"], EMPTY_LIST]


class Reference(BaseModel):
    id: Id


def _not_blocked(session_id: str | None, info: ValidationInfo) -> str | None:
    if session_id and info.context is not None and session_id in info.context:
        raise PydanticCustomError(
            "blocked_id",
            "The session id is the placeholder {id} (limits.blocked_ids), which many visitors would share: "
            "send one for each session, or an empty one to get one from the server",
            {"id": repr(session_id)},
        )
    return session_id


class SessionReference(BaseModel):
    id: Annotated[OptionalId, AfterValidator(_not_blocked)] = Field(
        description="Made by the client. Empty or null: the server makes one, which the answer has. "
        "A placeholder such as `undefined` (`limits.blocked_ids`) is refused."
    )


class ProfileReference(BaseModel):
    id: OptionalId = None


class EventPayload(BaseModel):
    type: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    id: OptionalId = Field(None, description="The client's own id of the event: makes a retry harmless.")
    properties: Object = Field(default_factory=dict)
    context: Object = Field(default_factory=dict)
    options: Object = Field(default_factory=dict, description="Win over those of the payload.")
    time: Any = Field(
        None, description="`create` or `insert`: when it happened, in ISO 8601 or as epoch in (milli)seconds."
    )
    metadata: Any = Field(None, description="`time`: when it happened, for an event without `time`.")


class TrackerPayload(BaseModel):
    source: Reference
    session: SessionReference
    profile: Annotated[ProfileReference | None, BeforeValidator(_empty_object)] = Field(
        None,
        description="The profile, when the client has its id.",
        json_schema_extra=_or_empty_list,
    )
    events: list[EventPayload]
    context: Object = Field(default_factory=dict, description="Of the session.")
    properties: Object = Field(default_factory=dict, description="Of the session.")
    options: Object = Field(
        default_factory=dict, description="`saveEvent`, `saveSession`, `profile`, `debugger`, `logs`: true or false."
    )
    sent_at: Any = Field(
        None,
        alias="sentAt",
        description="When the client sent this, by its own clock, in the forms of `time`: if that clock is more than a "
        "minute wrong, the times of the events are corrected. Wins over the header `x-timestamp`.",
    )
    _notes: Notes = PrivateAttr(NO_NOTES)

    @property
    def notes(self) -> Notes:
        return self._notes


Payload = TrackerPayload | FastPayload


class PayloadParser:
    """Parses the body of a call, which may have at most `max_events` events. Ids that are blocked are none."""

    def __init__(self, max_events: int, blocked_ids: BlockedIds = NO_BLOCKED_IDS) -> None:
        self._max_events = max_events
        self._blocked_ids = blocked_ids
        limited = Annotated[list[EventPayload], MaxLen(max_events)]
        self._model = create_model("TrackerPayload", __base__=TrackerPayload, events=(limited, ...))

    def parse(self, body: bytes) -> Payload:
        """Raises HttpError with all faults at once. All values of the payload can be written as JSON again."""
        fast = fast_payload(body, self._blocked_ids)
        if fast is not None and len(fast.events) <= self._max_events:
            return fast
        return self.parse_general(body)

    def parse_general(self, body: bytes) -> TrackerPayload:
        """Parse any payload with pydantic. Raises HttpError as `parse` does."""
        text = readable_json(body)
        _refuse_constants(text)
        try:
            payload = self._model.model_validate_json(text, context=self._blocked_ids)
        except ValidationError as error:
            raise self._http_error(error) from None
        _refuse_large_numbers(payload)
        replaced = NO_NOTES if body.endswith(text) else replacement_notes(body)
        payload._notes = with_notes(replaced, self._drop_blocked_ids(payload))
        return payload

    def _drop_blocked_ids(self, payload: TrackerPayload) -> Iterator[tuple[int | None, str]]:
        """Make ids that are empty or blocked None; yields the notes on them."""
        payload.session.id = payload.session.id or None
        profile = payload.profile
        if profile is not None and profile.id is not None and (not profile.id or profile.id in self._blocked_ids):
            if profile.id:  # clients that have no profile yet send an empty one
                yield None, blocked_note("The profile id", profile.id)
            profile.id = None
        for position, event in enumerate(payload.events):
            if event.id is not None and (not event.id or event.id in self._blocked_ids):
                yield position, blocked_note("The event's own id", event.id)
                event.id = None

    def _http_error(self, error: ValidationError) -> HttpError:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        if any(fault["type"] == "too_long" and fault["loc"] == ("events",) for fault in faults):
            return too_large("number of events", f"{self._max_events} a call")
        return invalid([fault_at(fault["loc"], fault["msg"], fault["type"]) for fault in faults])


def fault_at(loc: tuple[str | int, ...], message: str, kind: str) -> dict[str, Any]:
    return {"loc": ["body", *loc], "msg": message, "type": kind}


def _refuse_constants(body: bytes) -> None:
    """Raises HttpError for NaN and Infinity: Python's parsers read them, but JSON has no such numbers."""

    def refuse(constant: str) -> NoReturn:
        raise invalid([fault_at((), f"Invalid JSON: {constant} is not a JSON value", "json_invalid")])

    with contextlib.suppress(ValueError, RecursionError):  # the model reports text that is not JSON
        refuse_constants(body, refuse)


def _refuse_large_numbers(payload: TrackerPayload) -> None:
    """Raises HttpError for numbers such as 1e999: Python's parsers read it as infinity, which JSON cannot hold."""
    objects: list[tuple[tuple[str | int, ...], JsonObject]] = [
        (("context",), payload.context),
        (("properties",), payload.properties),
    ]
    for position, event in enumerate(payload.events):
        objects += [
            (("events", position, "properties"), event.properties),
            (("events", position, "context"), event.context),
            (("events", position, "options"), event.options),
        ]
    faults = []
    for loc, value in objects:
        try:
            json_text(value)
        except ValueError as error:
            faults.append(fault_at(loc, f"Invalid JSON: {error}", "json_invalid"))
    if faults:
        raise invalid(faults)
