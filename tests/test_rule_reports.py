"""Rules that drop, refuse or skip something, and segments: what an answer reports, and what is stored."""

import asyncio
import json
from collections.abc import Callable

import httpx

from tests.support.database import execute, rows
from tests.support.payloads import SOURCE_ID, payload
from tests.support.process import Process
from tests.support.tracking import document, track

Serve = Callable[..., Process]
ORDERS = """
[event.purchase-order]
tags = ["sales"]
schema = { type = "object", required = ["total"], properties.total = { type = "number", minimum = 0 } }
"""


def test_a_session_enters_and_leaves_segments(serve: Serve, rules: Callable[[str], str]) -> None:
    server = serve(
        TRACKD_RULES_PATH=rules(
            """
            [[segment]]
            name = "Just arrived!"
            when = "profile.stats.views < 2"
            [[segment]]
            name = "Never"
            when = "event.properties.price > 'a'"
            """
        )
    )
    first = track(server, {"type": "page-view", "properties": {"price": 1}})["debugging"]
    assert first["segmentation"]["ids"] == ["just-arrived"]
    assert [error.split(":")[0] for error in first["segmentation"]["errors"]] == ["never"]
    assert document(server)["segments"] == ["just-arrived"]
    second = track(server, "page-view")["debugging"]
    assert second["segmentation"] == {"errors": [], "ids": ["just-arrived"]}
    assert document(server)["segments"] == []


def test_without_consent_only_consents_are_stored(serve: Serve) -> None:
    server = serve()
    execute(server.db, "UPDATE source SET consent = 1")
    server.stop()
    server = serve()
    context = {"city": "Brno"}
    dropped = track(server, "page-view", {"type": "purchase-order", "id": "e"}, context=context)
    assert dropped["debugging"]["events"]["saved"] == 0
    assert dropped["source"] == {"consent": True}
    assert [entry["message"] for entry in dropped["debugging"]["logs"]] == [
        "The event is dropped: the profile has granted no consent.",
        "The event is dropped: the profile has granted no consent.",
        "context and properties of this call were not added to the session: the profile has granted no consent.",
    ]
    granted = {"type": "consent-granted", "properties": {"general": True}}
    answer = track(server, "page-view", granted, "page-view", {"type": "purchase-order", "id": "e"}, context=context)
    assert answer["debugging"]["events"]["types"] == ["consent-granted", "page-view"]
    assert answer["profile"] == dropped["profile"]
    assert document(server)["stats"]["counters"] == {"consent-granted": 1, "page-view": 1}
    assert json.loads(rows(server.db, "SELECT context FROM session")[0]["context"]) == context
    track(server, {"type": "consent-revoked", "properties": {"general": True}})
    assert track(server, "page-view")["debugging"]["events"]["saved"] == 0
    server.process.terminate()
    _, log = server.process.communicate(timeout=30)
    assert "events dropped since the start: no consent: 4" in log


def test_an_invalid_event_is_stored_with_its_reasons_and_changes_nothing(
    serve: Serve, rules: Callable[[str], str]
) -> None:
    server = serve(TRACKD_RULES_PATH=rules(ORDERS))
    bad = {"type": "purchase-order", "properties": {"total": -1}}
    answer = track(server, {"type": "purchase-order", "properties": {"total": 1}}, bad, "purchase-order", "other")
    assert answer["debugging"]["events"]["saved"] == 4
    assert document(server)["stats"]["counters"] == {"purchase-order": 1, "other": 1}
    assert rows(server.db, "SELECT seq, status, tags, reasons FROM event ORDER BY seq") == [
        {"seq": 1, "status": "validated", "tags": '["sales"]', "reasons": None},
        {
            "seq": 2,
            "status": "invalid",
            "tags": '["sales"]',
            "reasons": '["properties.total: -1 is less than the minimum of 0"]',
        },
        {
            "seq": 3,
            "status": "invalid",
            "tags": '["sales"]',
            "reasons": '["properties: \\"total\\" is a required property"]',
        },
        {"seq": 4, "status": "collected", "tags": "[]", "reasons": None},
    ]
    [first, _] = answer["debugging"]["logs"]
    assert first == {
        "type": "error",
        "event_id": answer["debugging"]["events"]["ids"][1],
        "rule": None,
        "message": "The event is invalid and changes nothing: properties.total: -1 is less than the minimum of 0.",
    }


def test_a_source_may_have_its_invalid_events_refused(serve: Serve, rules: Callable[[str], str]) -> None:
    server = serve(TRACKD_RULES_PATH=rules(ORDERS + f'[validation]\nrefuse = ["{SOURCE_ID}"]\n'))
    events = [
        {"type": "other"},
        {"type": "purchase-order", "properties": {"total": "much"}},
        {"type": "purchase-order"},
    ]
    response = httpx.post(f"{server.url}/track", json=payload("s", events=events), timeout=30)
    assert response.status_code == 422
    assert response.json() == {
        "detail": [
            {
                "loc": ["body", "events", 1, "properties", "total"],
                "msg": '"much" is not of type "number"',
                "type": "json_schema",
            },
            {
                "loc": ["body", "events", 2, "properties"],
                "msg": '"total" is a required property',
                "type": "json_schema",
            },
        ]
    }
    for table in ("profile", "session", "event"):
        assert rows(server.db, f"SELECT * FROM {table}") == []
    assert track(server, "other")["debugging"]["events"]["seq"] == [1]


