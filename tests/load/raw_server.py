"""A server that answers /track from memory and stores nothing: as fast as can be, and able to break each promise.

`python -m tests.load.raw_server 9099` serves until it is stopped, to measure how much `trackd load` drives; with
`doubled` or `hostile` after the port it breaks a promise.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from typing import cast

import msgspec
import uvloop


class _Id(msgspec.Struct):
    id: str


class _Payload(msgspec.Struct):
    session: _Id
    events: list[_Id]
    profile: _Id | None = None


class Answer(msgspec.Struct):
    """The answer to send; a damage changes it."""

    call: int
    profile: str
    ids: list[str]
    seq: list[int]
    saved: int


Damage = Callable[[Answer], None]
_decode = msgspec.json.Decoder(_Payload).decode


def nothing(answer: Answer) -> None:
    """No damage."""


class BusyError(Exception):
    """A damage that raises it has the call answered 503."""


class GoneError(Exception):
    """A damage that raises it has the connection closed without an answer."""


class MemoTable:
    """Which profile a session has, and the numbers that its events got."""

    def __init__(self, damage: Damage = nothing) -> None:
        self._damage = damage
        self._calls = 0
        self._profiles: dict[str, str] = {}
        self._last: dict[str, int] = {}
        self._seqs: dict[str, int] = {}

    def answer(self, body: bytes) -> Answer:
        payload = _decode(body)
        session = payload.session.id
        profile = self._profiles.get(session)
        if profile is None:
            profile = self._profiles[session] = payload.profile.id if payload.profile else f"p-{len(self._profiles)}"
        last, seqs, saved = self._last.get(profile, 0), [], 0
        for event in payload.events:
            seq = self._seqs.get(event.id)
            if seq is None:
                last += 1
                saved += 1
                seq = self._seqs[event.id] = last
            seqs.append(seq)
        self._last[profile] = last
        self._calls += 1
        answer = Answer(self._calls, profile, [event.id for event in payload.events], seqs, saved)
        self._damage(answer)
        return answer


class Connection(asyncio.Protocol):
    def __init__(self, memory: MemoTable) -> None:
        self._memory = memory
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            begin = self._received.index(b"Content-Length: ") + 16
            length = int(self._received[begin : self._received.index(b"\r\n", begin)])
            if len(self._received) < end + 4 + length:
                return
            body, self._received = self._received[end + 4 : end + 4 + length], self._received[end + 4 + length :]
            try:
                self._send(self._memory.answer(body))
            except GoneError:
                self._transport.abort()
                return
            except BusyError:
                self._transport.write(b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n")

    def _send(self, answer: Answer) -> None:
        body = (
            b'{"debugging":{"session":{"saved":0,"errors":[],"ids":[],"types":[]},"events":{"saved":%d,"errors":[],'
            b'"ids":%b,"types":[],"seq":%b},"execution":{},"segmentation":{"errors":[],"ids":[]},"logs":[]},'
            b'"profile":{"id":%b},"source":{"consent":false},"ux":[],"response":{}}'
        ) % (
            answer.saved,
            msgspec.json.encode(answer.ids),
            msgspec.json.encode(answer.seq),
            msgspec.json.encode(answer.profile),
        )
        head = (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-process-time: 0.001\r\ncontent-length: %d\r\n\r\n"
        )
        self._transport.write(head % len(body) + body)


@contextlib.asynccontextmanager
async def answering(damage: Damage = nothing, port: int = 0) -> AsyncIterator[str]:
    """Yields its address."""
    memory = MemoTable(damage)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(memory), "127.0.0.1", port)
    async with server:
        yield "http://{}:{}".format(*server.sockets[0].getsockname())


def doubled(answer: Answer) -> None:
    """After a while calls get the numbers of others."""
    if answer.call > 100:
        answer.seq = list(range(1, len(answer.seq) + 1))


def hostile(answer: Answer) -> None:
    """After a while calls get another profile, whose id would disturb a terminal."""
    if answer.call > 100:
        answer.profile = "[/b]\x1b[31m\x9b\u202e\nINFO all is well"


DAMAGES = {"doubled": doubled, "hostile": hostile}


async def _serve(port: int, damage: Damage) -> None:
    async with answering(damage, port) as url:
        print(url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_serve(int(sys.argv[1]), DAMAGES[sys.argv[2]] if sys.argv[2:] else nothing))
