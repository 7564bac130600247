from typing import Any

import pytest

from tests.support.bare_actors import BareActors, StartActors
from tests.support.faulty_store import FaultyStore
from tests.support.making import Make
from trackd.actors.messages import Reason
from trackd.core.calls import Tracked
from trackd.storage.errors import StoreError


def test_an_unknown_source_is_refused(start_actors: StartActors) -> None:
    actors = start_actors(Make.store())

    number = actors.track(Make.call(source_id="nobody"))

    assert actors.reason(number) is Reason.UNKNOWN_SOURCE
    assert actors.answers[number].retry_after_s is None
    assert not actors.batches


def test_a_disabled_source_is_refused(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(enabled=False))

    assert actors.reason(actors.track(Make.call())) is Reason.DISABLED_SOURCE


@pytest.mark.parametrize(
    ("origins", "origin", "reason"),
    [
        ((), "https://any.example", None),
        (("https://shop.example",), "https://shop.example", None),
        (("https://shop.example", "null"), "null", None),
        (("https://shop.example",), None, None),
        (("https://shop.example",), "https://other.example", Reason.FOREIGN_ORIGIN),
        (("https://shop.example",), "http://shop.example", Reason.FOREIGN_ORIGIN),
        (("https://shop.example",), "https://shop.example.evil.example", Reason.FOREIGN_ORIGIN),
        (("https://shop.example",), "", Reason.FOREIGN_ORIGIN),
        (("https://*.shop.example",), "https://www.shop.example", None),
        (("https://*.shop.example",), "https://evilshop.example", Reason.FOREIGN_ORIGIN),
    ],
)
def test_a_source_with_origins_admits_browsers_from_these_alone(
    start_actors: StartActors, origins: tuple[Any, ...], origin: str | None, reason: Reason | None
) -> None:
    actors = start_actors(Make.store(origins=origins))

    assert actors.reason(actors.track(Make.call(origin=origin))) is reason


def test_past_its_rate_limit_a_source_is_refused_until_its_time_has_come(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(rate_limit=2.0))

    numbers = [actors.track(Make.call(f"S{n}")) for n in range(3)]

    assert [actors.reason(number) for number in numbers] == [None, None, Reason.RATE_LIMITED]
    assert actors.answers[numbers[2]].retry_after_s == pytest.approx(0.5)
    actors.now += 0.5
    assert actors.reason(actors.track(Make.call("S3"))) is None
    assert actors.reason(actors.track(Make.call("S4"))) is Reason.RATE_LIMITED


def test_each_source_has_its_own_rate_limit(start_actors: StartActors) -> None:
    store = Make.store(rate_limit=1.0)
    store.put_source(Make.source("other", rate_limit=1.0))
    store.put_source(Make.source("free"))
    actors = start_actors(store)

    def reasons(source_id: str) -> list[Reason | None]:
        return [actors.reason(actors.track(Make.call(source_id=source_id))) for _ in range(2)]

    assert reasons("source") == [None, Reason.RATE_LIMITED]
    assert reasons("other") == [None, Reason.RATE_LIMITED]
    assert reasons("free") == [None, None]


def test_a_foreign_origin_does_not_use_up_the_rate(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(rate_limit=1.0, origins=("https://shop.example",)))

    for _ in range(5):
        actors.track(Make.call(origin="https://other.example"))

    assert actors.reason(actors.track(Make.call(origin="https://shop.example"))) is None


def test_a_change_of_a_source_is_in_force_after_the_next_tick(start_actors: StartActors) -> None:
    store = Make.store()
    actors = start_actors(store)
    assert actors.reason(actors.track(Make.call())) is None

    store.put_source(Make.source(enabled=False))
    store.put_source(Make.source("new"))
    actors.tick()

    assert actors.reason(actors.track(Make.call())) is Reason.DISABLED_SOURCE
    assert actors.reason(actors.track(Make.call(source_id="new"))) is None


def test_sources_are_read_again_only_when_they_changed(
    start_actors: StartActors, caplog: pytest.LogCaptureFixture
) -> None:
    store = Make.store(kind=FaultyStore)
    actors = start_actors(store)

    store.fail["sources"] = StoreError("the disk cannot be read")
    actors.tick()

    assert actors.reason(actors.track(Make.call())) is None
    assert caplog.records == []


def test_a_change_of_a_source_does_not_fill_its_bucket(start_actors: StartActors) -> None:
    store = Make.store(rate_limit=1.0)
    actors = start_actors(store)
    actors.track(Make.call())

    store.put_source(Make.source(rate_limit=1.0, consent=True))
    actors.tick()

    assert actors.reason(actors.track(Make.call())) is Reason.RATE_LIMITED


def test_sources_that_cannot_be_read_stay_as_they_were_and_are_read_later(
    start_actors: StartActors, caplog: pytest.LogCaptureFixture
) -> None:
    store = Make.store(kind=FaultyStore)
    actors = start_actors(store)

    store.fail["sources"] = StoreError("the disk cannot be read")
    store.put_source(Make.source(enabled=False))
    actors.tick()
    assert actors.reason(actors.track(Make.call())) is None
    assert "cannot be read" in caplog.text

    store.fail.clear()
    actors.tick()
    assert actors.reason(actors.track(Make.call())) is Reason.DISABLED_SOURCE


def test_the_answer_follows_the_settings_of_the_source(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(consent=True, returns_profile=True))

    number = actors.track(Make.call(profile_requested=True))
    actors.commit()

    answer = actors.answers[number]
    assert isinstance(answer, Tracked)
    assert answer.consent
    assert answer.profile is not None
    assert answer.profile["id"] == answer.profile_id


def reasons(actors: BareActors, number: int, **call: Any) -> list[Reason | None]:
    return [actors.reason(actors.track(Make.call(f"S{n}", **call))) for n in range(number)]


def test_a_client_that_uses_up_the_limit_of_a_source_does_not_shut_out_others(start_actors: StartActors) -> None:
    actors = start_actors(Make.store(rate_limit=5.0))

    assert reasons(actors, 7, client="a") == [None] * 5 + [Reason.RATE_LIMITED] * 2
    assert reasons(actors, 1, client="b") == [None]
    assert actors.tally.limited_calls == {"source": 2}


def test_the_sources_are_known_to_the_tally(start_actors: StartActors) -> None:
    store = Make.store()
    actors = start_actors(store)
    store.put_source(Make.source("new"))
    actors.tick()

    assert actors.tally.sources == {"source", "new"}


def test_a_call_of_a_source_whose_row_is_damaged_is_not_refused_as_unknown(start_actors: StartActors) -> None:
    """A client drops its events after a 401."""
    actors = start_actors(Make.store(kind=DamagedSource))

    assert actors.reason(actors.track(Make.call(source_id="damaged"))) is Reason.STORE_FAILED
    assert actors.reason(actors.track(Make.call(source_id="unknown"))) is Reason.UNKNOWN_SOURCE


class DamagedSource(FaultyStore):
    def is_damaged_source(self, source_id: str) -> bool:
        return source_id == "damaged"


def test_calls_before_the_sources_were_ever_read_can_be_sent_again(
    start_actors: StartActors, caplog: pytest.LogCaptureFixture
) -> None:
    store = Make.store(kind=FaultyStore)
    store.fail["sources"] = StoreError("cannot read")
    actors = start_actors(store)
    actors.tick()
    actors.tick()

    assert actors.reason(actors.track(Make.call())) is Reason.STORE_FAILED
    assert caplog.messages == ["the sources cannot be read: cannot read"]

    store.fail.clear()
    actors.tick()
    actors.track(Make.call())
    assert len(actors.batches) == 1
