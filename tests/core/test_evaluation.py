"""Evaluations that a memo spares."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.person import (
    CONSENTS,
    NO_RULES,
    PLAIN,
    WARY,
    Person,
    grants,
    messages,
    rules,
    without_memo,
)
from tests.support.making import Make
from trackd.config.settings import Limits
from trackd.core import processing
from trackd.core.calls import TrackedEvent
from trackd.core.documents import NO_MEMO, timestamp
from trackd.core.encoding import json_raw
from trackd.core.rules.rule import Rule
from trackd.core.rules.ruleset import RuleSet

ANSWERS = st.dictionaries(st.sampled_from("ab"), st.sampled_from([True, False, None, 1]), max_size=2)
FOR_DAYS = grants(name="for a while", event="for a while", valid_for_days=1)
REVOKES = grants(name="revokes", event="revoke", steps=[{**grants()["steps"][0], "op": "unset"}])
FILLS = {"name": "fills", "event": "fill", "steps": [{"target": "pii.text", "from": "properties.text"}]}
WITH_SCHEMA = {"consent": {"schema": {"additionalProperties": {"type": ["boolean", "null"]}}}}


@given(
    answers=st.lists(
        st.tuples(st.sampled_from(["consent", "revoke", "for a while"]), ANSWERS, st.integers(0, 3), st.integers(0, 4)),
        max_size=12,
    ),
    schema=st.booleans(),
    wary=st.booleans(),
    free_bytes=st.integers(0, 300),
    max_history=st.sampled_from([1, 2, 100]),
)
def test_repeated_consents_have_the_same_result_with_and_without_a_memo(
    make: type[Make],
    answers: list[tuple[str, dict[str, Any], int, int]],
    schema: bool,
    wary: bool,
    free_bytes: int,
    max_history: int,
) -> None:
    ruleset = rules(rule=[grants(), REVOKES, FOR_DAYS, FILLS], event=WITH_SCHEMA if schema else {})
    limits = Limits(max_profile_bytes=4_096, max_consent_history=max_history)
    people = [Person(WARY if wary else PLAIN, limits, keeps_memo) for keeps_memo in (False, True)]
    received = datetime(2026, 3, 1, tzinfo=UTC)
    fill = make.event(event_type="fill", properties={"text": "x" * (3_600 - free_bytes)})
    for person in people:
        person.send(make.call(events=[fill]), ruleset)
    for event_type, properties, days, age in answers:
        received += timedelta(days=days)
        event = make.event(event_type=event_type, properties=properties)
        late = replace(event, created=timestamp(received - timedelta(days=age)))
        call = make.call(events=[late, late], received=timestamp(received))
        one, other = (person.send(call, ruleset) for person in people)
        assert without_memo(one) == without_memo(other)


def test_a_repeated_consent_need_not_run_its_rules(make: type[Make], monkeypatch: pytest.MonkeyPatch) -> None:
    person, without = Person(), Person(keeps_memo=False)
    call = make.call(events=[make.event(event_type="consent", properties={"a": True, "b": True})])
    first, _, run = person.send(call, CONSENTS), without.send(call, CONSENTS), without.send(call, CONSENTS)
    with monkeypatch.context() as patched:
        patched.setattr(Rule, "run", None)
        second = person.send(call, CONSENTS)

    assert second.answer.report == run.answer.report
    assert [event.seq for event in second.changes.events] == [2]
    assert first.answer.report.execution == {"consent": {"consents": ("consents.a", "consents.b")}}
    assert second.answer.report.execution == {"consent": {"consents": ()}}


DAYS = [f"2026-03-0{day}T00:00:00.000000Z" for day in range(1, 7)]


def test_a_repeated_withdrawal_need_not_run_its_rules_and_its_last_arrival_counts(
    make: type[Make], monkeypatch: pytest.MonkeyPatch
) -> None:
    person, without, ruleset = Person(), Person(keeps_memo=False), rules(rule=[grants(), REVOKES])
    consent = make.event(event_type="consent", properties={"a": False, "b": True})
    revoke = make.event(event_type="revoke", properties={"c": True})
    calls = [make.call(events=[consent, revoke], received=day) for day in DAYS[:5]]
    run = [without.send(call, ruleset) for call in calls]
    repeated = [person.send(calls[0], ruleset)]
    with monkeypatch.context() as patched:
        patched.setattr(Rule, "run", None)
        repeated += [person.send(call, ruleset) for call in calls[1:]]

    assert repeated[1].answer.report.execution == {"consent": {"consents": ()}, "revoke": {"revokes": ()}}
    assert list(map(without_memo, repeated)) == list(map(without_memo, run))
    assert not repeated[1].answer.profile_saved
    history = {entry["id"]: entry.get("received") for entry in person.doc["metadata"]["consents"]}
    assert history == {"a": DAYS[4], "b": None, "c": DAYS[4]}
    late = replace(make.event(event_type="consent", properties={"a": True}), created=DAYS[3])
    person.send(make.call(events=[late], received=DAYS[5]), ruleset)
    assert list(person.doc["consents"]) == ["b"]


def test_a_repetition_from_before_a_withdrawal_of_what_it_grants_is_reported(make: type[Make]) -> None:
    person = Person()
    consent = make.event(event_type="consent", properties={"a": True, "b": False})
    no = make.event(event_type="consent", properties={"a": False})
    for day, event in zip(DAYS[:5], [consent, no, consent, consent, consent], strict=True):
        person.send(make.call(events=[replace(event, created=day)], received=day), CONSENTS)

    late = person.send(make.call(events=[replace(consent, created=DAYS[0])], received=DAYS[5]), CONSENTS)

    assert messages(late) == ["Skipped set consents.a: it was withdrawn since then."]


VIP = {
    "rule": [{"name": "sets", "event": "set", "steps": [{"target": "traits.public.*", "from": "properties"}]}],
    "segment": [{"name": "vip", "when": "profile.traits.public.vip == true"}],
}


def is_evaluated(make: type[Make], event: TrackedEvent, ruleset: RuleSet, then: RuleSet | None = None) -> bool:
    """Whether the segment `vip` is evaluated again: its condition is made true without a change in the draft."""
    person = Person()
    person.send(make.call("S", 1), ruleset)
    traits = {**person.doc["traits"], "public": {"vip": True}}
    person.profile = replace(person.profile, doc_json=json_raw({**person.doc, "traits": traits}))
    person.send(make.call("S", [event]), then or ruleset)
    return bool(person.doc["segments"] == ["vip"])


def test_a_segment_is_not_evaluated_again_while_its_inputs_stay_the_same(make: type[Make]) -> None:
    assert not is_evaluated(make, make.event(), rules(**VIP))
    assert not is_evaluated(make, make.event(event_type="page-view"), rules(**VIP))


def test_a_segment_is_evaluated_again_when_its_inputs_changed(make: type[Make]) -> None:
    assert is_evaluated(make, make.event(event_type="set", properties={"other": 1}), rules(**VIP))


def test_a_segment_is_evaluated_again_under_other_rules(make: type[Make]) -> None:
    assert is_evaluated(make, make.event(), rules(**VIP), then=rules(**VIP, validation={"refuse": "shop"}))


def test_a_segment_that_reads_the_event_is_evaluated_each_time(make: type[Make]) -> None:
    also = [{"name": "vip", "when": "profile.traits.public.vip == true && event.type == 't'"}]

    assert is_evaluated(make, make.event(), rules(**{**VIP, "segment": also}))


def test_a_segment_that_failed_is_evaluated_again(make: type[Make]) -> None:
    person = Person()
    person.send(make.call("S", 0), NO_RULES)
    ruleset = rules(segment=[{"name": "Odd", "when": "profile.interests.n > 1"}])
    person.profile = replace(person.profile, doc_json=json_raw({**person.doc, "interests": {"n": "text"}}))

    failed = [person.send(make.call("S", 1), ruleset).answer.report.segment_errors for _ in range(2)]

    assert failed[0] == failed[1] != ()


def test_a_segment_is_evaluated_again_when_a_late_call_comes_under_older_rules(make: type[Make]) -> None:
    yes, no = (rules(segment=[{"name": "s", "when": f"profile.stats.visits {op} 1"}]) for op in ("==", "!="))
    person = Person()
    for ruleset, after in [(yes, ["s"]), (yes, ["s"]), (no, []), (yes, ["s"])]:
        person.send(make.call("S", 1), ruleset)
        assert person.doc["segments"] == after


def many_rules(more: Any = ()) -> Any:
    return rules(
        rule=[
            {"name": "traits", "event": "set", "steps": [{"target": "traits.public.*", "from": "properties"}]},
            {"name": "contact", "event": "set", "steps": [{"target": "pii.*", "op": "append", "from": "properties"}]},
            {
                "name": "liked",
                "event": "like",
                "steps": [{"target": "interests.n", "op": "increment", "from": "properties.n"}],
            },
            {
                "name": "forgets",
                "event": "*",
                "when": "event.properties.forget == true",
                "steps": [
                    {"target": "traits.public.n", "op": "unset"},
                    {"target": "stats.counters.like", "op": "unset"},
                ],
            },
            grants(valid_for_days=1),
        ],
        segment=[
            {"name": "n", "when": "profile.traits.public.n > 1"},
            {"name": "n after likes", "when": "profile.traits.public.n > 1", "event": "like"},
            {"name": "likes", "when": "profile.interests.n >= 2"},
            {"name": "liked twice", "when": "profile.stats.counters.like >= 2"},
            {"name": "views", "when": "profile.stats.views % 2 == 1"},
            {"name": "visits", "when": "profile.stats.visits > 1 && profile.metadata.time.visit.count > 1"},
            {"name": "general", "when": "'n' in profile.consents && profile.stats.views > 0"},
            {"name": "known", "when": "size(profile.pii) > 0"},
            {"name": "both", "when": "'n' in profile.segments && 'likes' in profile.segments"},
            {"name": "alone", "when": "!('both' in profile.segments) && !('alone' in profile.segments)"},
            {"name": "now", "when": "event.properties.n == 1"},
            {"name": "here", "when": "session.context.n == profile.traits.public.n"},
            *more,
        ],
        event={"like": {"schema": {"type": "object", "properties": {"n": {"type": ["number", "boolean"]}}}}},
    )


ONE, SAME = many_rules(), many_rules()
OTHER = many_rules(more=({"name": "m", "when": "profile.traits.public.n > 2"},))
TIMES = ("2026-01-31T12:00:00.000000Z", "2026-01-31T13:00:00.000000Z", "2026-02-03T12:00:00.000000Z")
properties = st.dictionaries(st.sampled_from(["n", "m", "forget"]), st.integers(0, 3) | st.booleans() | st.just("text"))
events = st.lists(st.tuples(st.sampled_from(["set", "like", "page-view", "consent", "other"]), properties), max_size=4)
calls = st.lists(st.tuples(st.sampled_from("STU"), events, st.sampled_from([ONE, SAME, OTHER])), max_size=8)


@given(calls, st.sampled_from([Limits(), Limits(max_profile_bytes=4096, max_profile_counters=2)]))
def test_a_memo_changes_neither_answers_nor_profiles(make: type[Make], calls: list[Any], limits: Limits) -> None:
    without, with_memo = Person(limits=limits, keeps_memo=False), Person(limits=limits)
    for number, (session_id, made, ruleset) in enumerate(calls):
        events = [make.event(event_type=event_type, properties=properties) for event_type, properties in made]
        received = TIMES[min(number // 3, len(TIMES) - 1)]
        call = make.call(session_id, events, context={"n": number}, received=received)

        one, other = without.send(call, ruleset), with_memo.send(call, ruleset)

        assert without_memo(one) == without_memo(other)


def test_profiles_with_the_same_evaluations_share_a_memo(make: type[Make]) -> None:
    people = [Person(), Person()]
    for person in people:
        for _ in range(3):
            person.send(make.call("S", [make.event(event_type="consent", properties={"general": True})]), CONSENTS)

    assert people[0].profile.memo == people[1].profile.memo != NO_MEMO
    assert people[0].memos.get(people[0].profile.memo) == people[1].memos.get(people[1].profile.memo)


def test_after_a_restart_one_evaluation_holds_for_all_profiles_with_the_same_memo(
    make: type[Make], monkeypatch: pytest.MonkeyPatch
) -> None:
    def server() -> RuleSet:
        views = {"name": "views", "when": "profile.stats.views > 0"}
        return rules(segment=[views, {"name": "buyer", "when": "profile.stats.counters.buy > 0"}])

    before, after = server(), server()
    people = [Person(), Person()]
    for person in people:
        for _ in range(3):
            person.send(make.call("S", [make.event(event_type="page-view")]), before)
    people[0].send(make.call("S", [make.event(event_type="page-view")]), after)

    monkeypatch.setattr(processing, "leave_old_segments", None)
    people[1].send(make.call("S", [make.event(event_type="page-view")]), after)

    assert people[1].doc["segments"] == people[0].doc["segments"] == ["views"]


def test_a_decision_is_the_same_each_time(make: type[Make]) -> None:
    person, call = Person(), make.call("S", [make.event(event_type="consent", properties={"a": True}), make.event()])
    for _ in range(3):
        assert person.decide(call, CONSENTS) == person.decide(call, CONSENTS)
        person.send(call, CONSENTS)
