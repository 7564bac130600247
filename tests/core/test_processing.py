"""What calls do to a profile under rules: decisions one after the other, as a profile's actor makes them."""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.making import Make
from trackd.config.settings import Limits
from trackd.core.calls import InvalidEvent, NumberedEvent, Rejected, Track, TrackedEvent
from trackd.core.decision import Decision, decide
from trackd.core.documents import NO_MEMO, Profile, Source
from trackd.core.encoding import json_raw, size_of
from trackd.core.processing import NO_CONSENT, Processing, Snapshot
from trackd.core.rules.compiling import compile_rules
from trackd.core.rules.rule import Rule
from trackd.core.rules.ruleset import RuleSet
from trackd.core.rules.schemas import Fault

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
GOOGLE = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
PLAIN = Source("source", "source")
WARY = Source("source", "source", consent=True)


def rules(**content: Any) -> RuleSet:
    return compile_rules(content, Limits())


def adds_price(event: str = "buy", target: str = "traits.private.revenue") -> dict[str, Any]:
    return {
        "name": "revenue",
        "event": event,
        "steps": [{"target": target, "op": "increment", "from": "properties.price"}],
    }


def grants(**settings: Any) -> dict[str, Any]:
    return {
        "name": "consents",
        "event": "consent",
        "steps": [{"target": "consents.*", "from": "properties"}],
        **settings,
    }


NO_RULES = rules()
REVENUE = rules(rule=[adds_price()])
CONSENTS = rules(rule=[grants()])
NUMBER = {"type": "object", "required": ["price"], "properties": {"price": {"type": "number"}}}
CHECKED = rules(rule=[adds_price()], event={"buy": {"schema": NUMBER, "tags": ["sales"]}})


class Person:
    """Profile A and its sessions from call to call, nothing forgotten but what the test wants forgotten."""

    def __init__(self, source: Source = PLAIN, limits: Limits | None = None, remembers: bool = True) -> None:
        self.source, self.limits, self.remembers = source, limits or Limits(), remembers
        self.profile, self.sessions, self.event_ids = None, {}, {}

    @property
    def doc(self) -> dict[str, Any]:
        return self.profile.doc

    def send(self, call: Track, rules: RuleSet) -> Decision | Rejected:
        session = self.sessions.get(call.session_id)
        known = Snapshot("A", self.profile, session, dict(self.event_ids))
        decision = decide(known, call, self.source, rules, self.limits)
        if not isinstance(decision, Rejected):
            self.profile = decision.profile
            if self.profile and not self.remembers:
                self.profile = replace(self.profile, memo=NO_MEMO)
            self.event_ids |= decision.changes.event_ids or {}
            if decision.changes.session:
                self.sessions[call.session_id] = decision.changes.session
        return decision


def messages(decision: Decision) -> list[str]:
    return [entry.message for entry in decision.answer.report.logs]


def statuses(decision: Decision) -> list[tuple[str, int, str]]:
    return [(event.id, event.seq, event.status) for event in decision.changes.events]


# Known already


def test_an_event_that_came_before_runs_no_rules(make: type[Make]) -> None:
    person, price = Person(), {"price": 5}
    person.send(make.call("S", [make.event("e", "buy", properties=price)]), REVENUE)
    before = person.profile

    duplicate = person.send(make.call("S", [make.event("e", "buy", properties=price)]), REVENUE)

    assert person.profile == before
    assert duplicate.changes.profile is None
    assert duplicate.answer.events == (NumberedEvent("e", "buy", 1, saved=False),)
    assert (duplicate.answer.report.execution, duplicate.answer.report.dropped) == ({}, ())
    assert not duplicate.answer.profile_saved


def test_an_event_that_comes_twice_in_one_call_is_applied_once(make: type[Make]) -> None:
    person = Person()
    twice = [make.event("e", "buy", properties={"price": 5}), make.event("e", "buy", properties={"price": 70})]

    decision = person.send(make.call("S", twice), REVENUE)

    assert person.doc["traits"]["private"] == {"revenue": 5}
    assert person.doc["stats"]["counters"] == {"buy": 1}
    assert [(event.seq, event.saved) for event in decision.answer.events] == [(1, True), (1, False)]


def test_thirty_events_of_one_call_are_applied_once_each_and_in_order(make: type[Make]) -> None:
    person = Person()
    noted = {
        "name": "note",
        "event": "note",
        "steps": [{"target": "pii.notes", "op": "append", "from": "properties.n"}],
    }
    events = [make.event(f"e{n}", "note" if n == 17 else f"t{n}", properties={"n": n}) for n in range(30)]
    last = {"name": "last", "event": "*", "steps": [{"target": "pii.last", "from": "properties.n"}]}
    all_of_them = {
        "name": "all",
        "event": "*",
        "steps": [{"target": "pii.all", "op": "append", "from": "properties.n"}],
    }

    decision = person.send(make.call("S", events), rules(rule=[noted, last, all_of_them]))

    assert person.doc["pii"] == {"notes": [17], "last": 29, "all": list(range(30))}
    assert person.doc["stats"]["counters"] == {event.type: 1 for event in events}
    assert [event.seq for event in decision.changes.events] == list(range(1, 31))


# Unwanted


UNWANTED = rules(
    unwanted=[
        {"name": "debugging", "types": ["debug-*"]},
        {"name": "one shop's tests", "types": ["test"], "source": ["shop"]},
        {"name": "bots", "bots": True},
    ]
)


