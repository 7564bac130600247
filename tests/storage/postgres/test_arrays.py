"""Arrays in binary form come back from a server as they were."""

from collections.abc import Sequence

import pytest

from tests.support.stores import PostgresBackend
from trackd.storage.postgres.arrays import bigint_array, text_array

TEXTS = ["", "a", "ä€🙂", "\0", "a\1b\0", '{"quoted": [1, 2]}', "NULL", "x" * 70_000]


@pytest.mark.parametrize("values", [TEXTS, [*TEXTS, None], [None, None], [""]])
def test_texts_come_back(postgres_backend: PostgresBackend, values: Sequence[str | None]) -> None:
    assert postgres_backend.db.rows("SELECT unnest(%b)", [text_array(values)]) == [(value,) for value in values]


@pytest.mark.parametrize("values", [[0, 1, -1, 2**63 - 1, -(2**63)], [None, 7], [None]])
def test_whole_numbers_come_back(postgres_backend: PostgresBackend, values: Sequence[int | None]) -> None:
    assert postgres_backend.db.rows("SELECT unnest(%b)", [bigint_array(values)]) == [(value,) for value in values]


def test_a_lone_surrogate_and_a_number_that_is_too_large_are_errors() -> None:
    with pytest.raises(UnicodeEncodeError):
        text_array(["a", "\ud800"])
    with pytest.raises(ValueError, match="64 bits"):
        bigint_array([2**63])
