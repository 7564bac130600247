"""Large answers in pieces, and the bytes that are not sent yet."""

from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest
from starlette.responses import Response

from trackd.http.pieces import PIECE_BYTES, UNSENT, PiecewiseResponse, PiecewiseStream, pieces_of

BODY = bytes(range(256)) * (5 * PIECE_BYTES // 512)  # two pieces and a half


async def sent(response: Response) -> tuple[list[MutableMapping[str, Any]], list[int]]:
    """The messages that an answer sends, and the unsent bytes at each of those with bytes of the body."""
    messages: list[MutableMapping[str, Any]] = []
    unsent: list[int] = []
    scope: dict[str, Any] = {"type": "http", "asgi": {"spec_version": "2.4"}, "state": {}}

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("nothing is read")

    async def send(message: MutableMapping[str, Any]) -> None:
        messages.append(message)
        if message.get("body"):
            unsent.append(scope["state"][UNSENT])

    await response({**scope}, receive, send)  # as middleware copies it
    assert UNSENT not in scope["state"]
    return messages, unsent


def body(messages: list[MutableMapping[str, Any]]) -> bytes:
    assert [message.get("more_body") for message in messages[1:]] == [True] * (len(messages) - 2) + [False]
    return b"".join(message["body"] for message in messages[1:])


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, len(BODY)])
def test_pieces_have_a_limited_size_and_are_the_body_together(size: int) -> None:
    pieces = pieces_of(BODY[:size])
    assert b"".join(pieces) == BODY[:size]
    assert len(pieces) == max(1, -(-size // PIECE_BYTES))
    assert max(map(len, pieces)) <= PIECE_BYTES


async def test_an_answer_counts_what_is_unsent_and_releases_each_piece() -> None:
    pieces = pieces_of(BODY)
    messages, unsent = await sent(PiecewiseResponse(pieces))
    assert (b"content-length", str(len(BODY)).encode()) in messages[0]["headers"]
    assert body(messages) == BODY
    assert unsent == [len(BODY), len(BODY) - PIECE_BYTES, len(BODY) - 2 * PIECE_BYTES]
    assert pieces == []


async def test_a_stream_sends_each_part_in_pieces_and_empty_parts_too() -> None:
    async def parts() -> AsyncIterator[bytes]:
        for part in (BODY, b"", b"end"):
            yield part

    messages, unsent = await sent(PiecewiseStream(parts(), {}))
    assert body(messages) == BODY + b"end"
    assert [len(message["body"]) for message in messages[1:]] == [PIECE_BYTES, PIECE_BYTES, PIECE_BYTES // 2, 0, 3, 0]
    assert unsent == [len(BODY), len(BODY) - PIECE_BYTES, len(BODY) - 2 * PIECE_BYTES, 3]