@pytest.mark.parametrize(
    ("event_type", "source_id", "user_agent", "reason"),
    [
        ("debug-click", "source", BROWSER, "unwanted (debugging)"),
        ("debug", "source", BROWSER, None),
        ("test", "shop", None, "unwanted (one shop's tests)"),
        ("test", "source", None, None),
        ("buy", "source", GOOGLE, "unwanted (bots)"),
        ("buy", "source", BROWSER, None),
        ("buy", "source", None, None),
    ],
)
def test_an_unwanted_event_is_dropped_with_its_reason(
    make: type[Make], event_type: str, source_id: str, user_agent: str | None, reason: str | None
) -> None:
    person = Person(make.source(source_id))
    call = make.call("S", [make.event("e", event_type)], source_id=source_id, user_agent=user_agent)

    decision = person.send(call, UNWANTED)

    assert decision.answer.report.dropped == ((reason,) if reason else ())
    assert len(decision.changes.events) == (0 if reason else 1)
    assert person.doc["stats"]["counters"] == ({} if reason else {event_type: 1})
    assert messages(decision) == ([f"The event is dropped: {reason}."] if reason else [])


def test_an_unwanted_event_is_not_remembered(make: type[Make]) -> None:
    person = Person()
    unwanted = person.send(make.call("S", [make.event("e", "debug-click"), make.event("f")]), UNWANTED)

    duplicate = person.send(make.call("S", [make.event("e", "debug-click")]), NO_RULES)

    assert unwanted.changes.event_ids == {"f": 1}
    assert statuses(duplicate) == [("e", 2, "collected")]


# Without consent


def test_without_consent_only_events_that_change_consents_pass(make: type[Make]) -> None:
    person = Person(WARY)
    events = [
        make.event("e1", "page-view"),
        make.event("e2", "consent", properties={"marketing": False}),
        make.event("e3", "page-view"),
    ]

    decision = person.send(make.call("S", events), CONSENTS)

    assert statuses(decision) == [("e2", 1, "collected")]
    assert person.doc["consents"] == {}
    assert person.doc["stats"] == {"visits": 1, "views": 0, "counters": {"consent": 1}}
    assert decision.answer.report.dropped == (NO_CONSENT, NO_CONSENT)
    assert [(entry.type, entry.event_id) for entry in decision.answer.report.logs] == [("info", "e1"), ("info", "e3")]
    assert [event.id for event in decision.answer.events] == ["e2"]


def test_a_retry_of_what_was_dropped_without_consent_changes_nothing_once_there_is_one(make: type[Make]) -> None:
    person = Person(WARY)
    dropped = person.send(make.call("S", [make.event("e", "page-view"), make.event(None, "page-view")]), CONSENTS)
    person.send(make.call("S", [make.event("c", "consent", properties={"general": True})]), CONSENTS)
    before = person.profile

    duplicate = person.send(make.call("S", [make.event("e", "page-view")]), CONSENTS)

    assert dropped.changes.event_ids == {"e": None}
    assert person.profile == before
    assert (duplicate.changes.events, duplicate.answer.events, duplicate.answer.report.dropped) == ((), (), ())


def test_a_consent_lets_the_events_behind_it_pass_and_its_withdrawal_stops_them(make: type[Make]) -> None:
    person = Person(WARY)
    events = [
        make.event("e1", "page-view"),
        make.event("e2", "consent", properties={"general": True}),
        make.event("e3", "page-view"),
        make.event("e4", "consent", properties={"general": False}),
        make.event("e5", "page-view"),
    ]

    decision = person.send(make.call("S", events), CONSENTS)

    assert [event.id for event in decision.changes.events] == ["e2", "e3", "e4"]
    assert person.event_ids == {"e1": None, "e2": 1, "e3": 2, "e4": 3, "e5": None}
    assert person.doc["stats"]["views"] == 1
    assert decision.answer.report.dropped == (NO_CONSENT, NO_CONSENT)


def test_a_source_that_requires_no_consent_takes_everything(make: type[Make]) -> None:
    person = Person(PLAIN)

    decision = person.send(make.call("S", [make.event("e", "page-view")]), CONSENTS)

    assert statuses(decision) == [("e", 1, "collected")]


def test_a_rule_set_without_consents_lets_nothing_pass_where_consent_is_required(make: type[Make]) -> None:
    person = Person(WARY)

    decision = person.send(make.call("S", [make.event("e", "consent", properties={"general": True})]), NO_RULES)

    assert decision.changes.events == ()
    assert decision.answer.report.dropped == (NO_CONSENT,)


def test_a_session_says_nothing_of_a_profile_without_consent(make: type[Make]) -> None:
    person, said = Person(WARY), {"context": {"ip": "::1"}, "properties": {"a": 1}}

    decision = person.send(make.call("S", [make.event()], **said), CONSENTS)

    assert (decision.changes.session.context, decision.changes.session.properties) == ({}, {})
    (entry,) = decision.answer.logs
    assert (entry.type, "no consent" in entry.message) == ("info", True)


def test_a_session_says_what_it_has_to_say_once_there_is_consent(make: type[Make]) -> None:
    person, said = Person(WARY), {"context": {"ip": "::1"}, "properties": {"a": 1}}
    consent = make.event(event_type="consent", properties={"general": True})

    decision = person.send(make.call("S", [consent], **said), CONSENTS)

    assert (decision.changes.session.context, decision.changes.session.properties) == ({"ip": "::1"}, {"a": 1})
    assert decision.answer.logs == ()


def test_a_session_keeps_what_it_said_before_the_consent_was_withdrawn(make: type[Make]) -> None:
    person = Person(WARY)
    granted, withdrawn = ([make.event(event_type="consent", properties={"general": on})] for on in (True, False))
    person.send(make.call("S", granted, context={"a": 1}), CONSENTS)

    person.send(make.call("S", withdrawn, context={"a": 2, "b": 3}), CONSENTS)

    assert person.sessions["S"].context == {"a": 1}


