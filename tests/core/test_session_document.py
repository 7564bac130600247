import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.making import Make
from trackd.core.documents import Session
from trackd.core.encoding import json_raw, json_text
from trackd.core.session_document import merged, session_after, was_silent

LARGE = 10_000
THEN = "2026-01-30T12:00:00.000000Z"

scalars = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([1.0, 0.5, "", "a"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from("abc"), values, max_size=3)


def text(value: dict[str, Any]) -> str:
    """Equal for the same JSON only: 1, 1.0 and true are three values."""
    return json.dumps(value, sort_keys=True)


def merged_by_hand(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    result = copy.deepcopy(old)
    for key, value in new.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged_by_hand(result[key], value) if both else value
    return result


@given(objects, objects)
def test_the_new_value_wins_and_objects_are_merged(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert text(merged(old, new)) == text(merged_by_hand(old, new))


class CountedText(str):
    """A text that counts how often it is compared."""

    __slots__ = ()
    comparisons = 0

    def __eq__(self, other: object) -> bool:
        CountedText.comparisons += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_each_value_is_compared_once_however_deep_it_is() -> None:
    def nested(last: str, depth: int = 60) -> dict[str, Any]:
        if depth == 0:
            return {**{f"k{n}": CountedText(n) for n in range(100)}, "last": last}
        return {"k": nested(last, depth - 1)}

    CountedText.comparisons = 0
    after = merged(nested("a"), nested("b"))
    assert after == nested("b")
    assert CountedText.comparisons <= 300  # 100 of the test's own


@given(objects, objects)
def test_merging_changes_neither_of_the_two(old: dict[str, Any], new: dict[str, Any]) -> None:
    before = text(old), text(new)

    merged(old, new)

    assert (text(old), text(new)) == before


@given(objects, objects)
def test_merging_twice_is_merging_once_and_makes_no_new_object(old: dict[str, Any], new: dict[str, Any]) -> None:
    once = merged(old, new)

    assert merged(once, new) is once


@given(objects)
def test_an_empty_side_gives_the_other(value: dict[str, Any]) -> None:
    assert merged(value, {}) is value
    assert text(merged({}, value)) == text(value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": [1]}, {"a": [True]}),
        ({"a": None}, {"a": False}),
        ({"a": {"b": 1}}, {"a": {"b": True}}),
    ],
    ids=["boolean", "float", "boolean in a list", "null", "boolean in an object"],
)
def test_values_that_only_python_calls_equal_are_different(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert text(merged(old, new)) == text(new)


def test_a_first_call_makes_the_session(make: type[Make]) -> None:
    call = make.call("S", context={"a": 1}, properties={"b": 2})

    assert session_after(None, call, "A", LARGE) == (
        Session("S", "A", make.now, make.now, json_raw({"a": 1}), json_raw({"b": 2})),
        True,
    )


def test_a_later_call_merges_into_it_and_moves_the_time(make: type[Make]) -> None:
    session = Session("S", "A", THEN, THEN, json_raw({"a": {"x": 1, "y": 1}}), json_raw({"b": 2}))
    call = make.call("S", context={"a": {"y": 2}}, properties={"c": 3})

    after, fits = session_after(session, call, "A", LARGE)

    assert after == Session("S", "A", THEN, make.now, json_raw({"a": {"x": 1, "y": 2}}), json_raw({"b": 2, "c": 3}))
    assert fits
    assert session == Session("S", "A", THEN, THEN, json_raw({"a": {"x": 1, "y": 1}}), json_raw({"b": 2}))


def test_a_call_without_context_leaves_the_session_content(make: type[Make]) -> None:
    session = Session("S", "A", THEN, THEN, json_raw({"a": 1}), json_raw({"b": 2}))

    after, fits = session_after(session, make.call("S"), "A", 0)

    assert (after.context, after.properties, fits) == ({"a": 1}, {"b": 2}, True)
    assert after.updated == make.now


def test_a_session_can_change_hands(make: type[Make]) -> None:
    after, _ = session_after(make.session("S", "A", kept=1), make.call("S"), "B", LARGE)

    assert (after.profile_id, after.context) == ("B", {"kept": 1})


def test_content_that_would_make_the_session_too_large_is_left_out(make: type[Make]) -> None:
    session = make.session("S", "A", a=1)
    call = make.call("S", context={"big": "x" * 100}, properties={"b": 1})

    after, fits = session_after(session, call, "A", 50)

    assert not fits
    assert (after.context, after.properties) == ({"a": 1}, {})
    assert after.updated == make.now


def test_a_first_call_that_is_too_large_makes_an_empty_session(make: type[Make]) -> None:
    after, fits = session_after(None, make.call("S", context={"big": "x" * 100}), "A", 50)

    assert (after, fits) == (Session("S", "A", make.now, make.now, json_raw({}), json_raw({})), False)


@given(objects.map(lambda value: {**value, "é": "🙂"}))
def test_the_bound_is_kept_to_the_byte(make: type[Make], context: dict[str, Any]) -> None:
    size = 2 * len(json_text(context).encode())
    call = make.call("S", context=context, properties=context)

    assert session_after(None, call, "A", size)[1]
    assert not session_after(None, call, "A", size - 1)[1]


def test_a_session_that_is_too_large_already_still_takes_calls_that_add_nothing(make: type[Make]) -> None:
    session = make.session("S", "A", big="x" * 100)

    after, fits = session_after(session, make.call("S", context={"big": "x" * 100}), "A", 50)

    assert fits
    assert after.context == session.context


def test_a_session_that_changes_at_the_same_moment_has_another_time(make: type[Make]) -> None:
    before = replace(make.session("S", "A", page=1), updated=make.later)
    same, more = (
        make.call("S", received=make.later, context={"page": 1}),
        make.call("S", received=make.later, context={"b": 2}),
    )

    assert session_after(before, same, "A", 1_000)[0].updated == make.later
    assert session_after(before, more, "A", 1_000)[0].updated == "2026-01-31T12:00:01.000001Z"
    assert session_after(None, more, "A", 1_000)[0].updated == make.later


def test_a_call_that_is_applied_later_than_others_does_not_move_the_time_back(make: type[Make]) -> None:
    before = replace(make.session("S", "A"), updated=make.later)

    assert session_after(before, make.call("S"), "A", 1_000)[0].updated == make.later
    assert session_after(before, make.call("S", context={"b": 2}), "A", 1_000)[0].updated > make.later


@pytest.mark.parametrize(("seconds", "silent"), [(1, True), (2, False)])
def test_the_silence_of_a_session_begins_with_its_last_call(make: type[Make], seconds: int, silent: bool) -> None:
    assert was_silent(make.session("S", "A"), make.later, seconds) is silent
    assert not was_silent(replace(make.session("S", "A"), updated=make.later), make.now, 1)
