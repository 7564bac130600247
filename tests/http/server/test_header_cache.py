"""Requests whose heads came before: not parsed again, and answered all the same."""

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.payloads import SOURCE_ID, payload
from tests.support.serving import serving
from trackd.config.settings import Limits, Settings
from trackd.core.changes import Change, Outcome
from trackd.core.documents import Source
from trackd.http.server.connection import Connection
from trackd.http.server.header_cache import MAX_HEAD_BYTES, MAX_HEADS, HeaderCache
from trackd.storage.memory import MemoryStore

HEADERS = {b"content-type": b"application/json"}


class SlowStore(MemoryStore):
    """Commits once it may."""

    def __init__(self) -> None:
        super().__init__([Source(SOURCE_ID, "test")])
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def commit(self, batch: Sequence[Change]) -> list[Outcome]:
        self.begun.set()
        self.go_on.wait(20)
        return super().commit(batch)

    def hold(self) -> None:
        self.begun.clear()
        self.go_on.clear()


class Talk:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)

    async def answer(self) -> tuple[int, str]:
        """Status and session of the next answer."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 20)
        size = re.search(rb"content-length: (\d+)", head)
        assert size is not None
        body = json.loads(await self.reader.readexactly(int(size[1])))
        return int(head.split()[1]), body.get("session", {}).get("id", "")

    async def ask(self, sent: bytes) -> tuple[int, str]:
        self.send(sent)
        return await self.answer()


@asynccontextmanager
async def connected(store: MemoryStore | None = None, **limits: int) -> AsyncIterator[Talk]:
    store = store or MemoryStore([Source(SOURCE_ID, "test")])
    async with serving(store, Settings(limits=Limits(**limits))) as client:
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        try:
            yield Talk(reader, writer)
        finally:
            writer.close()


def post(body: bytes, *headers: str, end: str = "\r\n") -> bytes:
    lines = ["POST /track HTTP/1.1", "Host: x", "Content-Type: application/json", *headers]
    return end.join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def call(session: str = "s-1") -> bytes:
    return json.dumps(payload(session, "page-view")).encode()


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[Connection]:
    """An entry for each request that the parser saw."""
    seen: list[Connection] = []
    begin = Connection.on_message_begin

    def noted(self: Connection) -> None:
        seen.append(self)
        begin(self)

    monkeypatch.setattr(Connection, "on_message_begin", noted)
    return seen


async def test_a_head_that_came_before_is_not_parsed_again(parsed: list[Connection]) -> None:
    async with connected() as talk:
        for number in range(1, 6):
            assert await talk.ask(post(call(f"s-{number}"))) == (200, f"s-{number}")
        assert len(parsed) == 1
        assert await talk.ask(post(call("a longer one"))) == (200, "a longer one")
        assert await talk.ask(post(call("s-6"), "User-Agent: another")) == (200, "s-6")
        assert len(parsed) == 3


@pytest.mark.parametrize("header", ["Origin: https://shop.example", "Connection: close", "Expect: 100-continue"])
async def test_an_unusual_head_is_parsed_each_time(header: str, parsed: list[Connection]) -> None:
    async with serving(MemoryStore([Source(SOURCE_ID, "test")])) as client:
        for _ in range(2):
            reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
            writer.write(post(call(), header))
            assert (await asyncio.wait_for(reader.readuntil(b"{"), 20)).count(b" 200 OK")
            writer.close()
    assert len(parsed) == 2


async def test_what_is_wrong_with_the_body_is_told_under_a_known_head(parsed: list[Connection]) -> None:
    good = call()
    unknown = good.replace(SOURCE_ID.encode(), b"x" * len(SOURCE_ID))

    async with connected() as talk:
        result = [await talk.ask(post(body)) for body in (good, b"x" * len(good), unknown, good)]
    assert [status for status, _ in result] == [200, 422, 401, 200]
    assert len(parsed) == 3  # the long way begins with the parser


async def test_a_request_after_one_that_waits_is_answered_after_it(parsed: list[Connection]) -> None:
    store = SlowStore()

    async with connected(store) as talk:
        await talk.ask(post(call()))
        store.hold()
        talk.send(post(call("s-2")))
        await asyncio.to_thread(store.begun.wait, 20)
        assert len(parsed) == 1
        talk.send(post(call("s-3")), b"no HTTP\r\n\r\n")
        while len(parsed) < 3:
            await asyncio.sleep(0)
        store.go_on.set()
        assert await talk.answer() == (200, "s-2")
        assert await talk.answer() == (200, "s-3")
        assert (await talk.answer())[0] == 400
    assert all(store.session(session) for session in ("s-1", "s-2", "s-3"))


@pytest.mark.parametrize("first", [post(call()), post(call(), "Content-Encoding: identity")])
async def test_the_rest_of_a_request_that_waits_is_read_once_it_is_its_turn(first: bytes) -> None:
    store = SlowStore()
    second = post(call("s-2"))

    async with connected(store) as talk:
        store.hold()
        talk.send(first + second[:-20])
        await asyncio.to_thread(store.begun.wait, 20)
        store.go_on.set()
        assert await talk.ask(second[-20:]) == (200, "s-1")
        assert await talk.answer() == (200, "s-2")


async def test_a_call_that_waits_is_not_taken_for_silence_and_is_answered_once_the_disk_is_back() -> None:
    store = SlowStore()

    async with connected(store, request_timeout_s=1) as first:
        await first.ask(post(call()))
        reader, writer = await asyncio.open_connection(*first.writer.get_extra_info("peername"))
        second = Talk(reader, writer)
        store.hold()
        second.send(post(call("s-2")))
        with pytest.raises(TimeoutError):  # it is looked at once a second
            await asyncio.wait_for(reader.read(1), 3.5)
        store.go_on.set()
        assert await second.answer() == (200, "s-2")
        writer.close()


async def test_a_call_whose_client_is_gone_is_applied_and_the_others_are_answered() -> None:
    store = SlowStore()

    async with connected(store) as talk:
        await talk.ask(post(call()))
        _, writer = await asyncio.open_connection(*talk.writer.get_extra_info("peername"))
        store.hold()
        writer.write(post(call("s-2")))
        await asyncio.to_thread(store.begun.wait, 20)
        writer.transport.abort()
        store.go_on.set()
        assert await talk.ask(post(call("s-3"))) == (200, "s-3")
    assert all(store.session(session) for session in ("s-1", "s-2", "s-3"))


async def test_a_stopping_server_answers_a_call_that_waits_and_closes() -> None:
    store = SlowStore()

    async with serving(store) as client:
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        talk = Talk(reader, writer)
        await talk.ask(post(call()))
        store.hold()
        talk.send(post(call("s-2")))
        await asyncio.to_thread(store.begun.wait, 20)
        asyncio.get_running_loop().call_later(0.3, store.go_on.set)
    assert await talk.answer() == (200, "s-2")
    assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize("sent", [b"\r\n\r\n" + post(call()), post(call(), end="\n"), b"\r\n" + post(call())])
def test_what_only_a_lenient_parser_takes_for_a_head_is_not_learned(sent: bytes) -> None:
    heads = HeaderCache()
    heads.learn(sent, HEADERS, len(call()))
    assert heads.request(sent) is None


def test_a_request_counts_as_known_only_with_the_whole_of_its_body_and_no_more() -> None:
    heads, sent = HeaderCache(), post(call())
    heads.learn(sent[:-9], HEADERS, len(call()))

    assert heads.request(sent) == (HEADERS, call())
    assert [heads.request(data) for data in (sent[:-1], sent + b" ", sent + sent, sent[:60], b"")] == [None] * 5


def test_a_head_is_not_learned_before_its_end_is_here_nor_when_it_is_long() -> None:
    heads = HeaderCache()
    long = post(call(), f"X-Long: {'x' * MAX_HEAD_BYTES}")
    heads.learn(long, HEADERS, len(call()))
    heads.learn(post(call())[:40], HEADERS, len(call()))

    assert heads.request(long) is None
    assert heads.request(post(call())) is None


def test_the_heads_that_came_first_make_room() -> None:
    heads = HeaderCache()
    sent = [post(call(), f"X-Request-Id: {number}") for number in range(MAX_HEADS + 1)]
    for one in sent:
        heads.learn(one, HEADERS, len(call()))

    assert heads.request(sent[0]) is None
    assert None not in [heads.request(one) for one in sent[1:]]


def chunked(body: bytes) -> bytes:
    head = post(b"", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
    return head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


REQUESTS = st.sampled_from(
    [
        (post(call("s-1")), (200, "s-1")),
        (post(call("s-2")), (200, "s-2")),
        (post(call("s-three")), (200, "s-three")),
        (post(b"x" * len(call())), (422, "")),
        (post(call(), "Content-Encoding: identity"), (200, "s-1")),
        (chunked(call("s-4")), (200, "s-4")),
        (b"\r\n" + post(call("s-5")), (200, "s-5")),
    ]
)


@settings(max_examples=25, deadline=None)
@given(
    requests=st.lists(REQUESTS, min_size=2, max_size=8),
    waits=st.lists(st.booleans(), min_size=8, max_size=8),
    cuts=st.lists(st.integers(1, 2_000), max_size=6),
)
async def test_however_requests_arrive_each_has_its_answer(
    requests: list[tuple[bytes, tuple[int, str]]], waits: list[bool], cuts: list[int]
) -> None:
    """`waits`: for all answers so far, before the next is sent. `cuts` are where the network cuts what is sent."""

    async with connected() as talk:
        answers, unanswered = [], 0
        for (sent, _), wait in zip(requests, waits, strict=False):
            places = sorted({0, len(sent), *(cut for cut in cuts if cut < len(sent))})
            for begin, end in pairwise(places):
                talk.send(sent[begin:end])
                await asyncio.sleep(0)
            unanswered += 1
            while wait and unanswered:
                answers.append(await talk.answer())
                unanswered -= 1
        result = [*answers, *[await talk.answer() for _ in range(unanswered)]]
    assert result == [answer for _, answer in requests]
