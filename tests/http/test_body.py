"""Reading a body: bytes are counted as they arrive, whatever the announced length."""

import contextlib
import gzip
import itertools
import json
import random
import signal
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect
from starlette.types import Message

from tests.http.faults import faults_of
from trackd.http.body import check_nesting, receive_body
from trackd.http.errors import HttpError

PLAIN: dict[bytes, bytes] = {}
GZIP = {b"content-encoding": b"gzip"}
PACKED = gzip.compress(b"{}", mtime=0)
DISCONNECT: Message = {"type": "http.disconnect"}

TEXT = st.text(alphabet='[]{}"\\ aé\n') | st.text()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(TEXT, values, max_size=4),
    max_leaves=40,
)


class Client:
    """Sends a body in chunks, and counts those that were received."""

    def __init__(self, *chunks: bytes, leaves: bool = False) -> None:
        self._messages: list[Message] = [
            {"type": "http.request", "body": chunk, "more_body": leaves or number < len(chunks)}
            for number, chunk in enumerate(chunks, 1)
        ]
        if leaves:
            self._messages.append(DISCONNECT)
        self.taken = 0

    async def receive(self) -> Message:
        self.taken += 1
        return self._messages[self.taken - 1]


async def read(*chunks: bytes, headers: dict[bytes, bytes] = PLAIN, max_bytes: int = 100) -> bytes:
    return (await receive_body(headers, Client(*chunks).receive, max_bytes)).decoded()


async def refused(*chunks: bytes, headers: dict[bytes, bytes] = PLAIN, max_bytes: int = 100) -> HttpError:
    with pytest.raises(HttpError) as error:
        await read(*chunks, headers=headers, max_bytes=max_bytes)
    return error.value


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


def too_deep(body: bytes, max_nesting: int) -> bool:
    try:
        check_nesting(body, max_nesting)
    except HttpError as error:
        return error.status_code == 413
    return False


@contextlib.contextmanager
def not_for_ever() -> Iterator[None]:
    """Ends what would otherwise take an hour, so that the test fails and does not hang."""

    def end(*_: object) -> None:
        raise TimeoutError("still not done")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(5)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=6), st.integers(0, 200))
async def test_a_body_is_read_up_to_the_limit_and_refused_above_it(chunks: list[bytes], max_bytes: int) -> None:
    body = b"".join(chunks)
    if len(body) <= max_bytes:
        assert await read(*chunks, max_bytes=max_bytes) == body
    else:
        error = await refused(*chunks, max_bytes=max_bytes)
        assert (error.status_code, error.detail) == (413, f"The body is over the limit of {max_bytes} bytes.")


@given(st.binary(max_size=300), st.integers(0, 300), st.lists(st.integers(0, 400), max_size=6))
async def test_a_gzip_body_in_any_chunks_is_read_up_to_the_limit_and_refused_above_it(
    body: bytes, max_bytes: int, cuts: list[int]
) -> None:
    packed = gzip.compress(body)
    places = [0, *sorted(cuts), len(packed)]
    chunks = [packed[start:end] for start, end in itertools.pairwise(places)]
    if len(body) <= max_bytes:
        assert await read(*chunks, headers=GZIP, max_bytes=max_bytes) == body
    else:
        assert (await refused(*chunks, headers=GZIP, max_bytes=max_bytes)).status_code == 413


@pytest.mark.parametrize("encoding", [b"", b"identity", b"Identity"])
async def test_a_body_without_an_encoding_is_read_unchanged(encoding: bytes) -> None:
    assert await read(b"{", b"", b"}", headers={b"content-encoding": encoding}) == b"{}"


@pytest.mark.parametrize("encoding", [b"gzip", b"GZIP", b" x-gzip "])
async def test_a_gzip_body_is_decoded(encoding: bytes) -> None:
    assert await read(PACKED, headers={b"content-encoding": encoding}) == b"{}"


