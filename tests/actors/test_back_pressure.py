"""How long a call waits behind those of a hot profile: counted in batches of the writer, not in time."""

import pytest

from tests.support.making import Make
from tests.support.running_tracker import RunningTracker
from trackd.actors.event_writer import MAX_BATCH_CALLS
from trackd.actors.messages import Reason, Refused
from trackd.config.settings import Limits
from trackd.core.calls import Tracked


@pytest.mark.parametrize("queued", [0, 1, 2, MAX_BATCH_CALLS, MAX_BATCH_CALLS + 1, MAX_BATCH_CALLS + 2, 3_500])
async def test_a_call_behind_n_calls_of_a_hot_profile_is_in_the_batch_of_its_position(
    queued: int,
) -> None:
    """The first call has a batch of its own; each batch after it takes MAX_BATCH_CALLS in the order of arrival."""

    behind_the_first = max(0, queued - 1) + 1
    bound = 1 + -(-behind_the_first // MAX_BATCH_CALLS)
    async with RunningTracker(Make.store()) as tracker:
        hot = [tracker.ask(Make.call("hot")) for _ in range(queued)]
        other = tracker.ask(Make.call("other"))
        steps = 0
        while not other.done():
            await tracker.step()
            steps += 1
        assert isinstance(other.result(), Tracked)
        assert all(call.done() for call in hot), "in the order of arrival"

    assert steps <= bound


async def test_a_hot_profile_that_fills_the_queue_is_refused_with_the_others_and_one_commit_makes_room() -> None:
    async with RunningTracker(Make.store(), limits=Limits(max_queued_calls=100)) as tracker:
        hot = [tracker.ask(Make.call("hot")) for _ in range(100)]
        refused = tracker.ask(Make.call("other")).result()
        assert isinstance(refused, Refused)
        assert refused.reason is Reason.OVERLOADED
        await tracker.step()
        other = tracker.ask(Make.call("other"))
        await tracker.commit_all()
        assert isinstance(other.result(), Tracked)
        assert all(call.done() for call in hot)
