"""Fixtures for the tests of `http/`."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.http_stores import Database, MakeStore, ReadablePostgresStore, store_maker
from tests.support.payloads import SOURCE_ID
from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources

ON_POSTGRES = pytest.param("postgres", marks=pytest.mark.slow)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with a source whose clients may choose the ids of their profiles."""
    path = tmp_path / "trackd.db"
    with Sources(path, create=True) as sources:
        sources.add(Source(SOURCE_ID, "test", permanent_profile_id=True))
    return path


@pytest.fixture(params=["file", ON_POSTGRES])
def db(request: pytest.FixtureRequest) -> Database:
    """A file or a database with such a source."""
    if request.param == "file":
        path: Path = request.getfixturevalue("file")
        return path
    url: str = request.getfixturevalue("postgres_database")
    ReadablePostgresStore(url, [Source(SOURCE_ID, "test", permanent_profile_id=True)]).close()
    return url


@pytest.fixture(params=["memory", ON_POSTGRES])
def make_store(request: pytest.FixtureRequest) -> Iterator[MakeStore]:
    """Makes stores in memory or in a database; one at a time."""
    with contextlib.ExitStack() as stack:
        yield store_maker(
            request.param,
            lambda: request.getfixturevalue("postgres_database"),
            lambda store: stack.callback(store.close),
        )
