"""What events do to a profile, as whoever runs the server and whoever sends the events see it."""

import asyncio
import json
import signal
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.database import execute, rows
from tests.support.payloads import SOURCE_ID, payload
from tests.support.process import Process

Serve = Callable[..., Process]
PAYLOADS = Path(__file__).parent / "payloads"

SUMS = """
[[rule]]
name = "sums"
event = "page-view"
steps = [
    { target = "traits.private.spent", op = "increment", from = "properties.price" },
    { target = "stats.counters.spent", op = "increment", from = "properties.price" },
]
"""
ORDER = """
[[rule]]
name = "order"
event = "*"
steps = [{ target = "traits.public.types", op = "append", from = "event.type" }]
"""
ORDERS = """
[event.purchase-order]
tags = ["sales"]
schema = { type = "object", required = ["total"], properties.total = { type = "number", minimum = 0 } }
"""


@pytest.fixture
def rules(tmp_path: Path) -> Callable[[str], str]:
    """Writes the rules file that `serve(TRACKD_RULES_PATH=...)` reads; returns its path."""

    def write(text: str) -> str:
        path = tmp_path / "rules.toml"
        path.write_text(text)
        return str(path)

    return write


def track(server: Process, *events: dict[str, Any] | str, session: str = "s", **more: Any) -> dict[str, Any]:
    """The answer to a call with these events; of one that is only a type, an event of that type."""
    made = [{"type": event} if isinstance(event, str) else event for event in events]
    headers = more.pop("headers", {})
    response = httpx.post(f"{server.url}/track", json=payload(session, events=made, **more), headers=headers)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def document(server: Process) -> dict[str, Any]:
    """Of the only profile."""
    [profile] = rows(server.db, "SELECT doc FROM profile")
    doc: dict[str, Any] = json.loads(profile["doc"])
    return doc


