"""From a payload to the call that the actors take."""

import json
import uuid
from typing import Any

import pytest

from tests.http.faults import faults_of
from trackd.core.calls import Track, TrackedEvent
from trackd.http.errors import HttpError
from trackd.http.track.decoding import decode
from trackd.http.track.payload import PayloadParser

NOW = "2026-01-31T12:00:00.000000Z"
PARSER = PayloadParser(100)


def decoded(
    *events: dict[str, Any], key: str | None = None, session: str | None = "x", source: str = "s", **more: Any
) -> Track:
    typed = [{"type": "page-view", **event} for event in events]
    sent = {"source": {"id": source}, "session": {"id": session}, "events": typed, **more}
    return decode(PARSER.parse(json.dumps(sent).encode()), number=7, received=NOW, idempotency_key=key)


def ids(call: Track) -> list[str]:
    return [event.id for event in call.events]


def test_a_call_has_the_values_of_payload_and_request() -> None:
    sent = {
        "source": {"id": "s"},
        "session": {"id": "x"},
        "profile": {"id": "p"},
        "context": {"page": 1},
        "properties": {"lang": "de"},
        "events": [],
    }
    payload = PARSER.parse(json.dumps(sent).encode())
    assert decode(
        payload, number=7, received=NOW, origin="https://shop.example", ip="192.0.2.1", user_agent="x/1"
    ) == Track(
        number=7,
        source_id="s",
        session_id="x",
        received=NOW,
        profile_id="p",
        context={"page": 1},
        properties={"lang": "de"},
        origin="https://shop.example",
        ip="192.0.2.1",
        user_agent="x/1",
    )


def test_an_event_has_its_objects_as_text_and_its_own_id() -> None:
    sent = {
        "id": "e-1",
        "type": "purchase",
        "time": {"create": "2026-01-30"},
        "properties": {"price": 1.50, "name": "Käse", "none": None},
        "context": {"page": [1, 2]},
        "options": {"saveEvent": False, "other": 1},
    }
    [event] = decoded(sent).events
    assert event == TrackedEvent(
        id="e-1",
        own_id=True,
        type="purchase",
        created="2026-01-30T00:00:00.000000Z",
        properties={"price": 1.5, "name": "Käse", "none": None},
        context={"page": [1, 2]},
        properties_json='{"price":1.5,"name":"Käse","none":null}',
        context_json='{"page":[1,2]}',
        config_json='{"saveEvent":false,"other":1}',
        store=False,
    )


def test_missing_fields_of_an_event_are_empty_and_its_time_is_the_servers() -> None:
    [event] = decoded({}).events
    assert event == TrackedEvent(id=event.id, own_id=False, type="page-view", created=NOW)


@pytest.mark.parametrize("profile", [None, {}, [], {"id": None}, {"id": ""}, {"id": " "}])
def test_a_payload_without_a_profile_gives_none(profile: Any) -> None:
    assert decoded(profile=profile).profile_id is None


def test_without_an_id_an_event_gets_a_new_one_that_is_ordered_by_time() -> None:
    calls = [decoded({}, {}) for _ in range(2)]
    made = [event for call in calls for event in call.events]
    assert len({event.id for event in made}) == 4
    assert {uuid.UUID(event.id).version for event in made} == {7}
    assert [event.id for event in made] == sorted(event.id for event in made)
    assert not any(event.own_id for event in made)


def test_with_an_idempotency_key_a_retry_has_the_same_ids() -> None:
    call = decoded({}, {}, key="K")
    assert ids(call) == ids(decoded({}, {}, key="K"))
    assert len(set(ids(call))) == 2
    assert all(event.own_id for event in call.events)


def test_the_ids_of_a_key_never_change_from_version_to_version() -> None:
    namespace = uuid.UUID("8f0c3a52-6f0e-5d5b-9d5e-1d1f6f7a2c11")
    names = ['["s","x","K",0]', '["s","x","K",1]']
    assert ids(decoded({}, {}, key="K")) == [str(uuid.uuid5(namespace, name)) for name in names]


