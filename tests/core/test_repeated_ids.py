"""What a call may store again with each of its events: usual ids always, long ones with events that are not tiny."""

from typing import Any

import pytest

from tests.support.making import Make
from trackd.config.settings import Limits
from trackd.core.calls import Rejected
from trackd.core.decision import Decision, decide
from trackd.core.documents import Event
from trackd.core.repeated_ids import FEW_EVENTS, too_long_ids
from trackd.core.rules.ruleset import RuleSet
from trackd.core.snapshot import Snapshot

UUID = "0197a3c2-1111-7222-8333-444444444444"
SHA_256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
URL = '{"url":"https://shop.example/p/12345"}'


def events(number: int, session: str = UUID, profile: str = UUID, source: str = UUID, **fields: Any) -> list[Event]:
    fields = {"session_id": session, "source_id": source, "type": "a", **fields}
    return [Make.stored_event(profile, n, **fields) for n in range(number)]


@pytest.mark.parametrize("number", [1, 10, 1_000])
@pytest.mark.parametrize("session", [UUID, SHA_256, "GA1.2.1234567890.1234567890", "x" * 100])
@pytest.mark.parametrize("has_own_ids", [False, True])
def test_usual_ids_are_stored_with_any_number_of_the_smallest_events(
    number: int, session: str, has_own_ids: bool
) -> None:
    own_ids = [f"{UUID[:-4]}{n:04}" for n in range(number if has_own_ids else 0)]
    assert too_long_ids(events(number, session), own_ids) is None


def test_hashes_as_ids_of_everything_are_usual() -> None:
    own_ids = [f"{SHA_256[:-4]}{n:04}" for n in range(1_000)]
    assert too_long_ids(events(1_000, SHA_256, SHA_256, SHA_256), own_ids) is None


@pytest.mark.parametrize(
    "found",
    [
        events(1_000, session="x" * 255),
        events(1_000, profile="x" * 255),
        events(1_000, session="\U0001f600" * 255, properties=URL),
        events(50, session="\U0001f600" * 255, profile="\U0001f600" * 255),
    ],
    ids=["session", "profile", "emoji", "50 events"],
)
def test_long_ids_are_not_stored_with_many_small_events(found: list[Event]) -> None:
    why = too_long_ids(found, [])
    assert why is not None
    assert "the ids of its session, profile and source are stored with each event" in why


def test_the_ids_of_clients_store_the_id_of_the_profile_once_more() -> None:
    found, own_ids = events(1_000, profile="x" * 130), [str(n) for n in range(1_000)]
    assert too_long_ids(found, []) is None
    assert too_long_ids(found, own_ids) is not None


@pytest.mark.parametrize(
    "found",
    [
        events(1_000, session="x" * 255, properties=URL),
        events(100, session="x" * 255),
        events(FEW_EVENTS, "\U0001f600" * 255, "\U0001f600" * 255, "\U0001f600" * 255),
        [],
    ],
    ids=["larger events", "100 events", "few events", "none"],
)
def test_long_ids_are_stored_with_larger_or_fewer_events(found: list[Event]) -> None:
    assert too_long_ids(found, []) is None


def test_a_call_with_such_ids_is_refused_whole(make: type[Make]) -> None:
    new = Snapshot("A", None, None, {})
    rejected = decide(new, make.call("x" * 255, 1_000), make.source(), RuleSet(), Limits())
    assert isinstance(rejected, Rejected)
    assert "stored with each event" in str(rejected.too_long_ids)
    assert isinstance(decide(new, make.call("x" * 36, 1_000), make.source(), RuleSet(), Limits()), Decision)
