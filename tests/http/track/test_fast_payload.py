"""What the quick parser takes it reads as pydantic's models do; what it does not take is theirs."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import to_builtins

from trackd.core.json_values import same
from trackd.http.errors import HttpError
from trackd.http.track.fast_payload import fast_payload
from trackd.http.track.payload import PayloadParser

PARSER = PayloadParser(1000)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=5), VALUES, max_size=3)
IDS = st.sampled_from(
    ["s", " s", "s\u00a0", "\u2028", "\x1fs", "", "x" * 255, "x" * 256, "ü" * 255, "\U0001f600" * 256]
)
ODD = st.none() | st.just([]) | VALUES


def payloads() -> st.SearchStrategy[dict[str, Any]]:
    usual_id = st.just({"id": "s"})
    reference = usual_id | usual_id | st.fixed_dictionaries({"id": IDS | ODD}, optional={"other": VALUES}) | ODD
    part = OBJECTS | OBJECTS | ODD
    event = st.fixed_dictionaries(
        {"type": st.just("page-view") | IDS | ODD},
        optional={
            "id": IDS | ODD,
            "properties": part,
            "context": part,
            "options": part,
            "time": VALUES,
            "metadata": VALUES,
            "tags": VALUES,
        },
    )
    return st.fixed_dictionaries(
        {"source": usual_id | reference, "session": usual_id | reference, "events": st.lists(event, max_size=3)},
        optional={"profile": reference, "context": part, "properties": part, "options": part, "device": VALUES},
    )


@given(payloads(), st.booleans())
@settings(deadline=None, max_examples=600)
def test_what_is_usual_is_read_as_by_the_models(said: dict[str, Any], as_ascii: bool) -> None:
    try:
        body = json.dumps(said, ensure_ascii=as_ascii).replace("Infinity", "1e999").encode()
    except UnicodeEncodeError:
        return
    usual = fast_payload(body)
    if usual is not None:
        read, model = to_builtins(usual), PARSER.parse_general(body).model_dump()
        for one in (read, model):
            one["profile"] = one["profile"] or {"id": None}  # either says that there is none
        assert same(read, model)


def test_what_most_clients_say_is_usual() -> None:
    event = {"type": "page-view", "properties": {"a": [1, 2.5]}, "options": {"saveEvent": True}}
    said = {"source": {"id": "s"}, "session": {"id": "x"}, "events": [event]}
    more = {"profile": {"id": "p"}, "context": {"ü": "\U0001f600"}, "properties": {}, "options": {}, "device": None}
    assert fast_payload(json.dumps(said).encode()) is not None
    assert fast_payload(json.dumps(said | more).encode()) is not None
    assert fast_payload(json.dumps(said | {"profile": None}, ensure_ascii=False).encode()) is not None


@pytest.mark.parametrize("where", ['"device": %s', '"properties": {"a": %s}', '"context": {"a": [%s]}'])
@pytest.mark.parametrize(
    "bad",
    [
        *[b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\x80"', b'"\\ud800"', b'"\\ud800x"', b'"\x01"', b'"\\x"', b'"\\u12"'],
        *[b"1.", b"01", b"+1", b"-", b"NaN", b"-Infinity", b"tru", b"[1,]", b'{"a":1,}', b"{1:2}", b"'a'", b"1 /**/"],
    ],
)
def test_what_is_not_json_is_not_usual_wherever_it_stands(where: str, bad: bytes) -> None:
    body = b'{"source": {"id": "s"}, "session": {"id": "x"}, "events": [], %s}' % where.encode().replace(b"%s", bad)
    assert fast_payload(body) is None
    with pytest.raises(HttpError):
        PARSER.parse(body)
