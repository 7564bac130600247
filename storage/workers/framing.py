"""What the server and its writer process send each other: frames of JSON.

Documents are encoded once, by the server; the writer stores that text as it is.
"""

import struct
from collections.abc import Sequence
from typing import BinaryIO

from msgspec import MsgspecError, Struct
from msgspec import json as msgspec_json

from trackd.core.changes import Change, Outcome
from trackd.storage.errors import StoreError
from trackd.storage.writer import BatchResult

LENGTH = struct.Struct("<I")


class _Result(Struct, frozen=True):
    outcomes: list[Outcome]
    error: str | None
    seconds: float | None


ENCODER = msgspec_json.Encoder()
BATCHES = msgspec_json.Decoder(list[Change])
RESULTS = msgspec_json.Decoder(_Result)


def framed(payload: bytes) -> bytes:
    return LENGTH.pack(len(payload)) + payload


class Frames:
    """Payloads out of bytes that arrive in pieces."""

    def __init__(self) -> None:
        self._arrived = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that are complete now."""
        self._arrived += data
        payloads = []
        while len(self._arrived) >= LENGTH.size:
            end = LENGTH.size + LENGTH.unpack_from(self._arrived)[0]
            if len(self._arrived) < end:
                break
            payloads.append(bytes(self._arrived[LENGTH.size : end]))
            del self._arrived[:end]
        return payloads


def send(stream: BinaryIO, payload: bytes) -> None:
    stream.write(framed(payload))
    stream.flush()


def read_frame(stream: BinaryIO) -> bytes | None:
    """Waits for the next payload; None when the stream has ended, also in the middle of one."""
    length = stream.read(LENGTH.size)
    if len(length) < LENGTH.size:
        return None
    payload = stream.read(LENGTH.unpack(length)[0])
    return payload if len(payload) == LENGTH.unpack(length)[0] else None


def encode_batch(batch: Sequence[Change]) -> tuple[bytes, frozenset[int]]:
    """The batch without the changes that UTF-8 cannot say, and the positions of those.

    Numbers that are not finite would become null: the door refuses them, and rules make none.
    """
    try:
        return ENCODER.encode(batch), frozenset()
    except UnicodeEncodeError:
        alone = [_encode_alone(change) for change in batch]
    unsaid = frozenset(position for position, encoded in enumerate(alone) if encoded is None)
    return b"[%s]" % b",".join(encoded for encoded in alone if encoded is not None), unsaid


def _encode_alone(change: Change) -> bytes | None:
    try:
        return ENCODER.encode(change)
    except UnicodeEncodeError:
        return None


def decode_batch(payload: bytes) -> list[Change]:
    return BATCHES.decode(payload)


def encode_result(result: BatchResult) -> bytes:
    error = str(result.error) if result.error else None
    return ENCODER.encode(_Result([*result.outcomes], error, result.seconds))


def decode_result(payload: bytes) -> BatchResult:
    """Raises StoreError for what is no result."""
    try:
        result = RESULTS.decode(payload)
    except MsgspecError as error:
        raise StoreError(f"this is no result of a commit: {error}") from error
    return BatchResult(result.outcomes, StoreError(result.error) if result.error else None, result.seconds)


def with_unsaid(result: BatchResult, unsaid: frozenset[int]) -> BatchResult:
    """With an outcome for each change that was left out of the batch too."""
    if result.error or not unsaid:
        return result
    outcomes = [*result.outcomes]
    for position in sorted(unsaid):
        outcomes.insert(position, Outcome.FAILED)
    return BatchResult(outcomes, seconds=result.seconds)
