"""Clients whose calls took much work are remembered for a while, by address and by connection."""

import pytest

from trackd.core.calls import Track
from trackd.core.work import COSTLY_CALL
from trackd.http.clients import Client
from trackd.http.track import costly_clients
from trackd.http.track.costly_clients import MAX_S, CostlyClients
from trackd.telemetry.tally import Tally


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def note(costly: CostlyClients, tally: Tally, work: int, number: int = 1, group: str = "a", port: int = 1) -> int:
    tally.long_call, tally.long_call_work = 1, work
    return costly.note(Track(number, "source", "session", "now"), Client(group=group), (group, port))


def test_a_client_is_remembered_for_a_hundred_times_as_long_as_the_work_took() -> None:
    tally, clock = Tally(), Clock()
    costly = CostlyClients(tally, clock)
    assert note(costly, tally, 50_000_000) == 50_000_000
    assert costly.has("a")
    assert costly.has(("a", 1))
    assert not costly.has(("a", 2))
    assert not costly.has("b")
    clock.now += 5
    assert not costly.has("a")
    for _ in range(100):
        note(costly, tally, 250_000_000)
    clock.now += MAX_S - 1
    assert costly.has("a")
    clock.now += 1
    assert not costly.has("a")
    assert len(costly.until) == 1  # the connection, which is not asked for


def test_the_work_of_another_call_is_not_that_of_the_client() -> None:
    tally = Tally()
    costly = CostlyClients(tally)
    assert note(costly, tally, 50_000_000, number=2) == 0
    assert tally.long_call == 0
    assert not costly.until


def test_clients_without_number_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costly_clients, "MAX_KEYS", 10)
    tally = Tally()
    costly = CostlyClients(tally)
    note(costly, tally, 500_000_000, group="worst")
    for number in range(100):
        note(costly, tally, 50_000_000, group=f"10.0.0.{number}")
    assert len(costly.until) <= 11
    assert costly.has("worst")


def test_a_client_whose_call_took_long_but_not_much_work_is_not_remembered() -> None:
    tally = Tally()
    costly = CostlyClients(tally)
    assert note(costly, tally, COSTLY_CALL - 1) == COSTLY_CALL - 1
    assert not costly.until
    note(costly, tally, COSTLY_CALL)
    assert costly.has("a")
