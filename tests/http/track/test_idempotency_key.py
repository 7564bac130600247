import pytest

from trackd.http.errors import HttpError
from trackd.http.track.blocked_ids import BlockedIds
from trackd.http.track.idempotency_key import MAX_LENGTH, idempotency_key

BLOCKED = BlockedIds("undefined")


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({}, None),
        ({b"idempotency-key": b" "}, None),
        ({b"idempotency-key": b" k-1 "}, "k-1"),
        ({b"idempotency-key": b"\xe9"}, "é"),
    ],
)
def test_a_key_is_the_trimmed_header_and_an_empty_one_is_none(headers: dict[bytes, bytes], key: str | None) -> None:
    assert idempotency_key(headers, BLOCKED) == (key, ())


def test_a_placeholder_counts_as_absent_with_a_note() -> None:
    key, [note] = idempotency_key({b"idempotency-key": b"undefined"}, BLOCKED)
    assert key is None
    assert "The Idempotency-Key is the placeholder 'undefined'" in note


def test_a_key_has_at_most_255_characters() -> None:
    longest = b"k" * MAX_LENGTH
    assert idempotency_key({b"idempotency-key": longest}, BLOCKED) == (longest.decode(), ())
    with pytest.raises(HttpError) as refused:
        idempotency_key({b"idempotency-key": longest + b"k"}, BLOCKED)
    assert refused.value.status_code == 422
