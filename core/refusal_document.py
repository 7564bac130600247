"""The document of a refusal, as the API has it."""

from collections.abc import Sequence
from typing import Annotated, Any, Self

from msgspec import Meta, Raw, Struct

from trackd.core.document_shapes import Count, DocumentReference, Time, ToRaw

RawFaults = Annotated[
    Raw,
    Meta(
        description="What was wrong, each with its place if it has one.",
        extra_json_schema={
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
                    "msg": {"type": "string"},
                    "type": {"type": "string"},
                },
                "required": ["loc", "msg", "type"],
            },
        },
    ),
]


class RefusedEvent(Struct, frozen=True):
    """The event of a refusal, or the only type of the events of a refused call; null for what is unknown."""

    id: str | None
    type: str | None


class RefusalDocument(Struct, frozen=True):
    """A call that was refused, or an event that was dropped, invalid, or a duplicate.

    What is unknown is null; after an erasure, everything is that could lead to the person.
    """

    number: Annotated[Count, Meta(description="It grows, and is never used again.")]
    time: Annotated[Time, Meta(description="When the call arrived.")]
    status: Annotated[int, Meta(description="That of the answer; 200 for an event of a call that was accepted.")]
    reason: Annotated[str, Meta(description="A word of a few, such as `invalid`.")]
    source: DocumentReference | None
    profile: DocumentReference | None
    session: DocumentReference | None
    event: RefusedEvent
    network: Annotated[str | None, Meta(description="The network of the client's address.")]
    faults: RawFaults
    body: Annotated[str | None, Meta(description="The beginning of the body of the call, or the event as JSON.")]
    left_out: Annotated[
        Count, Meta(description="How many for the same reason came before it and are left out: too many at once.")
    ]

    @classmethod
    def of_row(cls, row: Sequence[Any], raw: ToRaw) -> Self:
        """`row` has the fields of `Refusal`, and its number."""
        time, status, reason, source, network, event_type, event_id, profile, session, faults, body, left_out = row[:12]
        return cls(
            row[12],
            time,
            status,
            reason,
            _reference(source),
            _reference(profile),
            _reference(session),
            RefusedEvent(event_id, event_type),
            network,
            raw(faults, list),
            body,
            left_out,
        )


def _reference(document_id: str | None) -> DocumentReference | None:
    return None if document_id is None else DocumentReference(document_id)
