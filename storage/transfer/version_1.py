"""Lines of exports of version 1, read as lines of version 2 and later.

In version 1 an event had `reasons` beside its `metadata`, null when it was valid, and a session had no
`metadata.time.duration`.
"""

import msgspec
from msgspec import Raw, Struct

from trackd.core.document_shapes import EMPTY_LIST

VERSION = 1
NULL = Raw(b"null")
Parts = dict[str, Raw]


class Tagged(Struct, frozen=True):
    """The table of a line, empty when the line has none."""

    table: str = ""


class SessionMetadata(Struct, frozen=True):
    time: Parts


class SessionDocument(Struct, frozen=True):
    metadata: SessionMetadata


class SessionLine(Struct, frozen=True):
    """The fields of a session's line that the upgrade changes, for faults with their place in the line."""

    document: SessionDocument


class EventDocument(Struct, frozen=True):
    metadata: Parts
    reasons: Raw


class EventLine(Struct, frozen=True):
    """The fields of an event's line that the upgrade changes."""

    document: EventDocument


_parts = msgspec.json.Decoder(Parts).decode
_tagged = msgspec.json.Decoder(Tagged).decode
_session_line = msgspec.json.Decoder(SessionLine).decode
_event_line = msgspec.json.Decoder(EventLine).decode
_encode = msgspec.json.Encoder().encode


def upgraded(line: bytes) -> bytes:
    """The same record as a line of version 2. Raises ValueError for a line that is not of version 1."""
    table = _tagged(line).table
    if table == "session":
        return _session(line)
    if table == "event":
        return _event(line)
    return line


def _session(line: bytes) -> bytes:
    time = _session_line(line).document.metadata.time | {"duration": NULL}
    record = _parts(line)
    document = _parts(record["document"])
    metadata = _parts(document["metadata"]) | {"time": Raw(_encode(time))}
    return _encode(record | {"document": document | {"metadata": Raw(_encode(metadata))}})


def _event(line: bytes) -> bytes:
    event = _event_line(line).document
    metadata = event.metadata | {"reasons": EMPTY_LIST if event.reasons == NULL else event.reasons}
    record = _parts(line)
    document = _parts(record["document"]) | {"metadata": Raw(_encode(metadata))}
    del document["reasons"]
    return _encode(record | {"document": document})
