"""Memos: which evaluations still hold for a profile, so that its next call need not repeat them.

Many profiles have the same memo. It is kept once, under a number that is stored with each profile. The number is
a hash of the content, so it holds after a restart and on another server too. A memo is only valid for the rules that
it was made under, and for the profile as it was stored with the number.
"""

import hashlib

from msgspec import Struct

from trackd.core.rules.repetitions import Repeated

MAX_MEMOS = 16_384  # of at most about 1 KB each
NUMBER_BYTES = 8


class Memo(Struct, frozen=True):
    """`rules`: the fingerprint of the rules. `evaluated`: ids of the segments that need no evaluation.

    `repetitions`: events that change no consent, see `trackd.core.rules.repetitions`.
    """

    rules: bytes
    evaluated: frozenset[str] = frozenset()
    repetitions: Repeated = ()

    @property
    def number(self) -> int:
        """A hash of the content, of 63 bits; never NO_MEMO."""
        content = repr((sorted(self.evaluated), self.repetitions))
        digest = hashlib.blake2b(content.encode(), key=self.rules, digest_size=NUMBER_BYTES).digest()
        return int.from_bytes(digest) >> 1 or 1


class MemoTable:
    """Memos by their numbers. Forgets all of them when it is full."""

    def __init__(self) -> None:
        self._memos: dict[int, Memo] = {}

    def get(self, number: int) -> Memo | None:
        return self._memos.get(number)

    def put(self, number: int, memo: Memo) -> None:
        if len(self._memos) == MAX_MEMOS and number not in self._memos:
            self._memos.clear()
        self._memos[number] = memo
