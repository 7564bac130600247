"""The refusals of events that an answered call did not apply."""

import json
from typing import Any

from tests.core.decisions import NEW, decide
from tests.support.making import Make
from trackd.config.settings import Limits
from trackd.core.calls import Track, TrackedEvent
from trackd.core.documents import Source
from trackd.core.refusal_queue import PER_SECOND, RefusalQueue
from trackd.core.refusals import Refusal
from trackd.core.refused_events import add_events
from trackd.core.rules.compiling import compile_rules

RULES = compile_rules(
    {
        "event": {"order": {"schema": {"properties": {"price": {"type": "number"}}}}},
        "unwanted": [{"name": "bots", "types": ["bot*"]}],
    },
    Limits(),
)


def refusals(call: Track, source: Source, queue: RefusalQueue | None = None) -> tuple[Refusal, ...]:
    queue = queue or RefusalQueue(1_000)
    decision = decide(NEW, call, source, rules=RULES)
    add_events(queue, call, decision.answer, 0.0)
    change = queue.change()
    return change.refusals if change else ()


def event(event_type: str, event_id: str | None = None, **properties: Any) -> TrackedEvent:
    return Make.event(event_id, event_type, properties=properties)


def test_events_that_are_applied_are_no_refusals() -> None:
    assert refusals(Make.call(events=[event("t"), event("order", price=1)]), Source("source", "")) == ()
    assert refusals(Make.call(events=[Make.event(store=False)]), Source("source", "")) == ()


def test_each_event_that_is_not_applied_is_one_with_its_reason() -> None:
    events = [event("t", "e"), event("t", "e", a=1), event("bot-visit", b=2), event("order", price="high")]

    kept = refusals(Make.call(events=events, ip="203.0.113.77"), Source("source", ""))

    assert [(each.reason, each.event_type, each.event_id) for each in kept] == [
        ("duplicate", "t", "e"),
        ("unwanted", "bot-visit", events[2].id),
        ("invalid", "order", events[3].id),
    ]
    assert {(each.status, each.profile_id, each.session_id, each.source_id) for each in kept} == {
        (200, "A", "S", "source")
    }
    assert {each.network for each in kept} == {"203.0.113.0/24"}
    assert [json.loads(each.body or "")["properties"] for each in kept] == [{"a": 1}, {"b": 2}, {"price": "high"}]
    faults = [json.loads(each.faults) for each in kept]
    assert [fault["msg"] for [fault] in faults[:2]] == ["duplicate of event e: seq 1, type t", "unwanted (bots)"]
    assert [fault["loc"] for [fault] in faults[2:]] == [["properties", "price"]]
    assert '"high"' in faults[2][0]["msg"]


def test_nothing_that_was_sent_without_consent_is_kept_but_ids_and_types() -> None:
    events = [event("t", "e", a="mine"), event("t", "e", a="mine"), event("bot-visit", a="mine")]

    kept = refusals(Make.call(events=events), Source("source", "", consent=True))

    assert [each.reason for each in kept] == ["without_consent", "duplicate", "unwanted"]
    assert [each.body for each in kept] == [None, None, None]
    assert "mine" not in str(kept)


def test_without_bodies_no_value_of_an_event_is_kept() -> None:
    kept = refusals(
        Make.call(events=[event("order", price="high")]), Source("source", ""), RefusalQueue(10, bodies=False)
    )

    assert [each.body for each in kept] == [None]
    assert "high" not in str(kept)
    assert "price" in kept[0].faults


def test_a_call_of_many_such_events_counts_those_that_are_left_out() -> None:
    queue = RefusalQueue(1_000)

    kept = refusals(Make.call(events=[event("bot-visit") for _ in range(300)]), Source("source", ""), queue)

    assert len(kept) == PER_SECOND
    assert queue.totals == {"unwanted": 300}
    assert queue.left_out == 300 - PER_SECOND


def test_a_large_event_is_cut() -> None:
    [kept] = refusals(Make.call(events=[event("bot-visit", a="é" * 9_000)]), Source("source", ""))

    assert len((kept.body or "").encode()) in (2_047, 2_048)
