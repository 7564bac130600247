"""Waiting requests of pipelines begin in their order, a few in each round of the event loop."""

import asyncio
import itertools

from trackd.http.server.pipeline_turns import MAX_TOGETHER, PipelineTurns


class Pipeline:
    def __init__(self, turns: PipelineTurns, requests: int, begun: list["Pipeline"]) -> None:
        self._turns, self._requests, self._begun = turns, requests, begun

    def begin_next(self) -> None:
        self._begun.append(self)
        self._requests -= 1
        if self._requests:
            self._turns.add(self)


async def test_pipelines_take_turns_and_a_round_has_a_bounded_number_of_requests() -> None:
    turns, begun = PipelineTurns(), list[Pipeline]()
    pipelines = [Pipeline(turns, 3, begun) for _ in range(MAX_TOGETHER + 8)]
    for pipeline in pipelines:
        turns.add(pipeline)
    rounds: list[int] = []
    while not rounds or rounds[-1] < len(pipelines) * 3:
        await asyncio.sleep(0)
        rounds.append(len(begun))
    assert begun == pipelines * 3
    assert all(later - earlier <= MAX_TOGETHER for earlier, later in itertools.pairwise(rounds))
