"""Fixtures for the tests of `core/`."""

import pytest

from tests.making import Make


@pytest.fixture(scope="session")
def make() -> type[Make]:
    return Make
