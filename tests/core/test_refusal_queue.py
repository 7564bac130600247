"""The queue of refusals: bounded in number and rate, and empty of erased persons."""

from trackd.core.refusal_queue import MAX_ERASURES, MAX_WAITING, PER_SECOND, RefusalQueue
from trackd.core.refusals import PutRefusals, Refusal


def refusal(reason: str = "invalid", time: str = "2026-01-31T12:00:00.000000Z", **fields: str) -> Refusal:
    return Refusal(time, 422, reason, **fields)  # type: ignore[arg-type]


def offer(queue: RefusalQueue, now: float, reason: str = "invalid", times: int = 1) -> int:
    """Returns how many are kept."""
    kept = 0
    for _ in range(times):
        if queue.takes(reason, now):
            queue.add(refusal(reason))
            kept += 1
    return kept


def written(queue: RefusalQueue) -> tuple[Refusal, ...]:
    change = queue.change()
    return () if change is None else change.refusals


def test_a_second_keeps_so_many_for_each_reason_and_the_next_one_counts_the_rest() -> None:
    queue = RefusalQueue(1_000)

    assert offer(queue, 0.5, times=50) == PER_SECOND
    assert offer(queue, 1.4, times=5) == 0
    assert offer(queue, 1.4, "unwanted", times=2) == 2
    assert offer(queue, 1.5) == 1

    kept = written(queue)
    assert [each.left_out for each in kept] == [0] * (PER_SECOND + 2) + [35]
    assert queue.totals == {"invalid": 56, "unwanted": 2}
    assert queue.left_out == 35


def test_a_queue_that_is_not_written_is_bounded_and_counts_the_rest() -> None:
    queue = RefusalQueue(1_000)

    assert sum(offer(queue, float(second), times=PER_SECOND) for second in range(40)) == MAX_WAITING
    assert len(written(queue)) == MAX_WAITING
    offer(queue, 50.0)

    assert [each.left_out for each in written(queue)] == [40 * PER_SECOND - MAX_WAITING]


def test_what_was_taken_is_not_written_twice() -> None:
    queue = RefusalQueue(10)
    offer(queue, 0.0)

    assert queue.change() == PutRefusals((refusal(),), 10)
    assert queue.change() is None


def test_without_refusals_to_keep_they_are_counted_and_stored_ones_are_deleted_once() -> None:
    queue = RefusalQueue(0)

    assert offer(queue, 0.0) == 0
    assert queue.totals == {"invalid": 1}
    assert queue.change() == PutRefusals((), 0)
    assert queue.change() is None


def test_a_call_before_an_erasure_leads_to_no_person_unless_another_profile_answered_it() -> None:
    queue = RefusalQueue(1_000)
    queue.note_erasure("A", "2026-01-31T12:00:01.000000Z")
    fields = {"profile_id": "A", "session_id": "S", "body": "b", "network": "n", "event_id": "e"}

    queue.add(refusal(**fields))
    queue.add(refusal(**fields), answered_by="A")
    queue.add(refusal(**fields), answered_by="B")
    queue.add(refusal(time="2026-01-31T12:00:02.000000Z", **fields), answered_by="A")

    assert [each.session_id for each in written(queue)] == [None, None, "S", "S"]


def test_an_erasure_that_is_remembered_no_more_counts_for_all_profiles() -> None:
    queue = RefusalQueue(1_000)
    for number in range(MAX_ERASURES + 1):
        queue.note_erasure(f"p-{number}", f"2026-01-31T12:{number // 60:02}:{number % 60:02}.000000Z")

    queue.add(refusal(body="b"), answered_by="other")
    queue.add(refusal(time="2026-01-31T12:00:01.000000Z", body="b"), answered_by="other")

    assert [each.body for each in written(queue)] == [None, "b"]
