import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from trackd.core.rules.draft import Draft, NotAnObjectError, json_size
from trackd.core.rules.paths import MISSING

KEYS = st.sampled_from(["a", "b", "č", '"'])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text("aé\n", max_size=3) | st.floats(-1, 1),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
docs = st.dictionaries(KEYS, values, max_size=3)
paths = st.lists(KEYS, min_size=1, max_size=3).map(tuple)
acts = st.lists(
    st.tuples(st.just("put"), paths, values)
    | st.tuples(st.just("delete"), paths, st.none())
    | st.tuples(st.sampled_from(["settle", "roll back"]), st.none(), st.none()),
    max_size=12,
)


def put(doc: dict[str, Any], path: tuple[Any, ...], value: Any) -> bool:
    """The reference for `Draft.put`, in place; False when the path leads through no object."""
    node = doc
    for key in path[:-1]:
        node = node.setdefault(key, {})
        if not isinstance(node, dict):
            return False
    node[path[-1]] = value
    return True


def delete(doc: dict[str, Any], path: tuple[Any, ...]) -> None:
    node: Any = doc
    for key in path[:-1]:
        node = node.get(key) if isinstance(node, dict) else None
    if isinstance(node, dict):
        node.pop(path[-1], None)


@given(docs, acts)
def test_a_draft_changes_like_a_plain_document_and_leaves_the_put_values_alone(
    doc: dict[str, Any], acts: list[Any]
) -> None:
    before = copy.deepcopy(acts)
    draft, model, kept = Draft(copy.deepcopy(doc)), doc, copy.deepcopy(doc)
    for act, path, value in acts:
        match act:
            case "put":
                tried = copy.deepcopy(model)
                if put(tried, path, copy.deepcopy(value)):
                    draft.put(path, value)
                    model = tried
                else:
                    with pytest.raises(NotAnObjectError):
                        draft.put(path, value)
            case "delete":
                draft.delete(path)
                delete(model, path)
            case "settle":
                draft.settle()
                kept = copy.deepcopy(model)
            case "roll back":
                draft.roll_back()
                model = copy.deepcopy(kept)
        assert draft.doc == model
        assert draft.size == json_size(draft.doc)
    assert acts == before


def test_a_value_that_was_put_is_never_changed_itself() -> None:
    value = {"x": 1}
    draft = Draft({})
    draft.put(("a",), value)
    draft.put(("a", "y"), 2)
    assert value == {"x": 1}
    assert draft.doc == {"a": {"x": 1, "y": 2}}


def test_a_null_is_a_value_and_a_path_that_does_not_exist_has_none() -> None:
    draft = Draft({"a": None, "b": {"c": 1}})
    assert draft.get(("a",)) is None
    assert draft.get(("b", "c")) == 1
    assert draft.get(("b", "c", "d")) is MISSING
    assert draft.get(("x",)) is MISSING


def test_changes_are_found_by_the_first_two_keys_of_their_path() -> None:
    draft = Draft({"traits": {"public": {}}, "stats": {"views": 0}})
    clock = draft.clock
    assert not draft.changed_since(clock, frozenset({"traits.public", "stats.views"}))
    draft.put(("traits", "public", "a", "b"), 1)
    assert draft.changed_since(clock, frozenset({"traits.public"}))
    assert draft.changed_since(clock, frozenset({"traits"}))
    assert not draft.changed_since(clock, frozenset({"traits.private", "stats.views"}))
    clock = draft.clock
    draft.doc["stats"]["views"] = 10
    draft.wrote("stats.views", 1)
    assert draft.changed_since(clock, frozenset({"stats.views"}))
    assert not draft.changed_since(clock, frozenset({"traits.public"}))
    assert draft.size == json_size(draft.doc)


def test_a_part_is_the_same_object_for_rules_and_for_counting() -> None:
    draft = Draft({"stats": {"counters": {"a": 1}}})
    draft.put(("stats", "counters", "b"), 1)
    draft.doc["stats"]["counters"]["a"] = 2
    draft.put(("stats", "counters", "c"), 1)
    assert draft.doc == {"stats": {"counters": {"a": 2, "b": 1, "c": 1}}}


@given(values)
def test_the_size_is_that_of_compact_json(value: Any) -> None:
    assert json_size(value) == len(to_json(value))
