"""Trailers are dropped and bounded."""

import pytest

from trackd.http.errors import HttpError
from trackd.http.server.trailers import Trailers


def test_trailers_are_dropped() -> None:
    trailers = Trailers(100)
    trailers.append((b"x-forwarded-for", b"6.6.6.6"))
    assert list(trailers) == []


def test_many_trailers_over_the_limit_are_431() -> None:
    trailers = Trailers(100)
    for _ in range(10):
        trailers.append((b"abc", b"def"))
    with pytest.raises(HttpError, match="100 bytes") as raised:
        trailers.append((b"abc", b"def"))
    assert raised.value.status_code == 431


def test_a_trailer_without_an_end_is_431() -> None:
    trailers = Trailers(100)
    trailers.receive(100)
    with pytest.raises(HttpError):
        trailers.receive(1)


def test_trailers_after_which_the_parser_misreads_the_next_request_are_400() -> None:
    trailers = Trailers(100)
    trailers.append((b"Connection", b"close"))
    with pytest.raises(HttpError, match="belong into the head"):
        trailers.append((b"content-length", b"5"))
