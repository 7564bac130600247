"""Each client has a share of a queue."""

from trackd.http.fair_queue import FairQueue


def test_clients_take_turns_and_the_entries_of_each_stay_in_order() -> None:
    queue = FairQueue[str]()
    for host, entry in [("10.0.0.1", "a1"), ("10.0.0.1", "a2"), ("10.0.0.1", "a3"), ("", "x1"), ("10.0.0.2", "b1")]:
        queue.add(host, entry)
    assert [queue.pop() for _ in range(3)] == ["a1", "x1", "b1"]
    queue.add("10.0.0.2", "b2")
    assert len(queue) == 3
    assert [queue.pop() for _ in range(3)] == ["a2", "b2", "a3"]
    assert len(queue) == 0


def test_the_addresses_of_one_ipv6_network_are_one_client() -> None:
    queue = FairQueue[int]()
    for number, host in enumerate(["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:1::1", "::ffff:10.0.0.1"]):
        queue.add(host, number)
    queue.add("10.0.0.1", 5)
    assert [queue.pop() for _ in range(6)] == [0, 3, 4, 1, 5, 2]


def test_lower_ranks_of_a_client_come_first_and_the_last_of_the_client_with_most_can_be_dropped() -> None:
    queue = FairQueue[str]()
    for entry, rank in (("c", 3), ("a", 1), ("b", 1), ("d", 4)):
        queue.add("10.0.0.1", entry, rank)
    queue.add("10.0.0.2", "other", 9)
    assert queue.drop_last() == "d"
    assert [queue.pop() for _ in range(4)] == ["a", "other", "b", "c"]
    queue.add("10.0.0.1", "last")
    assert queue.drop_last() == "last"
    assert not queue
