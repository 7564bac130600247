"""The header `Idempotency-Key`, which is the same when a call is sent again."""

from trackd.http.body import Headers
from trackd.http.errors import invalid
from trackd.http.track.blocked_ids import BlockedIds, blocked_note

MAX_LENGTH = 255
NO_NOTES: tuple[str, ...] = ()


def idempotency_key(headers: Headers, blocked_ids: BlockedIds) -> tuple[str | None, tuple[str, ...]]:
    """The key, None without one, and notes for the log of the answer. Raises HttpError for one that is too long."""
    if (value := headers.get(b"idempotency-key")) is None:
        return None, NO_NOTES
    if not (key := value.decode("latin-1").strip()):
        return None, NO_NOTES
    if len(key) > MAX_LENGTH:
        message = f"Idempotency-Key should have at most {MAX_LENGTH} characters"
        raise invalid([{"loc": ["header", "idempotency-key"], "msg": message, "type": "string_too_long"}])
    if key in blocked_ids:
        return None, (blocked_note("The Idempotency-Key", key),)
    return key, NO_NOTES