@pytest.mark.parametrize("fields", [{"save_session": False, "context": {"a": 1}}, {}], ids=["unsaved", "silent"])
def test_nothing_is_logged_of_a_session_that_had_nothing_to_add(make: type[Make], fields: dict[str, Any]) -> None:
    assert Person(WARY).send(make.call("S", **fields), CONSENTS).answer.logs == ()


# Consents and time


SAID = st.dictionaries(st.sampled_from("ab"), st.sampled_from([True, False, None, 1]), max_size=2)
FOR_DAYS = grants(name="for a while", event="for a while", valid_for_days=1)
REVOKES = grants(name="revokes", event="revoke", steps=[{**grants()["steps"][0], "op": "unset"}])
WITH_SCHEMA = {"consent": {"schema": {"additionalProperties": {"type": ["boolean", "null"]}}}}


@given(
    said=st.lists(
        st.tuples(st.sampled_from(["consent", "revoke", "for a while"]), SAID, st.integers(0, 3)), max_size=12
    ),
    schema=st.booleans(),
    wary=st.booleans(),
)
def test_consents_that_are_said_again_are_remembered_without_a_difference(
    make: type[Make], said: list[tuple[str, dict[str, Any], int]], schema: bool, wary: bool
) -> None:
    ruleset = rules(rule=[grants(), REVOKES, FOR_DAYS], event=WITH_SCHEMA if schema else {})
    forgetful, mindful = (Person(WARY if wary else PLAIN, remembers=remembers) for remembers in (False, True))
    received = datetime(2026, 3, 1, tzinfo=UTC)
    for event_type, properties, days in said:
        received += timedelta(days=days)
        calls = make.call(
            events=[make.event(event_type=event_type, properties=properties)],
            received=f"{received:%Y-%m-%dT%H:%M:%S.%fZ}",
        )
        one, other = forgetful.send(calls, ruleset), mindful.send(calls, ruleset)
        assert without_number(one) == without_number(other)


@pytest.mark.parametrize("at_once", [False, True])
def test_a_consent_that_is_said_again_after_its_withdrawal_is_granted_again(make: type[Make], at_once: bool) -> None:
    ruleset, person = rules(rule=[grants(), REVOKES]), Person()
    grant, revoke = [make.event(event_type=kind, properties={"a": True}) for kind in ("consent", "revoke")]
    for _ in range(3):
        person.send(make.call(events=[grant]), ruleset)
    if at_once:
        person.send(make.call(events=[revoke, grant]), ruleset)
    else:
        person.send(make.call(events=[revoke]), ruleset)
        assert person.doc["consents"] == {}
        person.send(make.call(events=[grant]), ruleset)

    assert list(person.doc["consents"]) == ["a"]


def test_a_consent_that_is_said_again_need_not_run_its_rules(make: type[Make], monkeypatch: pytest.MonkeyPatch) -> None:
    person = Person()
    call = make.call(events=[make.event(event_type="consent", properties={"a": True, "b": False})])
    first, second = person.send(call, CONSENTS), person.send(call, CONSENTS)
    with monkeypatch.context() as patched:
        patched.setattr(Rule, "run", None)
        third = person.send(call, CONSENTS)

    assert third.answer.report == second.answer.report
    assert [event.seq for event in third.changes.events] == [3]
    assert first.answer.report.execution == {"consent": {"consents": ("consents.a", "consents.b")}}
    assert third.answer.report.execution == {"consent": {"consents": ()}}


def test_a_clock_that_is_ahead_grants_nothing_in_the_future(make: type[Make]) -> None:
    person = Person()
    events = [
        replace(make.event(event_type="consent", properties={"ahead": True}), created="2031-01-01T00:00:00.000000Z"),
        replace(make.event(event_type="consent", properties={"behind": True}), created="2026-01-31T11:00:00.000000Z"),
    ]

    person.send(make.call("S", events), CONSENTS)

    assert person.doc["consents"] == {
        "ahead": {"granted": make.now},
        "behind": {"granted": "2026-01-31T11:00:00.000000Z"},
    }


def test_a_consent_whose_time_is_over_goes_with_the_next_call(make: type[Make]) -> None:
    person, thirty_days = Person(WARY), rules(rule=[grants(valid_for_days=30)])
    person.send(make.call("S", [make.event(event_type="consent", properties={"general": True})]), thirty_days)
    over = "2026-03-02T12:00:00.000001Z"

    at_the_end = person.send(make.call("S", 1, received="2026-03-02T12:00:00.000000Z"), thirty_days)
    assert person.doc["consents"] == {
        "general": {"granted": make.now, "expires": "2026-03-02T12:00:00.000000Z"},
    }
    without_events = person.send(make.call("S", 0, received=over, context={"late": 1}), thirty_days)
    after = person.send(make.call("S", 1, received=over), thirty_days)

    assert person.doc["consents"] == {}
    assert person.sessions["S"].context == {}
    assert person.doc["metadata"]["consents"][-1] == {"id": "general", "change": "expired", "time": over}
    assert [len(decision.changes.events) for decision in (at_the_end, without_events, after)] == [1, 0, 0]
    assert [decision.answer.profile_saved for decision in (at_the_end, without_events, after)] == [False, True, False]


