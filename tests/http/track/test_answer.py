"""Contract 2.4: the body of a 200."""

import json
from typing import Any

from trackd.core.calls import LogEntry, NumberedEvent, Tracked
from trackd.http.track.answer import answer_body


def answer(**more: Any) -> dict[str, Any]:
    tracked = Tracked(**{"number": 7, "profile_id": "p", "session_id": "x", "consent": False, **more})
    return json.loads(answer_body(tracked))  # type: ignore[no-any-return]


def test_the_answer_has_the_format_of_the_contract() -> None:
    events = (NumberedEvent("e-1", "page-view", 17, True), NumberedEvent("e-2", "product-in-basket", 18, True))
    assert answer(events=events, profile_saved=True, session_saved=True) == {
        "debugging": {
            "session": {"saved": 1, "errors": [], "ids": ["x"], "types": []},
            "events": {
                "saved": 2,
                "errors": [],
                "ids": ["e-1", "e-2"],
                "types": ["page-view", "product-in-basket"],
                "seq": [17, 18],
            },
            "profile": {"saved": 1, "errors": [], "ids": ["p"], "types": []},
            "execution": {},
            "segmentation": {"errors": [], "ids": []},
            "logs": [],
        },
        "profile": {"id": "p"},
        "session": {"id": "x"},
        "source": {"consent": False},
        "ux": [],
        "response": {},
    }


def test_an_unchanged_session_and_profile_are_not_reported_as_saved() -> None:
    debugging = answer()["debugging"]
    assert [debugging[kind]["saved"] for kind in ("session", "events", "profile")] == [0, 0, 0]
    assert debugging["events"] == {"saved": 0, "errors": [], "ids": [], "types": [], "seq": []}
    assert (debugging["session"]["ids"], debugging["profile"]["ids"]) == (["x"], ["p"])


def test_session_and_profile_are_reported_as_saved_separately() -> None:
    for session, profile in ((True, False), (False, True)):
        debugging = answer(session_saved=session, profile_saved=profile)["debugging"]
        assert (debugging["session"]["saved"], debugging["profile"]["saved"]) == (session, profile)


def test_an_event_that_was_stored_before_is_listed_but_not_counted() -> None:
    events = answer(events=(NumberedEvent("old", "a", 3, False), NumberedEvent("new", "b", 9, True)))["debugging"][
        "events"
    ]
    assert (events["saved"], events["ids"], events["seq"]) == (1, ["old", "new"], [3, 9])


def test_a_session_that_is_not_kept_is_not_listed() -> None:
    body = answer(session_kept=False)
    assert body["debugging"]["session"]["ids"] == []
    assert body["session"] == {"id": "x"}


def test_without_the_debugger_the_answer_is_the_same_without_debugging() -> None:
    events = (NumberedEvent("e-1", "page-view", 17, True),)
    with_debugging = answer(events=events)
    assert with_debugging.pop("debugging")
    assert answer(events=events, debug=False) == with_debugging


def test_a_requested_profile_replaces_its_id() -> None:
    document = {"id": "p", "traits": {"public": {"name": "Zoë"}}}
    assert answer(profile=document)["profile"] == document


def test_the_consent_of_the_source_is_reported() -> None:
    assert answer(consent=True)["source"] == {"consent": True}


def test_log_entries_name_their_event_and_rule() -> None:
    logs = (LogEntry("warning", "odd", event_id="e-1"), LogEntry("info", "fine", rule="r"))
    assert answer(logs=logs)["debugging"]["logs"] == [
        {"type": "warning", "event_id": "e-1", "rule": None, "message": "odd"},
        {"type": "info", "event_id": None, "rule": "r", "message": "fine"},
    ]
