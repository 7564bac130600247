import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackd.actors.profile_document import apply, new_profile, shareable, stamped, visited


def test_a_new_profile_is_the_document_of_the_contract(make):
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


def test_new_profiles_share_nothing(make):
    one, two = new_profile("A", make.now), new_profile("B", make.now)
    one["segments"].append("x")
    one["stats"]["counters"]["t"] = 1

    assert two == new_profile("B", make.now)


def test_a_visit_is_counted_and_the_one_before_becomes_the_last():
    doc = visited(visited(new_profile("A", "t0"), "t1"), "t2")

    assert doc["metadata"]["time"]["visit"] == {"count": 2, "last": "t1", "current": "t2"}
    assert doc["stats"]["visits"] == 2


@given(st.lists(st.sampled_from(["page-view", "purchase", "Page-View", "t"])))
def test_events_are_counted_by_type_and_page_views_as_views(types):
    doc = new_profile("A", "now")
    for event_type in types:
        doc = apply(doc, event_type)

    assert doc["stats"]["counters"] == {one: types.count(one) for one in set(types)}
    assert doc["stats"]["views"] == types.count("page-view")
    assert doc["stats"]["visits"] == 0


def test_a_stamp_numbers_and_dates_the_document_and_keeps_when_it_was_made():
    doc = stamped(new_profile("A", "made"), 7, "now")

    assert doc["seq"] == 7
    assert doc["metadata"]["time"] == {**new_profile("A", "made")["metadata"]["time"], "update": "now"}


def test_what_is_shared_has_no_private_data(make):
    doc = new_profile("A", make.now) | {
        "pii": {"name": "Žofie"},
        "traits": {"public": {"likes": "tea"}, "private": {"owes": 1}, "other": 2},
    }

    shared = shareable(doc)

    assert "pii" not in shared
    assert shared["traits"] == {"public": {"likes": "tea"}, "other": 2}
    assert {**shared, "pii": doc["pii"], "traits": doc["traits"]} == doc


@pytest.mark.parametrize(
    "act",
    [
        lambda doc: visited(doc, "now"),
        lambda doc: apply(doc, "page-view"),
        lambda doc: apply(doc, "new"),
        lambda doc: stamped(doc, 5, "now"),
        shareable,
    ],
    ids=["visited", "apply a known type", "apply a new type", "stamped", "shareable"],
)
def test_no_document_is_changed_in_place(act):
    doc = apply(visited(new_profile("A", "then"), "then"), "page-view") | {"future": {"field": [1]}}
    before = copy.deepcopy(doc)

    after = act(doc)

    assert doc == before
    assert after != before
    assert after["future"] == {"field": [1]}
