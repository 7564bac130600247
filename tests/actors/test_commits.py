"""The signal of commits, without a store."""

import asyncio

from trackd.actors.commits import Commits


async def test_a_wait_ends_at_the_next_commit_and_one_for_a_commit_before_at_once() -> None:
    commits = Commits()
    waiting = asyncio.create_task(commits.wait(0, 60))
    await asyncio.sleep(0)
    commits.add()

    assert await waiting
    assert await commits.wait(0, 0)
    assert not await commits.wait(1, 0.001)


async def test_the_stop_ends_all_waits() -> None:
    commits = Commits()
    waiting = [asyncio.create_task(commits.wait(0, 60)) for _ in range(3)]
    await asyncio.sleep(0)
    commits.end()

    assert await asyncio.gather(*waiting) == [False] * 3
    assert not await commits.wait(0, 60)
