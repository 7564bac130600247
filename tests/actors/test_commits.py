"""The signal of commits, without a store."""

from trackd.actors.commits import Commits


def test_listeners_are_called_after_each_commit_and_at_the_stop() -> None:
    commits = Commits()
    seen: list[tuple[int, bool]] = []
    commits.listeners.append(lambda: seen.append((commits.number, commits.has_ended)))

    commits.add()
    commits.add()
    commits.end()

    assert seen == [(1, False), (2, False), (2, True)]
