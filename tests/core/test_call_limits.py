import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackd.core.call_limits import BURST_S, ClientLimits, SourceLimits
from trackd.core.rate_limit import MAX_KEYS

NOW = 100.0


def passed(limits: ClientLimits, client: str, number: int, events: int = 1, now: float = NOW) -> int:
    """The number of calls that pass of so many."""
    through = 0
    for _ in range(number):
        if limits.wait(client, now) is None:
            limits.take(client, events, now)
            through += 1
    return through


def waited(limits: ClientLimits, client: str, now: float = NOW) -> tuple[str, float]:
    wait = limits.wait(client, now)
    assert wait is not None
    return wait.limit, round(wait.seconds, 6)


def test_a_client_may_send_the_calls_of_ten_seconds_at_once_and_then_its_rate() -> None:
    limits = ClientLimits(5, 0)

    assert passed(limits, "a", 60) == 50
    assert waited(limits, "a") == ("calls", 0.2)
    assert passed(limits, "a", 60, now=NOW + 1) == 5
    assert passed(limits, "a", 60, now=NOW + 1_000) == 50


def test_events_have_a_limit_of_their_own_and_a_call_takes_all_its_events() -> None:
    limits = ClientLimits(0, 10)

    assert passed(limits, "a", 1, events=99) == 1
    assert passed(limits, "a", 1, events=1_000) == 1  # one more event may pass
    assert waited(limits, "a") == ("events", 100.0)
    assert passed(limits, "a", 2, now=NOW + 100.001) == 1


def test_a_client_that_used_up_its_limit_does_not_limit_others() -> None:
    limits = ClientLimits(1, 1)

    assert passed(limits, "a", 100) == 10
    assert [passed(limits, f"client {n}", 1) for n in range(100)] == [1] * 100


def test_a_rate_of_zero_is_no_limit() -> None:
    assert passed(ClientLimits(0, 0), "a", 10_000, events=1_000) == 10_000


def test_a_client_that_used_up_its_limit_is_not_evicted_by_any_number_of_others() -> None:
    limits = ClientLimits(1, 1)
    passed(limits, "a", 11)

    for number in range(5 * MAX_KEYS):
        limits.take(f"client {number}", 1, NOW)

    assert len(limits) <= MAX_KEYS
    assert waited(limits, "a") == ("calls", 1.0)


def test_the_source_of_the_last_call_that_had_one_is_kept() -> None:
    limits = ClientLimits(1, 1)
    for source in ("first", "last", None):
        limits.take("a", 10, NOW, source)

    wait = limits.wait("a", NOW)
    assert wait is not None
    assert wait.source == "last"


@given(
    st.integers(1, 50),
    st.integers(1, 50),
    st.lists(st.tuples(st.floats(0, 3), st.integers(0, 30)), max_size=60),
)
def test_no_period_passes_more_than_a_burst_and_the_rate(
    calls_per_s: int, events_per_s: int, sent: list[tuple[float, int]]
) -> None:
    limits, through = ClientLimits(calls_per_s, events_per_s), []
    moments = itertools.accumulate((gap for gap, _ in sent), initial=NOW)
    for now, (_, events) in zip(moments, sent, strict=False):
        wait = limits.wait("a", now)
        if wait is None:
            limits.take("a", events, now)
            through.append((now, events))
        else:
            assert 0 < wait.seconds <= BURST_S + 30 / events_per_s + 1
    for first, (start, _) in enumerate(through):
        for last in range(first, len(through)):
            seconds = BURST_S + through[last][0] - start + 1e-3
            assert last - first + 1 <= calls_per_s * seconds
            assert sum(events for _, events in through[first:last]) <= events_per_s * seconds


def test_a_source_passes_a_burst_of_its_rate_from_one_client() -> None:
    limits = SourceLimits()

    for client in (None, "a"):
        waits = [limits.take(f"source of {client}", 20.0, client, NOW) for _ in range(30)]
        assert sum(wait == 0 for wait in waits) == 20
        assert waits[-1] == pytest.approx(0.05)


@pytest.mark.parametrize("rate", [0.5, 1.0, 5.0, 100.0])
def test_a_client_that_uses_up_a_source_does_not_shut_out_others(rate: float) -> None:
    limits = SourceLimits()
    others = 0
    for tick in range(600):  # ten in each second
        now = NOW + tick / 10
        for _ in range(200):
            limits.take("source", rate, "flood", now)
        if tick % 50 == 49 and rate >= 1:  # a visitor every five seconds
            others += limits.take("source", rate, f"visitor {tick}", now) == 0
        elif tick == 599:
            others += 12 * (limits.take("source", rate, "visitor", now) == 0)
    assert others == 12


def test_many_clients_together_pass_twice_the_burst_and_then_the_rate() -> None:
    limits = SourceLimits()

    def through(now: float) -> int:
        return sum(limits.take("source", 10.0, f"client {now} {n}", now) == 0 for n in range(100))

    assert through(NOW) == 20
    assert through(NOW + 1) == 10
    assert through(NOW + 2) == 10


def test_the_state_of_a_source_that_was_removed_is_dropped() -> None:
    limits = SourceLimits()
    limits.take("kept", 1.0, None, NOW)
    limits.take("removed", 1.0, None, NOW)

    limits.keep({"kept"})

    assert limits.take("kept", 1.0, None, NOW) > 0
    assert limits.take("removed", 1.0, None, NOW) == 0
