"""The parts of a call that come from its headers and from its client."""

import itertools
import json
from typing import Any

import pytest

from tests.support.payloads import payload
from trackd.config.settings import Limits, Privacy
from trackd.http.body import Headers
from trackd.http.clients import Client
from trackd.http.errors import HttpError
from trackd.http.track.call_decoder import CallDecoder
from trackd.http.track.kept_headers import NO_HEADERS, KeptHeaders

CLIENT = Client(ip="203.0.113.7", key="203.0.113.7", group="203.0.113.7")


def decoder(kept_headers: KeptHeaders = NO_HEADERS, **limits: Any) -> CallDecoder:
    return CallDecoder(Limits(**limits), itertools.count(1).__next__, lambda: "now", kept_headers)


def body(session: str = "S", **more: Any) -> bytes:
    return json.dumps(payload(session, "t", **more)).encode()


def test_a_call_has_the_values_of_its_headers_and_the_address_of_its_client() -> None:
    headers: Headers = {
        b"origin": b"https://shop.example",
        b"user-agent": b"browser \xe9",
        b"idempotency-key": b"K",
    }
    call = decoder().decode(CLIENT, headers, body())
    assert (call.number, call.received, call.session_id) == (1, "now", "S")
    assert (call.origin, call.user_agent) == ("https://shop.example", "browser é")
    assert (call.ip, call.client) == ("203.0.113.7", "203.0.113.7")
    assert call.events[0].own_id


def test_a_call_without_headers_has_none_of_it_and_each_call_has_its_number() -> None:
    calls = decoder()
    first, second = (calls.decode(Client(), {}, body()) for _ in range(2))
    assert (first.origin, first.user_agent, first.ip, first.client) == (None, None, None, None)
    assert (first.number, second.number) == (1, 2)
    assert not first.events[0].own_id


def test_headers_that_are_kept_are_in_the_context_of_the_session() -> None:
    kept = KeptHeaders(Privacy(user_agent=True))
    call = decoder(kept).decode(CLIENT, {b"user-agent": b"browser"}, body())
    assert call.context == {"user_agent": "browser"}


@pytest.mark.parametrize(
    ("sent", "status"), [(b"{", 422), (b"[" * 9 + b"]" * 9, 413), (b"{}", 422), (body(context=[1]), 422)]
)
def test_a_faulty_body_is_refused(sent: bytes, status: int) -> None:
    with pytest.raises(HttpError) as raised:
        decoder(max_nesting=8).decode(CLIENT, {}, sent)
    assert raised.value.status_code == status
