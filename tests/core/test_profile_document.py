from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.making import Make
from trackd.config.settings import Limits
from trackd.core.profile_document import (
    can_count_on,
    count,
    count_on,
    first_revision,
    new_profile,
    shareable,
    stamp,
    visit,
)
from trackd.core.rules.draft import Draft, json_size

LIMITS = Limits()


def changed(doc: dict[str, Any], *acts: Callable[..., Any]) -> dict[str, Any]:
    """The document after the acts, each a function of a draft."""
    draft = Draft(doc)
    for act in acts:
        act(draft)
    assert draft.size == json_size(draft.doc)
    return draft.doc


@pytest.mark.parametrize(
    ("now", "revision"),
    [
        ("2026-01-31T12:00:00.000001Z", 1_769_860_800_000_001),
        ("1970-01-01T00:00:00.000002Z", 2),
        ("1970-01-01T00:00:00.000000Z", 1),  # 0 stands for a profile that is not stored
        ("0001-01-01T00:00:00.000000Z", 1),
    ],
)
def test_the_first_revision_is_the_time_in_microseconds(now: str, revision: int) -> None:
    assert first_revision(now) == revision


def test_revisions_fit_the_integers_of_the_stores_and_of_an_export() -> None:
    assert first_revision("9999-12-31T23:59:59.999999Z") < 2**62


def test_a_new_profile_is_the_document_of_the_contract(make: type[Make]) -> None:
    assert new_profile("A", make.now) == {
        "id": "A",
        "seq": 0,
        "metadata": {
            "time": {
                "insert": make.now,
                "update": make.now,
                "visit": {"count": 0, "last": None, "current": None},
            }
        },
        "stats": {"visits": 0, "views": 0, "counters": {}},
        "traits": {"public": {}, "private": {}},
        "pii": {},
        "consents": {},
        "segments": [],
        "interests": {},
        "ids": [],
        "active": True,
    }


def test_new_profiles_share_nothing(make: type[Make]) -> None:
    one, two = new_profile("A", make.now), new_profile("B", make.now)
    one["segments"].append("x")
    one["stats"]["counters"]["t"] = 1

    assert two == new_profile("B", make.now)


def test_a_visit_is_counted_and_the_one_before_becomes_the_last() -> None:
    doc = changed(new_profile("A", "t0"), lambda draft: visit(draft, "t1"), lambda draft: visit(draft, "t2"))

    assert doc["metadata"]["time"]["visit"] == {"count": 2, "last": "t1", "current": "t2"}
    assert doc["stats"]["visits"] == 2


@given(st.lists(st.sampled_from(["page-view", "purchase", "Page-View", "t"])))
def test_events_are_counted_by_type_and_page_views_as_views(types: list[str]) -> None:
    doc = changed(
        new_profile("A", "now"),
        *(lambda draft, event_type=event_type: count(draft, event_type, LIMITS) for event_type in types),
    )

    assert doc["stats"]["counters"] == {one: types.count(one) for one in set(types)}
    assert doc["stats"]["views"] == types.count("page-view")
    assert doc["stats"]["visits"] == 0


def test_a_stamp_numbers_and_dates_the_document_and_keeps_when_it_was_made() -> None:
    doc = new_profile("A", "made")
    stamp(doc, 7, "now")

    assert doc["seq"] == 7
    assert doc["metadata"]["time"] == {**new_profile("A", "made")["metadata"]["time"], "update": "now"}


def test_a_shared_profile_has_no_private_data(make: type[Make]) -> None:
    doc = new_profile("A", make.now) | {
        "pii": {"name": "Žofie"},
        "traits": {"public": {"likes": "tea"}, "private": {"owes": 1}, "other": 2},
    }

    shared = shareable(doc)

    assert "pii" not in shared
    assert shared["traits"] == {"public": {"likes": "tea"}, "other": 2}
    assert {**shared, "pii": doc["pii"], "traits": doc["traits"]} == doc


def test_a_type_past_the_limit_of_counters_gets_none_and_those_before_go_on() -> None:
    limits = Limits(max_profile_counters=2)
    draft = Draft(new_profile("A", "now"))

    answers = [count(draft, event_type, limits) for event_type in ("a", "b", "page-view", "a")]

    assert draft.doc["stats"] == {"visits": 0, "views": 1, "counters": {"a": 2, "b": 1}}
    assert [answer is None for answer in answers] == [True, True, False, True]
    assert "limits.max_profile_counters" in (answers[2] or "")


def test_a_type_for_which_the_document_has_no_room_gets_no_counter() -> None:
    limits = Limits(max_profile_bytes=4096)
    draft = Draft(new_profile("A", "now"))

    answers = [count(draft, f"{number:0>250}", limits) for number in range(100)]

    assert json_size(draft.doc) <= 4096
    assert answers[0] is None
    assert "limits.max_profile_bytes" in (answers[-1] or "")


@given(st.sampled_from(["page-view", "other"]), st.integers(1, 10**19), st.integers(0, 1_000), st.integers(1, 120))
def test_events_of_one_type_are_counted_together_as_one_after_the_other(
    event_type: str, counted: int, views: int, number: int
) -> None:
    def draft() -> Draft:
        return Draft({"stats": {"views": views, "counters": {event_type: counted}}})

    together, each = draft(), draft()
    if not can_count_on(together, event_type):
        assert counted == 10**19
        return
    count_on(together, event_type, number)
    for _ in range(number):
        assert count(each, event_type, LIMITS) is None
    assert (together.doc, together.size) == (each.doc, each.size)
    assert together.changed_at.keys() == each.changed_at.keys()


def test_a_counter_that_is_no_usual_one_is_not_counted_together() -> None:
    draft = Draft({"stats": {"views": 0, "counters": {"decimal": 1.5, "negative": -3, "true": True}}})
    assert not any(can_count_on(draft, event_type) for event_type in ("decimal", "negative", "true", "none"))