async def at_once(server: Process, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers to calls that are sent simultaneously."""

    limits = httpx.Limits(max_connections=len(calls), max_keepalive_connections=len(calls))
    async with httpx.AsyncClient(base_url=server.url, limits=limits, timeout=60) as client:
        answers = await asyncio.gather(*(client.post("/track", json=call) for call in calls))
    assert {answer.status_code for answer in answers} == {200}
    return [answer.json() for answer in answers]


def replace(path: str, text: str) -> None:
    """Another file of this name: whoever reads it sees the whole of one or of the other."""
    other = Path(f"{path}.new")
    other.write_text(text)
    other.replace(path)


def stopped(server: Process) -> list[dict[str, Any]]:
    """Its remaining log lines, once it has stopped."""
    server.process.terminate()
    _, log = server.process.communicate(timeout=30)
    assert server.process.returncode == 0
    return [json.loads(line) for line in log.splitlines()]


def reload(server: Process) -> str:
    """Have the rules read again; returns what the log says of it."""
    server.process.send_signal(signal.SIGHUP)
    assert server.process.stderr is not None
    for line in iter(server.process.stderr.readline, ""):
        message = str(json.loads(line)["message"])
        if "rules" in message:
            return message
    raise AssertionError("the server ended")


def test_the_full_payload_of_the_source_page_leaves_views_consents_and_counters(serve: Serve) -> None:
    server = serve()
    sent = json.loads((PAYLOADS / "full.json").read_text()) | {"source": {"id": SOURCE_ID}}
    del sent["options"]
    for event in sent["events"]:
        del event["options"]
    answer = httpx.post(f"{server.url}/track", json=sent).json()
    doc = document(server)
    assert doc["stats"] == {
        "visits": 1,
        "views": 1,
        "counters": {"page-view": 1, "consent-granted": 1, "product-in-basket": 1},
    }
    assert list(doc["consents"]) == ["general"]
    assert [(entry["id"], entry["change"]) for entry in doc["metadata"]["consents"]] == [
        ("marketing", "withdrawn"),
        ("general", "granted"),
    ]
    assert answer["debugging"]["execution"] == {
        "consent-granted": [{"rule": "consents granted", "changed": ["consents.marketing", "consents.general"]}]
    }
    assert answer["debugging"]["segmentation"] == {"errors": [], "ids": []}
    assert answer["debugging"]["logs"] == []
    assert rows(server.db, "SELECT type, status FROM event ORDER BY seq") == [
        {"type": "page-view", "status": "collected"},
        {"type": "consent-granted", "status": "validated"},
        {"type": "product-in-basket", "status": "collected"},
    ]


async def test_20_simultaneous_views_between_two_others_are_22_views_of_one_profile(serve: Serve) -> None:
    server = serve()
    answers = [track(server, "page-view")]
    answers += await at_once(server, [payload("s", "page-view")] * 20)
    answers.append(track(server, "page-view"))
    assert len({answer["profile"]["id"] for answer in answers}) == 1
    assert document(server)["stats"]["views"] == 22


@pytest.mark.parametrize("prices", [["34.43"] * 22, [f"{n}.{n:02}" for n in range(22)]], ids=["one price", "many"])
async def test_simultaneous_increments_give_the_exact_sum(
    serve: Serve, rules: Callable[[str], str], prices: list[str]
) -> None:
    server = serve(TRACKD_RULES_PATH=rules(SUMS))
    events = [{"type": "page-view", "properties": {"price": float(price)}} for price in prices]
    track(server, events[0])
    await at_once(server, [payload("s", events=[event]) for event in events[1:-1]])
    track(server, events[-1])
    total = float(sum(map(Decimal, prices)))
    doc = document(server)
    assert (doc["traits"]["private"]["spent"], doc["stats"]["counters"]["spent"]) == (total, total)
    assert doc["stats"]["counters"]["page-view"] == doc["stats"]["views"] == 22


def test_30_events_of_one_call_are_applied_once_each_and_in_their_order(
    serve: Serve, rules: Callable[[str], str]
) -> None:
    server = serve(TRACKD_RULES_PATH=rules(ORDER))
    types = ["page-view", *(f"type-{number}" for number in range(29))]
    answer = track(server, *types)
    doc = document(server)
    assert doc["traits"]["public"]["types"] == types
    assert doc["stats"]["counters"] == dict.fromkeys(types, 1)
    assert answer["debugging"]["events"]["seq"] == list(range(1, 31))
    assert answer["debugging"]["execution"]["type-7"] == [{"rule": "order", "changed": ["traits.public.types"]}]


def test_events_that_are_sent_again_after_kill_9_are_applied_once(serve: Serve, rules: Callable[[str], str]) -> None:
    path = rules(SUMS)
    server = serve(TRACKD_RULES_PATH=path)
    event = {"type": "page-view", "id": "e-1", "properties": {"price": 0.1}}
    first = track(server, event)
    server.stop(signal.SIGKILL)
    again = track(serve(TRACKD_RULES_PATH=path), event, {**event, "id": "e-2", "properties": {"price": 0.2}})
    assert first["debugging"]["events"]["seq"] + again["debugging"]["events"]["seq"] == [1, 1, 2]
    assert document(server)["traits"]["private"]["spent"] == 0.3


async def test_simultaneous_calls_cut_off_by_kill_9_and_sent_again_are_applied_once(
    serve: Serve, rules: Callable[[str], str]
) -> None:
    path = rules(SUMS)
    server = serve(TRACKD_RULES_PATH=path)
    prices = [f"{number}.{number:02}" for number in range(60)]
    calls = [
        payload(
            "s",
            events=[
                {"type": "page-view", "id": f"e-{price}", "properties": {"price": float(price)}},
                {
                    "type": "page-view",
                    "id": f"u-{price}",
                    "properties": {"price": 0.1},
                    "options": {"saveEvent": False},
                },
            ],
        )
        for price in prices
    ]
    answered = []

    async def send(client: httpx.AsyncClient, call: dict[str, Any]) -> None:
        try:
            answer = await client.post("/track", json=call)
        except httpx.TransportError:
            return
        assert answer.status_code == 200
        answered.append(answer.json()["profile"]["id"])
        if len(answered) == 10:
            server.stop(signal.SIGKILL)

    limits = httpx.Limits(max_connections=8, max_keepalive_connections=8)
    async with httpx.AsyncClient(base_url=server.url, limits=limits, timeout=60) as client:
        await asyncio.gather(*(send(client, call) for call in calls))
    assert 10 <= len(answered) < len(calls)
    again = await at_once(serve(TRACKD_RULES_PATH=path), calls)
    assert len({*answered, *(answer["profile"]["id"] for answer in again)}) == 1
    assert sorted(answer["debugging"]["events"]["seq"][0] for answer in again) == list(range(1, 61))
    doc = document(server)
    assert doc["traits"]["private"]["spent"] == float(sum(map(Decimal, prices)) + 6)
    assert doc["stats"]["views"] == 120


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


def test_rules_are_read_again_on_sighup_and_a_file_with_a_fault_changes_nothing(
    serve: Serve, rules: Callable[[str], str]
) -> None:
    server = serve(TRACKD_RULES_PATH=rules(ORDER))
    track(server, "a")
    rules(ORDER.replace("event.type", "evnt.type"))
    refused = reload(server)
    assert refused.startswith("the rules stay as they were: ")
    assert 'rules.toml: rule "order", step 1: `evnt.type` is no source' in refused
    track(server, "b")
    assert document(server)["traits"]["public"] == {"types": ["a", "b"]}
    rules(ORDER.replace("public.types", "public.others"))
    assert "were read again" in reload(server)
    track(server, "c")
    assert document(server)["traits"]["public"] == {"types": ["a", "b"], "others": ["c"]}


def test_a_file_that_cannot_be_used_is_refused_with_one_line_and_the_server_lives(
    serve: Serve, rules: Callable[[str], str]
) -> None:
    path = Path(rules(ORDER))
    server = serve(TRACKD_RULES_PATH=str(path))
    faults = {
        "[[rule]\n": "it is not valid TOML: ",
        ORDER + ORDER: 'rule "order": there are two of this name.',
        ORDER.replace("steps", "stepps"): 'rule "order": ',
        ORDER + '[[segment]]\nname = "new"\nwhen = "profile.stat.views > 1"\n': 'segment "new": when: ',
        ORDER + '[event.order]\nschema_file = "none.json"\n': 'event "order": its schema ',
    }
    for text, fault in faults.items():
        path.write_text(text)
        assert reload(server).startswith(f"the rules stay as they were: {path}: {fault}")
        track(server, "a")
    path.unlink()
    assert "cannot be read: No such file or directory" in reload(server)
    assert document(server)["traits"]["public"]["types"] == ["a"] * len(faults)
    [last] = stopped(server)
    assert last["message"].startswith("trackd stopped")


def test_the_built_in_rules_are_read_again_too(serve: Serve) -> None:
    server = serve()
    assert reload(server) == "the rules (built in) were read again"
    track(server, {"type": "sign-up", "properties": {"email": "a@b.example"}})
    assert document(server)["pii"] == {"email": "a@b.example"}


async def test_rules_that_change_under_load_lose_no_call(serve: Serve, rules: Callable[[str], str]) -> None:
    path = rules(SUMS)
    others = SUMS.replace("private.spent", "private.others")
    server = serve(TRACKD_RULES_PATH=path)
    call = payload("s", events=[{"type": "page-view", "properties": {"price": 0.1}}])

    limits = httpx.Limits(max_connections=16, max_keepalive_connections=16)
    async with httpx.AsyncClient(base_url=server.url, limits=limits, timeout=60) as client:
        for text in (others, "broken", SUMS, others, others + others, SUMS) * 2:
            calls = [asyncio.create_task(client.post("/track", json=call)) for _ in range(25)]
            replace(path, text)
            server.process.send_signal(signal.SIGHUP)
            assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200}
    sums = document(server)["traits"]["private"]
    assert sum(Decimal(str(total)) for total in sums.values()) == 30
    assert document(server)["stats"]["counters"] == {"page-view": 300, "spent": 30}
    assert stopped(server)[-1]["message"].startswith("trackd stopped")


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
    response = httpx.post(f"{server.url}/track", json=payload("s", events=events))
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
            when = "event.properties.l.all(a, event.properties.l.all(b, event.properties.l.all(c, a + b + c >= 0)))"
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
    answer = track(server, {"type": "t", "id": "e", "properties": {"l": list(range(100))}})
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


def test_each_log_entry_says_its_type_event_rule_and_message_and_nothing_else(
    serve: Serve, rules: Callable[[str], str]
) -> None:
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