@pytest.mark.parametrize("encoding", [b"br", b"deflate", b"gzip, gzip", b"zstd"])
async def test_another_encoding_is_refused_with_its_name(encoding: bytes) -> None:
    error = await refused(b"{}", headers={b"content-encoding": encoding})
    assert error.status_code == 415
    assert f"`{encoding.decode()}`" in error.detail


@pytest.mark.parametrize("announced", [b"1", b"-1", b"much", b"99999999999"])
async def test_the_announced_length_is_not_trusted(announced: bytes) -> None:
    headers = {b"content-length": announced}
    assert await read(b"x" * 100, headers=headers) == b"x" * 100
    assert (await refused(b"x" * 101, headers=headers)).status_code == 413


async def test_reading_ends_with_the_chunk_that_exceeds_the_limit() -> None:
    client = Client(*[b"x" * 60] * 5)
    with pytest.raises(HttpError):
        await receive_body(PLAIN, client.receive, 100)
    assert client.taken == 2


async def test_a_gzip_bomb_is_refused_without_being_decoded() -> None:
    bomb = gzip.compress(bytes(20_000_000), compresslevel=1)
    max_bytes = 100_000
    tracemalloc.start()
    try:
        assert (await refused(bomb, headers=GZIP, max_bytes=max_bytes)).status_code == 413
        assert tracemalloc.get_traced_memory()[1] < 5 * max_bytes + len(bomb)
    finally:
        tracemalloc.stop()


async def test_a_gzip_bomb_in_a_gzip_bomb_is_decoded_once() -> None:
    inner = gzip.compress(bytes(1_000_000))
    assert await read(gzip.compress(inner), headers=GZIP, max_bytes=len(inner)) == inner


@pytest.mark.parametrize("lost", [1, 4, 8, 9, 15, 22])
async def test_a_truncated_gzip_body_is_a_fault(lost: int) -> None:
    error = await refused(gzip.compress(b'{"events": []}')[:-lost], headers=GZIP)
    assert faults_of(error) == [
        {"loc": ["body"], "msg": "The body is not sound gzip: it ends too early", "type": "gzip"}
    ]


@pytest.mark.parametrize("body", [b"{", b"{}", b"\x1f{", zlib.compress(b"{}")])
async def test_the_fault_of_a_body_that_does_not_begin_like_gzip_names_the_header(body: bytes) -> None:
    assert "without `Content-Encoding`" in faults_of(await refused(body, headers=GZIP))[0]["msg"]


@pytest.mark.parametrize("body", [b"", b"{}", PACKED[:-8] + bytes(8), zlib.compress(b"{}"), b"\x1f\x8b" + bytes(20)])
async def test_a_body_that_is_not_gzip_is_a_fault(body: bytes) -> None:
    error = await refused(body, headers=GZIP)
    [fault] = faults_of(error)
    assert (fault["loc"], fault["type"]) == (["body"], "gzip")


@pytest.mark.parametrize(
    "chunks",
    [
        [PACKED + b"more"],
        [PACKED, b"more"],
        [PACKED + b"mo", b"re"],
        [PACKED + bytes(5_000) + b"more"],
        [PACKED + bytes(5) + PACKED],
        [PACKED + PACKED + b"\x1f"],
    ],
    ids=["in its chunk", "in the next chunk", "in both", "after zeros", "a member after zeros", "after two members"],
)
async def test_bytes_after_the_end_of_a_gzip_body_are_a_fault(chunks: list[bytes]) -> None:
    error = await refused(*chunks, headers=GZIP)
    assert faults_of(error)[0]["msg"] == "The body is not sound gzip: there are bytes after its end"


async def test_zeros_after_the_end_of_a_gzip_body_are_padding() -> None:
    assert await read(PACKED + bytes(1), headers=GZIP) == b"{}"
    assert await read(PACKED, bytes(10_000), headers=GZIP) == b"{}"


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=9), st.integers(0, 300), st.integers(1, 60))
async def test_the_members_of_a_gzip_body_are_read_up_to_the_limit_and_refused_above_it(
    texts: list[bytes], max_bytes: int, size: int
) -> None:
    packed = b"".join(map(gzip.compress, texts))
    chunks = [packed[start : start + size] for start in range(0, len(packed), size)]
    body = b"".join(texts)
    if len(body) <= max_bytes:
        assert await read(*chunks, headers=GZIP, max_bytes=max_bytes) == body
    else:
        assert (await refused(*chunks, headers=GZIP, max_bytes=max_bytes)).status_code == 413


