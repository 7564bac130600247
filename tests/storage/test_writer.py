from tests.storage.conftest import Make
from trackd.core.changes import Changes
from trackd.storage.errors import StoreError
from trackd.storage.memory import MemoryStore
from trackd.storage.writer import commit


class BrokenStore(MemoryStore):
    def commit(self, batch: list[Changes]) -> None:
        raise KeyError("x")


def test_a_result_says_how_long_the_commit_took_also_when_it_failed(make: type[Make]) -> None:
    well, broken = (commit(store, [make.change("A")]) for store in (MemoryStore(), BrokenStore()))

    assert well.seconds > 0
    assert broken.seconds > 0


def test_any_error_of_a_store_becomes_a_store_error(make: type[Make]) -> None:
    result = commit(BrokenStore(), [make.change("A")])

    assert isinstance(result.error, StoreError)
    assert str(result.error) == "KeyError: 'x'"
    assert result.outcomes == ()
