from tests.support.faulty_store import FaultyStore
from tests.support.making import Make
from trackd.storage.errors import StoreError
from trackd.storage.memory import MemoryStore
from trackd.storage.writer import commit


def test_a_result_has_the_duration_of_the_commit_even_if_it_failed(make: type[Make]) -> None:
    for store in (MemoryStore(), FaultyStore(fail={"commit": KeyError("x")})):
        seconds = commit(store, [make.change("A")]).seconds
        assert seconds is not None
        assert seconds > 0


def test_every_error_of_a_store_becomes_a_store_error(make: type[Make]) -> None:
    result = commit(FaultyStore(fail={"commit": KeyError("x")}), [make.change("A")])

    assert isinstance(result.error, StoreError)
    assert str(result.error) == "a commit raised KeyError"
    assert result.outcomes == ()