async def test_members_and_texts_larger_than_what_is_decoded_at_once_are_read_whole() -> None:
    texts = [random.Random(number).randbytes(9_000) for number in range(3)]
    packed = b"".join(map(gzip.compress, texts))
    assert await read(packed, headers=GZIP, max_bytes=27_000) == b"".join(texts)
    assert (await refused(packed, headers=GZIP, max_bytes=26_999)).status_code == 413
    damaged = bytearray(packed)
    damaged[12_000] ^= 1
    assert faults_of(await refused(bytes(damaged), headers=GZIP, max_bytes=27_000))[0]["type"] == "gzip"


async def test_the_second_member_of_a_gzip_body_may_not_be_cut_off() -> None:
    error = await refused(PACKED + PACKED[:-1], headers=GZIP)
    assert faults_of(error)[0]["msg"] == "The body is not sound gzip: it ends too early"


async def test_an_empty_chunk_after_the_end_of_a_gzip_body_is_ignored() -> None:
    assert await read(PACKED, b"", headers=GZIP) == b"{}"


@pytest.mark.parametrize("headers", [PLAIN, GZIP])
@pytest.mark.parametrize("chunks", [[], [PACKED[:15]]])
async def test_a_client_that_disconnects_before_the_end_raises_client_disconnect(
    headers: dict[bytes, bytes], chunks: list[bytes]
) -> None:
    client = Client(*chunks, leaves=True)
    with pytest.raises(ClientDisconnect):
        await receive_body(headers, client.receive, 100)


@given(JSON, st.booleans(), st.none() | st.just(1))
def test_nesting_is_measured_as_a_parser_would(value: Any, ascii_only: bool, indent: int | None) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    levels = depth(value)
    assert not too_deep(body, levels)
    if levels:
        assert too_deep(body, levels - 1)


@given(st.lists(st.sampled_from([b'"', b"\\", b"[", b"]", b"{", b"}", b"a", b"\xff", b"\n"])).map(b"".join))
def test_the_nesting_of_invalid_json_is_measured_without_a_fault(body: bytes) -> None:
    brackets = body.count(b"[") + body.count(b"{")
    verdicts = [too_deep(body, max_nesting) for max_nesting in range(brackets + 1)]
    assert verdicts == sorted(verdicts, reverse=True)
    assert not verdicts[-1]


def test_the_refusal_names_the_limit_of_nesting() -> None:
    with pytest.raises(HttpError) as error:
        check_nesting(b"[" * 65, 64)
    assert (error.value.status_code, error.value.detail) == (413, "The JSON is over the limit of 64 levels of nesting.")


@pytest.mark.parametrize(
    ("body", "levels"),
    [
        (b"[" * 64 + b"]" * 64, 64),
        (b"[" * 65, 65),
        (b'[{"a":' * 40 + b"1" + b"}]" * 40, 80),
        (b"[[]," * 30 + b"[]" + b"]" * 30, 31),
        (b'["[[[[", "\\"[[[", "\\\\", []]', 2),
        (b"[" + b"[]," * 100 + b"[]]", 2),
    ],
)
def test_nesting_counts_levels_and_not_brackets(body: bytes, levels: int) -> None:
    assert not too_deep(body, levels)
    assert too_deep(body, levels - 1)


def test_a_long_text_is_skipped_in_linear_time_even_without_its_end() -> None:
    texts = [text * 250_000 for text in (b"a", b'\\"', b"\\\\", b'"a"')]
    with not_for_ever():
        for text, end in itertools.product(texts, (b'"', b"", b"\\")):
            assert not too_deep(b"[]" * 65 + b'"' + text + end, 64)
