"""The comparison of a duplicate with its first copy."""

import pytest

from tests.support.making import Make
from trackd.core.documents import FirstCopy
from trackd.core.duplicate import Duplicate, duplicate


def test_a_duplicate_is_named_with_the_number_and_type_of_the_first_copy() -> None:
    found = duplicate(Make.event("e-1", "page-view"), "shop", 7, FirstCopy("page-view", "shop", "collected"))
    assert found == Duplicate(7, "page-view")
    assert found.message("e-1") == "duplicate of event e-1: seq 7, type page-view"


@pytest.mark.parametrize(
    "first",
    [
        FirstCopy("purchase", "shop", "collected"),
        FirstCopy("page-view", "app", "validated"),
        FirstCopy("page-view", "shop", "invalid"),
    ],
    ids=["another type", "another source", "invalid"],
)
def test_the_first_copy_may_be_another_event(first: FirstCopy) -> None:
    found = duplicate(Make.event("e-1", "page-view"), "shop", 7, first)
    assert found.differs
    assert found.message("e-1") == f"duplicate of event e-1: seq 7, type {first.type}"


def test_a_first_copy_that_is_not_stored_has_no_number_and_one_that_is_not_found_no_type() -> None:
    event = Make.event("e-1")
    assert duplicate(event, "shop", None, None).message("e-1") == "duplicate of event e-1: not stored"
    assert duplicate(event, "shop", 7, None).message("e-1") == "duplicate of event e-1: seq 7"
