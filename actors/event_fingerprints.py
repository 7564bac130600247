"""Fingerprints of the client-made event ids of a profile: most new ids are seen to be new without a read of the store.

Each is four bytes of a hash, and they stand one after the other. An id whose fingerprint is not among them is new; any
other may be new all the same, by chance. None in place of them: there are too many, or those of earlier ids are
unknown. An id that another node stored is missing: the commit of an event with it is stale, and the profile is read.
"""

from collections.abc import Iterable, Sequence

BYTES = 4
MAX_FINGERPRINTS = 1_000

Fingerprints = bytes | None
NO_EVENTS = b""


def added(fingerprints: Fingerprints, event_ids: Iterable[str]) -> Fingerprints:
    """Those of these ids too."""
    if fingerprints is None:
        return None
    fingerprints += b"".join(map(_fingerprint, event_ids))
    return fingerprints if len(fingerprints) <= MAX_FINGERPRINTS * BYTES else None


def perhaps_known(fingerprints: Fingerprints, event_ids: Sequence[str]) -> Sequence[str]:
    """Those of the ids that have to be looked up in the store."""
    if fingerprints is None:
        return event_ids
    return [event_id for event_id in event_ids if _fingerprint(event_id) in fingerprints]


def _fingerprint(event_id: str) -> bytes:
    return (hash(event_id) & 0xFFFFFFFF).to_bytes(BYTES, "little")