async def test_refused_calls_among_simultaneous_first_calls_leave_no_trace(
    serve: Serve, rules: Callable[[str], str]
) -> None:
    server = serve(TRACKD_RULES_PATH=rules(ORDERS + '[validation]\nrefuse = ["*"]\n'))

    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        orders = [
            {"type": "purchase-order", "id": f"e-{number}", "properties": {"total": 1 if number % 2 else -1}}
            for number in range(20)
        ]
        calls = [payload("s", events=[{"type": "other"}, order]) for order in orders]
        answers = await asyncio.gather(*(client.post("/track", json=call) for call in calls))
    assert [answer.status_code for answer in answers] == [422, 200] * 10
    taken = [answer.json() for answer in answers[1::2]]
    assert len({answer["profile"]["id"] for answer in taken}) == 1
    assert sorted(seq for answer in taken for seq in answer["debugging"]["events"]["seq"]) == list(range(1, 21))
    assert document(server)["stats"]["counters"] == {"other": 10, "purchase-order": 10}
    mended = track(server, {"type": "purchase-order", "id": "e-0", "properties": {"total": 1}})
    assert mended["debugging"]["events"]["saved"] == 1


def test_unwanted_events_are_dropped_and_counted_by_reason(serve: Serve, rules: Callable[[str], str]) -> None:
    server = serve(
        TRACKD_RULES_PATH=rules(
            f"""
            [[unwanted]]
            name = "debugging"
            types = ["debug-*"]
            [[unwanted]]
            name = "bots"
            bots = true
            source = ["{SOURCE_ID}"]
            """
        )
    )
    browser = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36"}
    bot = {"User-Agent": "Googlebot/2.1 (+http://www.google.com/bot.html)"}
    answer = track(server, "debug-1", "page-view", headers=browser)["debugging"]
    assert answer["events"]["types"] == ["page-view"]
    assert [entry["message"] for entry in answer["logs"]] == ["The event is dropped: unwanted (debugging)."]
    answer = track(server, "page-view", "page-view", headers=bot)["debugging"]
    assert answer["events"]["saved"] == 0
    assert document(server)["stats"]["counters"] == {"page-view": 1}
    server.process.terminate()
    _, log = server.process.communicate(timeout=30)
    messages = [json.loads(line)["message"] for line in log.splitlines()]
    assert "events dropped, unwanted (bots): 2, 2 since the start" in messages
    assert "events dropped since the start: unwanted (bots): 2, unwanted (debugging): 1" in messages


def test_no_rule_fails_a_call(serve: Serve, rules: Callable[[str], str]) -> None:
    server = serve(
        TRACKD_RULES_PATH=rules(
            """
            [[rule]]
            name = "too long"
            event = "*"
            when = "event.properties.l.all(a, event.properties.l.all(b, a >= 0 && b >= 0))"
            steps = [{ target = "traits.public.never", value = true }]
            [[rule]]
            name = "clash"
            event = "*"
            steps = [
                { target = "traits.public.text", value = "x" },
                { target = "traits.public.text", op = "increment" },
                { target = "traits.public.absent", from = "properties.absent" },
                { target = "traits.public.after", value = 1 },
            ]
            """
        )
    )
    answer = track(server, {"type": "t", "id": "e", "properties": {"l": list(range(101))}})
    assert document(server)["traits"]["public"] == {"text": "x", "after": 1}
    assert answer["debugging"]["logs"] == [
        {
            "type": "error",
            "event_id": "e",
            "rule": "too long",
            "message": "The condition failed: Iteration budget exceeded.",
        },
        {
            "type": "warning",
            "event_id": "e",
            "rule": "clash",
            "message": "Skipped increment traits.public.text: a text cannot be incremented.",
        },
    ]
    assert answer["debugging"]["execution"] == {
        "t": [{"rule": "clash", "changed": ["traits.public.text", "traits.public.after"]}]
    }


def test_each_log_entry_has_a_type_an_event_a_rule_and_a_message(serve: Serve, rules: Callable[[str], str]) -> None:
    server = serve(
        TRACKD_RULES_PATH=rules(
            ORDERS
            + """
            [[rule]]
            name = "clash"
            event = "page-view"
            steps = [{ target = "pii.email", value = "x" }, { target = "pii.email", op = "increment" }]
            [[unwanted]]
            name = "tests"
            types = ["test"]
            """
        )
    )
    answer = track(server, {"type": "purchase-order", "id": "1"}, {"type": "page-view", "id": "2"}, {"type": "test"})
    entries = answer["debugging"]["logs"]
    assert [set(entry) for entry in entries] == [{"type", "event_id", "rule", "message"}] * 3
    assert [(entry["type"], entry["rule"]) for entry in entries] == [
        ("error", None),
        ("warning", "clash"),
        ("info", None),
    ]
    assert [entry["event_id"] for entry in entries[:2]] == ["1", "2"]


def test_a_segment_that_cannot_be_evaluated_stays_as_it_was(serve: Serve, rules: Callable[[str], str]) -> None:
    server = serve(
        TRACKD_RULES_PATH=rules(
            """
            [[segment]]
            name = "Long"
            when = "event.properties.l.all(a, event.properties.l.all(b, a + b >= 0))"
            """
        )
    )
    entered = track(server, {"type": "a", "properties": {"l": [1, 2]}})["debugging"]
    failed = track(server, {"type": "a", "properties": {"l": list(range(200))}})["debugging"]
    assert (entered["segmentation"], failed["segmentation"]) == (
        {"errors": [], "ids": ["long"]},
        {"errors": ["long: Iteration budget exceeded"], "ids": []},
    )
    assert failed["events"]["saved"] == 1
    assert document(server)["segments"] == ["long"]
