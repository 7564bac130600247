"""Fixtures for the tests of `core/`."""

import pytest

from tests.support.making import Make


@pytest.fixture(scope="session")
def make() -> type[Make]:
    return Make
