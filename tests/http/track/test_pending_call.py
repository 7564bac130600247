import asyncio

from tests.support.making import Make
from trackd.actors.messages import Failed
from trackd.http.track.pending_call import PendingCall


def pending(answers: list[str]) -> PendingCall:
    return PendingCall(request=Make.call(), size=0, answered=lambda: answers.append("answered"))


async def test_a_call_that_is_waited_for_calls_nobody_else() -> None:
    answers: list[str] = []
    call = pending(answers)
    waiting = asyncio.create_task(call.wait())
    await asyncio.sleep(0)

    call.answer = Failed(call.request.number)
    call.answered()

    assert await waiting == call.answer
    assert answers == []


async def test_an_answer_that_is_there_is_not_waited_for() -> None:
    answers: list[str] = []
    call = pending(answers)
    call.answer = Failed(call.request.number)
    call.answered()

    assert await call.wait() == call.answer
    assert answers == ["answered"]


async def test_an_answer_for_which_nobody_waits_any_more_is_no_error() -> None:
    call = pending([])
    waiting = asyncio.create_task(call.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])

    call.answer = Failed(call.request.number)
    call.answered()
