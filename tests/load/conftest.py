"""Fixtures for the tests of `load/`."""

from typing import Any

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """`trackd load` runs on uvloop."""
    return "asyncio", {"use_uvloop": True}
