"""Memos: which evaluations still hold for a profile, so that its next call need not repeat them.

Many profiles have the same memo. It is kept once, under a number that is stored with each profile. The number is
a hash of the content, so it holds after a restart and on another server too. A memo is only valid for the rules that
it was made under, and for the profile as it was stored with the number.
"""

import hashlib
from functools import lru_cache

from msgspec import Struct

from trackd.core.rules.repetitions import Repeated

MAX_BYTES = 16 * 2**20  # of all memos together; most take less than 1 KB
BASE_BYTES, SEGMENT_BYTES, REPETITION_BYTES, RUN_BYTES, CONSENT_BYTES = 512, 64, 512, 256, 128  # in memory
NUMBER_BYTES = 8


class Memo(Struct, frozen=True):
    """`rules`: the fingerprint of the rules. `evaluated`: ids of the segments that need no evaluation.

    `repetitions`: events that change no consent, see `trackd.core.rules.repetitions`. `parts`: those of the profile
    without whose change the memo holds.
    """

    rules: bytes
    evaluated: frozenset[str] = frozenset()
    repetitions: Repeated = ()
    parts: frozenset[str] = frozenset()

    @property
    def number(self) -> int:
        """A hash of the content, of 63 bits; never NO_MEMO."""
        return _number(self)

    @property
    def size(self) -> int:
        """About its bytes in memory."""
        repetitions = sum(
            REPETITION_BYTES
            + len(each.event_type)
            + len(each.properties)
            + RUN_BYTES * len(each.runs)
            + sum(CONSENT_BYTES * len(consents) for _, consents in each.withdrawals)
            for each in self.repetitions
        )
        return BASE_BYTES + SEGMENT_BYTES * len(self.evaluated) + repetitions


@lru_cache(maxsize=64)  # few are made, each of them often
def _number(memo: Memo) -> int:
    content = repr((sorted(memo.evaluated), memo.repetitions))
    digest = hashlib.blake2b(content.encode(), key=memo.rules, digest_size=NUMBER_BYTES).digest()
    return int.from_bytes(digest) >> 1 or 1


class MemoTable:
    """Memos by their numbers. Forgets all of them when they have more than MAX_BYTES together."""

    def __init__(self) -> None:
        self._memos: dict[int, Memo] = {}
        self._bytes = 0

    def get(self, number: int) -> Memo | None:
        return self._memos.get(number)

    def put(self, number: int, memo: Memo) -> None:
        if number in self._memos:
            return  # the number is a hash of the content
        self._bytes += memo.size
        if self._bytes > MAX_BYTES:
            self._memos.clear()
            self._bytes = memo.size
        self._memos[number] = memo