def test_the_ids_of_a_key_depend_on_source_and_session() -> None:
    calls = [
        decoded({}, key="K"),
        decoded({}, key="L"),
        decoded({}, key="K", session="y"),
        decoded({}, key="K", source="t"),
        decoded({}, key='K",0,"', session="x"),
    ]
    assert len({call.events[0].id for call in calls}) == len(calls)


def test_with_a_key_own_ids_are_kept_and_positions_count_all_events() -> None:
    both = decoded({}, {}, key="K")
    mixed = decoded({"id": "mine"}, {}, key="K")
    assert ids(mixed) == ["mine", ids(both)[1]]


@pytest.mark.parametrize("empty", ["", "  ", None])
def test_an_empty_session_gets_a_derived_id_that_never_changes(empty: Any) -> None:
    namespace = uuid.UUID("8f0c3a52-6f0e-5d5b-9d5e-1d1f6f7a2c11")
    by_key, by_event = decoded({"id": "e"}, key="K", session=empty), decoded({}, {"id": "e"}, session=empty)

    assert by_key.session_id == str(uuid.uuid5(namespace, '["session","s","key","K"]'))
    assert by_event.session_id == str(uuid.uuid5(namespace, '["session","s","event","e"]'))


def test_an_empty_session_without_key_and_own_ids_gets_a_random_id() -> None:
    calls = [decoded({}, {"id": " "}, session="") for _ in range(2)]
    assert {uuid.UUID(call.session_id).version for call in calls} == {7}
    assert calls[0].session_id != calls[1].session_id
    assert decoded(session="", **UNKEPT).derived_profile_id is None


def test_the_derived_ids_of_events_and_profile_are_those_of_the_derived_session() -> None:
    first = decoded({}, key="K", session="", **UNKEPT)
    same = decoded({}, key="K", session=first.session_id, **UNKEPT)
    assert (ids(first), first.derived_profile_id) == (ids(same), same.derived_profile_id)


UNKEPT: dict[str, Any] = {"options": {"saveSession": False}}


def test_a_call_that_keeps_no_session_has_a_derived_profile_id_that_never_changes() -> None:
    namespace = uuid.UUID("8f0c3a52-6f0e-5d5b-9d5e-1d1f6f7a2c11")
    by_key, by_event = decoded({"id": "e"}, key="K", **UNKEPT), decoded({}, {"id": "e"}, {"id": "f"}, **UNKEPT)

    assert by_key.derived_profile_id == str(uuid.uuid5(namespace, '["profile","s","x","key","K"]'))
    assert by_event.derived_profile_id == str(uuid.uuid5(namespace, '["profile","s","x","event","e"]'))


def test_a_derived_profile_id_depends_on_source_session_and_key_or_event() -> None:
    calls = [
        decoded({}, key="K", **UNKEPT),
        decoded({}, key="L", **UNKEPT),
        decoded({"id": "K"}, **UNKEPT),
        decoded({}, key="K", session="y", **UNKEPT),
        decoded({}, key="K", source="t", **UNKEPT),
    ]
    assert len({call.derived_profile_id for call in calls}) == len(calls)
    assert decoded(key="K", **UNKEPT).derived_profile_id == calls[0].derived_profile_id


def test_a_call_that_keeps_its_session_or_has_neither_key_nor_own_id_has_no_derived_profile_id() -> None:
    calls = [decoded({"id": "e"}, key="K"), decoded({}, **UNKEPT), decoded(**UNKEPT)]
    assert [call.derived_profile_id for call in calls] == [None] * 3


def test_the_option_of_an_event_wins_over_that_of_the_payload() -> None:
    options = {"saveEvent": False, "debugger": False, "logs": False}
    call = decoded({}, {"options": {"saveEvent": True, "debugger": True, "logs": True}}, options=options)
    assert [(event.store, event.debug, event.log) for event in call.events] == [(False,) * 3, (True,) * 3]


def test_the_options_of_the_payload_are_not_stored_with_its_events() -> None:
    assert decoded({}, options={"saveEvent": False}).events[0].config_json == "{}"


