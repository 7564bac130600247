"""A fast payload equals the payload that pydantic's models parse; the others are left to the models."""

import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins

from tests.http.track.random_payloads import payloads
from trackd.config.settings import Limits
from trackd.core.json_values import same
from trackd.http.errors import HttpError
from trackd.http.track.blocked_ids import BlockedIds
from trackd.http.track.fast_payload import fast_payload
from trackd.http.track.payload import PayloadParser

BLOCKED = BlockedIds(Limits().blocked_ids)
PARSER = PayloadParser(1000, BLOCKED)


@given(payloads(), st.booleans())
def test_a_fast_payload_equals_the_payload_that_the_models_parse(sent: dict[str, Any], as_ascii: bool) -> None:
    try:
        body = json.dumps(sent, ensure_ascii=as_ascii).replace("Infinity", "1e999").encode()
    except UnicodeEncodeError:
        return
    fast = fast_payload(body, BLOCKED)
    if fast is not None:
        read, model = to_builtins(fast), PARSER.parse_general(body).model_dump(by_alias=True)
        for one in (read, model):
            one["profile"] = one["profile"] or {"id": None}  # both mean no profile
        assert same(read, model)


def test_the_payloads_of_most_clients_are_fast() -> None:
    event = {"type": "page-view", "properties": {"a": [1, 2.5]}, "options": {"saveEvent": True}}
    sent = {"source": {"id": "s"}, "session": {"id": "x"}, "events": [event]}
    more = {"profile": {"id": "p"}, "context": {"ü": "\U0001f600"}, "properties": {}, "options": {}, "device": None}
    assert fast_payload(json.dumps(sent).encode()) is not None
    assert fast_payload(json.dumps(sent | more).encode()) is not None
    assert fast_payload(json.dumps(sent | {"profile": None}, ensure_ascii=False).encode()) is not None


@pytest.mark.parametrize(
    "place", ['"session": {"id": %s}', '"profile": {"id": %s}', '"events": [{"type": "t", "id": %s}]']
)
@pytest.mark.parametrize("blocked", ["undefined", "[OBJECT Object]", "'guest'", "0", "---", f"{uuid.UUID(int=0)}"])
def test_a_payload_with_a_blocked_id_is_not_fast(place: str, blocked: str) -> None:
    fields = {"source": '"source": {"id": "guest"}', "session": '"session": {"id": "x"}', "events": '"events": []'}
    fields[place.split('"')[1]] = place % json.dumps(blocked)
    body = ("{" + ", ".join(fields.values()) + "}").encode()
    assert fast_payload(body, BLOCKED) is None
    assert fast_payload(body) is not None, "the source may have any id"


@pytest.mark.parametrize("where", ['"device": %s', '"properties": {"a": %s}', '"context": {"a": [%s]}'])
@pytest.mark.parametrize(
    "bad",
    [
        *[b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\x80"', b'"\\ud80"', b'"\x01"', b'"\\x"', b'"\\u12"'],
        *[b"1.", b"01", b"+1", b"-", b"NaN", b"-Infinity", b"tru", b"[1,]", b'{"a":1,}', b"{1:2}", b"'a'", b"1 /**/"],
    ],
)
def test_a_fast_payload_is_valid_json_also_in_ignored_fields(where: str, bad: bytes) -> None:
    body = b'{"source": {"id": "s"}, "session": {"id": "x"}, "events": [], %s}' % where.encode().replace(b"%s", bad)
    assert fast_payload(body) is None
    with pytest.raises(HttpError):
        PARSER.parse(body)
