import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.making import Make
from tests.support.polling import eventually
from tests.support.running_tracker import RunningTracker, reason
from trackd.actors.messages import Reason
from trackd.actors.pending import Pending
from trackd.config.settings import Limits
from trackd.core.calls import Tracked


def noted(then: Callable[[Any], object], **call: Any) -> Pending[Any]:
    """A call; `then` gets its answer."""
    pending: Pending[Any] = Pending(Make.call(**call), 0, lambda: then(pending.answer))
    return pending


async def test_an_answer_is_handed_over_in_the_iteration_in_which_its_commit_ends() -> None:
    answers: list[Any] = []
    async with RunningTracker(Make.store()) as tracker:
        tracker.submit(noted(answers.append))
        tracker.writer.step()
        iteration = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: iteration.set_result(list(answers)))

        assert [type(answer) for answer in await iteration] == [Tracked]


async def test_an_answer_that_is_not_taken_does_not_keep_others_from_theirs(caplog: pytest.LogCaptureFixture) -> None:
    answers: list[Any] = []

    def fail(answer: Any) -> None:
        raise ZeroDivisionError(answer.profile_id)

    async with RunningTracker(Make.store()) as tracker:
        tracker.submit(noted(fail))
        await tracker.step()
        for then in (answers.append, fail, answers.append):
            tracker.submit(noted(then))
        await tracker.commit_all()
        assert tracker.queue.calls == 0

    assert [type(answer) for answer in answers] == [Tracked, Tracked]
    assert caplog.text.count("an answer was not taken") == 2
    assert answers[0].profile_id not in caplog.text


async def test_a_request_that_is_submitted_when_an_answer_is_taken_is_answered_too() -> None:
    answers: list[Any] = []
    async with RunningTracker(Make.store()) as tracker:

        def again(answer: object) -> None:
            answers.append(answer)
            if len(answers) < 5:
                tracker.submit(noted(again))

        tracker.submit(noted(again))
        await tracker.commit_all()

    assert [answer.events[0].seq for answer in answers] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("at_once", ["unknown source", "queue is full", "stopping"])
async def test_a_refusal_at_once_is_handed_over_after_submit_has_returned(at_once: str) -> None:
    answers: list[Any] = []
    limits = Limits().model_copy(update={"max_queued_calls": 0} if at_once == "queue is full" else {})
    async with RunningTracker(Make.store(), limits=limits) as tracker:
        if at_once == "stopping":
            tracker.refuse_calls()
        source = "none" if at_once == "unknown source" else "source"
        tracker.submit(noted(answers.append, source_id=source))
        assert answers == []
        await tracker.rest()

    reasons = {
        "unknown source": Reason.UNKNOWN_SOURCE,
        "queue is full": Reason.OVERLOADED,
        "stopping": Reason.STOPPING,
    }
    assert [reason(answer) for answer in answers] == [reasons[at_once]]


async def test_a_request_before_the_start_is_refused() -> None:
    tracker = RunningTracker(Make.store())

    assert reason(await tracker.ask(Make.call())) is Reason.STOPPING


async def test_a_call_that_was_refused_after_the_time_out_has_no_second_answer() -> None:
    answers: list[Any] = []
    async with RunningTracker(Make.store(), limits=Limits().model_copy(update={"call_timeout_s": 0})) as tracker:
        tracker.submit(noted(answers.append))
        await eventually(lambda: answers, "the tick refuses it")
        assert [reason(answer) for answer in answers] == [Reason.TIMED_OUT]
        await tracker.commit_all()

    assert len(answers) == 1
