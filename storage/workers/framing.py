"""The frames between the server and its processes, and the batches and results that it exchanges with the writer.

A frame is the length of its payload, four bytes with the lowest first, and the payload. Results are JSON. A batch is
the length of its changes without their events; these changes as JSON, in which the documents are the text that is
stored; and the events as MessagePack. Their properties are JSON text, and JSON within JSON takes ten times as long.
"""

import struct
from collections.abc import Callable, Sequence
from typing import BinaryIO

from msgspec import DecodeError, MsgspecError, Struct, msgpack
from msgspec import json as msgspec_json
from msgspec.structs import replace

from trackd.core.changes import Change, Changes, Outcome
from trackd.core.documents import Event
from trackd.core.retention_changes import Swept
from trackd.storage.errors import StoreError
from trackd.storage.writer import BatchResult

LENGTH = struct.Struct("<I")
UNENCODABLE = ValueError, TypeError, OverflowError
DISK_FAILED = 74  # exit code of a writer process, EX_IOERR of sysexits.h


class _Result(Struct, frozen=True):
    outcomes: list[Outcome]
    error: str | None
    seconds: float | None
    swept: Swept | None
    reconnects: int


STARTING = b"starting "  # and the seconds: see `starting`
UNDECODABLE = b"undecodable"
"""The writer's answer to a batch that `decode_batch` refuses."""
ENCODER = msgspec_json.Encoder()
BATCHES = msgspec_json.Decoder(list[Change])
EVENT_ENCODER = msgpack.Encoder()
EVENTS = msgpack.Decoder(list[tuple[Event, ...]])
RESULTS = msgspec_json.Decoder(_Result)


def framed(payload: bytes) -> bytes:
    """A payload as a frame."""
    return LENGTH.pack(len(payload)) + payload


def starting(seconds: float) -> bytes:
    """The payload of a process that is not ready yet, and sends its next frame within so many seconds."""
    return STARTING + b"%d" % seconds


def seconds_of_start(payload: bytes) -> int | None:
    """Those of `starting`; None for another payload."""
    return int(payload.removeprefix(STARTING)) if payload.startswith(STARTING) else None


class Frames:
    """Splits bytes that arrive in pieces into the payloads of their frames."""

    def __init__(self) -> None:
        self._incomplete = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Add a piece; return the payloads that it completes."""
        self._incomplete += data
        payloads = []
        while len(self._incomplete) >= LENGTH.size:
            end = LENGTH.size + LENGTH.unpack_from(self._incomplete)[0]
            if len(self._incomplete) < end:
                break
            payloads.append(bytes(self._incomplete[LENGTH.size : end]))
            del self._incomplete[:end]
        return payloads


def send(stream: BinaryIO, payload: bytes) -> None:
    """Write a payload as a frame, and flush it."""
    stream.write(framed(payload))
    stream.flush()


def read_frame(stream: BinaryIO) -> bytes | None:
    """Wait for the next payload, and return it; None at the end of the stream, which may be within a frame."""
    length = stream.read(LENGTH.size)
    if len(length) < LENGTH.size:
        return None
    payload = stream.read(LENGTH.unpack(length)[0])
    return payload if len(payload) == LENGTH.unpack(length)[0] else None


def encode_batch(batch: Sequence[Change]) -> tuple[bytes, frozenset[int]]:
    """Encode a batch without its unencodable changes, which contain a lone surrogate; return their positions too.

    Numbers that are not finite would become null: requests with them are refused, and rules do not produce them.
    """
    try:
        return _encode(batch), frozenset()
    except UNENCODABLE:
        return _encode_some(batch, _is_encodable)


def encode_decodable(batch: Sequence[Change]) -> tuple[bytes, frozenset[int]]:
    """As `encode_batch`, without the changes that `decode_batch` refuses too; return their positions as well.

    A stored document is copied into a change as it is: in a damaged row it is no JSON, or has a column of another type.
    """
    return _encode_some(batch, _is_decodable)


def _encode(batch: Sequence[Change]) -> bytes:
    events = [change.events if isinstance(change, Changes) else () for change in batch]
    changes = [replace(change, events=()) if isinstance(change, Changes) else change for change in batch]
    encoded = ENCODER.encode(changes)
    return LENGTH.pack(len(encoded)) + encoded + EVENT_ENCODER.encode(events)


def _encode_some(batch: Sequence[Change], condition: Callable[[Change], bool]) -> tuple[bytes, frozenset[int]]:
    left_out = frozenset([position for position, change in enumerate(batch) if not condition(change)])
    return _encode([change for position, change in enumerate(batch) if position not in left_out]), left_out


def _is_encodable(change: Change) -> bool:
    try:
        _encode([change])
    except UNENCODABLE:
        return False
    return True


def _is_decodable(change: Change) -> bool:
    try:
        decode_batch(_encode([change]))
    except (*UNENCODABLE, MsgspecError):
        return False
    return True


def decode_batch(payload: bytes) -> list[Change]:
    """Raises MsgspecError for a batch with a damaged document; `encode_decodable` leaves it out."""
    begin, end = LENGTH.size, LENGTH.size + LENGTH.unpack_from(payload)[0]
    try:
        changes, events = BATCHES.decode(payload[begin:end]), EVENTS.decode(payload[end:])
    except RecursionError as error:
        raise DecodeError(str(error)) from None
    return [
        replace(change, events=its_events) if isinstance(change, Changes) else change
        for change, its_events in zip(changes, events, strict=True)
    ]


def encode_result(result: BatchResult) -> bytes:
    error = str(result.error) if result.error else None
    return ENCODER.encode(_Result([*result.outcomes], error, result.seconds, result.swept, result.reconnects))


def decode_result(payload: bytes) -> BatchResult:
    """Raises StoreError when the payload is not a result."""
    try:
        result = RESULTS.decode(payload)
    except MsgspecError as error:
        raise StoreError(f"the writer process sent a frame that is not a result: {error}") from error
    failed = StoreError(result.error) if result.error else None
    return BatchResult(result.outcomes, failed, result.seconds, result.swept, result.reconnects)


def with_failed(result: BatchResult, left_out: frozenset[int]) -> BatchResult:
    """Add the outcome FAILED at the positions that the encoding of the batch left out."""
    if result.error or not left_out:
        return result
    outcomes = [*result.outcomes]
    for position in sorted(left_out):
        outcomes.insert(position, Outcome.FAILED)
    return replace(result, outcomes=outcomes)
