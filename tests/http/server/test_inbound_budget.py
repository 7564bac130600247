"""The limit of the bytes that connections hold: which of them gives up, and that all bytes are released again."""

from hypothesis import given
from hypothesis import strategies as st

from trackd.http.server import inbound_budget
from trackd.http.server.inbound_budget import FREE_BYTES, InboundBudget


class Connection:
    gave_up = False

    def give_up(self) -> None:
        self.gave_up = True


def holding(limit: int, *sizes: int) -> list[bool]:
    """Whether each connection gave up, when they begin to hold so many bytes one after the other."""
    budget, connections = InboundBudget(limit), [Connection() for _ in sizes]
    for connection, size in zip(connections, sizes, strict=True):
        budget.hold(connection, size)
    return [connection.gave_up for connection in connections]


def test_the_first_bytes_of_each_connection_do_not_count() -> None:
    assert holding(1_024, *[FREE_BYTES] * 100) == [False] * 100
    assert holding(1_024, FREE_BYTES + 1_024) == [False]
    assert holding(1_024, FREE_BYTES + 1_025) == [True]


def test_the_connection_that_holds_most_gives_up_first() -> None:
    large, small = FREE_BYTES + 900, FREE_BYTES + 100
    assert holding(1_000, large, small, small) == [True, False, False]
    assert holding(1_000, small, large, small) == [False, True, False]
    assert holding(1_000, small, small, large) == [False, False, True]


def test_of_equal_connections_the_first_one_gives_up() -> None:
    assert holding(1_000, *[FREE_BYTES + 400] * 3) == [True, False, False]


def test_the_oldest_give_up_when_so_many_connections_hold_a_few_bytes_that_they_take_much_memory() -> None:
    count = inbound_budget.MIN_SMALL_LIMIT // (inbound_budget.OVERHEAD_BYTES + 1)
    gave_up = holding(1_024, *[1] * (count + 3))
    assert gave_up == [True] * 3 + [False] * count


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 100_000)), max_size=40))
def test_the_size_is_that_of_the_connections_that_have_not_given_up(steps: list[tuple[int, int]]) -> None:
    budget, connections = InboundBudget(150_000), [Connection() for _ in range(6)]
    held = dict.fromkeys(connections, 0)
    for number, size in steps:
        held[connections[number]] = size
        connections[number].gave_up = False
        budget.hold(connections[number], size)
        held.update({connection: 0 for connection in connections if connection.gave_up})
        assert budget.size == sum(max(0, size - FREE_BYTES) for size in held.values()) <= 150_000
    for connection in connections:
        budget.hold(connection, 0)
    assert budget.size == 0
