"""Rules on a real server: events that arrive at once, are sent again or come with new rules are applied once."""

import asyncio
import json
import signal
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.database import rows
from tests.support.payloads import SOURCE_ID, payload
from tests.support.process import Process
from tests.support.tracking import document, track

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


async def at_once(server: Process, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers to calls that are sent simultaneously."""

    limits = httpx.Limits(max_connections=len(calls), max_keepalive_connections=len(calls))
    async with httpx.AsyncClient(base_url=server.url, limits=limits, timeout=60) as client:
        answers = await asyncio.gather(*(client.post("/track", json=call) for call in calls))
    assert {answer.status_code for answer in answers} == {200}
    return [answer.json() for answer in answers]


def replace(path: str, text: str) -> None:
    """Put another file in its place, in one step: a reader gets one of the two as a whole."""
    other = Path(f"{path}.new")
    other.write_text(text)
    other.replace(path)


def stopped(server: Process) -> list[dict[str, Any]]:
    """Stop the server; returns its remaining log lines."""
    server.process.terminate()
    _, log = server.process.communicate(timeout=30)
    assert server.process.returncode == 0
    return [json.loads(line) for line in log.splitlines()]


def reload(server: Process) -> str:
    """Send SIGHUP; returns the log line about the rules."""
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
    answer = httpx.post(f"{server.url}/track", json=sent, timeout=30).json()
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


def test_rules_are_read_again_on_sighup_and_a_file_with_a_fault_changes_nothing(
    serve: Serve, rules: Callable[[str], str]
) -> None:
    server = serve(TRACKD_RULES_PATH=rules(ORDER))
    track(server, "a")
    rules(ORDER.replace("event.type", "evnt.type"))
    refused = reload(server)
    assert refused.startswith("the rules are unchanged: ")
    assert 'rules.toml: rule "order", step 1: `evnt.type` is no source' in refused
    track(server, "b")
    assert document(server)["traits"]["public"] == {"types": ["a", "b"]}
    rules(ORDER.replace("public.types", "public.others"))
    assert "are reloaded" in reload(server)
    track(server, "c")
    assert document(server)["traits"]["public"] == {"types": ["a", "b"], "others": ["c"]}


def test_an_unusable_rules_file_is_refused_with_one_line_and_the_server_continues(
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
        ORDER + "[event.order]\nschema.'$ref' = '../a.json'\n": 'event "order": its schema is wrong: it refers to /',
    }
    for text, fault in faults.items():
        path.write_text(text)
        assert reload(server).startswith(f"the rules are unchanged: {path}: {fault}")
        track(server, "a")
    path.unlink()
    assert "cannot be read: No such file or directory" in reload(server)
    assert document(server)["traits"]["public"]["types"] == ["a"] * len(faults)
    [last] = stopped(server)
    assert last["message"].startswith("trackd stopped")


def test_the_built_in_rules_are_read_again_too(serve: Serve) -> None:
    server = serve()
    assert reload(server) == "the rules (built in) are reloaded"
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
    assert any(line["message"].startswith("trackd stopped") for line in stopped(server))
