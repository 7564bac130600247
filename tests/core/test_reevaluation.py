"""The segments of a profile, evaluated again without an event."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.person import Person, rules
from tests.support.making import LATER, NOW, Make
from trackd.config.settings import Limits
from trackd.core.changes import Changes, Fence
from trackd.core.documents import NO_MEMO, Profile
from trackd.core.encoding import json_raw
from trackd.core.reevaluation import Reevaluation, reevaluate
from trackd.core.rules.ruleset import RuleSet

SEGMENTS = {
    "Viewers": "profile.stats.views >= 2",
    "Big spender": "profile.traits.private.revenue >= 100.0",
    "Both": "'viewers' in profile.segments && 'big-spender' in profile.segments",
}


def segments(*names: str, **more: Any) -> RuleSet:
    return rules(segment=[{"name": name, "when": SEGMENTS[name], **more} for name in names])


def profile(views: int = 0, revenue: float | None = None, members: tuple[str, ...] = (), **doc: Any) -> Profile:
    private = {} if revenue is None else {"revenue": revenue}
    stats = {"visits": 1, "views": views, "counters": {}}
    return Make.profile("A", 5, 7, stats=stats, traits={"public": {}, "private": private}, segments=[*members], **doc)


def under(ruleset: RuleSet, before: Profile, now: str = LATER, limits: Limits | None = None) -> Reevaluation:
    return reevaluate(before, ruleset, limits or Limits(), now, None)


def changes(result: Reevaluation) -> list[tuple[str, str]]:
    return [
        (change.segment, "failed" if change.failed else "entered" if change.entered else "left")
        for change in result.segment_changes
    ]


def test_a_profile_enters_and_leaves_segments_without_an_event() -> None:
    before = profile(views=2, members=("big-spender", "gone"))

    result = under(segments("Viewers", "Big spender"), before)

    assert result.profile.doc == {**before.doc, "segments": ["viewers"]}
    assert changes(result) == [("gone", "left"), ("viewers", "entered"), ("big-spender", "left")]


def test_the_change_has_the_fence_and_the_next_revision_and_no_event() -> None:
    result = under(segments("Viewers"), profile(views=2))

    assert (result.profile.seq, result.profile.revision) == (5, 8)
    assert result.changes == Changes(Fence("A", 5, 7), result.profile, reevaluated=LATER)


def test_a_profile_whose_segments_fit_is_not_written() -> None:
    before = profile(views=2, members=("viewers",))

    result = under(segments("Viewers", "Big spender"), before)

    assert result.profile is before
    assert result.changes == Changes(Fence("A", 5, 7))
    assert changes(result) == []


def test_the_event_types_of_a_segment_do_not_matter() -> None:
    assert changes(under(segments("Viewers", event=["purchase"]), profile(views=2))) == [("viewers", "entered")]


@pytest.mark.parametrize("when", ["event.type == 'page-view'", "session.id != ''", "source.id == 'shop'"])
@pytest.mark.parametrize("members", [(), ("called",)])
def test_a_segment_that_reads_more_than_the_profile_is_left_as_it_is(when: str, members: tuple[str, ...]) -> None:
    ruleset = rules(segment=[{"name": "Called", "when": f"{when} && profile.stats.views >= 0"}])
    assert under(ruleset, profile(members=members)).profile.doc["segments"] == [*members]


def test_a_condition_that_fails_leaves_the_profile_as_it_is_and_is_reported() -> None:
    ruleset = rules(segment=[{"name": "Odd", "when": "profile.traits.private.revenue > 'a'"}])
    before = profile(revenue=1.0, members=("odd",))
    result = under(ruleset, before)
    assert result.profile is before
    assert changes(result) == [("odd", "failed")]


def test_consents_that_expired_are_removed_first() -> None:
    ruleset = rules(segment=[{"name": "Agreed", "when": "'marketing' in profile.consents"}])
    consents = {"marketing": {"granted": NOW, "expires": NOW}, "general": {"granted": NOW}}
    result = under(ruleset, profile(members=("agreed",), consents=consents))
    assert changes(result) == [("agreed", "left")]
    assert result.profile.doc["consents"] == {"general": {"granted": NOW}}
    history = result.profile.doc["metadata"]["consents"]
    assert history == [{"id": "marketing", "change": "expired", "time": LATER}]


def test_segments_that_together_take_too_much_work_fail_and_the_profile_stays_as_it_was() -> None:
    ruleset = rules(
        segment=[{"name": f"s{number}", "when": f"profile.traits.public.a != '{number}'"} for number in range(3)]
    )
    large = Make.profile("A", traits={"public": {"a": "x" * 100_000}, "private": {}})
    segments = [*ruleset.segments.values()]
    inputs = segments[0].condition.read({"profile": large.doc})
    units = inputs.sizes.conversion + sum(segment.condition.work(inputs) for segment in segments[:2])
    result = under(ruleset, large, limits=Limits(max_call_work=4 * units))
    assert changes(result) == [("s0", "entered"), ("s1", "entered"), ("s2", "failed")]
    assert "limits.max_call_work" in str(result.segment_changes[2].failed)


def test_the_memo_saves_the_evaluations_of_the_next_call() -> None:
    ruleset = segments("Viewers", "Big spender")
    result = under(ruleset, profile(views=2))
    assert result.memo is not None
    assert result.profile.memo == result.memo.number
    assert result.memo.evaluated == {"viewers", "big-spender"}
    again = reevaluate(result.profile, ruleset, Limits(), LATER, result.memo)
    assert again.profile is result.profile


@given(
    st.lists(st.sampled_from([*SEGMENTS]), unique=True),
    st.lists(st.sampled_from(["viewers", "big-spender", "both", "gone"]), unique=True),
    st.integers(0, 3),
    st.sampled_from([None, 50.0, 100.0]),
)
def test_the_segments_are_those_that_a_call_gives(
    names: list[str], members: list[str], views: int, revenue: float | None
) -> None:
    ruleset, before = segments(*names), profile(views, revenue, tuple(members))
    person = Person()
    person.profile = before

    called = person.send(Make.call("S", [Make.event(event_type="other")]), ruleset)
    result = under(ruleset, before)

    assert result.profile.doc["segments"] == called.profile.doc["segments"]
    assert changes(result) == [
        (change.segment, "entered" if change.entered else "left")
        for report in called.reports
        for change in report.segment_changes
    ]
    unchanged = result.profile.doc["segments"] == before.doc["segments"]
    assert (result.profile is before) == unchanged
    assert replace(result.profile, memo=NO_MEMO, revision=7, doc_json=json_raw({})) == replace(
        before, doc_json=json_raw({})
    )
