"""Calls and events that were not stored, as rows of a list."""

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from trackd.core.document_shapes import DocumentReference
from trackd.core.refusal_document import RefusedEvent
from trackd.core.short_texts import MAX_TEXT, shortened

ACCEPTED = 200
INVALID = "invalid"


class _Refusal(Struct):
    """A refusal as far as the page shows it."""

    number: int
    time: str
    status: int
    reason: str
    source: DocumentReference | None
    profile: DocumentReference | None
    event: RefusedEvent
    faults: list[Any]
    body: str | None
    left_out: int


class RefusalRow(Struct, frozen=True):
    """A refused call, or a dropped event of an accepted one. `source` is a name, or the id that the call named."""

    kind: ClassVar[str] = "refusal"

    number: int
    time: str
    status: int
    reason: str
    source: str
    profile: str
    type: str
    faults: str
    body: str
    left_out: int

    @property
    def is_refused(self) -> bool:
        return self.status != ACCEPTED


_refusals = msgspec.json.Decoder(list[_Refusal]).decode
REFUSAL_PATTERN = RefusalRow(0, "", ACCEPTED, "", "", "-", "", "", "-", 1)
"""The row that the module of the page fills copies of."""


def refusal_rows(documents: bytes, names: Mapping[str, str]) -> list[RefusalRow]:
    """`documents` is a JSON list, `names` the names of the sources by their ids.

    Events that were stored as invalid are left out: they have rows of their own.
    """
    found = _refusals(documents)
    return [_row(each, names) for each in found if (each.status, each.reason) != (ACCEPTED, INVALID)]


def _row(refusal: _Refusal, names: Mapping[str, str]) -> RefusalRow:
    source = "" if refusal.source is None else refusal.source.id
    faults = (_text(fault) for fault in refusal.faults if isinstance(fault, dict))
    return RefusalRow(
        refusal.number,
        refusal.time,
        refusal.status,
        refusal.reason.replace("_", " "),
        names.get(source, source),
        "" if refusal.profile is None else refusal.profile.id,
        refusal.event.type or "",
        shortened("; ".join(faults), MAX_TEXT),
        refusal.body or "",
        refusal.left_out,
    )


def _text(fault: dict[str, Any]) -> str:
    """A fault, such as `body.events.0.type: Field required`."""
    place, message = fault.get("loc"), str(fault.get("msg", ""))
    return ".".join(map(str, place)) + f": {message}" if isinstance(place, list) and place else message
