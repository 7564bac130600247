"""Fixtures for tests of what operators do."""

from pathlib import Path

import pytest

from tests.support.making import Make
from trackd.storage.sqlite.store import SqliteStore


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A closed database: profiles A (2 events) and B (1), a session of each."""
    path = tmp_path / "stored.db"
    store = SqliteStore(path)
    store.commit([Make.change("A", events=2, session="SA"), Make.change("B", events=1, session="SB")])
    store.close()
    return path
