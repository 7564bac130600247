"""Fixtures for the tests of `http/`."""

from pathlib import Path

import pytest

from tests.support.payloads import SOURCE_ID
from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A file with a source whose clients may choose the ids of their profiles."""
    path = tmp_path / "trackd.db"
    with Sources(path, create=True) as sources:
        sources.add(Source(SOURCE_ID, "test", permanent_profile_id=True))
    return path
