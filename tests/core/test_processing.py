"""Duplicates, unwanted events, steps that fail, and the roots that rules read."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.person import NO_RULES, REVENUE, Person, messages, rules, statuses
from tests.support.making import Make
from trackd.core.calls import NumberedEvent

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
GOOGLE = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def test_a_duplicate_runs_no_rules(make: type[Make]) -> None:
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


def test_the_id_of_an_unwanted_event_is_not_kept(make: type[Make]) -> None:
    person = Person()
    unwanted = person.send(make.call("S", [make.event("e", "debug-click"), make.event("f")]), UNWANTED)

    duplicate = person.send(make.call("S", [make.event("e", "debug-click")]), NO_RULES)

    assert unwanted.changes.event_ids == {"f": 1}
    assert statuses(duplicate) == [("e", 2, "collected")]


def test_a_missing_value_skips_its_step_silently_and_a_clash_of_types_is_logged(make: type[Make]) -> None:
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
    long = "event.properties.l.all(a, event.properties.l.all(b, a + b >= 0))"
    content = {
        "rule": [{"name": "r", "event": "t", "when": long, "steps": [{"target": "pii.a", "value": 1}]}],
        "segment": [{"name": "Long", "when": long}],
    }

    decision = person.send(make.call("S", [make.event("e", properties={"l": list(range(100))})]), rules(**content))

    assert (person.doc["pii"], person.doc["segments"]) == ({}, [])
    assert [(entry.type, entry.rule) for entry in decision.answer.report.logs] == [("error", "r")]
    assert [error.startswith("long: ") for error in decision.answer.report.segment_errors] == [True]
    assert len(decision.changes.events) == 1


def test_rules_read_event_session_source_and_the_profile_as_earlier_rules_left_it(make: type[Make]) -> None:
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


properties = st.dictionaries(st.sampled_from(["n", "m", "forget"]), st.integers(0, 3) | st.booleans() | st.just("text"))
events = st.lists(st.tuples(st.sampled_from(["set", "like", "page-view", "consent", "other"]), properties), max_size=4)


def test_rules_and_segments_see_no_event_later_than_its_arrival(make: type[Make]) -> None:
    created = "event.metadata.time.create"
    steps = [
        {"target": "traits.private.last", "op": "max", "from": created},
        {"target": "traits.private.first", "op": "min", "from": created},
        {"target": "traits.private.set", "from": created},
        {"target": "traits.private.all", "op": "append", "from": created},
    ]
    later = {"name": "later", "event": "t", "when": f"{created} > event.metadata.time.insert", "steps": steps}
    segment = {"name": "Future", "when": f"{created} > '2027'"}
    person = Person()
    content = rules(rule=[{"name": "times", "event": "t", "steps": steps}, later], segment=[segment])
    times = ["2031-01-01T00:00:00.000000Z", "2025-01-01T00:00:00.000000Z"]

    decision = person.send(make.call(events=[replace(make.event(), created=time) for time in times]), content)

    assert person.doc["traits"]["private"] == {
        "last": make.now,
        "first": times[1],
        "set": times[1],
        "all": [make.now, times[1]],
    }
    assert person.doc["segments"] == []
    assert [event.created for event in decision.changes.events] == times


COUNTING = rules(
    rule=[
        {
            "name": "asks",
            "event": "ask",
            "when": "profile.stats.views == 3",
            "steps": [{"target": "traits.public.asked", "op": "increment"}],
        },
        {"name": "forgets", "event": "forget", "steps": [{"target": "stats.counters.page-view", "op": "unset"}]},
    ],
    segment=[
        {"name": "asked", "when": "profile.traits.public.asked > 0", "event": ["page-view", "other"]},
        {"name": "others", "when": "'other' in profile.stats.counters", "event": ["ask", "tick"]},
    ],
)


@given(
    events=st.lists(
        st.tuples(st.sampled_from(["page-view", "page-view", "other", "other", "ask", "forget", "tick"]), st.booleans())
    ),
)
@example(events=[("tick", False), ("other", False), ("tick", False)])
@example(
    events=[("page-view", False), ("page-view", False), ("ask", False), ("page-view", False), ("page-view", False)]
)
def test_the_events_of_one_call_have_the_same_result_as_one_after_the_other(
    make: type[Make], events: list[tuple[str, bool]]
) -> None:
    sent = [replace(make.event(f"e{n}", kind), own_id=own) for n, (kind, own) in enumerate(events)]
    one, other = Person(), Person()
    for person in (one, other):
        person.send(make.call("S", [make.event("first", "page-view")]), COUNTING)

    together = one.send(make.call("S", sent), COUNTING)
    each = [other.send(make.call("S", [event]), COUNTING) for event in sent]

    assert one.doc == other.doc
    assert together.changes.events == tuple(event for decision in each for event in decision.changes.events)
    assert list(together.reports) == [report for decision in each for report in decision.reports]
