"""The header cache: which heads it takes, which requests it matches, and how many it keeps."""

import pytest

from tests.http.server.track_requests import call, post
from trackd.http.server.header_cache import MAX_HEAD_BYTES, MAX_HEADERS, MAX_HEADS, HeaderCache

HEADERS = {b"content-type": b"application/json"}
BODY = call()


def test_a_request_matches_only_with_the_complete_body_and_nothing_after_it() -> None:
    cache, sent = HeaderCache(), post(BODY)
    cache.add(sent[:-9], HEADERS, len(BODY))

    assert cache.match(sent) == (HEADERS, BODY)
    assert [cache.match(data) for data in (sent[:-1], sent + b" ", sent + sent, sent[:60], b"")] == [None] * 5


@pytest.mark.parametrize("sent", [b"\r\n\r\n" + post(BODY), post(BODY, end="\n"), b"\r\n" + post(BODY)])
def test_a_head_that_only_a_lenient_parser_accepts_is_not_added(sent: bytes) -> None:
    cache = HeaderCache()
    cache.add(sent, HEADERS, len(BODY))

    assert cache.match(sent) is None


def test_a_head_that_is_incomplete_or_long_is_not_added() -> None:
    cache, long = HeaderCache(), post(BODY, f"X-Long: {'x' * MAX_HEAD_BYTES}")
    cache.add(long, HEADERS, len(BODY))
    cache.add(post(BODY)[:40], HEADERS, len(BODY))

    assert cache.match(long) is None
    assert cache.match(post(BODY)) is None


def test_a_head_with_many_headers_is_not_added() -> None:
    """Parsed it takes far more memory than its bytes."""
    cache, sent = HeaderCache(), post(BODY, *[f"a{number}:" for number in range(MAX_HEADERS)])
    cache.add(sent, HEADERS | {b"a%d" % number: b"" for number in range(MAX_HEADERS)}, len(BODY))

    assert cache.match(sent) is None


def test_the_head_that_was_added_first_is_evicted() -> None:
    cache = HeaderCache()
    sent = [post(BODY, f"X-Request-Id: {number}") for number in range(MAX_HEADS + 1)]
    for request in sent:
        cache.add(request, HEADERS, len(BODY))

    assert cache.match(sent[0]) is None
    assert None not in [cache.match(request) for request in sent[1:]]


@pytest.mark.parametrize("name", ["Idempotency-Key", "X-Timestamp"])
def test_a_head_that_is_another_in_each_call_is_not_kept(name: str) -> None:
    cache = HeaderCache()
    sent = post(BODY, f"{name}: 1")
    cache.add(sent, {**HEADERS, name.lower().encode(): b"1"}, len(BODY))
    assert cache.match(sent) is None
