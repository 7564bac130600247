"""Refused calls as refusals, which are kept for the person who asks why an event does not arrive.

Refusals with 503 are not among them: their clients send the same call again, and many come at once.
"""

import re
import time
import zlib
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import Struct
from starlette.exceptions import HTTPException

from trackd.core.addresses import network_of_text
from trackd.core.calls import Track
from trackd.core.refusal_queue import RefusalQueue
from trackd.core.refusals import Fault, Refusal, body_text, clean, clean_id, faults_json
from trackd.http.body import GZIP, GZIP_MAGIC
from trackd.http.clients import Client
from trackd.http.errors import HttpError
from trackd.http.log_notes import shown_id
from trackd.http.track.times import Clock
from trackd.telemetry.tally import Tally

SENT_AGAIN = HTTPStatus.SERVICE_UNAVAILABLE
SEARCHED_BYTES = 65_536  # of a body that is no JSON, for ids
FORM_FIELDS = b"payload=", b"data="
ID_IN_TEXT = re.compile(rb'"(source|session|profile)"\s*:\s*\{\s*"id"\s*:\s*(?:"((?:[^"\\]|\\.)*)"|(-?[0-9.]+))')


class _Reference(Struct):
    id: Any = None


class _Type(Struct):
    type: Any = None


class _Ids(Struct):
    source: _Reference | None = None
    session: _Reference | None = None
    profile: _Reference | None = None


class _IdsAndTypes(_Ids):
    events: list[_Type] = []


DECODERS = (msgspec.json.Decoder(_IdsAndTypes), msgspec.json.Decoder(_Ids))


class Identified(Struct, frozen=True):
    """What is known of a refused call."""

    source_id: str | None = None
    session_id: str | None = None
    profile_id: str | None = None
    event_type: str | None = None
    """The type of its events, if all have the same."""


class RefusedCalls:
    """Adds the refused calls of `/track` to a queue."""

    def __init__(
        self,
        queue: RefusalQueue,
        tally: Tally,
        now: Callable[[], str] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._tally = tally
        self._now = now or Clock().now
        self._monotonic = monotonic

    def add(self, error: Exception, client: Client) -> None:
        """Add a call that was answered with this error."""
        body, call = (error.body, error.call) if isinstance(error, HttpError) else (None, None)
        status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
        if status == SENT_AGAIN:
            return
        reason = _reason(error, status)
        if not self._queue.takes(reason, self._monotonic()):
            return
        text = _unpacked(body) if body else b""
        known = _of_call(call) if call is not None else identify(text)
        source_id = known.source_id or (error.source if isinstance(error, HttpError) else None)
        values = self._queue.bodies and source_id not in self._tally.consent_sources
        self._queue.add(
            Refusal(
                time=call.received if call is not None else self._now(),
                status=int(status),
                reason=reason,
                source_id=self._shown(source_id),
                network=network_of_text(client.ip),
                event_type=known.event_type,
                profile_id=known.profile_id,
                session_id=known.session_id,
                faults=faults_json(_faults(error, reason, with_values=values)),
                body=_shown(text, body) if values and body else None,
            )
        )

    def _shown(self, source_id: str | None) -> str | None:
        """The id of a source that does not exist may be another thing."""
        return source_id if source_id is None or self._tally.existing(source_id) else shown_id(source_id)


def identify(body: bytes) -> Identified:
    """The ids in a body that may be cut off, or may be no JSON."""
    for decoder in DECODERS:
        try:
            found = decoder.decode(body)
        except (ValueError, RecursionError):
            continue
        events = found.events if isinstance(found, _IdsAndTypes) else []
        types = {event.type for event in events if isinstance(event.type, str)}
        return Identified(
            _id(found.source), _id(found.session), _id(found.profile), clean(types.pop()) if len(types) == 1 else None
        )
    by_name: dict[bytes, str | None] = {}
    for name, text, number in ID_IN_TEXT.findall(body[:SEARCHED_BYTES]):
        by_name.setdefault(name, clean_id((text or number).decode(errors="replace")))
    return Identified(by_name.get(b"source"), by_name.get(b"session"), by_name.get(b"profile"))


def _id(reference: _Reference | None) -> str | None:
    return None if reference is None else clean_id(reference.id)


def _of_call(call: Track) -> Identified:
    types = {event.type for event in call.events}
    event_type = clean(types.pop()) if len(types) == 1 else None
    return Identified(call.source_id, call.session_id, call.profile_id, event_type)


def _reason(error: Exception, status: int) -> str:
    kind = error.kind if isinstance(error, HttpError) else HTTPStatus(status).phrase
    return "fault" if not isinstance(error, HTTPException) else kind.lower().replace(" ", "_")


def _faults(error: Exception, reason: str, *, with_values: bool) -> Iterable[Fault]:
    """As the answer has them; without values of the client: as the log has them."""
    if not isinstance(error, HTTPException):
        return
    if isinstance(error, HttpError) and not with_values and error.note is not None:
        yield Fault((), error.note, reason)
    elif isinstance(error.detail, list):
        for fault in error.detail:
            yield Fault(fault["loc"], fault["msg"], fault["type"])
    else:
        yield Fault((), str(error.detail), reason)


def _unpacked(body: bytes) -> bytes:
    """The beginning of a body that is compressed or a form; another body as it is."""
    if body.startswith(FORM_FIELDS):
        return unquote_to_bytes(body[:SEARCHED_BYTES].replace(b"+", b" "))
    if not body.startswith(GZIP_MAGIC):
        return body
    try:
        return zlib.decompressobj(GZIP).decompress(body, SEARCHED_BYTES)
    except zlib.error:
        return b""


def _shown(text: bytes, body: bytes) -> str:
    return body_text(text) if text else f"{len(body):,} bytes, gzip"
