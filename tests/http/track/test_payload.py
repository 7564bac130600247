"""Parsing a body into a payload: the accepted forms, and all faults at once."""

import json
from typing import Any

import pytest

from tests.http.faults import faults_of
from trackd.http.errors import HttpError
from trackd.http.track.blocked_ids import BlockedIds
from trackd.http.track.payload import PayloadParser, TrackerPayload

MINIMAL: dict[str, Any] = {"source": {"id": "s"}, "session": {"id": "x"}, "events": []}


def encoded(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def parse(body: Any, max_events: int = 1000) -> TrackerPayload:
    return PayloadParser(max_events).parse_general(encoded(body))


def refused(body: Any, max_events: int = 1000) -> HttpError:
    with pytest.raises(HttpError) as error:
        PayloadParser(max_events).parse(encoded(body))
    return error.value


def faults(body: Any) -> dict[tuple[str | int, ...], str]:
    """Where, and of what type."""
    found = faults_of(refused(body))
    assert all(set(fault) == {"loc", "msg", "type"} and fault["msg"] for fault in found)
    return {tuple(fault["loc"]): fault["type"] for fault in found}


def with_event(**event: Any) -> dict[str, Any]:
    return MINIMAL | {"events": [{"type": "page-view", **event}]}


def with_session_id(text: str) -> bytes:
    return b'{"source": {"id": "s"}, "session": {"id": %s}, "events": []}' % text.encode()


def test_the_smallest_payload_has_empty_objects_and_no_profile() -> None:
    payload = parse(MINIMAL)
    assert (payload.source.id, payload.session.id, payload.profile, payload.events) == ("s", "x", None, [])
    assert (payload.context, payload.properties, payload.options) == ({}, {}, {})


def test_all_fields_of_a_payload_are_kept() -> None:
    event = {
        "id": "e-1",
        "type": "page-view",
        "properties": {"a": [1, None, {"b": 2.5}]},
        "context": {"c": "ü"},
        "options": {"saveEvent": False},
        "time": {"create": 5},
        "metadata": {"time": "soon"},
    }
    sent = {
        "source": {"id": "s"},
        "session": {"id": "x"},
        "profile": {"id": "p"},
        "events": [event],
        "context": {"page": {"url": "/"}},
        "properties": {"lang": "de"},
        "options": {"profile": True},
        "sentAt": "2026-01-31",
    }
    assert parse(sent).model_dump(by_alias=True) == sent


def test_unknown_fields_are_ignored() -> None:
    extra = {"device": 5, "request": [], "tags": None, "metadata": "x"}
    payload = parse({**with_event(tags=["a"], source={}), **extra, "source": {"id": "s", "name": "shop"}})
    assert payload.model_dump() == parse(with_event()).model_dump()


@pytest.mark.parametrize("profile", [None, {}, [], {"id": None}])
def test_each_form_of_no_profile_means_none(profile: Any) -> None:
    reference = parse(MINIMAL | {"profile": profile}).profile
    assert reference is None or reference.id is None


@pytest.mark.parametrize("empty", [None, [], {}])
def test_null_and_an_empty_list_are_an_empty_object(empty: Any) -> None:
    payload = parse({**with_event(properties=empty, context=empty, options=empty), "context": empty})
    assert payload.model_dump() == parse(with_event()).model_dump()
    payload = parse(MINIMAL | {"properties": empty, "options": empty})
    assert payload.model_dump() == parse(MINIMAL).model_dump()


@pytest.mark.parametrize("value", [[1], [{}], "", "x", 0, 1, False, True])
def test_a_value_in_place_of_an_object_is_a_fault(value: Any) -> None:
    event = dict.fromkeys(("properties", "context", "options"), value)
    body = {**with_event(**event), **dict.fromkeys(("context", "properties", "options", "profile"), value)}
    assert set(faults(body)) == {
        *(("body", field) for field in ("context", "properties", "options", "profile")),
        *(("body", "events", 0, field) for field in ("properties", "context", "options")),
    }


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("17", "17"),
        ("-1", "-1"),
        ("0", "0"),
        ("1.5", "1.5"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ('" a b "', "a b"),
        ('"\\u00e9"', "é"),
        (json.dumps("a" * 255), "a" * 255),
        (json.dumps(" " + "é" * 255 + " "), "é" * 255),
    ],
)
def test_an_id_is_its_text_trimmed_and_may_be_a_number(sent: str, text: str) -> None:
    assert parse(with_session_id(sent)).session.id == text


@pytest.mark.parametrize("value", ["a" * 256, True, [], {}])
def test_a_value_that_cannot_be_an_id_is_a_fault(value: Any) -> None:
    reference = {"id": value}
    body = {"source": reference, "session": reference, "profile": reference, "events": [{"type": "t", "id": value}]}
    assert set(faults(body)) == {
        *(("body", field, "id") for field in ("source", "session", "profile")),
        ("body", "events", 0, "id"),
    }


@pytest.mark.parametrize("value", ["", "   ", "\u2028\t\u00a0", None])
def test_an_empty_blank_or_null_id_is_none_except_that_of_the_source(value: Any) -> None:
    reference = {"id": value}
    payload = parse(MINIMAL | {"session": reference, "profile": reference, "events": [{"type": "t", "id": value}]})
    assert payload.profile is not None
    assert (payload.session.id, payload.profile.id, payload.events[0].id) == (None, None, None)
    assert list(faults(MINIMAL | {"source": reference})) == [("body", "source", "id")]


def parse_placeholders(**body: Any) -> TrackerPayload:
    return PayloadParser(1000, BlockedIds("undefined, 0")).parse_general(encoded(MINIMAL | body))


