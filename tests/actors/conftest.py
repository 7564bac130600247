"""Fixtures of the actor tests."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.bare_actors import BareActors, StartActors


@pytest.fixture
def start_actors() -> Iterator[StartActors]:
    """Starts bare actors, and ends them after the test."""
    started: list[BareActors] = []

    def start(reads: Any, **settings: Any) -> BareActors:
        started.append(BareActors(reads, **settings))
        return started[-1]

    yield start
    for actors in started:
        actors.close()
