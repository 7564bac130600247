"""Segments that a profile enters and leaves."""

from tests.core.person import NO_RULES, Person, rules
from tests.support.making import Make

FANS = {
    "rule": [
        {"name": "likes", "event": "like", "steps": [{"target": "interests.likes", "op": "increment"}]},
        {"name": "dislikes", "event": "dislike", "steps": [{"target": "interests.likes", "op": "decrement"}]},
    ],
    "segment": [{"name": "Big Fans!", "when": "profile.interests.likes >= 2"}],
}


def test_segments_are_evaluated_after_each_event(make: type[Make]) -> None:
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


def test_a_segment_that_is_entered_and_left_within_one_call_is_reported(make: type[Make]) -> None:
    person = Person()

    decision = person.send(
        make.call("S", [make.event(event_type=t) for t in ("like", "like", "dislike")]), rules(**FANS)
    )

    assert person.doc["segments"] == []
    assert decision.answer.report.segments == ("big-fans",)
    changes = [[change.entered for change in report.segment_changes] for report in decision.reports]
    assert changes == [
        [],
        [True],
        [False],
    ]


def test_a_segment_with_event_types_is_evaluated_after_those_alone(make: type[Make]) -> None:
    person = Person()
    ruleset = rules(segment=[{"name": "Viewers", "when": "profile.stats.views >= 1", "event": ["look"]}])

    before = person.send(make.call("S", [make.event(event_type="page-view")]), ruleset)
    after = person.send(make.call("S", [make.event(event_type="look")]), ruleset)

    assert (before.answer.report.segments, after.answer.report.segments) == ((), ("viewers",))


def test_segments_read_the_segments_before_them(make: type[Make]) -> None:
    person = Person()
    segments = [
        {"name": "viewers", "when": "profile.stats.views >= 1"},
        {"name": "others", "when": "!('viewers' in profile.segments)"},
    ]

    decisions = [
        person.send(make.call("S", [make.event(event_type=t)]), rules(segment=segments)) for t in ("other", "page-view")
    ]

    assert [decision.profile.doc["segments"] for decision in decisions] == [["others"], ["viewers"]]


def test_a_segment_change_alone_is_a_visible_change(make: type[Make]) -> None:
    person = Person()
    ruleset = rules(segment=[{"name": "Regulars", "when": "profile.stats.views >= 2"}])

    saved = [
        person.send(make.call("S", [make.event(event_type="page-view")]), ruleset).answer.profile_saved
        for _ in range(3)
    ]

    assert saved == [True, True, False]


def test_a_profile_leaves_segments_that_are_no_longer_in_the_rules(make: type[Make]) -> None:
    person = Person()
    person.send(make.call("S", 1), rules(segment=[{"name": "old", "when": "true"}]))
    assert person.doc["segments"] == ["old"]

    decision = person.send(make.call("S", 1), NO_RULES)

    assert person.doc["segments"] == []
    assert decision.answer.report.segments == ("old",)