def test_a_blocked_id_of_a_profile_or_event_is_none_and_noted() -> None:
    events = [{"type": "t", "id": event_id} for event_id in ("ok", "Undefined", None, " ", 0, "'--'")]
    payload = parse_placeholders(profile={"id": "undefined"}, events=events)

    assert payload.profile is not None
    assert payload.profile.id is None
    assert [event.id for event in payload.events] == ["ok", *[None] * 5]
    own = "The event's own id is {}: it counts as absent."
    assert payload.notes == {
        None: ("The profile id is the placeholder 'undefined' (limits.blocked_ids): it counts as absent.",),
        1: (own.format("the placeholder 'Undefined' (limits.blocked_ids)"),),
        3: (own.format("empty"),),
        4: (own.format("the placeholder '0' (limits.blocked_ids)"),),
        5: (own.format("""the placeholder "'--'" (limits.blocked_ids)"""),),
    }


@pytest.mark.parametrize("profile", ["", "  ", None])
def test_an_empty_profile_id_is_not_noted(profile: str | None) -> None:
    assert parse_placeholders(profile={"id": profile}).notes == {}


def test_a_blocked_session_id_is_a_fault_beside_all_others() -> None:
    body = {"session": {"id": "UNDEFINED"}, "source": {"id": "undefined"}, "options": 5, "events": [{}]}
    with pytest.raises(HttpError) as error:
        parse_placeholders(**body)
    found = {tuple(fault["loc"]): fault for fault in faults_of(error.value)}
    assert set(found) == {("body", "session", "id"), ("body", "options"), ("body", "events", 0, "type")}
    assert found["body", "session", "id"]["type"] == "blocked_id"
    assert "'UNDEFINED' (limits.blocked_ids)" in found["body", "session", "id"]["msg"]


def test_a_number_that_json_cannot_hold_is_not_an_id() -> None:
    assert list(faults(with_session_id("1e999"))) == [("body", "session", "id")]


def test_ids_of_profile_and_events_may_be_numbers_or_null() -> None:
    payload = parse({**with_event(id=5), "profile": {"id": 6}})
    assert payload.profile is not None
    assert (payload.profile.id, payload.events[0].id) == ("6", "5")
    assert parse(with_event(id=None)).events[0].id is None


def test_all_faults_are_reported_at_once_with_their_places() -> None:
    events = [{"type": "ok"}, {}, {"type": 5}, {"type": ""}, {"type": "x" * 256}, {"type": "ok", "id": {}}, "x", None]
    body = {"session": {}, "profile": {"id": []}, "events": events, "options": 5}
    assert faults(body) == {
        ("body", "source"): "missing",
        ("body", "session", "id"): "missing",
        ("body", "profile", "id"): "string_type",
        ("body", "options"): "dict_type",
        ("body", "events", 1, "type"): "missing",
        ("body", "events", 2, "type"): "string_type",
        ("body", "events", 3, "type"): "string_too_short",
        ("body", "events", 4, "type"): "string_too_long",
        ("body", "events", 5, "id"): "string_type",
        ("body", "events", 6): "model_type",
        ("body", "events", 7): "model_type",
    }


@pytest.mark.parametrize("missing", ["source", "session", "events"])
@pytest.mark.parametrize("null", [False, True])
def test_a_missing_field_is_named(missing: str, null: bool) -> None:
    body = {name: value for name, value in MINIMAL.items() if name != missing}
    assert list(faults(body | ({missing: None} if null else {}))) == [("body", missing)]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1,]", b"{} {}", b"\xff", b"'a'", b"\xef\xbb\xbf", b'{"a": "\\ud80"}', b'"\xed\xa0\x80"']
)
def test_a_body_that_is_not_json_is_one_fault(body: bytes) -> None:
    assert faults(body) == {("body",): "json_invalid"}


@pytest.mark.parametrize("body", [b"[]", b"null", b"5", b'"text"'])
def test_json_that_is_not_an_object_is_one_fault(body: bytes) -> None:
    assert list(faults(body)) == [("body",)]


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_constants_that_only_python_accepts_are_not_json(constant: str) -> None:
    body = json.dumps(with_event(properties={"a": 0})).replace("0", constant).encode()
    assert faults_of(refused(body)) == [
        {"loc": ["body"], "msg": f"Invalid JSON: {constant} is not a JSON value", "type": "json_invalid"}
    ]


def test_a_text_may_contain_the_name_of_such_a_constant() -> None:
    properties = {"NaN": "Infinity", "-Infinity": '": NaN, "'}
    assert parse(with_event(properties=properties)).events[0].properties == properties


def test_a_number_of_five_thousand_digits_is_refused() -> None:
    assert faults(b'{"a": %s}' % (b"9" * 5000)) == {("body",): "json_invalid"}


def test_a_call_may_have_as_many_events_as_the_limit_and_no_more() -> None:
    events = [{"type": "page-view"}] * 4
    assert len(parse(MINIMAL | {"events": events[:3]}, max_events=3).events) == 3
    error = refused(MINIMAL | {"events": events}, max_events=3)
    assert (error.status_code, error.detail) == (413, "The number of events is over the limit of 3 a call.")


def test_too_many_events_are_reported_before_the_faults_of_each() -> None:
    assert refused({"events": [{}] * 4}, max_events=3).status_code == 413


def test_a_list_elsewhere_may_be_longer_than_the_limit_of_events() -> None:
    assert parse(with_event(properties={"events": [1, 2, 3, 4]}), max_events=1)