def test_a_consent_can_be_withdrawn_however_full_the_profile_is(make: type[Make]) -> None:
    gives = {**grants(), "event": ["consent", "also"]}
    gives["steps"] = [*gives["steps"], {"target": "pii.note", "from": "properties.note"}]
    fill = {"target": "traits.public.text", "op": "set_if_absent", "from": "properties.text"}
    fills = {"name": "fills", "event": "fill", "steps": [fill]}
    person = Person(limits=Limits(max_profile_bytes=4096))
    agrees = make.event(event_type="consent", properties={"general": True})
    full = [make.event(event_type="fill", properties={"text": "x" * length}) for length in range(4096, 0, -1)]
    person.send(make.call("S", [agrees, *full]), rules(rule=[gives, fills]))
    assert size_of(person.profile.doc_json) > 4080

    no = make.event(event_type="consent", properties={"general": False, "new": True, "note": "x"})
    decision = person.send(make.call("S", [no]), rules(rule=[gives, fills]))

    assert person.doc["consents"] == {}
    assert person.doc["metadata"]["consents"][-1]["change"] == "withdrawn"
    assert person.doc["pii"] == {}
    assert "limits.max_profile_bytes" in messages(decision)[0]
    assert decision.answer.report.execution["consent"] == {gives["name"]: ("consents.general",)}


def test_without_consent_an_invalid_consent_is_not_stored_and_other_rules_do_not_run(make: type[Make]) -> None:
    takes = {"name": "takes", "event": "*", "steps": [{"target": "pii.email", "from": "properties.email"}]}
    booleans = {"type": "object", "additionalProperties": {"type": ["boolean", "null"]}}
    ruleset = rules(rule=[grants(), takes])
    checked = rules(rule=[grants(), takes], event={"consent": {"schema": booleans}})
    said = make.event("e", "consent", properties={"general": False, "email": "a@b.example"})
    person = Person(WARY)

    decision = person.send(make.call("S", [said]), checked)
    assert (decision.changes.events, decision.answer.report.dropped) == ((), (NO_CONSENT,))
    assert decision.changes.event_ids == {"e": None}
    person.send(make.call("S", [replace(said, id="f")]), ruleset)
    assert (person.doc["pii"], person.doc["stats"]["counters"]) == ({}, {"consent": 1})
    agrees = replace(said, id="g", properties={"general": True, "email": "a@b.example"})
    person.send(make.call("S", [agrees]), ruleset)
    assert person.doc["pii"] == {"email": "a@b.example"}


def test_a_condition_is_charged_for_what_it_looks_at_alone(make: type[Make]) -> None:
    buys = {**adds_price(), "when": "event.properties.price > 0"}
    person = Person(limits=Limits(max_condition_bytes=262_144))
    person.send(make.call("S", 0), NO_RULES)
    large = {**person.doc, "traits": {"public": {"text": "x" * 100_000}, "private": {}}}
    person.profile = replace(person.profile, doc_json=json_raw(large))

    person.send(
        make.call("S", [make.event(event_type="buy", properties={"price": 1}) for _ in range(1000)]), rules(rule=[buys])
    )

    assert person.doc["traits"]["private"]["revenue"] == 1000


def test_the_history_of_consents_keeps_its_youngest_entries(make: type[Make]) -> None:
    person = Person(limits=Limits(max_consent_history=3))
    events = [make.event(event_type="consent", properties={"general": n % 2 == 0}) for n in range(9)]

    decision = person.send(make.call("S", events), CONSENTS)

    changes = [entry["change"] for entry in person.doc["metadata"]["consents"]]
    assert changes == ["granted", "withdrawn", "granted"]
    assert decision.answer.profile_saved


# Valid or not


def test_an_invalid_event_is_stored_with_its_reasons_and_changes_nothing(make: type[Make]) -> None:
    person = Person()
    events = [
        make.event("e1", "buy", properties={"price": "much"}, properties_json='{"price":"much"}'),
        make.event("e2", "buy", properties={"price": 3}),
        make.event("e3", "other"),
    ]

    decision = person.send(make.call("S", events), CHECKED)

    assert statuses(decision) == [("e1", 1, "invalid"), ("e2", 2, "validated"), ("e3", 3, "collected")]
    invalid, valid, _ = decision.changes.events
    assert invalid.reasons == '["properties.price: \\"much\\" is not of type \\"number\\""]'
    assert (invalid.properties, invalid.tags, valid.tags, valid.reasons) == (
        '{"price":"much"}',
        '["sales"]',
        '["sales"]',
        None,
    )
    assert person.doc["stats"]["counters"] == {"buy": 1, "other": 1}
    assert person.doc["traits"]["private"] == {"revenue": 3}
    (entry,) = decision.answer.report.logs
    assert (entry.type, entry.event_id) == ("error", "e1")
    assert 'properties.price: "much" is not of type "number"' in entry.message
    assert [event.seq for event in decision.answer.events] == [1, 2, 3]


def test_an_invalid_event_alone_is_bookkeeping(make: type[Make]) -> None:
    person = Person()
    person.send(make.call("S", 0), CHECKED)

    decision = person.send(make.call("S", [make.event("e", "buy")]), CHECKED)

    assert person.profile.seq == person.doc["seq"] == 1
    assert person.doc["stats"]["counters"] == {}
    assert not decision.answer.profile_saved


def test_an_invalid_event_turns_no_segment(make: type[Make]) -> None:
    person = Person()
    content = {"segment": [{"name": "Seen", "when": "true"}], "event": {"buy": {"schema": NUMBER}}}

    decision = person.send(make.call("S", [make.event(event_type="buy")]), rules(**content))

    assert person.doc["segments"] == []
    assert decision.answer.report.segments == ()


