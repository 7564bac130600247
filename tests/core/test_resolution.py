"""The table of the contract, "Which profile answers", row by row and restated."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackd.core.resolution import ProfileReference, resolve

NEW = None
UNKNOWN = ProfileReference("X", None)
KNOWN_A, KNOWN_B = ProfileReference("A", "A"), ProfileReference("B", "B")
MERGED = ProfileReference("M", "B")  # into B
ERASED = ProfileReference("E", None)


@pytest.mark.parametrize(
    ("session_owner", "claimed", "permanent", "answer"),
    [
        (None, None, False, NEW),
        (None, None, True, NEW),
        (None, UNKNOWN, False, NEW),
        (None, UNKNOWN, True, "X"),
        (None, KNOWN_A, False, "A"),
        (KNOWN_A, None, False, "A"),
        (KNOWN_A, KNOWN_A, False, "A"),
        (KNOWN_A, KNOWN_B, False, "A"),
        (KNOWN_A, UNKNOWN, False, "A"),
        (KNOWN_A, UNKNOWN, True, "A"),
        (ERASED, KNOWN_A, False, "A"),
        (ERASED, None, False, NEW),
        (ERASED, UNKNOWN, False, NEW),
        (ERASED, UNKNOWN, True, NEW),
        (ERASED, ERASED, True, NEW),
        (None, MERGED, False, "B"),
        (KNOWN_A, MERGED, False, "B"),
        (ERASED, MERGED, False, "B"),
        (MERGED, None, False, "B"),
        (MERGED, KNOWN_A, False, "B"),
        (MERGED, UNKNOWN, True, "B"),
    ],
)
def test_each_row_of_the_table(
    session_owner: ProfileReference | None, claimed: ProfileReference | None, permanent: bool, answer: str | None
) -> None:
    assert resolve(session_owner, claimed, permanent_profile_id=permanent) == answer


@pytest.mark.parametrize("session_owner", [None, KNOWN_A, MERGED, ERASED])
@pytest.mark.parametrize("claimed", [None, UNKNOWN, KNOWN_A, MERGED])
@pytest.mark.parametrize("permanent", [False, True])
def test_a_profile_that_an_earlier_copy_of_the_call_made_answers_its_retry(
    session_owner: ProfileReference | None, claimed: ProfileReference | None, permanent: bool
) -> None:
    made, merged_since, none = ProfileReference("D", "D"), ProfileReference("D", "B"), ProfileReference("D", None)

    assert resolve(session_owner, claimed, made, permanent_profile_id=permanent) == "D"
    assert resolve(session_owner, claimed, merged_since, permanent_profile_id=permanent) == "B"
    assert resolve(session_owner, claimed, none, permanent_profile_id=permanent) == resolve(
        session_owner, claimed, permanent_profile_id=permanent
    )


ids = st.sampled_from("ABCXY")
named = st.builds(ProfileReference, ids, st.none() | ids)


@given(st.none() | named, st.none() | named, st.booleans())
def test_every_case_is_resolved_as_in_the_table_of_the_contract(
    session_owner: ProfileReference | None, claimed: ProfileReference | None, permanent: bool
) -> None:
    answer = resolve(session_owner, claimed, permanent_profile_id=permanent)

    assert answer == answer_by_table(session_owner, claimed, permanent)


def answer_by_table(
    session_owner: ProfileReference | None, claimed: ProfileReference | None, permanent: bool
) -> str | None:
    """The rows of the table, its special row first."""
    if claimed and claimed.living and claimed.living != claimed.id:
        return claimed.living
    stored = "no" if session_owner is None else "yes" if session_owner.living else "erased"
    payload = "none" if claimed is None else "known" if claimed.living else "unknown"
    session_decides = session_owner.living if session_owner else None
    known = claimed.living if claimed else None
    return {
        ("no", "none"): NEW,
        ("no", "unknown"): claimed.id if claimed and permanent else NEW,
        ("no", "known"): known,
        ("yes", "none"): session_decides,
        ("yes", "known"): session_decides,
        ("yes", "unknown"): session_decides,
        ("erased", "known"): known,
        ("erased", "none"): NEW,
        ("erased", "unknown"): NEW,
    }[stored, payload]


def test_an_answer_is_a_living_profile_or_one_that_the_source_may_bring() -> None:
    everyone = [None, UNKNOWN, KNOWN_A, KNOWN_B, MERGED, ERASED]

    for session_owner, claimed in itertools.product(everyone, everyone):
        assert resolve(session_owner, claimed, permanent_profile_id=False) in (NEW, "A", "B")