@pytest.mark.parametrize(
    ("payload", "events", "saved"),
    [
        (None, [], True),
        (False, [], False),
        (False, [None, None], False),
        (None, [False, None], True),
        (None, [False, False], False),
        (False, [None, True], True),
        (True, [False], False),
    ],
)
def test_the_session_is_not_written_when_every_event_declines_it(
    payload: bool | None, events: list[bool | None], saved: bool
) -> None:
    options = [{} if value is None else {"options": {"saveSession": value}} for value in events]
    call = decoded(*options, options={} if payload is None else {"saveSession": payload})
    assert call.save_session is saved


@pytest.mark.parametrize(
    ("payload", "events", "debug"),
    [
        ({}, [], True),
        ({"debugger": False}, [], False),
        ({"debugger": False}, [{}], False),
        ({"debugger": False}, [{}, {"debugger": True}], True),
        ({}, [{"debugger": False}], True),
    ],
)
def test_the_answer_has_debugging_unless_payload_and_every_event_decline(
    payload: dict[str, Any], events: list[dict[str, Any]], debug: bool
) -> None:
    assert decoded(*[{"options": options} for options in events], options=payload).debug is debug


def test_logs_are_declined_by_the_payload_for_the_call_and_by_an_event_for_itself() -> None:
    assert decoded({}, options={"logs": False}).log is False
    call = decoded({"options": {"logs": False}}, {})
    assert (call.log, [event.log for event in call.events]) == (True, [False, True])


def test_the_profile_is_requested_by_the_payload_or_any_event() -> None:
    assert decoded({}).profile_requested is False
    assert decoded({}, options={"profile": True}).profile_requested is True
    assert decoded({}, {"options": {"profile": True}}).profile_requested is True


def test_a_time_that_cannot_be_read_is_noted_at_its_event() -> None:
    call = decoded({"time": {"create": "soon"}}, {"metadata": {"time": 0}})
    assert [event.created for event in call.events] == [NOW, "1970-01-01T00:00:00.000000Z"]
    assert [event.notes for event in call.events] == [
        ("The event's time 'soon' cannot be read: the server's time is used.",),
        (),
    ]


@pytest.mark.parametrize(
    ("payload", "events", "expected"),
    [
        ({}, [], False),
        ({"profile": True}, [], True),
        ({"profile": False}, [{}], False),
        ({}, [{}, {"profile": True}], True),
        ({"profile": False}, [{"profile": True}, {"profile": False}], True),
        ({"profile": True}, [{"profile": False}], True),
        ({}, [{"profile": False}], False),
    ],
)
def test_true_anywhere_requests_the_profile_and_false_is_ignored(
    payload: dict[str, Any], events: list[dict[str, Any]], expected: bool
) -> None:
    call = decoded(*[{"options": options} for options in events], options=payload)
    assert call.profile_requested is expected


def test_numbers_that_json_cannot_hold_are_all_reported_with_their_places() -> None:
    body = (
        b'{"source": {"id": "s"}, "session": {"id": "x"}, "context": {"a": 1e999}, "properties": {"b": [-1e999]},'
        b' "events": [{"type": "t"}, {"type": "t", "properties": {"c": 1e999}, "context": {"d": {"e": 1e999}},'
        b' "options": {"f": 1e999}}]}'
    )
    with pytest.raises(HttpError) as error:
        decode(PARSER.parse(body), number=7, received=NOW)
    faults = faults_of(error.value)
    assert [fault["loc"] for fault in faults] == [
        ["body", "context"],
        ["body", "properties"],
        ["body", "events", 1, "properties"],
        ["body", "events", 1, "context"],
        ["body", "events", 1, "options"],
    ]
    assert {fault["type"] for fault in faults} == {"json_invalid"}
    assert "not a JSON number" in faults[0]["msg"]


def test_a_time_that_json_cannot_hold_is_only_noted() -> None:
    body = b'{"source": {"id": "s"}, "session": {"id": "x"}, "events": [{"type": "t", "time": 1e999}]}'
    [event] = decode(PARSER.parse(body), number=7, received=NOW).events
    assert event.created == NOW
    assert len(event.notes) == 1


def test_a_text_may_contain_the_name_of_such_a_number() -> None:
    [event] = decoded({"properties": {"NaN": "Infinity"}}).events
    assert event.properties_json == '{"NaN":"Infinity"}'
