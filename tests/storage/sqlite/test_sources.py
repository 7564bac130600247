from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import asdict, replace

from tests.support.database import open_database
from trackd.core.documents import Source
from trackd.storage.errors import SourceError
from trackd.storage.sqlite.connection import DatabaseError
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore

FULL = Source(
    "shop",
    "The shop",
    description="of Žofie",
    enabled=False,
    consent=True,
    returns_profile=True,
    permanent_profile_id=True,
    origins=("https://shop.example", "null"),
    rate_limit=0.5,
    tags=("a", "b"),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trackd.db"


@pytest.fixture
def sources(path: Path) -> Iterator[Any]:
    with Sources(path, create=True) as sources:
        yield sources


def test_a_source_comes_back_with_every_setting(sources: Sources) -> None:
    added = sources.add(FULL)

    assert sources.get("shop") == added
    assert replace(added, metadata=FULL.metadata) == FULL
    assert added.metadata.time.insert == added.metadata.time.update != ""


def test_a_source_with_only_a_name_has_the_defaults(sources: Sources) -> None:
    sources.add(Source("s", "name"))

    assert replace(sources.get("s"), metadata=FULL.metadata) == Source("s", "name")


def test_flags_are_read_as_booleans(sources: Sources) -> None:
    sources.add(FULL)

    flags = ("enabled", "consent", "returns_profile", "permanent_profile_id")
    assert [asdict(sources.get("shop"))[flag] for flag in flags] == [False, True, True, True]
    assert all(type(asdict(sources.get("shop"))[flag]) is bool for flag in flags)


def test_all_sources_are_listed_in_the_order_in_which_they_were_added(sources: Sources) -> None:
    for source_id in ("b", "c", "a"):
        sources.add(Source(source_id, source_id))

    assert [source.id for source in sources.all()] == ["b", "c", "a"]


def test_an_id_is_given_once(sources: Sources) -> None:
    sources.add(Source("s", "first"))

    with pytest.raises(SourceError, match="There is a source s already"):
        sources.add(Source("s", "second"))
    assert sources.get("s").name == "first"


def test_a_source_can_be_disabled_and_enabled(sources: Sources) -> None:
    added = sources.add(Source("s", "name"))

    sources.enable("s", False)
    disabled = sources.get("s")
    sources.enable("s", True)

    assert not disabled.enabled
    assert disabled.metadata.time.insert == added.metadata.time.insert
    assert disabled.metadata.time.update >= added.metadata.time.update
    assert sources.get("s").enabled


def test_a_removed_source_does_not_exist_any_more_and_the_others_stay(sources: Sources) -> None:
    sources.add(Source("s", "name"))
    sources.add(Source("t", "name"))

    sources.remove("s")

    assert [source.id for source in sources.all()] == ["t"]


@pytest.mark.parametrize(
    "act",
    [
        lambda sources: sources.get("unknown"),
        lambda sources: sources.enable("unknown", True),
        lambda sources: sources.remove("unknown"),
    ],
    ids=["get", "enable", "remove"],
)
def test_the_error_for_an_unknown_source_names_the_command_that_lists_all(
    sources: Sources, act: Callable[..., Any]
) -> None:
    with pytest.raises(SourceError, match=r"There is no source unknown in .*trackd source list"):
        act(sources)


def test_without_a_database_the_answer_is_a_sentence_and_no_file(path: Path) -> None:
    with pytest.raises(DatabaseError, match="There is no database"):
        Sources(path)
    assert not path.exists()


def test_an_open_store_sees_each_change(path: Path, sources: Sources) -> None:
    store = SqliteStore(path)
    versions = [store.sources_version()]

    sources.add(Source("s", "name"))
    versions.append(store.sources_version())
    sources.enable("s", False)
    versions.append(store.sources_version())
    assert [source.enabled for source in store.sources()] == [False]
    sources.remove("s")
    versions.append(store.sources_version())

    assert store.sources() == []
    assert versions == sorted(set(versions))
    store.close()


def test_a_change_made_with_any_sqlite_tool_moves_the_version(path: Path, sources: Sources) -> None:
    sources.add(Source("s", "name"))
    store = SqliteStore(path)
    before = store.sources_version()

    with open_database(path) as db:
        db.execute("UPDATE source SET name = 'other'")

    assert store.sources_version() > before
    assert store.sources()[0].name == "other"
    store.close()


def test_a_refused_change_does_not_move_the_version(path: Path, sources: Sources) -> None:
    sources.add(Source("s", "name"))
    store = SqliteStore(path)
    before = store.sources_version()

    with pytest.raises(SourceError):
        sources.add(Source("s", "again"))
    with pytest.raises(SourceError):
        sources.remove("unknown")

    assert store.sources_version() == before
    store.close()


def test_sources_exist_when_the_file_is_opened_again(path: Path) -> None:
    with Sources(path, create=True) as sources:
        added = sources.add(FULL)

    with Sources(path) as sources:
        assert sources.all() == [added]
