"""Fixtures for faults on a real server."""

from collections.abc import Callable

import pytest

from tests.faults.real_server import RealServer
from tests.support.process import Process


@pytest.fixture
def start(serve: Callable[..., Process]) -> Callable[..., RealServer]:
    """Starts `trackd serve`; keywords are settings as TRACKD_* variables."""
    return lambda **environment: RealServer(serve(**environment))
