from collections.abc import Callable
from typing import Any

import pytest

from tests.actors.conftest import Troupe
from tests.support.making import Make
from trackd.actors.messages import Reason
from trackd.core.calls import Tracked
from trackd.core.documents import Source
from trackd.storage.errors import StoreError
from trackd.storage.memory import MemoryStore


class UnreadableSources(MemoryStore):
    readable = True

    def sources(self) -> list[Source] | None:
        if not self.readable:
            raise StoreError("cannot read")
        return super().sources()


def test_an_unknown_source_is_refused(make: type[Make], troupe: Callable[..., Troupe]) -> None:
    actors = troupe(make.store())

    number = actors.track(make.call(source_id="nobody"))

    assert actors.reason(number) is Reason.UNKNOWN_SOURCE
    assert actors.answers[number].retry_after_s is None
    assert not actors.batches


def test_a_disabled_source_is_refused(make: type[Make], troupe: Callable[..., Troupe]) -> None:
    actors = troupe(make.store(enabled=False))

    assert actors.reason(actors.track(make.call())) is Reason.DISABLED_SOURCE


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
    ],
)
def test_a_source_that_names_origins_takes_browsers_from_there_alone(
    make: type[Make], troupe: Callable[..., Troupe], origins: tuple[Any, ...], origin: str | None, reason: Reason | None
) -> None:
    actors = troupe(make.store(origins=origins))

    assert actors.reason(actors.track(make.call(origin=origin))) is reason


def test_past_its_rate_limit_a_source_is_refused_until_its_time_has_come(
    make: type[Make], troupe: Callable[..., Troupe]
) -> None:
    actors = troupe(make.store(rate_limit=2.0))

    numbers = [actors.track(make.call(f"S{n}")) for n in range(3)]

    assert [actors.reason(number) for number in numbers] == [None, None, Reason.RATE_LIMITED]
    assert actors.answers[numbers[2]].retry_after_s == pytest.approx(0.5)
    actors.now += 0.5
    assert actors.reason(actors.track(make.call("S3"))) is None
    assert actors.reason(actors.track(make.call("S4"))) is Reason.RATE_LIMITED


def test_each_source_has_its_own_rate_limit(make: type[Make], troupe: Callable[..., Troupe]) -> None:
    store = make.store(rate_limit=1.0)
    store.put_source(make.source("other", rate_limit=1.0))
    store.put_source(make.source("free"))
    actors = troupe(store)

    def reasons(source_id: str) -> list[None]:
        return [actors.reason(actors.track(make.call(source_id=source_id))) for _ in range(2)]

    assert reasons("source") == [None, Reason.RATE_LIMITED]
    assert reasons("other") == [None, Reason.RATE_LIMITED]
    assert reasons("free") == [None, None]


def test_a_foreign_origin_does_not_use_up_the_rate(make: type[Make], troupe: Callable[..., Troupe]) -> None:
    actors = troupe(make.store(rate_limit=1.0, origins=("https://shop.example",)))

    for _ in range(5):
        actors.track(make.call(origin="https://other.example"))

    assert actors.reason(actors.track(make.call(origin="https://shop.example"))) is None


def test_a_change_of_a_source_is_seen_at_the_next_tick(make: type[Make], troupe: Callable[..., Troupe]) -> None:
    store = make.store()
    actors = troupe(store)
    assert actors.reason(actors.track(make.call())) is None

    store.put_source(make.source(enabled=False))
    store.put_source(make.source("new"))
    actors.tick()

    assert actors.reason(actors.track(make.call())) is Reason.DISABLED_SOURCE
    assert actors.reason(actors.track(make.call(source_id="new"))) is None


def test_sources_are_read_again_only_when_they_changed(
    make: type[Make], troupe: Callable[..., Troupe], caplog: pytest.LogCaptureFixture
) -> None:
    store = make.store(kind=UnreadableSources)
    actors = troupe(store)

    store.readable = False
    actors.tick()

    assert actors.reason(actors.track(make.call())) is None
    assert caplog.records == []


def test_a_change_of_a_source_does_not_fill_its_bucket(make: type[Make], troupe: Callable[..., Troupe]) -> None:
    store = make.store(rate_limit=1.0)
    actors = troupe(store)
    actors.track(make.call())

    store.put_source(make.source(rate_limit=1.0, consent=True))
    actors.tick()

    assert actors.reason(actors.track(make.call())) is Reason.RATE_LIMITED


def test_sources_that_cannot_be_read_stay_as_they_were_and_are_read_later(
    make: type[Make], troupe: Callable[..., Troupe], caplog: pytest.LogCaptureFixture
) -> None:
    store = make.store(kind=UnreadableSources)
    actors = troupe(store)

    store.readable = False
    store.put_source(make.source(enabled=False))
    actors.tick()
    assert actors.reason(actors.track(make.call())) is None
    assert "cannot read" in caplog.text

    store.readable = True
    actors.tick()
    assert actors.reason(actors.track(make.call())) is Reason.DISABLED_SOURCE


def test_the_answer_says_what_the_source_is_set_to(make: type[Make], troupe: Callable[..., Troupe]) -> None:
    actors = troupe(make.store(consent=True, returns_profile=True))

    number = actors.track(make.call(wants_profile=True))
    actors.commit()

    answer = actors.answers[number]
    assert isinstance(answer, Tracked)
    assert answer.consent
    assert answer.profile["id"] == answer.profile_id
