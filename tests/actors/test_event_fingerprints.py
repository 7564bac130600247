"""Fingerprints: which event ids have to be looked up."""

from trackd.actors.event_fingerprints import MAX_FINGERPRINTS, NO_EVENTS, Fingerprints, added, perhaps_known

IDS = [f"0197-{number}" for number in range(MAX_FINGERPRINTS)]
OTHERS = [f"other-{number}" for number in range(MAX_FINGERPRINTS)]


def test_ids_that_were_added_are_found_in_any_number() -> None:
    found: Fingerprints = NO_EVENTS
    for first in range(0, len(IDS), 3):
        found = added(found, IDS[first : first + 3])

    assert perhaps_known(found, IDS) == IDS


def test_other_ids_are_hardly_ever_found() -> None:
    """There are four thousand million fingerprints: three of a thousand ids by chance never happen."""
    assert perhaps_known(NO_EVENTS, OTHERS) == []
    assert len(perhaps_known(added(NO_EVENTS, IDS), OTHERS)) < 3


def test_all_ids_are_looked_up_when_those_before_are_unknown_or_too_many() -> None:
    assert perhaps_known(None, OTHERS) == OTHERS
    assert added(None, IDS) is None
    assert added(added(NO_EVENTS, IDS), ["one more"]) is None