def test_an_invalid_event_that_is_not_to_be_stored_is_remembered_all_the_same(make: type[Make]) -> None:
    person = Person()

    first = person.send(make.call("S", [make.event("e", "buy", store=False)]), CHECKED)
    duplicate = person.send(make.call("S", [make.event("e", "buy", properties={"price": 1})]), CHECKED)

    assert (first.changes.events, first.changes.event_ids, first.answer.events) == ((), {"e": None}, ())
    assert len(messages(first)) == 1
    assert person.profile.seq == 0
    assert (duplicate.changes.profile, duplicate.answer.events) == (None, ())


def test_a_valid_event_that_is_not_stored_is_applied(make: type[Make]) -> None:
    person = Person()

    decision = person.send(make.call("S", [make.event("e", "buy", store=False, properties={"price": 4})]), CHECKED)

    assert (decision.changes.events, person.profile.seq) == ((), 0)
    assert person.doc["traits"]["private"] == {"revenue": 4}
    assert decision.answer.profile_saved


@pytest.mark.parametrize("refuse", ["source", "*"])
def test_a_call_with_invalid_events_is_rejected_with_all_of_their_faults(make: type[Make], refuse: str) -> None:
    content = {"event": {"buy": {"schema": NUMBER}}, "validation": {"refuse": [refuse]}}
    person = Person()
    events = [
        make.event("e0", "other"),
        make.event("e1", "buy"),
        make.event("e2", "buy", properties={"price": 1}),
        make.event("e3", "buy", properties={"price": "much"}),
    ]
    call = make.call("S", events)

    decision = person.send(call, rules(**content))

    assert decision == Rejected(
        call.number,
        (
            InvalidEvent(1, (Fault((), '"price" is a required property'),)),
            InvalidEvent(3, (Fault(("price",), '"much" is not of type "number"'),)),
        ),
    )


def test_a_rejected_call_leaves_the_profile_as_it_was(make: type[Make]) -> None:
    content = {"rule": [adds_price()], "event": {"buy": {"schema": NUMBER}}, "validation": {"refuse": "source"}}
    person, refusing = Person(), rules(**content)
    person.send(make.call("S", [make.event("e1", "buy", properties={"price": 1})]), refusing)
    before = copy.deepcopy(person.profile)

    rejected = person.send(
        make.call("S", [make.event("e2", "buy", properties={"price": 1}), make.event(None, "buy")]), refusing
    )
    after = person.profile
    later = person.send(make.call("S", [make.event("e2", "buy", properties={"price": 1})]), refusing)

    assert isinstance(rejected, Rejected)
    assert after == before
    assert statuses(later) == [("e2", 2, "validated")]
    assert person.doc["traits"]["private"] == {"revenue": 2}


def test_invalid_events_of_other_sources_are_stored(make: type[Make]) -> None:
    content = {"event": {"buy": {"schema": NUMBER}}, "validation": {"refuse": ["shop"]}}

    decision = Person().send(make.call("S", [make.event("e", "buy")]), rules(**content))

    assert statuses(decision) == [("e", 1, "invalid")]


def test_what_is_dropped_or_known_is_not_looked_at_by_its_schema(make: type[Make]) -> None:
    content = {
        "event": {"buy": {"schema": NUMBER}},
        "validation": {"refuse": "*"},
        "unwanted": [{"name": "of the shop", "types": ["buy"], "source": ["shop"]}],
    }
    person = Person()
    person.send(make.call("S", [make.event("e", "buy")]), NO_RULES)

    known = person.send(make.call("S", [make.event("e", "buy")]), rules(**content))
    dropped = Person(make.source("shop")).send(
        make.call("S", [make.event("f", "buy")], source_id="shop"), rules(**content)
    )

    assert [(event.seq, event.saved) for event in known.answer.events] == [(1, False)]
    assert dropped.answer.report.dropped == ("unwanted (of the shop)",)


# Limits


def test_past_its_counters_a_profile_goes_on_without_and_says_so(make: type[Make]) -> None:
    person = Person(limits=Limits(max_profile_counters=2))
    events = [make.event("e1", "a"), make.event("e2", "b"), make.event("e3", "page-view"), make.event("e4", "a")]

    decision = person.send(make.call("S", events), NO_RULES)

    assert person.doc["stats"] == {"visits": 1, "views": 1, "counters": {"a": 2, "b": 1}}
    assert [event.seq for event in decision.changes.events] == [1, 2, 3, 4]
    (entry,) = decision.answer.report.logs
    assert (entry.type, entry.event_id) == ("warning", "e3")
    assert "limits.max_profile_counters" in entry.message


def test_a_rule_may_not_add_a_counter_past_the_limit_either(make: type[Make]) -> None:
    person = Person(limits=Limits(max_profile_counters=1))

    decision = person.send(
        make.call("S", [make.event("e", "buy", properties={"price": 2})]),
        rules(rule=[adds_price(target="stats.counters.revenue")]),
    )

    assert person.doc["stats"]["counters"] == {"buy": 1}
    assert ["limits.max_profile_counters" in message for message in messages(decision)] == [True]


def test_a_list_does_not_grow_past_its_limit_and_the_other_steps_are_taken(make: type[Make]) -> None:
    person = Person(limits=Limits(max_list_items=2))
    steps = [
        {"target": "pii.seen", "op": "append", "from": "properties.n"},
        {"target": "pii.last", "from": "properties.n"},
    ]
    events = [make.event(f"e{n}", properties={"n": n}) for n in range(4)]

    decision = person.send(make.call("S", events), rules(rule=[{"name": "seen", "event": "t", "steps": steps}]))

    assert person.doc["pii"] == {"seen": [0, 1], "last": 3}
    assert len(decision.changes.events) == 4
    logs = decision.answer.report.logs
    assert [(entry.type, entry.event_id, entry.rule) for entry in logs] == [
        ("warning", e, "seen") for e in ("e2", "e3")
    ]
    assert all("limits.max_list_items" in entry.message for entry in logs)


