"""Calls and events that were not stored, as rows of a list."""

from typing import ClassVar

from msgspec import Raw, Struct

from trackd.core.short_texts import MAX_TEXT, shortened
from trackd.http.ui.values import as_text, items_of, value_at, values

ACCEPTED = "200"
INVALID = "invalid"
MAX_BODY = 4_096  # characters: more than are kept


class RefusalRow(Struct, frozen=True):
    """A refused call, or a dropped event of an accepted one. `source` is the id that the call named."""

    kind: ClassVar[str] = "refusal"

    number: str
    time: str
    status: str
    reason: str
    source: str
    profile: str
    type: str
    faults: str
    body: str
    left_out: str

    @property
    def is_refused(self) -> bool:
        return self.status != ACCEPTED


REFUSAL_PATTERN = RefusalRow("-", "", ACCEPTED, "", "", "-", "", "", "-", "1")
"""The row that the module of the page fills copies of."""


def refusal_rows(documents: bytes) -> list[RefusalRow]:
    """`documents` is a JSON list. Events that were stored as invalid are left out: they have rows of their own."""
    found = [_row(refusal) for refusal in values(documents)]
    return [row for row in found if row.is_refused or row.reason != INVALID]


def _row(refusal: Raw) -> RefusalRow:
    return RefusalRow(
        number=as_text(value_at(refusal, "number")),
        time=as_text(value_at(refusal, "time")),
        status=as_text(value_at(refusal, "status")),
        reason=as_text(value_at(refusal, "reason")).replace("_", " "),
        source=as_text(value_at(refusal, "source", "id")),
        profile=as_text(value_at(refusal, "profile", "id"), None),
        type=as_text(value_at(refusal, "event", "type")),
        faults=shortened("; ".join(map(_fault, items_of(value_at(refusal, "faults")))), MAX_TEXT),
        body=as_text(value_at(refusal, "body"), MAX_BODY),
        left_out=as_text(value_at(refusal, "left_out")),
    )


def _fault(fault: Raw) -> str:
    """A fault, such as `body.events.0.type: Field required`."""
    place, message = items_of(value_at(fault, "loc")), as_text(value_at(fault, "msg"))
    return f"{'.'.join(map(as_text, place))}: {message}" if place else message
