import time
from typing import Any

import msgspec
import pytest

from trackd.cli.tail_lines import Part, local_time, parts
from trackd.core.short_texts import MAX_TEXT

PROFILE = "c0ffee00-1111-2222-3333-444455556666"


@pytest.fixture(autouse=True)
def _in_berlin(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def event(**fields: Any) -> bytes:
    document: dict[str, Any] = {
        "kind": "event",
        "cursor": "1.0123456789abcdef.e1",
        "type": "page-view",
        "profile": {"id": PROFILE},
        "source": {"id": "shop"},
        "metadata": {"time": {"insert": "2026-01-31T12:00:00.000000Z"}, "status": "collected", "reasons": []},
        "properties": {"url": "/shoes"},
    }
    return msgspec.json.encode({**document, **fields})


def metadata(insert: str = "2026-07-31T12:00:00Z", status: str = "invalid", *reasons: str) -> dict[str, Any]:
    return {"time": {"insert": insert}, "status": status, "reasons": reasons}


def texts(record: bytes, columns: int | None = None) -> list[str]:
    return [part.text.rstrip() for part in parts(record, columns)]


def test_an_event_is_a_line_with_what_is_in_it() -> None:
    assert texts(event()) == ["2026-01-31 13:00:00", "shop", "page-view", PROFILE, "url=/shoes"]


def test_short_ids_are_columns_and_long_ones_are_cut_on_a_narrow_terminal() -> None:
    assert [len(part.text) for part in parts(event())[1:4]] == [12, 12, 36]
    assert texts(event(), columns=100)[3] == "c0ffee00-11…"
    assert texts(event(), columns=140)[3] == PROFILE
    assert len(texts(event(source={"id": "s" * 300}))[1]) == 40


def test_an_invalid_event_has_its_reasons() -> None:
    record = event(metadata=metadata("2026-07-31T12:00:00Z", "invalid", "price: is missing", "too old"))
    assert parts(record)[0].text == "2026-07-31 14:00:00"
    assert Part("invalid: price: is missing; too old", "red") in parts(record)
    assert "invalid" in texts(event(metadata=metadata()))
    assert "invalid" in texts(event(metadata={**metadata(), "reasons": None}))


def test_an_event_that_was_kept_at_an_erasure_has_no_profile_and_an_empty_one_no_properties() -> None:
    assert texts(event(profile={"id": ""}, properties={}))[3:] == ["-"]


def test_an_erasure_is_a_line_with_the_hash_of_the_id() -> None:
    record = b'{"kind":"erased","cursor":"1.0123456789abcdef.e1","id_hash":"ab12","time":"2026-01-31T12:00:00Z"}'
    assert texts(record) == ["2026-01-31 13:00:00", "erased", "the profile whose id has the SHA-256 ab12"]


def refusal(**fields: Any) -> bytes:
    document: dict[str, Any] = {
        "kind": "refusal",
        "cursor": "1.0123456789abcdef.e1.r1",
        "number": 1,
        "time": "2026-01-31T12:00:00.000000Z",
        "status": 422,
        "reason": "invalid",
        "source": {"id": "shop"},
        "profile": {"id": PROFILE},
        "session": None,
        "event": {"id": None, "type": "page-view"},
        "network": "203.0.113.0/24",
        "faults": [{"loc": ["body", "events", 0, "type"], "msg": "Field required", "type": "missing"}],
        "body": "{}",
        "left_out": 0,
    }
    return msgspec.json.encode({**document, **fields})


def test_a_refusal_is_a_line_with_its_reason_and_its_faults() -> None:
    assert texts(refusal()) == [
        "2026-01-31 13:00:00",
        "shop",
        "page-view",
        PROFILE,
        "not stored: 422 invalid",
        "body.events.0.type: Field required",
    ]
    assert texts(refusal(), columns=100)[3] == "c0ffee00-11…"
    assert Part("not stored: 422 invalid", "red") in parts(refusal())
    assert Part("not stored: 200 unwanted", "yellow") in parts(refusal(status=200, reason="unwanted"))


def test_an_event_that_is_stored_as_invalid_is_not_called_lost() -> None:
    assert Part("stored as invalid", "yellow") in parts(refusal(status=200))


def test_missed_refusals_are_a_line() -> None:
    assert texts(b'{"kind":"missed","cursor":"1.0123456789abcdef.e0.r7","refusals":1234}') == [
        "1,234 refusals are missing here: they are not kept any more"
    ]


def test_a_refusal_of_which_nothing_is_known_has_dashes_and_the_number_of_those_before_it() -> None:
    nothing = refusal(source=None, profile=None, event={"id": None, "type": None}, faults=[], left_out=1_234)
    assert texts(nothing)[1:] == ["-", "-", "-", "not stored: 422 invalid", "1,234 more before it"]


@pytest.mark.parametrize("faults", [None, {}, [7], [{"loc": [[]]}]])
def test_faults_that_another_tool_has_written_are_left_out(faults: Any) -> None:
    assert texts(refusal(faults=faults))[-1] == "not stored: 422 invalid"


def test_long_faults_are_cut() -> None:
    fault = {"loc": [], "msg": "x" * 300, "type": "t"}
    assert len(texts(refusal(faults=[fault]))[-1]) == MAX_TEXT


@pytest.mark.parametrize("text", ["yesterday", "", "9999-12-31T23:59:59Z"])
def test_a_time_that_another_tool_has_written_is_shown_as_it_is(text: str) -> None:
    assert local_time(text) == text