def test_a_rule_that_would_make_the_document_too_large_is_left_out_whole(make: type[Make]) -> None:
    person = Person(limits=Limits(max_profile_bytes=4096))
    steps = [
        {"target": "traits.public.kept.n", "op": "increment"},
        {"target": "traits.public.kept.text", "from": "properties.text"},
    ]
    ruleset = rules(rule=[{"name": "keeps", "event": "t", "steps": steps}])
    small, big, smaller = (make.event(f"e{n}", properties={"text": "x" * n}) for n in (10, 4096, 9))

    decision = person.send(make.call("S", [small, big, smaller]), ruleset)

    assert person.doc["traits"]["public"] == {"kept": {"n": 2, "text": "x" * 9}}
    assert person.doc["stats"]["counters"] == {"t": 3}
    (entry,) = decision.answer.report.logs
    assert (entry.type, entry.event_id, entry.rule) == ("warning", "e4096", "keeps")
    assert "limits.max_profile_bytes" in entry.message


def test_a_profile_at_its_largest_counts_no_new_types_and_is_made_smaller_by_rules(make: type[Make]) -> None:
    person = Person(limits=Limits(max_profile_bytes=4096))
    doc = {**make.profile("A").doc, "pii": {"text": "x" * 5000}}
    person.profile = Profile("A", 0, 1, json_raw(doc))
    steps = [{"target": "pii.text", "value": "y" * 4500}]
    ruleset = rules(rule=[{"name": "shorter", "event": "shorten", "steps": steps}])

    decision = person.send(make.call("S", [make.event("e", "shorten")]), ruleset)

    assert person.doc["pii"] == {"text": "y" * 4500}
    assert person.doc["stats"]["counters"] == {}
    assert ["limits.max_profile_bytes" in message for message in messages(decision)] == [True]
    assert len(decision.changes.events) == 1


# Steps that cannot be taken


def test_a_missing_value_skips_its_step_in_silence_and_a_clash_of_types_says_so(make: type[Make]) -> None:
    person = Person()
    steps = [
        {"target": "traits.public.missing", "from": "properties.missing"},
        {"target": "traits.public.text", "op": "increment"},
        {"target": "traits.public.after", "value": 1},
    ]
    text = {
        "name": "text",
        "event": "t",
        "steps": [{"target": "traits.public.text", "op": "set_if_absent", "value": "a"}],
    }

    decision = person.send(
        make.call("S", [make.event("e")]), rules(rule=[text, {"name": "r", "event": "t", "steps": steps}])
    )

    assert person.doc["traits"]["public"] == {"text": "a", "after": 1}
    (entry,) = decision.answer.report.logs
    assert (entry.type, entry.event_id, entry.rule) == ("warning", "e", "r")
    assert entry.message == "Skipped increment traits.public.text: a text cannot be incremented."


def test_an_expression_that_runs_too_long_fails_its_rule_and_its_segment_and_no_call(make: type[Make]) -> None:
    person = Person()
    long = "event.properties.l.all(a, event.properties.l.all(b, event.properties.l.all(c, a + b + c >= 0)))"
    content = {
        "rule": [{"name": "r", "event": "t", "when": long, "steps": [{"target": "pii.a", "value": 1}]}],
        "segment": [{"name": "Long", "when": long}],
    }

    decision = person.send(make.call("S", [make.event("e", properties={"l": list(range(100))})]), rules(**content))

    assert (person.doc["pii"], person.doc["segments"]) == ({}, [])
    assert [(entry.type, entry.rule) for entry in decision.answer.report.logs] == [("error", "r")]
    assert [error.startswith("long: ") for error in decision.answer.report.segment_errors] == [True]
    assert len(decision.changes.events) == 1


# What conditions and steps look at


def test_rules_see_event_session_source_and_the_profile_as_the_rules_before_them_left_it(make: type[Make]) -> None:
    person = Person(make.source(tags=("web",)))
    steps = [
        {"target": "pii.first", "op": "set_if_absent", "from": "event.id"},
        {"target": "pii.tags", "from": "event.tags"},
        {"target": "pii.city", "from": "session.context.city"},
        {"target": "pii.page", "from": "context.page"},
        {"target": "pii.source", "from": "source.tags"},
        {"target": "pii.seen", "from": "event.metadata.time.insert"},
        {"target": "pii.count", "from": "profile.stats.counters.t"},
    ]
    content = {
        "rule": [
            {"name": "notes", "event": "t", "steps": steps},
            {
                "name": "next",
                "event": "t",
                "when": "profile.pii.first == event.id",
                "steps": [{"target": "pii.then", "value": True}],
            },
        ],
        "event": {"t": {"tags": ["x"]}},
    }
    events = [make.event("e1", context={"page": 1}), make.event("e2", context={"page": 2})]

    decision = person.send(make.call("S", events, context={"city": "Ulm"}, received=make.later), rules(**content))

    assert person.doc["pii"] == {
        "first": "e1",
        "tags": ["x"],
        "city": "Ulm",
        "page": 2,
        "source": ["web"],
        "seen": make.later,
        "count": 2,
        "then": True,
    }
    assert list(decision.answer.report.execution["t"]) == ["notes", "next"]


# Segments


FANS = {
    "rule": [
        {"name": "likes", "event": "like", "steps": [{"target": "interests.likes", "op": "increment"}]},
        {"name": "dislikes", "event": "dislike", "steps": [{"target": "interests.likes", "op": "decrement"}]},
    ],
    "segment": [{"name": "Big Fans!", "when": "profile.interests.likes >= 2"}],
}


