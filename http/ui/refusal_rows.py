"""Calls and events that were not stored, as rows of a table."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from trackd.core.document_shapes import Owner
from trackd.core.refusal_document import RefusedEvent
from trackd.core.short_texts import MAX_TEXT, shortened

EFFECTS = {"invalid": "stored as invalid", "duplicate": "left out", "unwanted": "dropped", "without_consent": "dropped"}
"""By the reason, what happened to an event of a call that was accepted."""
ACCEPTED = 200


class _Refusal(Struct):
    """A refusal as far as the page shows it."""

    number: int
    time: str
    status: int
    reason: str
    source: Owner | None
    event: RefusedEvent
    faults: list[Any]
    body: str | None
    left_out: int


class RefusalRow(Struct, frozen=True):
    """`effect` is what happened instead, `source` a name, or the id that the call named."""

    number: int
    time: str
    status: int
    effect: str
    reason: str
    source: str
    type: str
    faults: list[str]
    body: str
    left_out: int


_refusals = msgspec.json.Decoder(list[_Refusal]).decode


def refusal_rows(documents: bytes, names: Mapping[str, str]) -> list[RefusalRow]:
    """`documents` is a JSON list, `names` the names of the sources by their ids."""
    return [_row(refusal, names) for refusal in _refusals(documents)]


def _row(refusal: _Refusal, names: Mapping[str, str]) -> RefusalRow:
    source = "" if refusal.source is None else refusal.source.id
    return RefusalRow(
        refusal.number,
        refusal.time,
        refusal.status,
        EFFECTS.get(refusal.reason, "left out") if refusal.status == ACCEPTED else "refused",
        refusal.reason.replace("_", " "),
        names.get(source, source),
        refusal.event.type or "",
        [shortened(_text(fault), MAX_TEXT) for fault in refusal.faults if isinstance(fault, dict)],
        refusal.body or "",
        refusal.left_out,
    )


def _text(fault: dict[str, Any]) -> str:
    """A fault, such as `body.events.0.type: Field required`."""
    place, message = fault.get("loc"), str(fault.get("msg", ""))
    return ".".join(map(str, place)) + f": {message}" if isinstance(place, list) and place else message