def test_segments_are_looked_at_after_each_event(make: type[Make]) -> None:
    person, fans = Person(), rules(**FANS)

    steps = [
        person.send(make.call("S", [make.event(event_type=t)]), fans)
        for t in ("like", "like", "like", "dislike", "dislike")
    ]

    assert [decision.profile.doc["segments"] for decision in steps] == [
        [],
        ["big-fans"],
        ["big-fans"],
        ["big-fans"],
        [],
    ]
    assert [decision.answer.report.segments for decision in steps] == [(), ("big-fans",), (), (), ("big-fans",)]


def test_a_segment_that_is_entered_and_left_within_one_call_is_told(make: type[Make]) -> None:
    person = Person()

    decision = person.send(
        make.call("S", [make.event(event_type=t) for t in ("like", "like", "dislike")]), rules(**FANS)
    )

    assert person.doc["segments"] == []
    assert decision.answer.report.segments == ("big-fans",)
    assert [[turn.entered for turn in report.turns] for report in decision.reports] == [[], [True], [False]]


def test_a_segment_with_event_types_is_looked_at_after_those_alone(make: type[Make]) -> None:
    person = Person()
    ruleset = rules(segment=[{"name": "Viewers", "when": "profile.stats.views >= 1", "event": ["look"]}])

    before = person.send(make.call("S", [make.event(event_type="page-view")]), ruleset)
    after = person.send(make.call("S", [make.event(event_type="look")]), ruleset)

    assert (before.answer.report.segments, after.answer.report.segments) == ((), ("viewers",))


def test_segments_see_the_segments_before_them(make: type[Make]) -> None:
    person = Person()
    segments = [
        {"name": "viewers", "when": "profile.stats.views >= 1"},
        {"name": "others", "when": "!('viewers' in profile.segments)"},
    ]

    decisions = [
        person.send(make.call("S", [make.event(event_type=t)]), rules(segment=segments)) for t in ("other", "page-view")
    ]

    assert [decision.profile.doc["segments"] for decision in decisions] == [["others"], ["viewers"]]


def test_a_segment_alone_makes_the_profile_say_something_else(make: type[Make]) -> None:
    person = Person()
    ruleset = rules(segment=[{"name": "Regulars", "when": "profile.stats.views >= 2"}])

    saved = [
        person.send(make.call("S", [make.event(event_type="page-view")]), ruleset).answer.profile_saved
        for _ in range(3)
    ]

    assert saved == [True, True, False]


# What is remembered


VIP = {
    "rule": [{"name": "sets", "event": "set", "steps": [{"target": "traits.public.*", "from": "properties"}]}],
    "segment": [{"name": "vip", "when": "profile.traits.public.vip == true"}],
}


def looked_at(make: type[Make], event: TrackedEvent, ruleset: RuleSet, then: RuleSet | None = None) -> bool:
    """Whether the segment `vip` is looked at again: its condition is made true behind its back."""
    person = Person()
    person.send(make.call("S", 1), ruleset)
    traits = {**person.doc["traits"], "public": {"vip": True}}
    person.profile = replace(person.profile, doc_json=json_raw({**person.doc, "traits": traits}))
    person.send(make.call("S", [event]), then or ruleset)
    return person.doc["segments"] == ["vip"]


def test_a_segment_is_not_looked_at_again_while_its_inputs_are_as_they_were(make: type[Make]) -> None:
    assert not looked_at(make, make.event(), rules(**VIP))
    assert not looked_at(make, make.event(event_type="page-view"), rules(**VIP))


def test_a_segment_is_looked_at_again_when_its_inputs_changed(make: type[Make]) -> None:
    assert looked_at(make, make.event(event_type="set", properties={"other": 1}), rules(**VIP))


def test_a_segment_is_looked_at_again_under_other_rules(make: type[Make]) -> None:
    assert looked_at(make, make.event(), rules(**VIP), then=rules(**VIP))


def test_a_segment_that_looks_at_the_event_is_looked_at_each_time(make: type[Make]) -> None:
    also = [{"name": "vip", "when": "profile.traits.public.vip == true && event.type == 't'"}]

    assert looked_at(make, make.event(), rules(**{**VIP, "segment": also}))


def test_a_segment_that_failed_is_looked_at_again(make: type[Make]) -> None:
    person = Person()
    person.send(make.call("S", 0), NO_RULES)
    ruleset = rules(segment=[{"name": "Odd", "when": "profile.interests.n > 1"}])
    person.profile = replace(person.profile, doc_json=json_raw({**person.doc, "interests": {"n": "text"}}))

    failed = [person.send(make.call("S", 1), ruleset).answer.report.segment_errors for _ in range(2)]

    assert failed[0] == failed[1] != ()


def test_a_segment_is_looked_at_again_when_a_call_comes_late_under_other_rules(make: type[Make]) -> None:
    yes, no = (rules(segment=[{"name": "s", "when": f"profile.stats.visits {op} 1"}]) for op in ("==", "!="))
    person = Person()
    for ruleset, after in [(yes, ["s"]), (yes, ["s"]), (no, []), (yes, ["s"])]:
        person.send(make.call("S", 1), ruleset)
        assert person.doc["segments"] == after


def test_of_segments_that_are_not_in_the_rules_any_more_a_profile_is_in_none(make: type[Make]) -> None:
    person = Person()
    person.send(make.call("S", 1), rules(segment=[{"name": "old", "when": "true"}]))
    assert person.doc["segments"] == ["old"]

    decision = person.send(make.call("S", 1), NO_RULES)

    assert person.doc["segments"] == []
    assert decision.answer.report.segments == ("old",)


def test_a_consent_that_is_over_when_it_comes_lets_nothing_pass(make: type[Make]) -> None:
    person = Person(WARY)
    now = make.event(event_type="consent", properties={"a": True})
    late = replace(now, created="2020-01-01T00:00:00.000000Z")

    decision = person.send(make.call("S", [late, make.event()]), rules(rule=[grants(valid_for_days=1)]))

    assert person.doc["consents"] == {}
    assert [entry["change"] for entry in person.doc["metadata"]["consents"]] == ["granted", "expired"]
    assert decision.answer.report.dropped == (NO_CONSENT,)


@pytest.mark.parametrize(("agrees", "city"), [(False, {}), (True, {"city": "Brno"})])
def test_a_rule_sees_nothing_of_the_session_as_long_as_there_is_no_consent(
    make: type[Make], agrees: bool, city: dict[str, Any]
) -> None:
    where = {"name": "city", "event": "*", "steps": [{"target": "pii.city", "from": "session.context.city"}]}
    ruleset = rules(rule=[grants(), where])
    person = Person(WARY)

    consent = make.event(event_type="consent", properties={"a": agrees})
    person.send(make.call("S", [consent, make.event()], context={"city": "Brno"}), ruleset)

    assert person.doc["pii"] == city


@pytest.mark.parametrize(
    ("start", "after", "counted"),
    [(-10, -9, True), (-1, 0, True), (0, 1, True), (9, 10, True), (0.5, 1.5, True), (2**63 - 1, 2**63 - 1, False)],
)
def test_a_counter_that_a_rule_made_another_number_is_counted_on(
    make: type[Make], start: float, after: float, counted: bool
) -> None:
    sets = {"name": "sets", "event": "set", "steps": [{"target": "stats.counters.t", "value": start}]}
    person = Person()

    decision = person.send(make.call("S", [make.event(event_type="set"), make.event()]), rules(rule=[sets]))

    assert person.doc["stats"]["counters"] == {"set": 1, "t": after}
    assert (messages(decision) == []) is counted


def test_conditions_look_through_so_much_in_a_call_and_no_more(make: type[Make]) -> None:
    fills = {"name": "fills", "event": "t", "steps": [{"target": "traits.public.*", "from": "properties"}]}
    ruleset = rules(rule=[fills], segment=[{"name": "s", "when": "has(profile.traits.public.a)"}])
    person = Person(limits=Limits(max_condition_bytes=262_144))
    person.send(make.call("S", [make.event(properties={"b": "x" * 100_000})]), ruleset)

    report = person.send(make.call("S", [make.event(properties={"c": n}) for n in range(4)]), ruleset).answer.report

    assert len(report.segment_errors) == 1
    assert "limits.max_condition_bytes" in report.segment_errors[0]
    assert person.send(make.call("S", [make.event(properties={"a": 1})]), ruleset).answer.report.segments == ("s",)


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


ONE, SAME, OTHER = many_rules(), many_rules(), many_rules(more=({"name": "m", "when": "profile.traits.public.n > 2"},))
TIMES = ("2026-01-31T12:00:00.000000Z", "2026-01-31T13:00:00.000000Z", "2026-02-03T12:00:00.000000Z")
properties = st.dictionaries(st.sampled_from(["n", "m", "forget"]), st.integers(0, 3) | st.booleans() | st.just("text"))
events = st.lists(st.tuples(st.sampled_from(["set", "like", "page-view", "consent", "other"]), properties), max_size=4)
calls = st.lists(st.tuples(st.sampled_from("STU"), events, st.sampled_from([ONE, SAME, OTHER])), max_size=8)


def without_number(decision: Decision) -> Decision:
    """What was decided, but for the number under which the rest is found."""

    def unnumbered(profile: Profile | None) -> Profile | None:
        return profile and replace(profile, memo=NO_MEMO)

    changes = replace(decision.changes, profile=unnumbered(decision.changes.profile))
    return replace(decision, profile=unnumbered(decision.profile), changes=changes)


@settings(max_examples=150, deadline=None)
@given(calls, st.sampled_from([Limits(), Limits(max_profile_bytes=4096, max_profile_counters=2)]))
def test_what_is_remembered_changes_neither_answers_nor_profiles(
    make: type[Make], calls: list[Any], limits: Limits
) -> None:
    forgetful, mindful = Person(limits=limits, remembers=False), Person(limits=limits)
    for number, (session_id, made, ruleset) in enumerate(calls):
        events = [make.event(event_type=event_type, properties=said) for event_type, said in made]
        received = TIMES[min(number // 3, len(TIMES) - 1)]
        call = make.call(session_id, events, context={"n": number}, received=received)

        one, other = forgetful.send(call, ruleset), mindful.send(call, ruleset)

        assert without_number(one) == without_number(other)


def test_what_is_remembered_is_shared_by_profiles_of_which_the_same_is_remembered(make: type[Make]) -> None:
    people = [Person(), Person()]
    for person in people:
        for _ in range(3):
            person.send(make.call("S", [make.event(event_type="consent", properties={"general": True})]), CONSENTS)

    assert people[0].profile.memo == people[1].profile.memo != NO_MEMO
    assert CONSENTS.memos.recall(people[0].profile.memo).repetitions


def test_what_is_remembered_of_one_profile_holds_for_others_from_before_a_restart(
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

    monkeypatch.setattr(Processing, "_come_under_rules", None)
    people[1].send(make.call("S", [make.event(event_type="page-view")]), after)

    assert people[1].doc["segments"] == people[0].doc["segments"] == ["views"]
